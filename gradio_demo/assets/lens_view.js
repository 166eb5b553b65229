// A picture under translucent layers; a click or Enter asks for the explanation of one square of it.
// The value: {stamp, picture, width, height, name, layers: [{role, picture, left, top, width, height}], patch, point}
// where layers lie in percent of the picture and `point` is what was asked: {x, y, size} in pixels of the whole picture.
const find = (query) => element.querySelector(query);
const stage = find(".stage"), sheet = find(".sheet"), layers = find(".layers"), square = find(".square");
const opacity = find(".opacity"), edges = find(".edges"), sources = find(".sources"), patch = find(".patch"), told = find("output");
let spot = null, stamp = null;

function shade() {
  for (const layer of layers.children) {
    if (layer.dataset.role === "heat") layer.style.opacity = sources.checked ? 0 : opacity.value / 100;
    else layer.style.display = (layer.dataset.role === "sources" ? sources : edges).checked ? "" : "none";
  }
}
async function show(value) {
  if (!value?.picture) value = null;
  stamp = value?.stamp ?? null;
  element.firstElementChild.classList.toggle("full", Boolean(value));
  element.firstElementChild.classList.toggle("patched", Boolean(value?.patch));
  const copied = Boolean(value?.layers.some((layer) => layer.role === "sources"));
  element.firstElementChild.classList.toggle("copied", copied);
  sources.checked &&= copied;
  if (!value) { layers.replaceChildren(); return; }
  const photo = find(".photo");
  photo.alt = value.name || "The filled picture";
  if (photo.getAttribute("src") !== value.picture.url) photo.src = value.picture.url;
  sheet.style.setProperty("--ratio", value.width / value.height);
  patch.max = Math.max(64, Math.round(Math.min(value.width, value.height) / 2));
  told.textContent = patch.value + " px";
  const made = value.layers.map((layer) => {
    const shown = new Image();
    shown.dataset.role = layer.role;
    shown.draggable = false; shown.alt = "";
    for (const side of ["left", "top", "width", "height"]) shown.style[side] = layer[side] + "%";
    shown.src = layer.picture.url;
    return shown;
  });
  await Promise.all(made.map((shown) => shown.decode().catch(() => {})));
  if (stamp !== value.stamp) return;
  layers.replaceChildren(...made);
  shade();
}
function at(event) {
  const box = sheet.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}
function drawSquare() {
  const value = props.value, inside = spot && value && spot.x >= 0 && spot.x <= 1 && spot.y >= 0 && spot.y <= 1;
  square.style.display = inside ? "block" : "none";
  if (!inside) return;
  const wide = (100 * patch.value) / value.width, high = (100 * patch.value) / value.height;
  Object.assign(square.style, { width: wide + "%", height: high + "%", left: 100 * spot.x - wide / 2 + "%", top: 100 * spot.y - high / 2 + "%" });
}
function ask() {
  const value = props.value;
  if (!value || !spot) return;
  props.value = { ...value, point: { x: Math.round(spot.x * value.width), y: Math.round(spot.y * value.height), size: +patch.value } };
  trigger("select");
}
opacity.addEventListener("input", shade);
edges.addEventListener("change", shade);
sources.addEventListener("change", shade);
patch.addEventListener("input", () => { told.textContent = patch.value + " px"; spot ||= { x: 0.5, y: 0.5 }; drawSquare(); });
stage.addEventListener("pointermove", (event) => { spot = at(event); drawSquare(); });
stage.addEventListener("pointerleave", () => { square.style.display = "none"; });
stage.addEventListener("click", (event) => { spot = at(event); drawSquare(); if (square.style.display === "block") ask(); });
const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
stage.addEventListener("keydown", (event) => {
  if (!props.value) return;
  if (moves[event.key]) {
    event.preventDefault();
    const [x, y] = moves[event.key], far = event.shiftKey ? 0.005 : 0.03;
    spot ||= { x: 0.5, y: 0.5 };
    spot = { x: Math.min(1, Math.max(0, spot.x + x * far)), y: Math.min(1, Math.max(0, spot.y + y * far)) };
    drawSquare();
  } else if (event.key === "Enter") { event.preventDefault(); spot ||= { x: 0.5, y: 0.5 }; drawSquare(); ask(); }
});
watch("value", () => { if (props.value?.stamp !== stamp) show(props.value); });
show(props.value);
