// One picture of several of the same thing; a click on it switches between the first two that are there.
// The value: {name, layers: [{key, words, url}], caption, empty}; a layer without a picture has an empty url.
const find = (query) => element.querySelector(query);
const kinds = find(".kinds"), screen = find(".screen"), picture = find("img"), none = find(".screen span");
let shown = null, name = null;
kinds.setAttribute("aria-label", "What is shown");
const there = () => (props.value?.layers || []).filter((layer) => layer.url);
function show(key) {
  const layers = there(), layer = layers.find((one) => one.key === key) || layers[0];
  shown = layer?.key;
  picture.hidden = !layer;
  if (layer && picture.getAttribute("src") !== layer.url) picture.src = layer.url;
  screen.dataset.shown = shown || "";
  none.textContent = layer ? "" : props.value?.empty || "";
  const next = other(layers);
  const words = layer ? `${layer.words} of ${props.value.name}` : "No picture";
  screen.title = next ? `Press for: ${next.words}` : "";
  screen.setAttribute("aria-label", next ? `${words}; press for: ${next.words}` : words);
  screen.disabled = !next;
  for (const button of kinds.children) button.setAttribute("aria-pressed", button.dataset.key === shown);
}
function other(layers) {
  const pair = layers.slice(0, 2);
  return pair.length < 2 ? null : pair[0].key === shown ? pair[1] : pair[0];
}
function render() {
  kinds.replaceChildren(...(props.value?.layers || []).map((layer) => {
    const button = document.createElement("button");
    button.type = "button"; button.dataset.key = layer.key; button.textContent = layer.words; button.disabled = !layer.url;
    button.addEventListener("click", () => show(layer.key));
    return button;
  }));
  find("figcaption").textContent = props.value?.caption || "";
  if (props.value?.name !== name) { name = props.value?.name; shown = null; }
  show(shown);
}
screen.addEventListener("click", () => { const next = other(there()); if (next) show(next.key); });
watch("value", render);
render();
