// The form of a draft: what is typed is kept in this window until it is saved or discarded, so that neither a session
// that ends nor a page that is left loses it. Never a password: that one is in another form.
const PREFIX = "wx-draft:";
const store = (() => {
  try { return window.sessionStorage; } catch { return null; }
})();
const keys = (start) => Object.keys(store ?? {}).filter((key) => key.startsWith(`${PREFIX}${start} `));
const form = () => document.getElementById("edit");
let dirty = false;

function keyOf(edit) {
  const page = new URL(edit.action).pathname.replace(/\/edit$/, "");
  return `${PREFIX}${page} ${edit.closest("[data-user]").dataset.user} ${edit.elements.digest.value}`;
}

function typed(edit) {
  return JSON.stringify([...new FormData(edit)].filter(([name]) => name !== "csrf" && name !== "digest"));
}

function fill(edit, text) {
  const values = JSON.parse(text);
  for (const field of edit.elements) {
    if (!field.name || field.type === "hidden") continue;
    if (field.type === "checkbox") field.checked = values.some(([name, value]) => name === field.name && value === field.value);
    else field.value = values.find(([name]) => name === field.name)?.[1] ?? field.value;
  }
}

function restore(edit) {
  const key = keyOf(edit), kept = store?.getItem(key), note = edit.querySelector("[data-restored]");
  if (!kept || kept === typed(edit)) return;
  fill(edit, kept);
  dirty = true;
  note.hidden = false;
  note.querySelector("button").addEventListener("click", () => {
    store.removeItem(key);
    edit.reset();
    note.hidden = true;
    dirty = false;
  });
}

document.addEventListener("input", (event) => {
  const edit = form();
  if (!edit?.contains(event.target)) return;
  dirty = true;
  try { store?.setItem(keyOf(edit), typed(edit)); } catch { /* full: the browser still asks before it leaves */ }
});
document.addEventListener("submit", () => { dirty = false; });
window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });

const saved = document.querySelector("[data-saved]")?.dataset;
if (saved) for (const key of keys(saved.saved)) if (key.split(" ")[1] === saved.user) store.removeItem(key);
if (form()) restore(form());
for (const card of document.querySelectorAll("[data-unsaved][hidden]")) {
  const user = card.closest("[data-user]").dataset.user;
  const kept = keys(card.dataset.unsaved).filter((key) => key.split(" ")[1] === user).flatMap((key) => JSON.parse(store.getItem(key)));
  for (const [name, value] of kept) {
    if (!value || !["reason", "remark_zh", "remark_en"].includes(name)) continue;
    const line = document.createElement("li");
    line.textContent = value;
    card.querySelector("ul").append(line);
    card.hidden = false;
  }
}
for (const note of document.querySelectorAll("[data-kept][hidden]")) note.hidden = !keys(note.dataset.kept).length;
