// The way from page to page; CSS shows the page that body names. The value: {stamp, page, task}; `pages` lists [id, words].
const row = element.firstElementChild, title = document.createElement("b");
let stamp = null;
function show(page) {
  document.body.dataset.train = page;
  for (const button of row.querySelectorAll("button")) {
    if (button.dataset.page === page) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}
function render() {
  const value = props.value;
  if (!value || value.stamp === stamp) return;
  stamp = value.stamp;
  title.textContent = value.task || "";
  for (const button of row.querySelectorAll("button")) button.disabled = !value.task && button.dataset.page !== "tasks";
  show(value.page);
}
for (const [page, words] of props.pages) {
  const button = document.createElement("button");
  button.type = "button"; button.dataset.page = page; button.textContent = words;
  button.disabled = page !== "tasks";
  button.addEventListener("click", () => { show(page); trigger("select", { page }); });
  row.append(button);
}
row.append(title);
show("tasks");
watch("value", render);
render();
