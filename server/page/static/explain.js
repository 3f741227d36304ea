// A verdict explained: what was read, what decided, which test failed first, and within which limits.

import { byId, bytes, el, seconds } from "./dom.js";
import { formula } from "./math.js";
import { badge, meaning, tone, words } from "./statuses.js";

const LONGEST_SHOWN = 4000;

// Everything about a verdict, as elements. `request` is what was asked, where it is known.
export function explanation(verdict, request = {}) {
  return [
    heading(verdict),
    facts(verdict),
    verdict.math && mathPart(verdict, request),
    verdict.code && codePart(verdict.code, request.code ?? {}),
    verdict.extracted && block(verdict.code ? "The program that was found" : "The answer that was found", verdict.extracted),
    timing(verdict.timing),
    details("The verdict as JSON", pre(JSON.stringify(verdict, null, 2))),
  ].filter(Boolean);
}

function heading(verdict) {
  const judged = verdict.reward != null;
  return el("div", { class: `verdict ${tone(verdict.status)}` },
    el("div", { class: "verdict-line" },
      el("h2", {}, words(verdict.status)),
      el("span", { class: "reward" }, judged ? `reward ${Number(verdict.reward.toFixed(4))}` : "no reward")),
    el("p", { class: "message" }, verdict.message || meaning(verdict.status)),
    verdict.message && el("p", { class: "hint" }, meaning(verdict.status)));
}

function facts(verdict) {
  const trust = { OUTSIDE: "expected values stayed outside the jail", IN_PROCESS: "the tests shared a process with the program" };
  return el("ul", { class: "facts" },
    verdict.isolation && el("li", {}, `isolation: ${verdict.isolation}`),
    trust[verdict.trust] && el("li", {}, trust[verdict.trust]),
    verdict.code?.checker && el("li", {}, `checker: ${verdict.code.checker}`),
    verdict.cached && el("li", {}, "from the cache"),
    (verdict.flags ?? []).map((flag) => el("li", { class: "flag" }, `flag: ${flag}`)));
}

function mathPart(verdict, request) {
  const { gold_parsed: gold, answer_parsed: answer, rule } = verdict.math;
  const sent = (request.math?.gold ?? []).join("\n");
  return el("section", {},
    el("div", { class: "readings" }, reading("Gold", gold, sent), reading("Answer", answer, verdict.extracted)),
    rule && el("p", { class: "rule" }, "Decided by: ", el("strong", {}, rule)));
}

function reading(title, parsed, written) {
  return el("figure", { class: "reading" },
    el("figcaption", {}, title),
    parsed ? formula(parsed) : el("p", { class: "hint" }, "not read"),
    el("dl", {},
      el("dt", {}, "read as"), el("dd", {}, el("code", {}, cut(parsed || "–"))),
      written && written !== parsed && [el("dt", {}, "written"), el("dd", {}, el("code", {}, cut(written)))]));
}

function codePart(code, task) {
  return el("section", {},
    compilation(code.compile),
    code.tests_total > 0 && el("h3", {}, `${code.tests_passed} of ${code.tests_total} tests passed`,
      code.tests_run < code.tests_total && el("span", { class: "hint" }, ` ${code.tests_run} were run`)),
    code.cases.length > 0 && tests(code, task),
    limits(code));
}

function compilation(compile) {
  if (!compile || (compile.ok && !compile.diagnostics)) return null;
  return block(compile.ok ? "The compiler's warnings" : "The compiler's errors", compile.diagnostics);
}

function tests(code, task) {
  const head = ["Test", "Status", "CPU", "Wall", "Memory"].map((title, index) =>
    el("th", { scope: "col", class: index > 1 && "number" }, title));
  const deciding = code.cases.find((item) => item.status !== "ACCEPTED");
  return el("div", { class: "scroll" },
    el("table", { class: "tests" }, el("thead", {}, el("tr", {}, head)),
      code.cases.map((item) => testRows(item, task, item === deciding))));
}

function testRows(item, task, deciding) {
  const why = [
    item.difference && el("p", { class: "difference" }, item.difference),
    item.checker_message && el("p", { class: "difference" }, `checker: ${item.checker_message}`),
    item.exit_code ? el("p", { class: "hint" }, `exit code ${item.exit_code}`) : null,
    item.signal ? el("p", { class: "hint" }, `killed by signal ${item.signal}`) : null,
    item.stderr && el("pre", { class: "mono", tabindex: 0 }, cut(item.stderr)),
    sentCase(task, item.index),
  ].filter(Boolean);
  return el("tbody", { class: deciding && "deciding" },
    el("tr", {},
      el("th", { scope: "row" }, String(item.index + 1)),
      el("td", {}, badge(item.status), item.score != null && ` ${item.score}`),
      el("td", { class: "number" }, seconds(item.cpu_seconds)),
      el("td", { class: "number" }, seconds(item.wall_seconds)),
      el("td", { class: "number" }, bytes(item.memory_bytes))),
    (deciding || item.status !== "ACCEPTED") && why.length > 0 && el("tr", { class: "why" }, el("td", { colspan: "5" }, why)));
}

// What the test gave and wanted, where the request that is shown holds it.
function sentCase(task, index) {
  const found = task.stdio?.cases?.[index] ?? task.call?.cases?.[index];
  if (!found) return task.asserts?.tests?.[index] ? pre(task.asserts.tests[index]) : null;
  const pairs = "args" in found
    ? [["arguments", JSON.stringify(found.args)], ["expected", JSON.stringify(found.expected)]]
    : [["input", found.input], ["expected output", found.output]];
  return el("dl", { class: "case" }, pairs.map(([name, text]) => [el("dt", {}, name), el("dd", {}, pre(text ?? ""))]));
}

function limits({ limits: applied, cases }) {
  if (!applied) return null;
  const most = (name) => Math.max(0, ...cases.map((item) => item[name]));
  const rows = [
    ["CPU time", seconds(most("cpu_seconds")), seconds(applied.cpu_seconds)],
    ["Wall clock", seconds(most("wall_seconds")), seconds(applied.wall_seconds)],
    ["Memory", bytes(most("memory_bytes")), bytes(applied.memory_bytes)],
    ["Output", "", bytes(applied.output_bytes)],
    ["Processes", "", String(applied.processes)],
  ];
  return details("Limits of one test", el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Limit"), el("th", { scope: "col", class: "number" }, "Most used"), el("th", { scope: "col", class: "number" }, "Allowed"))),
    el("tbody", {}, rows.map(([name, used, allowed]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "number" }, used), el("td", { class: "number" }, allowed))))));
}

function timing(spent) {
  if (!spent) return null;
  const phases = [["queue", spent.queue_seconds], ["compile", spent.compile_seconds], ["run", spent.run_seconds]];
  return el("p", { class: "timing hint" }, `Took ${seconds(spent.total_seconds)}: `,
    phases.filter(([, value]) => value > 0).map(([name, value]) => `${name} ${seconds(value)}`).join(", ") || "nothing to speak of");
}

function block(title, text) {
  return el("section", {}, el("h3", {}, title), pre(text));
}

const pre = (text) => el("pre", { class: "mono", tabindex: 0 }, cut(text));
const details = (title, ...content) => el("details", {}, el("summary", {}, title), ...content);

function cut(text) {
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}\n… ${text.length - LONGEST_SHOWN} more characters`;
}

// A request that was refused, or a server that does not answer.
export function faultMessage(fault) {
  const later = ["QUEUE_FULL", "DRAINING", "DEADLINE_EXCEEDED"].includes(fault.code) || !fault.status;
  return el("div", { class: "verdict none" },
    el("div", { class: "verdict-line" }, el("h2", {}, fault.code ? words(fault.code) : "no answer"), el("span", { class: "reward" }, "no reward")),
    el("p", { class: "message" }, fault.message),
    el("p", { class: "hint" }, later ? "Nothing was judged. The same request may be sent again." : "Nothing was judged. The request itself is to be changed."));
}

export function replace(id, ...content) {
  byId(id).replaceChildren(...content.flat(Infinity));
}
