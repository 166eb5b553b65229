// Asks for news once a second while it can be seen, and tells the lists which pairs are trained on now.
// The value: {current: [numbers of pairs]}
const PERIOD_MS = 1000;
function beat() {
  if (!document.hidden && element.getClientRects().length) trigger("beat");
}
const timer = setInterval(() => (element.isConnected ? beat() : clearInterval(timer)), PERIOD_MS);
document.addEventListener("visibilitychange", beat);
watch("value", () => document.dispatchEvent(new CustomEvent("train-live", { detail: props.value?.current || [] })));
setTimeout(beat, 0);
