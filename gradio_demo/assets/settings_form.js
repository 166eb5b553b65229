// One field for each setting of the chosen backend; what was typed for another backend stays.
// The value: {values: {backend: {name: value}}}; `specs` says what each backend has, `backend` which one is chosen first.
const form = element.querySelector("form");
let shown = null;

function field(backend, spec) {
  const label = document.createElement("label"), name = document.createElement("span");
  name.textContent = spec.label;
  const kept = props.value?.values?.[backend]?.[spec.name];
  const made = document.createElement(spec.kind === "choice" ? "select" : spec.kind === "words" ? "textarea" : "input");
  if (spec.kind === "choice") made.append(...spec.choices.map((text) => new Option(text, text)));
  if (spec.kind === "words") made.rows = 2;
  if (spec.kind === "tick") { made.type = "checkbox"; made.checked = kept ?? spec.start; } else made.value = kept ?? spec.start;
  if (spec.kind === "number") {
    made.type = "number"; made.step = spec.whole ? 1 : "any";
    if (spec.low !== null) made.min = spec.low;
    if (spec.high !== null) made.max = spec.high;
  }
  made.name = spec.name; made.title = spec.help;
  made.addEventListener("input", () => {
    const value = spec.kind === "tick" ? made.checked : made.value;
    const values = props.value?.values || {};
    props.value = { ...props.value, values: { ...values, [backend]: { ...values[backend], [spec.name]: value } } };
  });
  const help = document.createElement("small");
  help.textContent = spec.help;
  label.className = spec.kind;
  label.append(name, made, help);
  return label;
}
function render(backend) {
  if (backend === shown) return;
  shown = backend;
  const specs = props.specs?.[backend] || [];
  form.replaceChildren(...specs.map((spec) => field(backend, spec)));
  if (!specs.length) form.textContent = "This backend has no settings of its own.";
}
document.addEventListener("lens-backend", (event) => render(event.detail));
render(props.backend);
