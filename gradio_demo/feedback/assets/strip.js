// A list of small pictures, of which one is chosen by a press or by the arrow keys; those that are trained on now shine.
// The value: {items: [{id, pair, words, url, marks}], chosen, first, size, total, empty}
const find = (query) => element.querySelector(query);
const list = find("ul"), none = find("p"), turn = find(".turn"), where = find(".turn span");
let current = [];
list.setAttribute("aria-label", props.words);
function light() {
  for (const button of list.querySelectorAll("button")) {
    const now = current.includes(Number(button.dataset.pair));
    button.classList.toggle("current", now);
    button.setAttribute("aria-label", [button.title, ...(now ? ["trained on now"] : [])].join(", "));
  }
}
function entry(item, chosen) {
  const place = document.createElement("li"), button = document.createElement("button"), name = document.createElement("span");
  const picture = item.url ? new Image() : document.createElement("i");
  if (item.url) { picture.src = item.url; picture.alt = ""; picture.draggable = false; } else picture.textContent = "deleted";
  button.type = "button"; button.dataset.id = item.id; button.dataset.pair = item.pair ?? "";
  button.title = [item.words, ...item.marks].join(", ");
  button.setAttribute("aria-pressed", item.id === chosen);
  name.textContent = item.words;
  button.append(picture, name);
  for (const mark of item.marks) {
    const chip = document.createElement("em");
    chip.textContent = mark; button.append(chip);
  }
  button.addEventListener("click", () => { choose(button); trigger("select", { id: item.id }); });
  place.append(button);
  return place;
}
function choose(button) {
  for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
}
function render() {
  const value = props.value || { items: [], total: 0 };
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  list.replaceChildren(...value.items.map((item) => entry(item, value.chosen)));
  if (focused) list.querySelector(`[data-id="${focused}"]`)?.focus();
  none.textContent = value.total ? "" : value.empty || "";
  turn.hidden = value.total <= (value.size || value.total);
  where.textContent = `${value.first + 1} to ${value.first + value.items.length} of ${value.total}`;
  for (const button of turn.querySelectorAll("button")) {
    const first = value.first + Number(button.dataset.by) * value.size;
    button.disabled = first < 0 || first >= value.total;
    button.onclick = () => trigger("turn", { first });
  }
  light();
}
list.addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const buttons = [...list.querySelectorAll("button")], next = buttons[buttons.indexOf(event.target) + by];
  if (!next) return;
  event.preventDefault();
  next.focus(); next.click();
});
document.addEventListener("train-live", (event) => { current = event.detail; light(); });
watch("value", render);
render();
