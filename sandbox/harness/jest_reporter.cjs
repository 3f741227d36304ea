// A Jest reporter: one line of JSON and "done" on descriptor 4 when every test file has ended.
//
// {"tests": {"file > group > title": outcome}}; a file that could not run stands under its own name.
"use strict";
const { writeSync } = require("node:fs");
const { relative } = require("node:path");

const OUTCOMES = { passed: "passed", failed: "failed" };
const WORST_LAST = ["passed", "skipped", "failed", "error"];

module.exports = class VerdictReporter {
  constructor(config) {
    this.root = config.rootDir;
  }

  onRunComplete(_contexts, results) {
    const tests = Object.create(null);
    for (const file of results.testResults) this.note(tests, file);
    let rest = Buffer.from(JSON.stringify({ tests }) + "\ndone");
    while (rest.length) rest = rest.subarray(writeSync(4, rest));
  }

  note(tests, file) {
    const name = relative(this.root, file.testFilePath);
    if (file.testExecError) tests[name] = "error";
    if (file.failureMessage) process.stderr.write(`${file.failureMessage}\n`);
    for (const test of file.testResults) {
      const id = [name, ...test.ancestorTitles, test.title].join(" > ");
      const outcome = OUTCOMES[test.status] || "skipped";
      const seen = tests[id] || "passed";
      tests[id] = WORST_LAST.indexOf(seen) > WORST_LAST.indexOf(outcome) ? seen : outcome;
    }
  }
};
