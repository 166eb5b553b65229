// Opens and closes the pane #fold-NAME, which is always there; CSS shows what body says.
const button = element.querySelector("button");
button.querySelector("span").textContent = props.words;
button.setAttribute("aria-controls", "fold-" + props.name);
button.addEventListener("click", () => {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", open);
  document.body.toggleAttribute("data-open-" + props.name, open);
});
