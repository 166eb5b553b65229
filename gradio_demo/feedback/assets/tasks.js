// The tasks, to open one by a press. The value: {items: [[name, state]], empty}
const list = element.firstElementChild;
function entry([name, state]) {
  const place = document.createElement("li"), button = document.createElement("button"), words = document.createElement("span");
  button.type = "button"; button.textContent = name; words.textContent = state;
  button.append(words);
  button.addEventListener("click", () => trigger("select", { name }));
  place.append(button);
  return place;
}
function render() {
  const value = props.value || { items: [] };
  list.replaceChildren(...value.items.map(entry));
  if (!value.items.length) list.textContent = value.empty || "";
}
watch("value", render);
render();
