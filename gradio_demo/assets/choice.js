// Tells the other parts which backend is chosen. Nothing is passed through their values, which may change meanwhile.
watch("value", () => document.dispatchEvent(new CustomEvent("lens-backend", { detail: props.value })));
