// The map: which frame is shown, and when it is fetched anew.

import { drawDistricts, drawFrame, drawLegend, placeLabels } from "./map_draw.js";
import { showList, showStory } from "./map_story.js";
import { getJson, t } from "./map_words.js";
import { zoomable } from "./map_zoom.js";

const POLL_MS = 15000;
const PLAY_MS = 700;
const LABEL_PX = 12;
const STALE_MIN = 15;
const MINUTE_MS = 60000;

const byId = (id) => document.getElementById(id);
const state = { frames: [], layers: [], shapes: null, at: -1, follow: true, chosen: null, playing: null, polling: null, serial: 0, ahead: 0 };
const kept = new Map();

let em = LABEL_PX;
let view = null;
const zoomer = zoomable(byId("map"), (units, box) => {
  em = LABEL_PX * units;
  view = box;
  for (const id of ["labels", "storms"]) byId(id).setAttribute("font-size", em.toFixed(2));
  placeLabels(em, view);
});
const picked = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value ?? "";
const shown = () => new Set([...document.querySelectorAll('input[name="show"]:checked')].map((box) => box.value));

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

/** The list of frames anew; the newest is shown where the reader follows, else the frame that was shown stays. */
async function refresh() {
  try {
    const time = state.frames[state.at]?.time;
    const found = await getJson("/api/frames?hours=2");
    state.frames = found.frames;
    state.layers = found.layers;
    const stays = state.frames.findIndex((item) => item.time === time);
    const slider = byId("slider");
    slider.max = String(Math.max(state.frames.length - 1, 0));
    if (!state.frames.length) {
      notice(t("归档中还没有分析时次。", "There is no cycle in the archive yet."));
      return;
    }
    state.ahead = Date.parse(found.now) - Date.now();
    tellAge();
    await show(state.follow || stays < 0 ? state.frames.length - 1 : stays);
  } catch (error) {
    failed(error);
  }
}

/** How old the newest cycle is by the desk's clock; told again every minute, for no news comes where cycles stop. */
function tellAge() {
  const newest = state.frames.at(-1);
  if (!newest) return;
  const age = Math.round((Date.now() + state.ahead - Date.parse(newest.time)) / 60000);
  notice(age > STALE_MIN ? t(`最新时次为北京时 ${newest.bjt}，距今 ${age} 分钟：不是现在的天气。`, `The newest cycle is of ${newest.bjt} BJT, ${age} min ago: this is not the weather of now.`) : "");
}

function failed(error) {
  if (error.status === 401) notice(t("登录已失效，请重新登录。", "You are logged out: log in again."));
  else notice(t(`取不到资料（${error.status ?? "网络"}），将自动重试。`, `Cannot reach the desk (${error.status ?? "network"}); it will be tried again.`));
}

async function frameOf(item) {
  const name = `${item.time} ${item.version}`;
  if (!kept.has(name)) kept.set(name, await getJson(`/api/frame/${item.time}`));
  return kept.get(name);
}

/** Show the frame of this number. Of several that are fetched at a time the last one asked for wins. */
async function show(number) {
  const serial = ++state.serial;
  const item = state.frames[number];
  state.at = number;
  state.follow = number === state.frames.length - 1;
  byId("slider").value = String(number);
  const words = t(`${item.bjt} 北京时（${item.utc} UTC）`, `${item.bjt} BJT (${item.utc} UTC)`);
  byId("time").textContent = words;
  byId("slider").setAttribute("aria-valuetext", words);
  try {
    const frame = await frameOf(item);
    if (serial !== state.serial) return;
    paintFrame(frame, item);
    await panel(frame, serial);
  } catch (error) {
    failed(error);
  }
}

function paintFrame(frame, item) {
  const name = picked("layer");
  const field = byId("field");
  if (name) field.setAttribute("href", `/layer/${name}/${item.time}.png?v=${item.version}`);
  else field.removeAttribute("href");
  byId("syn").hidden = !frame.simulated;
  drawFrame(frame, state.shapes, { hazard: picked("hazard"), shown: shown(), chosen: state.chosen, onStorm: choose });
  placeLabels(em, view);
  drawLegend(state.layers.find((layer) => layer.name === name), picked("hazard"), frame);
  byId("map").dataset.time = item.time;
}

async function panel(frame, serial) {
  const storm = frame.storms.find((item) => item.id === state.chosen);
  if (!storm) {
    showList(frame, choose);
    return;
  }
  const story = await getJson(`/api/storm/${encodeURIComponent(storm.id)}?until=${frame.time}`);
  if (serial === state.serial) showStory(storm, story, () => choose(null));
}

async function choose(id) {
  state.chosen = id;
  await show(state.at);
  byId("panel-title").focus();
}

function play(on) {
  clearInterval(state.playing);
  state.playing = on ? setInterval(() => show((state.at + 1) % state.frames.length), PLAY_MS) : null;
  byId("play").setAttribute("aria-pressed", String(on));
  byId("play").textContent = on ? t("停止", "Stop") : t("播放", "Play");
}

function changed() {
  kept.clear();
  refresh();
}

/** Told by the server; asked every POLL_MS where it cannot tell. */
function listen() {
  const poll = (on) => {
    clearInterval(state.polling);
    state.polling = on ? setInterval(changed, POLL_MS) : null;
  };
  let due = null;
  const soon = (event) => {
    due ??= setTimeout(() => {
      due = null;
      changed();
    }, Math.random() * JSON.parse(event.data).spread_ms); // not all viewers at a time
  };
  const events = new EventSource("/events");
  events.addEventListener("open", () => {
    if (state.polling) changed();
    poll(false);
  });
  events.addEventListener("error", () => poll(true));
  for (const kind of ["cycle", "message", "change"]) events.addEventListener(kind, soon);
}

async function start() {
  byId("slider").addEventListener("input", (event) => {
    play(false);
    show(Number(event.target.value));
  });
  byId("newest").addEventListener("click", () => {
    play(false);
    if (state.frames.length) show(state.frames.length - 1);
  });
  byId("play").addEventListener("click", () => state.frames.length && play(!state.playing));
  for (const box of document.querySelectorAll(".tools input")) box.addEventListener("change", () => state.at >= 0 && show(state.at));
  state.shapes = await getJson("/api/districts");
  byId("field").setAttribute("height", String(state.shapes.height));
  zoomer.fit(state.shapes.width, state.shapes.height);
  drawDistricts(state.shapes);
  await refresh();
  listen();
  setInterval(() => state.polling || tellAge(), MINUTE_MS);
}

start().catch(failed);
