// Light or dark, remembered.
const key = "inpaint-lens-theme", body = document.body;
try { const kept = localStorage.getItem(key); if (kept) body.classList.toggle("dark", kept === "dark"); } catch {}
element.querySelector(".theme").addEventListener("click", () => {
  const dark = body.classList.toggle("dark");
  try { localStorage.setItem(key, dark ? "dark" : "light"); } catch {}
});
