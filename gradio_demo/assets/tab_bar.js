// A row of tabs over panes that are always there, so that what is in them never has to be made anew.
// The value: {stamp, selected}; `tabs` lists [id, words]; the pane of a tab is #pane-ID. CSS shows what body says.
const row = element.firstElementChild;
let stamp = null;

function select(id, focus) {
  document.body.dataset.outcome = id;
  for (const button of row.children) {
    const on = button.dataset.id === id;
    button.setAttribute("aria-selected", on);
    button.tabIndex = on ? 0 : -1;
    if (on && focus) button.focus();
    const pane = document.getElementById("pane-" + button.dataset.id);
    if (pane) { pane.setAttribute("role", "tabpanel"); pane.setAttribute("aria-labelledby", button.id); }
  }
}
row.setAttribute("aria-label", props.words || "Results");
for (const [id, words] of props.tabs || []) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", id: "tab-" + id, textContent: words });
  button.dataset.id = id;
  button.setAttribute("role", "tab");
  button.setAttribute("aria-controls", "pane-" + id);
  button.addEventListener("click", () => select(id));
  row.append(button);
}
row.addEventListener("keydown", (event) => {
  const list = [...row.children], here = list.findIndex((button) => button.getAttribute("aria-selected") === "true");
  const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: list.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  select(list[(next + list.length) % list.length].dataset.id, true);
});
watch("value", () => { if (props.value && props.value.stamp !== stamp) { stamp = props.value.stamp; select(props.value.selected); } });
select(props.value?.selected || props.tabs[0][0]);
setTimeout(() => select(document.body.dataset.outcome), 500);
