// Loaded before a JavaScript program whose tests follow it in the same file.
//
// The tests' last statement calls the function below. b"done" goes to descriptor 4 once nothing is
// left to do, promises and timers included; process.exit() never gets there. console.assert(), which
// only prints in Node, throws here.
"use strict";
const { writeSync } = require("node:fs");
const { AssertionError } = require("node:assert");
const { once } = process;

console.assert = (condition, ...message) => {
  if (!condition) throw new AssertionError({ message: message.join(" ") || "Assertion failed" });
};
Object.defineProperty(globalThis, Symbol.for("verdict"), {
  value: () => once.call(process, "beforeExit", (code) => code === 0 && writeSync(4, "done")),
});
