// What is said of a picture, each text with its class. The value: {items: [{id, words, label, source}], empty}
const list = element.firstElementChild;
function entry(item) {
  const place = document.createElement("li"), label = document.createElement("b"), words = document.createElement("span");
  const source = document.createElement("small"), away = document.createElement("button");
  label.textContent = item.label ? "true" : "not true"; label.dataset.label = item.label;
  words.textContent = item.words; source.textContent = item.source;
  away.type = "button"; away.textContent = "×"; away.title = `Take away: ${item.words}`;
  away.setAttribute("aria-label", away.title);
  away.addEventListener("click", () => trigger("forget", { id: item.id }));
  place.append(label, words, source, away);
  return place;
}
function render() {
  const value = props.value || { items: [] };
  list.replaceChildren(...value.items.map(entry));
  if (!value.items.length) list.textContent = value.empty || "";
}
watch("value", render);
render();
