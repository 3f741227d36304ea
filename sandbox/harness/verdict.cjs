// Loaded before a JavaScript program whose tests follow it in the same file.
//
// The tests' last statement calls the function below. b"done" goes to descriptor 4 once nothing is
// left to do, promises and timers included; process.exit() never gets there. console.assert(), which
// only prints in Node, throws here. While the program is read it is not the main module, as if the tests
// had required it: what it keeps for `require.main === module` does not run.
// What is thrown or rejected and caught by nobody is noted as Node announces it, whatever listeners the program
// has: with one of its own Node would go on, and a test that failed later would be forgotten. What a program
// rejects it may still catch later; a failed assertion it may not.
"use strict";
const { writeSync } = require("node:fs");
const { AssertionError } = require("node:assert");
const { Module, createRequire } = require("node:module");
const { once } = process;
const { _compile } = Module.prototype;

let failed = 0;
let uncaught = 0;
let emit = process.emit;
function announce(name, ...values) {
  if (name === "uncaughtExceptionMonitor") failed += 1;
  if (name === "unhandledRejection") values[0]?.code === "ERR_ASSERTION" ? (failed += 1) : (uncaught += 1);
  if (name === "rejectionHandled") uncaught -= 1; // caught after all, though late
  return emit.call(this, name, ...values);
}
Object.defineProperty(process, "emit", { get: () => announce, set: (other) => void (emit = other) });

console.assert = (condition, ...message) => {
  if (!condition) throw new AssertionError({ message: message.join(" ") || "Assertion failed" });
};
Module.prototype._compile = function (...content) {
  Module.prototype._compile = _compile;
  process.mainModule = undefined; // what `require.main` is made of
  return _compile.apply(this, content);
};
// A program that is an ES module has no require(), and its tests may ask for it.
Object.defineProperty(globalThis, "require", { value: createRequire(process.argv[1]), configurable: true, writable: true });
Object.defineProperty(globalThis, Symbol.for("verdict"), {
  value: () => once.call(process, "beforeExit", (code) => code === 0 && failed === 0 && uncaught === 0 && writeSync(4, "done")),
});
