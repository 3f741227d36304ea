// The verdicts that the server kept: to find out why one got 0.

import { byId, bytes, count, el, show } from "./dom.js";
import { explanation, faultMessage, replace } from "./explain.js";
import { ask } from "./server.js";
import { STATUSES, badge, words } from "./statuses.js";
import { loadRequest } from "./playground.js";

const OFF = "This server keeps no verdicts, because completions are private. To keep the latest in memory, start it with a budget: --recent-verdicts-bytes 64MiB";

export function startVerdicts() {
  byId("filter-status").append(...STATUSES.map((status) => el("option", { value: status }, words(status))));
  byId("filter").addEventListener("submit", (event) => { event.preventDefault(); list(); });
  byId("filter").addEventListener("change", () => list());
  byId("kept-more").addEventListener("click", () => list(byId("kept-more").dataset.below));
}

function query(below) {
  const fields = { run: byId("filter-run").value.trim(), status: byId("filter-status").value, reward: byId("filter-reward").value, below };
  return new URLSearchParams(Object.entries(fields).filter(([, value]) => value));
}

export async function list(below = "") {
  try {
    draw(await ask(`/page/verdicts?${query(below)}`), Boolean(below));
  } catch (fault) {
    note(fault.message);
    show(byId("kept-scroll"), false);
  }
}

function note(text) {
  byId("kept-note").textContent = text;
  show(byId("kept-note"), Boolean(text));
}

function draw(answer, further) {
  const off = answer.budget_bytes === 0;
  show(byId("filter"), !off);
  byId("kept-size").textContent = `${count(answer.kept)} kept, ${bytes(answer.size_bytes)} of ${bytes(answer.budget_bytes)}`;
  byId("runs").replaceChildren(...answer.runs.map((run) => el("option", { value: run })));
  const rows = answer.verdicts.map(row);
  if (further) byId("kept-rows").append(...rows);
  else byId("kept-rows").replaceChildren(...rows);
  const any = byId("kept-rows").children.length > 0;
  show(byId("kept-scroll"), any);
  note(off ? OFF : any ? "" : answer.kept ? "No kept verdict passes this filter." : "Nothing has been judged yet.");
  show(byId("kept-more"), answer.verdicts.length >= 100);
  byId("kept-more").dataset.below = answer.verdicts.at(-1)?.number ?? "";
}

function row(item) {
  const task = item.language ? `${item.task}, ${item.language}` : item.task;
  return el("tr", { on: { click: () => open(item.number) } },
    el("td", { class: "nowrap" }, new Date(item.at * 1000).toLocaleTimeString()),
    el("td", { class: "cut" }, item.run || "–"),
    el("td", { class: "cut" }, el("button", { type: "button", class: "link", "aria-label": `Explain ${item.id || `verdict ${item.number}`}` }, item.id || `#${item.number}`)),
    el("td", { class: "nowrap" }, task), el("td", { class: "nowrap" }, badge(item.status)),
    el("td", { class: "number" }, item.reward == null ? "–" : String(Number(item.reward.toFixed(4)))),
    el("td", { class: "cut wide" }, item.message));
}

async function open(number) {
  const place = byId("kept-one");
  show(place, true);
  try {
    const kept = await ask(`/page/verdicts/${number}`);
    replace("kept-one", opened(kept));
  } catch (fault) {
    replace("kept-one", faultMessage(fault));
  }
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block: "start" });
}

function opened(kept) {
  const request = JSON.parse(kept.request_json);
  return [
    el("div", { class: "card-head" },
      el("p", { class: "hint" }, `${kept.id || `#${kept.number}`}${kept.run ? ` of run ${kept.run}` : ""}, ${new Date(kept.at * 1000).toLocaleString()}`),
      el("span", { class: "actions" },
        !kept.shortened && el("button", { type: "button", class: "quiet", on: { click: () => again(kept.request_json) } }, "Open in the playground"),
        el("button", { type: "button", class: "quiet", on: { click: () => show(byId("kept-one"), false) } }, "Close"))),
    kept.shortened && el("p", { class: "notice" }, "This request was too large to be kept whole: its tests and the start of its completion are not here."),
    ...explanation(kept.verdict, request),
    el("section", {}, el("h3", {}, "The completion"), el("pre", { class: "mono tall", tabindex: 0 }, request.completion)),
  ].filter(Boolean);
}

function again(text) {
  loadRequest(text);
  location.hash = "#playground";
}
