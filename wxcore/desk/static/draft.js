// The form of a draft: warn before half-written words are lost.
const form = document.getElementById("edit");
let dirty = false;
if (form) {
  form.addEventListener("input", () => { dirty = true; });
  for (const other of document.forms) other.addEventListener("submit", () => { dirty = false; });
  window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
}
