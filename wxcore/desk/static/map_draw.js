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
  group("labels").prepend(...warningLabels(warnings.reverse())); // issued ones first
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
    labels.push([p ?? -1, label([[item.x, item.y]], level ? "label-p" : "", text)]);
  }
  labels.sort((one, other) => other[0] - one[0]);
  group("chances").replaceChildren(...shades);
  group("labels").replaceChildren(...labels.map(([, made]) => made));
}

const WIDE = /[\u2e80-\uffff]/;
const widthOf = (text) => [...text].reduce((sum, letter) => sum + (WIDE.test(letter) ? 1 : 0.66), 0);

const placesOf = new WeakMap();

/** A word of the map. `places`: [x, y, to the right in em, down in em], tried in their order. */
function label(places, kind, text) {
  const made = svg("text", { class: `label ${kind}` }, [text]);
  placesOf.set(made, places);
  return made;
}

/** Give each label the first of its places that is in sight and free, or hide it: storms come first, then districts
    with a probability that is shaded, then warnings, then the other districts. `view`: what is in sight. */
export function placeLabels(em, view) {
  const taken = [];
  const order = ["#storms .label", "#labels .label-p:not(.label-w)", "#labels .label-w", "#labels .label:not(.label-p)"];
  const labels = order.flatMap((which) => [...document.querySelectorAll(which)]);
  for (const made of labels) {
    const half = (widthOf(made.textContent) / 2 + 0.25) * em;
    const boxes = placesOf.get(made).map(([x, y, right = 0, down = 0]) => ({ x: x + right * em, y: y + down * em, half, tall: 0.65 * em }));
    const box = boxes.find((one) => isInside(one, view) && taken.every((other) => isApart(one, other)));
    made.setAttribute("visibility", box ? "visible" : "hidden");
    if (!box) continue;
    taken.push(box);
    made.setAttribute("x", box.x.toFixed(1));
    made.setAttribute("y", (box.y + 0.35 * em).toFixed(1));
  }
}

const isApart = (one, other) => Math.abs(one.x - other.x) > one.half + other.half || Math.abs(one.y - other.y) > one.tall + other.tall;
const isInside = ({ x, y, half, tall }, view) => x - half > view.x && x + half < view.x + view.width && y - tall > view.y && y + tall < view.y + view.height;

/** The dashes of the line tell the level, its edge that it was issued (white: not): colour is never alone. */
function drawWarning(item) {
  const [edge, line] = outline(item.level, item.kind, item.path);
  line.append(tooltip(`${t(item.headline_zh, item.headline_en)} · ${item.expires}`));
  return [edge, line];
}

const outline = (level, kind, d) => [svg("path", { d, class: `edge edge-${kind}` }), svg("path", { d, class: `warn warn-${level} warn-${kind}` })];

const KINDS = { draft: t("（草稿）", " (draft)"), past: t("（当时的草稿）", " (draft then)") };

/** A word on each polygon, those of the largest polygons first. */
function warningLabels(warnings) {
  const found = warnings.flatMap((item) => {
    const cancel = item.msg_type === "Cancel" ? t("解除 ", "lift ") : "";
    const word = `${cancel}${LEVELS[item.level] ?? item.level} ${t(item.event_zh, item.event_en)}${KINDS[item.kind] ?? ""}`;
    return item.spots.map((spots, rank) => [rank, label(spots, "label-p label-w", word)]);
  });
  return found.sort(([one], [other]) => one - other).map(([, made]) => made);
}

function leads(storm) {
  if (!storm.leads.length) return [];
  const line = `M${storm.x},${storm.y}${storm.leads.map((item) => `L${item.x},${item.y}`).join("")}`;
  return [
    svg("path", { d: line, class: "lead" }),
    ...storm.leads.map((item) => svg("circle", { cx: item.x, cy: item.y, r: item.r, class: `lead lead-${item.min}` }, [tooltip(t(`${item.min} 分钟后，圈为一倍标准差`, `in ${item.min} min, circle: one standard error`))])),
  ];
}

/** Where a storm's number may stand: on it, else beside it [em]. */
const BESIDE = [[0, 0], [1.3, 0], [-1.3, 0], [0, -1.4], [0, 1.4], [1.3, -1.4], [-1.3, -1.4], [1.3, 1.4], [-1.3, 1.4]];

function drawStorm(storm, chosen, onStorm) {
  const words = HAZARDS.map(([name, word]) => `${word} ${percent(firstHour(storm, name))}`).join(t("，", ", "));
  const told = `${t("风暴", "storm")} ${storm.n}: ${figure(storm.max_dbz, 0)} dBZ, ${words}`;
  const element = svg("g", { class: storm.id === chosen ? "storm chosen" : "storm", role: "button", tabindex: "0", "aria-label": told, "data-storm": storm.id }, [
    tooltip(told),
    svg("path", { d: storm.path, class: "storm-halo" }),
    svg("path", { d: storm.path }),
    label(BESIDE.map((shift) => [storm.x, storm.y, ...shift]), "label-p", `${storm.n}`),
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
const warned = (level, kind, text) => html("span", { class: "key" }, [svg("svg", { viewBox: "0 0 64 20", class: "long", "aria-hidden": "true" }, outline(level, kind, "M4,10L60,10")), text]);

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
  rows.push([t("预警", "Warnings"), [
    ...Object.entries(LEVELS).map(([level, word]) => warned(level, "draft", word)),
    warned("orange", "issued", t("已发布（黑边）", "issued: black edge")),
    frame.drafts.some((item) => item.kind === "past")
      ? warned("orange", "past", t("当时的草稿（无边）", "drafts of that time: no edge"))
      : warned("orange", "draft", t("草稿，未发布（无边）", "draft, not issued: no edge")),
  ]]);
  rows.push([t("线", "Lines"), [
    key(stroke("lead"), t("30 分钟位置（圈：一倍标准差）", "in 30 min (circle: one standard error)")),
    key(stroke("lead lead-60"), t("60 分钟位置", "in 60 min")),
    key(stroke("risk"), t("今后 60 分钟风险区", "area at risk, next 60 min")),
  ]]);
  document.getElementById("legend").replaceChildren(...rows.map(([title, items]) => html("div", { class: "row" }, [html("strong", {}, [title]), ...items])));
}
