// A completion and a task in, the explained verdict out.

import { byId, el, show } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { explanation, faultMessage, replace } from "./explain.js";
import { apiKey, ask } from "./server.js";

const FORM_FIELDS = ["completion", "gold", "extraction", "language", "checker", "function", "asserts"];
let asking = null;

export function startPlayground() {
  byId("examples").append(...EXAMPLES.map((example) =>
    el("button", { type: "button", class: "chip", on: { click: () => load(example) } }, example.name)));
  byId("ask").addEventListener("input", refresh);
  byId("ask").addEventListener("submit", (event) => { event.preventDefault(); verify(); });
  byId("ask").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) verify();
  });
  byId("add-case").addEventListener("click", () => { addCase("", ""); refresh(); });
  byId("copy-curl").addEventListener("click", copyCurl);
  load(EXAMPLES[0]);
}

// What the server can do, for the choices of the form.
export function offerChoices(capabilities) {
  const languages = capabilities.languages.filter((language) => language.available);
  fill("language", languages.map((language) => [language.name, `${language.name} ${language.version}`.trim()]));
  fill("extraction", [["", "the default"], ...capabilities.extraction_policies.map((name) => [name, name])]);
  const named = capabilities.checkers.filter((name) => !["floats", "program"].includes(name));
  fill("checker", [["", "the default"], ...named.map((name) => [name, name])]);
  refresh();
}

function fill(id, options) {
  const chosen = byId(id).value;
  byId(id).replaceChildren(...options.map(([value, label]) => el("option", { value }, label)));
  if (options.some(([value]) => value === chosen)) byId(id).value = chosen;
}

const kind = () => byId("ask").elements.kind.value;

function load(example) {
  byId("ask").elements.kind.value = example.kind;
  byId("format").value = example.format ?? "stdio";
  for (const name of FORM_FIELDS) byId(name).value = example[name] ?? (name === "language" ? "python" : "");
  byId("cpu-seconds").value = example.cpuSeconds ?? "";
  byId("memory-mib").value = "";
  byId("cases").replaceChildren();
  for (const [given, wanted] of example.cases ?? [["", ""]]) addCase(given, wanted);
  emptyAnswer();
  refresh();
}

// Any request as text, for example one that the server kept.
export function loadRequest(text) {
  byId("ask").elements.kind.value = "json";
  byId("json").value = text;
  emptyAnswer();
  refresh();
}

function addCase(given, wanted) {
  const row = el("div", { class: "case-row" },
    el("textarea", { class: "mono", rows: 2, spellcheck: "false" }), el("textarea", { class: "mono", rows: 2, spellcheck: "false" }),
    el("button", { type: "button", class: "quiet", on: { click: () => { row.remove(); refresh(); } } }, "×"));
  const [left, right] = row.querySelectorAll("textarea");
  [left.value, right.value] = [given, wanted];
  byId("cases").append(row);
}

function refresh() {
  for (const part of document.querySelectorAll("#ask [data-for]")) {
    const formats = part.dataset.format;
    const wanted = part.dataset.for.split(" ").includes(kind()) && (!formats || formats.split(" ").includes(byId("format").value));
    show(part, wanted);
  }
  nameCases();
  if (kind() === "json" && !byId("json").value) byId("json").value = '{\n  "completion": "\\\\boxed{42}",\n  "math": {"gold": ["42"]}\n}';
  report(null);
  try {
    byId("curl").textContent = curl(requestText());
  } catch (error) {
    byId("curl").textContent = `The form is not complete: ${error.message}`;
  }
}

function nameCases() {
  const [given, wanted] = byId("format").value === "call" ? ["Arguments, a JSON array", "Expected, JSON"] : ["Input", "Expected output"];
  [...byId("cases").children].forEach((row, index) => {
    const [left, right] = row.querySelectorAll("textarea");
    const [leftName, rightName] = [`${given} of test ${index + 1}`, `${wanted} of test ${index + 1}`];
    left.setAttribute("aria-label", leftName);
    right.setAttribute("aria-label", rightName);
    left.placeholder = given;
    right.placeholder = wanted;
    row.querySelector("button").setAttribute("aria-label", `Remove test ${index + 1}`);
  });
}

// The request as JSON text. It is put together from texts, so that integers of any size stay exact.
function requestText() {
  if (kind() === "json") {
    JSON.parse(byId("json").value);
    return byId("json").value;
  }
  const common = [["completion", quote("completion")], ["extraction", quote("extraction")], ["explain", "true"]];
  return object([...common, kind() === "math" ? ["math", mathText()] : ["code", codeText()]]);
}

function mathText() {
  const gold = lines("gold");
  if (!gold.length) throw new SyntaxError("a gold answer is needed");
  return object([["gold", JSON.stringify(gold)]]);
}

function codeText() {
  const format = byId("format").value;
  const texts = { stdio: stdioText, call: callText, asserts: assertsText };
  return object([
    ["language", quote("language")],
    [format, texts[format]()],
    ["checker", format === "stdio" ? quote("checker") : ""],
    ["run_all", byId("run-all").checked ? "true" : "false"],
    ["limits", limitsText()],
  ]);
}

function stdioText() {
  const cases = pairs().map(([input, output]) => object([["input", JSON.stringify(input)], ["output", JSON.stringify(output)]]));
  return object([["cases", array(cases)]]);
}

function callText() {
  if (!byId("function").value.trim()) throw new SyntaxError("the function's name is needed");
  const cases = pairs().map(([args, expected], index) =>
    object([["args", json(args, `arguments of test ${index + 1}`)], ["expected", json(expected, `expected value of test ${index + 1}`)]]));
  return object([["function", JSON.stringify(byId("function").value.trim())], ["cases", array(cases)]]);
}

function assertsText() {
  return object([["tests", JSON.stringify(lines("asserts"))]]);
}

function limitsText() {
  const [cpu, memory] = [Number(byId("cpu-seconds").value), Number(byId("memory-mib").value)];
  if (!cpu && !memory) return "";
  return object([["cpu_seconds", cpu ? String(cpu) : ""], ["memory_bytes", memory ? String(Math.round(memory * 1048576)) : ""]]);
}

function pairs() {
  const rows = [...byId("cases").children].map((row) => [...row.querySelectorAll("textarea")].map((field) => field.value));
  if (!rows.length) throw new SyntaxError("a test is needed");
  return rows;
}

function json(text, what) {
  try {
    JSON.parse(text);
  } catch {
    throw new SyntaxError(`the ${what} are not JSON`);
  }
  return text;
}

const lines = (id) => byId(id).value.split("\n").filter((line) => line.trim());
const quote = (id) => (byId(id).value ? JSON.stringify(byId(id).value) : id === "completion" ? '""' : "");
const array = (items) => `[${items.join(", ")}]`;
const object = (fields) => `{${fields.filter(([, text]) => text).map(([name, text]) => `"${name}": ${text}`).join(", ")}}`;

// The key itself is not shown: the shell takes it from its environment.
function curl(body) {
  const key = apiKey() ? ' -H "authorization: Bearer $REWARD_API_KEY"' : "";
  return `curl -s ${location.origin}/v1/verify -H 'content-type: application/json'${key} --data-raw '${body.replaceAll("'", "'\\''")}'`;
}

async function copyCurl() {
  try {
    await navigator.clipboard.writeText(byId("curl").textContent);
    byId("copy-curl").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("curl"));
    byId("copy-curl").textContent = "Selected";
  }
  setTimeout(() => { byId("copy-curl").textContent = "Copy"; }, 2000);
}

function report(error) {
  show(byId("ask-error"), error !== null);
  byId("ask-error").textContent = error?.message ?? "";
}

function emptyAnswer() {
  asking?.abort();
  replace("answer", el("div", { class: "empty" }, el("p", {}, "The verdict appears here, with what was read, what decided and what it used.")));
}

async function verify() {
  let body;
  try {
    body = requestText();
  } catch (error) {
    return report(error);
  }
  report(null);
  asking?.abort();
  const mine = (asking = new AbortController());
  byId("answer").setAttribute("aria-busy", "true");
  replace("answer", el("div", { class: "empty" }, el("span", { class: "spinner", "aria-hidden": "true" }), el("p", {}, "Judging …")));
  try {
    const verdict = await ask("/v1/verify", { body, signal: mine.signal });
    if (mine === asking) replace("answer", explanation(verdict, JSON.parse(body)));
  } catch (fault) {
    if (mine === asking && !mine.signal.aborted) replace("answer", faultMessage(fault));
  } finally {
    if (mine === asking) byId("answer").removeAttribute("aria-busy");
  }
}
