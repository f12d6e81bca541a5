// Words and small helpers that the parts of the map share.

export const isChinese = document.documentElement.lang.startsWith("zh");
export const t = (zh, en) => (isChinese ? zh : en);

export const HAZARDS = [
  ["hail", t("冰雹", "hail")],
  ["thunderstorm", t("雷电", "thunderstorm")],
  ["gale", t("雷暴大风", "gale")],
];
export const LEVELS = { blue: t("蓝", "blue"), yellow: t("黄", "yellow"), orange: t("橙", "orange"), red: t("红", "red") };

export const percent = (p) => (p === null || p === undefined ? t("未评估", "not assessed") : `${Math.round(100 * p)}%`);
export const figure = (value, digits = 1) => (value === null || value === undefined ? "–" : value.toFixed(digits));

/** Probability of the first hour out of a storm's windows; null where it was not assessed. */
export function firstHour(storm, hazard) {
  const window = storm.chances[hazard].find((item) => item.from === 0 && item.to === 60);
  return window ? window.p : null;
}

/** An SVG element with attributes (never `style`: the page's policy forbids it), and children. */
export function svg(name, attributes = {}, children = []) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/** An HTML element with attributes, and children: elements or text. */
export function html(name, attributes = {}, children = []) {
  return fill(document.createElement(name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** JSON of an address of ours. Throws with `status` where the answer is not 200. The session counts as used where
    somebody just clicked or typed, not where the page asks by itself. */
export async function getJson(path) {
  const headers = { Accept: "application/json" };
  if (!navigator.userActivation?.isActive) headers["X-Requested-By"] = "page";
  const answer = await fetch(path, { headers, credentials: "same-origin" });
  if (!answer.ok) throw Object.assign(new Error(`${path}: ${answer.status}`), { status: answer.status });
  return answer.json();
}
