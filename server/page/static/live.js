// What the server does now: asked for every second while the view is open and the tab is seen.

import { byId, count, duration, el, seconds, show, svg } from "./dom.js";
import { ask } from "./server.js";
import { badge, tone } from "./statuses.js";

const PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 8000;
const IDLE_SECONDS = 10;
const HEIGHT = 40;
const LAYERS = [["accepted", "good"], ["rejected", "bad"], ["unjudged", "none"], ["executed", "run"]];
const PHASES = ["queue", "compile", "run", "total"];

let wanted = false;
let timer = 0;
let lostAt = null;
let pause = PAUSE_MS;

export function watch(visible) {
  wanted = visible;
  if (visible) poll();
}

document.addEventListener("visibilitychange", () => wanted && !document.hidden && poll());

// Asked at any time for the state in the header, at once for the overview's figures.
export async function poll() {
  clearTimeout(timer);
  try {
    draw(await ask("/page/live"));
    found();
  } catch (fault) {
    lost(fault);
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, wanted ? pause : Math.max(pause, 5 * PAUSE_MS));
}

function found() {
  [lostAt, pause] = [null, PAUSE_MS];
  show(byId("lost"), false);
  byId("figures").classList.remove("stale");
}

function lost(fault) {
  lostAt ??= new Date();
  pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  const refused = fault.status === 401;
  state(refused ? "limit" : "bad", refused ? "Key needed" : "No connection");
  byId("lost").textContent = refused
    ? "The server wants an API key: enter one above."
    : `No answer since ${lostAt.toLocaleTimeString()} (${fault.message}). What is shown is older; trying again.`;
  show(byId("lost"), true);
  show(byId("idle"), false);
  byId("figures").classList.add("stale");
}

function state(name, text) {
  byId("state").className = `state ${name}`;
  if (byId("state-text").textContent !== text) byId("state-text").textContent = text;
}

function draw(live) {
  byId("version").textContent = `version ${live.version}`;
  const busy = live.in_flight > 0;
  const idle = !busy && (live.idle_seconds === null || live.idle_seconds > IDLE_SECONDS);
  state(live.ready ? "good" : "limit", live.ready ? (idle ? "Idle" : "Ready") : "Not ready");
  show(byId("idle"), live.ready && idle);
  byId("idle").textContent = live.idle_seconds === null
    ? "Idle: nothing has been asked since the server started."
    : `Idle: the last answer was given ${duration(live.idle_seconds)} ago.`;
  drawTiles(live);
  drawChart(live);
  drawMix(live);
  drawLatency(live);
}

function drawTiles(live) {
  const { accepted, rejected, unjudged } = live.per_second;
  const last = (series) => sum(series.slice(-11, -1)); // the newest second is not over yet
  const judged = sum(accepted) + sum(rejected);
  byId("rate").textContent = rounded((last(accepted) + last(rejected) + last(unjudged)) / 10);
  byId("in-flight").textContent = count(live.in_flight);
  byId("queue").textContent = count(live.queue_depth);
  byId("accepted").textContent = judged ? `${rounded((100 * sum(accepted)) / judged)} %` : "–";
  byId("total").textContent = count(live.totals.verdicts);
  const runs = live.totals.executions ? `and ${count(live.totals.executions)} runs, ` : "";
  byId("uptime").textContent = `${runs}in ${duration(live.uptime_seconds)}`;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const rounded = (value) => (value >= 100 ? count(Math.round(value)) : String(Number(value.toFixed(1))));

function drawChart(live) {
  const totals = live.per_second.accepted.map((_, second) => sum(LAYERS.map(([name]) => live.per_second[name][second])));
  const top = Math.max(1, ...totals);
  const base = totals.map(() => 0);
  const paths = LAYERS.map(([name, shade]) => svg("path", { class: `layer ${shade}`, d: bars(live.per_second[name], base, top) }));
  byId("chart").replaceChildren(...paths);
  byId("chart").setAttribute("aria-label", `Answers for each of the last 120 seconds: ${count(sum(totals))} together, at most ${count(top)} in one second`);
  byId("chart-top").textContent = sum(totals) ? `${count(top)} a second` : "";
}

// One path of bars that stand on `base`, which is raised by them.
function bars(series, base, top) {
  let path = "";
  series.forEach((value, second) => {
    if (!value) return;
    const [low, high] = [HEIGHT * (1 - base[second] / top), HEIGHT * (1 - (base[second] + value) / top)];
    path += `M${second + 0.1} ${low}V${high}h0.8V${low}z`;
    base[second] += value;
  });
  return path;
}

function drawMix(live) {
  const refused = Object.entries(live.refusals).map(([code, times]) => ({ task: "", status: code, count: times, refused: true }));
  const rows = [...live.statuses, ...refused];
  const most = Math.max(1, ...rows.map((row) => row.count));
  byId("mix").replaceChildren(...(rows.length ? rows.map((row) => mixRow(row, most)) : [nothing(4)]));
}

function mixRow(row, most) {
  const bar = svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", class: "share", "aria-hidden": "true" });
  bar.append(svg("rect", { width: Math.max(1, (100 * row.count) / most), height: 8, rx: 1, class: `layer ${row.refused ? "none" : tone(row.status)}` }));
  return el("tr", {},
    el("td", {}, row.refused ? el("span", { class: "badge none" }, `refused: ${row.status.toLowerCase().replaceAll("_", " ")}`) : badge(row.status)),
    el("td", {}, row.task), el("td", { class: "number" }, count(row.count)), el("td", { class: "share-cell" }, bar));
}

function drawLatency(live) {
  const order = (row) => PHASES.indexOf(row.phase);
  const rows = [...live.latency].filter((row) => row.p99_seconds > 0).sort((a, b) => a.task.localeCompare(b.task) || order(a) - order(b));
  byId("latency").replaceChildren(...(rows.length ? rows.map((row) => el("tr", { class: row.phase === "total" && "total" },
    el("td", {}, row.task), el("td", {}, row.phase),
    el("td", { class: "number" }, latency(row.p50_seconds)), el("td", { class: "number" }, latency(row.p99_seconds)))) : [nothing(4)]));
}

const latency = (value) => (value === 0 ? "< 0.1 ms" : seconds(value));
const nothing = (columns) => el("tr", {}, el("td", { colspan: columns, class: "hint" }, "Nothing yet."));
