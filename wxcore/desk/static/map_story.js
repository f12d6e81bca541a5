// The panel: all storms of the frame, or one storm's series, drivers, and what changed with its probability.

import { HAZARDS, figure, firstHour, html, percent, svg, t } from "./map_words.js";

const SERIES = [
  ["max_dbz", t("最大反射率", "maximum reflectivity"), "dBZ"],
  ["mesh_mm", "MESH", "mm"],
  ["vil_kg_m2", "VIL", "kg/m²"],
  ["echo_top_18_km", t("18 dBZ 回波顶高", "18 dBZ echo top"), "km"],
  ["flash_rate_min", t("闪电频数", "flash rate"), t("次/分钟", "/min")],
];
const WIDTH = 320, HEIGHT = 92, LEFT = 34, RIGHT = 196, TOP = 8, BOTTOM = 74;
const COMPASS = t("北 东北 东 东南 南 西南 西 西北", "N NE E SE S SW W NW").split(" ");

const body = () => document.getElementById("panel-body");
const title = () => document.getElementById("panel-title");
const said = (item) => t(item.zh, item.en);

/** The list of storms, strongest first. */
export function showList(frame, onStorm) {
  title().textContent = t(`风暴 ${frame.storm_count} 个`, `${frame.storm_count} storms`);
  if (!frame.storms.length) {
    body().replaceChildren(html("p", {}, [t("本时次没有识别到风暴。", "No storm was found in this cycle.")]));
    return;
  }
  const heads = [t("号", "no."), "dBZ", "MESH", ...HAZARDS.map(([, word]) => word.replace("thunderstorm", "thunder\u00adstorm"))]; // a soft hyphen: the table is as wide as its panel
  const rows = frame.storms.map((storm) => {
    const open = html("button", { type: "button", class: "plain", "aria-label": t(`打开风暴 ${storm.n}`, `open storm ${storm.n}`) }, [`${storm.n}`]);
    open.addEventListener("click", () => onStorm(storm.id));
    const cells = [figure(storm.max_dbz, 0), figure(storm.mesh_mm, 0), ...HAZARDS.map(([name]) => percent(firstHour(storm, name)))];
    return html("tr", {}, [html("th", { scope: "row" }, [open]), ...cells.map((cell) => html("td", {}, [cell]))]);
  });
  body().replaceChildren(
    html("p", { class: "soft" }, [t("0–60 分钟概率；点击地图上的风暴或编号看详情。“–”为无资料，不是 0。", "Probabilities of 0–60 min; open a storm by its number or on the map. A dash is no data, not 0.")]),
    html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("风暴表", "table of storms") }, [table(heads, rows)]),
  );
}

function table(heads, rows) {
  const head = html("tr", {}, heads.map((word) => html("th", { scope: "col" }, [word])));
  return html("table", {}, [html("thead", {}, [head]), html("tbody", {}, rows)]);
}

/** One storm: `storm` of the frame (for its number and motion), `story` of /api/storm. */
export function showStory(storm, story, onBack) {
  title().textContent = t(`风暴 ${storm.n} · ${story.bjt}`, `Storm ${storm.n} · ${story.bjt} BJT`);
  const back = html("button", { type: "button", class: "plain" }, [t("← 全部风暴", "← all storms")]);
  back.addEventListener("click", onBack);
  body().replaceChildren(
    back,
    html("p", {}, [motion(storm)]),
    html("h3", {}, [t("今后概率与依据", "Probabilities and why")]),
    ...story.hazards.map((item) => hazardBlock(item, storm)),
    html("h3", {}, [t("概率为什么变了", "Why the probability changed")]),
    ...changes(story),
    html("h3", {}, [t("近两小时", "Last two hours")]),
    chart(t("0–60 分钟概率", "probability, 0–60 min"), "%", story.series, HAZARDS.map(([name, word]) => [name, word, (item) => (item.p[name] === null ? null : 100 * item.p[name])]), [0, 100]),
    ...SERIES.map(([name, word, unit]) => chart(word, unit, story.series, [["", "", (item) => item[name]]])),
    numbers(story),
  );
}

function motion(storm) {
  const place = `${Math.abs(storm.lat).toFixed(2)}°${storm.lat < 0 ? "S" : "N"} ${Math.abs(storm.lon).toFixed(2)}°${storm.lon < 0 ? "W" : "E"}`;
  const known = storm.speed_km_h !== null && storm.towards_deg !== null;
  const way = known ? COMPASS[Math.round(storm.towards_deg / 45) % 8] : "";
  const moving = known ? t(`向${way}移动 ${Math.round(storm.speed_km_h)} 公里/小时`, `moving ${way} at ${Math.round(storm.speed_km_h)} km/h`) : t("移动未知", "motion unknown");
  return t(`${place}；${moving}；已存在 ${figure(storm.age_min, 0)} 分钟；编号 ${storm.id}`, `${place}; ${moving}; ${figure(storm.age_min, 0)} min old; id ${storm.id}`);
}

function hazardBlock(item, storm) {
  const word = HAZARDS.find(([name]) => name === item.hazard)[1];
  const windows = storm.chances[item.hazard].filter((window) => !(window.from === 0 && window.to === 60) && window.p !== null);
  const parts = [html("strong", {}, [`${word} ${percent(item.p)}`])];
  if (windows.length) parts.push(` （${windows.map((window) => `${window.from}–${window.to} min ${percent(window.p)}`).join(t("，", ", "))}）`);
  const drivers = html("ul", {}, (t(item.drivers_zh, item.drivers_en)).map((text) => html("li", {}, [text])));
  const missing = t(item.missing_zh, item.missing_en);
  const note = `${t("模型", "model")} ${item.model || "–"}${missing.length ? t(`；缺：${missing.join("、")}`, `; missing: ${missing.join(", ")}`) : ""}`;
  return html("div", {}, [...parts, drivers, html("p", { class: "soft" }, [note])]);
}

function changes(story) {
  const lines = story.changes.map((item) => {
    const word = HAZARDS.find(([name]) => name === item.hazard)[1];
    const notes = item.notes.map((note) => html("li", {}, [said(note)]));
    return html("li", {}, [`${word}${t("：", ": ")}${said(item.title)}`, ...(notes.length ? [html("ul", {}, notes)] : [])]);
  });
  const parts = [html("ul", { id: "changes" }, [...lines, ...story.notes.map((note) => html("li", {}, [said(note)]))])];
  if (story.features.length) {
    const gone = t("无资料", "no data");
    const rows = story.features.map((item) => {
      const unit = t(item.unit_zh, item.unit_en);
      const cells = [item.old ? item.old + unit : gone, item.new ? item.new + unit : gone, item.up === null ? "" : item.up ? t("↑ 增", "↑ up") : t("↓ 减", "↓ down")];
      return html("tr", {}, [html("th", { scope: "row" }, [said(item)]), ...cells.map((cell) => html("td", {}, [cell]))]);
    });
    parts.push(html("p", {}, [t("同时变化最大的量：", "What changed most at the same time:")]), table([t("量", "number"), t("前", "before"), t("现", "now"), t("变化", "change")], rows));
  }
  parts.push(html("p", { class: "soft" }, [t("这些变化与概率变化同时出现，不等于其原因。", "These are associated with the change of probability, not proven to be its causes.")]));
  return parts;
}

function numbers(story) {
  const heads = [t("时间", "time"), ...SERIES.map(([, word, unit]) => `${word} ${unit}`), ...HAZARDS.map(([, word]) => word)];
  const rows = story.series.map((item) => {
    const cells = [...SERIES.map(([name]) => figure(item[name])), ...HAZARDS.map(([name]) => percent(item.p[name]))];
    return html("tr", {}, [html("th", { scope: "row" }, [item.bjt]), ...cells.map((cell) => html("td", {}, [cell]))]);
  });
  return html("details", {}, [html("summary", {}, [t("数值表", "the numbers")]), html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("数值表", "the numbers") }, [table(heads, rows)])]);
}

/** A small chart; lines are [class, label, value of a point]. Gaps stay gaps. */
function chart(name, unit, series, lines, range = null) {
  const values = lines.flatMap(([, , get]) => series.map(get)).filter((value) => value !== null);
  if (!values.length) return html("p", { class: "soft" }, [`${name}${t("：无资料", ": no data")}`]);
  const [low, high] = range ?? bounds(values);
  const times = series.map((item) => Date.parse(item.time));
  const span = Math.max(times.at(-1) - times[0], 1);
  const x = (index) => (times.length === 1 ? RIGHT : LEFT + ((times[index] - times[0]) / span) * (RIGHT - LEFT));
  const y = (value) => BOTTOM - ((value - low) / (high - low)) * (BOTTOM - TOP);
  const marks = [...lines.flatMap(([kind, , get]) => drawLine(kind, series.map(get), x, y)), ...ends(lines, series, y, unit)];
  const label = (at, height, text, anchor) => svg("text", { x: at, y: height, "text-anchor": anchor }, [text]);
  const picture = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${name}, ${unit}: ${t("见数值表", "see the numbers below")}` }, [
    svg("path", { class: "axis", fill: "none", d: `M${LEFT},${TOP}L${LEFT},${BOTTOM}L${RIGHT},${BOTTOM}` }),
    label(LEFT - 4, TOP + 8, `${high}`, "end"), label(LEFT - 4, BOTTOM, `${low}`, "end"),
    label(LEFT, BOTTOM + 14, series[0].bjt, "start"), label(RIGHT, BOTTOM + 14, series.at(-1).bjt, "end"),
    ...marks,
  ]);
  return html("figure", { class: "figure" }, [html("figcaption", {}, [`${name} (${unit})`]), picture]);
}

function drawLine(kind, values, x, y) {
  let path = "";
  let open = false;
  const dots = [];
  values.forEach((value, index) => {
    if (value !== null) {
      path += `${open ? "L" : "M"}${x(index).toFixed(1)},${y(value).toFixed(1)}`;
      dots.push(svg("circle", { class: `dot dot-${kind}`, cx: x(index).toFixed(1), cy: y(value).toFixed(1), r: 2.2 }));
    }
    open = value !== null;
  });
  return [svg("path", { class: `line line-${kind}`, d: path }), ...dots];
}

/** The last value of each line beside its end, moved apart where they would overlap. */
function ends(lines, series, y, unit) {
  const found = lines.map(([, label, get]) => [label, get(series.at(-1))]).filter(([, value]) => value !== null);
  found.sort((one, other) => other[1] - one[1]);
  let lowest = -Infinity;
  return found.map(([label, value]) => {
    lowest = Math.max(y(value) + 4, lowest + 12);
    return svg("text", { class: "end", x: RIGHT + 5, y: lowest }, [label ? `${label} ${Math.round(value)}${unit}` : value.toFixed(1)]);
  });
}

function bounds(values) {
  const low = Math.floor(Math.min(...values)), high = Math.ceil(Math.max(...values));
  return low === high ? [low - 1, high + 1] : [low, high];
}
