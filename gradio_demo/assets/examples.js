// Small pictures to begin with; a press takes one. The value is the name of the chosen one, with a count.
const row = element.firstElementChild;
for (const [name, words, url] of props.samples || []) {
  const button = document.createElement("button"), shown = new Image();
  button.type = "button"; button.title = words; button.dataset.name = name;
  shown.src = url; shown.alt = words; shown.draggable = false;
  button.append(shown);
  button.addEventListener("click", () => { props.value = { name, count: (props.value?.count || 0) + 1 }; trigger("select"); });
  row.append(button);
}
