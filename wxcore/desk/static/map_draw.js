// Draws a frame into the groups of the map, and its legend.

import { HAZARDS, LEVELS, figure, firstHour, percent, svg, html, t } from "./map_words.js";

/** Lower bounds of the classes of probability; below the first a district is not shaded, but its figure is written. */
const CLASSES = [0.1, 0.3, 0.5, 0.7];
const group = (id) => document.getElementById(id);
const chanceClass = (p) => CLASSES.filter((bound) => p >= bound).length;
const tooltip = (text) => svg("title", {}, [text]);

export function drawDistricts(shapes) {
  group("districts").replaceChildren(
    ...shapes.districts.map((item) => svg("path", { d: item.path, class: "district" })),
    ...shapes.radars.map((item) => svg("circle", { cx: item.x, cy: item.y, r: 3, fill: "#004f86" }, [tooltip(`${item.id} ${t(item.zh, item.en)}`)])),
  );
}

/** Everything of a frame but its field. `shown`: a set of what the reader wants to see. */
export function drawFrame(frame, shapes, { hazard, shown, chosen, onStorm }) {
  drawChances(frame, shapes, hazard);
  group("risk").replaceChildren(...(shown.has("risk") ? frame.storms.filter((storm) => storm.risk).map((storm) => svg("path", { d: storm.risk, class: "risk" })) : []));
  const warnings = [...(shown.has("drafts") ? frame.drafts : []), ...(shown.has("issued") ? frame.issued : [])];
  group("warnings").replaceChildren(...warnings.flatMap(drawWarning));
  group("labels").prepend(...warnings.slice().reverse().filter((item) => item.x !== null).map(warningLabel)); // issued ones first
  group("leads").replaceChildren(...(shown.has("leads") ? frame.storms.flatMap(leads) : []));
  const focused = document.activeElement?.dataset?.storm;
  group("storms").replaceChildren(...(shown.has("storms") ? frame.storms.map((storm) => drawStorm(storm, chosen, onStorm)) : []));
  if (focused) group("storms").querySelector(`[data-storm="${CSS.escape(focused)}"]`)?.focus();
}

function drawChances(frame, shapes, hazard) {
  const shades = [];
  const labels = [];
  for (const item of shapes.districts) {
    const p = hazard ? frame.districts[item.adcode]?.[hazard] : undefined;
    const level = p === undefined ? 0 : chanceClass(p);
    const text = p === undefined ? t(item.zh, item.en) : `${t(item.zh, item.en)} ${percent(p)}`;
    if (level) shades.push(svg("path", { d: item.path, class: `chance chance-${level}` }, [tooltip(text)]));
    if (level > 2) shades.push(svg("path", { d: item.path, fill: `url(#hatch-${level})` }, [tooltip(text)]));
    labels.push([p ?? -1, svg("text", { x: item.x, y: item.y, class: level ? "label label-p" : "label" }, [text])]);
  }
  labels.sort((one, other) => other[0] - one[0]);
  group("chances").replaceChildren(...shades);
  group("labels").replaceChildren(...labels.map(([, label]) => label));
}

const WIDE = /[\u2e80-\uffff]/;
const widthOf = (text) => [...text].reduce((sum, letter) => sum + (WIDE.test(letter) ? 1 : 0.66), 0);

/** Hide labels that would lie on others: warnings come first, then storms, then districts by their probability. */
export function placeLabels(em) {
  const taken = [];
  const labels = [...document.querySelectorAll("#labels .label-w"), ...document.querySelectorAll("#storms .label"), ...document.querySelectorAll("#labels .label:not(.label-w)")];
  for (const label of labels) {
    const [x, y] = [Number(label.getAttribute("x")), Number(label.getAttribute("y")) + (label.hasAttribute("dy") ? 1.4 * em : 0)];
    const half = (widthOf(label.textContent) * em) / 2;
    const box = [x - half, y - em, x + half, y + 0.25 * em];
    const free = taken.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
    if (free) taken.push(box);
    label.setAttribute("visibility", free ? "visible" : "hidden");
  }
}

function drawWarning(item) {
  const told = tooltip(`${t(item.headline_zh, item.headline_en)} · ${item.expires}`);
  return [
    svg("path", { d: item.path, class: "halo" }),
    svg("path", { d: item.path, class: `warn warn-${item.level} warn-${item.kind}` }, [told]),
  ];
}

function warningLabel(item) {
  const word = `${LEVELS[item.level] ?? item.level} ${t(item.event_zh, item.event_en)}${item.kind === "draft" ? t("（草稿）", " (draft)") : ""}`;
  return svg("text", { x: item.x, y: item.y, dy: "1.4em", class: "label label-p label-w" }, [word]);
}

function leads(storm) {
  if (!storm.leads.length) return [];
  const line = `M${storm.x},${storm.y}${storm.leads.map((item) => `L${item.x},${item.y}`).join("")}`;
  return [
    svg("path", { d: line, class: "lead" }),
    ...storm.leads.map((item) => svg("circle", { cx: item.x, cy: item.y, r: item.r, class: `lead lead-${item.min}` }, [tooltip(t(`${item.min} 分钟后，圈为一倍标准差`, `in ${item.min} min, circle: one standard error`))])),
  ];
}

function drawStorm(storm, chosen, onStorm) {
  const words = HAZARDS.map(([name, word]) => `${word} ${percent(firstHour(storm, name))}`).join(t("，", ", "));
  const label = `${t("风暴", "storm")} ${storm.n}: ${figure(storm.max_dbz, 0)} dBZ, ${words}`;
  const element = svg("g", { class: storm.id === chosen ? "storm chosen" : "storm", role: "button", tabindex: "0", "aria-label": label, "data-storm": storm.id }, [
    tooltip(label),
    svg("path", { d: storm.path, class: "storm-halo" }),
    svg("path", { d: storm.path }),
    svg("text", { x: storm.x, y: storm.y, class: "label label-p" }, [`${storm.n}`]),
  ]);
  element.addEventListener("click", () => onStorm(storm.id));
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onStorm(storm.id);
    }
  });
  return element;
}

const swatch = (...shapes) => svg("svg", { viewBox: "0 0 32 20", "aria-hidden": "true" }, shapes);
const key = (shape, text) => html("span", { class: "key" }, [swatch(...shape), text]);
const block = (attributes) => svg("rect", { x: 0, y: 0, width: 32, height: 20, ...attributes });
const stroke = (name) => [svg("path", { d: "M2,10L30,10", class: name })];

/** The legend of what is on the map now. */
export function drawLegend(layer, hazard, frame) {
  const rows = [];
  if (layer) {
    const keys = layer.bands.map((band) => key([block({ fill: band.rgb })], `≥${band.from}`));
    const nothing = [key([block({ fill: "#ffffff" })], t("白：已观测，无回波或低于首档", "white: observed, no echo or below the first band")), key([block({ fill: layer.unobserved })], t("灰：未观测，无资料", "grey: nobody looked, no data"))];
    rows.push([t(layer.zh, layer.en), [...keys, ...nothing]]);
  }
  if (hazard) {
    const word = HAZARDS.find(([name]) => name === hazard)[1];
    const assessed = frame.storms.some((storm) => firstHour(storm, hazard) !== null);
    const keys = CLASSES.map((bound, index) => {
      const shapes = [block({ class: `chance chance-${index + 1}` }), ...(index > 1 ? [block({ fill: `url(#hatch-${index + 1})` })] : [])];
      return key(shapes, `≥${Math.round(100 * bound)}%`);
    });
    const told = assessed ? t("未着色：低于 10% 或无风暴将至", "no shade: below 10% or no storm on its way") : t("本时次该灾种未评估：不等于 0", "not assessed in this cycle: that is not 0");
    rows.push([t(`${word}：今后 60 分钟区县最大概率`, `${word}: largest probability in the district, next 60 min`), [...keys, told]]);
  }
  rows.push([t("线", "Lines"), [
    key(stroke("lead"), t("30 分钟位置（圈：一倍标准差）", "place in 30 min (circle: one standard error)")),
    key(stroke("lead lead-60"), t("60 分钟", "60 min")),
    key(stroke("risk"), t("今后 60 分钟风险区", "area at risk, next 60 min")),
    key(stroke("warn warn-orange"), t("已发布预警", "issued warning")),
    key(stroke("warn warn-orange warn-draft"), t("机器草稿，未发布", "machine draft, not issued")),
  ]]);
  document.getElementById("legend").replaceChildren(...rows.map(([title, items]) => html("div", { class: "row" }, [html("strong", {}, [title]), ...items])));
}
