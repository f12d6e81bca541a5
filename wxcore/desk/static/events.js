// What the server tells (server-sent events): say it in words, then fetch this page again and put its live parts in
// place. Only parts marked `data-live`, and never one that somebody is filling in.
const news = document.getElementById("news");
const LEAST_MS = 300; // viewers ask again at different moments; the server says within how long

function say(text, link) {
  if (!news) return;
  news.textContent = "";
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link;
    anchor.textContent = text;
    news.append(anchor);
  } else {
    news.textContent = text;
  }
}

function isBusy(part) {
  if ("kept" in part.dataset) return true; // shows what was typed in a form that was refused
  if (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select, button")) return true;
  if ([...part.querySelectorAll("option")].some((option) => option.selected !== option.defaultSelected)) return true;
  return [...part.querySelectorAll("input, textarea")].some((field) =>
    field.type === "checkbox" ? field.checked !== field.defaultChecked : field.type !== "hidden" && field.value !== field.defaultValue);
}

// What the part is about was changed by somebody while it was being filled in: say so above it, and take the buttons
// away that would be refused.
function outdate(part, other) {
  const note = part.querySelector(":scope > .refusal") ?? document.createElement("p");
  note.className = "refusal";
  note.textContent = other.dataset.told + other.dataset.stale;
  part.prepend(note);
  for (const form of part.querySelectorAll("form")) {
    const gone = ![...other.querySelectorAll("form")].some((one) => one.action === form.action);
    for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = gone;
  }
}

let waiting = null;

async function renew() {
  waiting = null;
  const parts = [...document.querySelectorAll("[data-live][id]")];
  if (!parts.length || document.hidden) return;
  const asked = navigator.userActivation?.isActive; // somebody just clicked or typed: the session is in use
  const headers = asked ? {} : { "X-Requested-By": "page" };
  const answer = await fetch(document.body.dataset.page || location.href, { headers, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts) {
    const other = fresh.getElementById(part.id);
    if (other && other.dataset.state !== part.dataset.state) {
      say(other.dataset.told);
      if (isBusy(part)) outdate(part, other);
    }
    if (other && !isBusy(part) && other.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(other));
  }
}

function renewSoon(spread) {
  const within = Math.max(LEAST_MS, Number(spread) || 0);
  if (waiting === null) waiting = setTimeout(() => renew().catch(() => undefined), Math.random() * within);
}

function onMessage(data) {
  const first = data.messages[0];
  const headline = news?.dataset.lang === "en" ? first.headline_en : first.headline_zh;
  const base = document.body.classList.contains("phone") ? "/m/" : "/warnings/";
  say(`${news?.dataset.word ?? ""}: ${headline || first.identifier}`, base + encodeURIComponent(first.identifier));
  renewSoon(data.spread_ms);
}

if (news) {
  const source = new EventSource("/events");
  source.addEventListener("message", (event) => event.data && onMessage(JSON.parse(event.data)));
  source.addEventListener("change", (event) => renewSoon(JSON.parse(event.data).spread_ms));
  source.addEventListener("cycle", (event) => {
    const { time, spread_ms: spread } = JSON.parse(event.data);
    const local = new Date(time).toLocaleTimeString("en-GB", { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit" });
    say(`${news.dataset.cycle} ${local}`);
    renewSoon(spread);
  });
  source.addEventListener("outbox", (event) => {
    const { failing, spread_ms: spread } = JSON.parse(event.data);
    if (failing) say(`${news.dataset.outbox}: ${failing}`, "/outbox");
    renewSoon(spread);
  });
  let lost = false;
  source.onerror = () => {
    lost = true;
    say(source.readyState === EventSource.CLOSED ? news.dataset.closed : news.dataset.lost);
  };
  source.onopen = () => { if (lost) { lost = false; say(""); renewSoon(); } };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) renewSoon(); });
  window.addEventListener("pagehide", () => source.close());
}
