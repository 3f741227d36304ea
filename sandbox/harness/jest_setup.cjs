// Runs in each test file's world before anything of it: the program may not replace what the tests are written with.
"use strict";
for (const name of ["expect", "test", "it", "describe", "beforeAll", "beforeEach", "afterAll", "afterEach"]) {
  Object.defineProperty(globalThis, name, { value: globalThis[name], writable: false, configurable: false });
}
