"""JavaScript and TypeScript: tests that follow the program in its own file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from sandbox.harness.unit import Unit
from sandbox.types import Program

_HARNESS = "verdict.cjs"
# From here on the file is the main module, which it was not for the program: see verdict.cjs.
_TESTS_ARE_MAIN = "typeof module === 'object' && (require.main = process.mainModule = module);"
_REPORTER, _SETUP = "jest_reporter.cjs", "jest_setup.cjs"
_JEST_FILE = re.compile(r"(?:^|/)__tests__/.*\.[jt]sx?$|(?:^|[/.])(?:test|spec)\.[jt]sx?$")
_DECLARED = re.compile(r"^declare\s[^\n{]*$", re.MULTILINE)


def javascript_asserts(program: Program) -> Unit:
    """The tests in a block of their own, so that they may declare again what the program declares."""
    return _unit("main.js", program.setup, program.source, program.tests)


def typescript_asserts(program: Program) -> Unit:
    """As JavaScript; ambient declarations of the tests stand where they may."""
    declarations = " ".join(
        found.group().strip().rstrip(";") + ";" for found in _DECLARED.finditer(program.tests)
    )
    tests = _DECLARED.sub("", program.tests)
    return _unit("main.ts", f"{program.setup}{declarations}", program.source, tests)


def jest_script(program: Program) -> Unit:
    """One file of tests, run by Jest; the exit code tells the outcome."""
    return Unit({"main.test.js": program.source}, {"sources": (), "main": ()})


def jest_unit_tests(program: Program) -> Unit:
    """The program and the files of its tests, with a reporter of ours."""
    files = {program.path: program.source, **dict(program.files)}
    options = (f"--reporters={{box}}/{_REPORTER}", f"--setupFilesAfterEnv={{box}}/{_SETUP}")
    ours = {_REPORTER: _text(_REPORTER), _SETUP: _text(_SETUP)}
    return Unit({**files, **ours}, {"sources": (), "main": options})


def jest_complaint(files: Mapping[str, str]) -> str:
    """What makes these unit tests none that can be run here; empty if nothing does."""
    if not any(_JEST_FILE.search(path) for path in files):
        return "no file is named as Jest's tests are: *.test.js, *.spec.js or below __tests__"
    return ""


def _unit(name: str, setup: str, source: str, tests: str) -> Unit:
    head = f"{setup.strip()}\n" if setup.strip() else ""
    text = f"{head}{source}\n;{_TESTS_ARE_MAIN}{{\n{tests}\n}}\n;globalThis[Symbol.for('verdict')]();\n"
    words = {"sources": (name,), "preload": ("--require", f"{{box}}/{_HARNESS}")}
    return Unit({name: text, _HARNESS: _text(_HARNESS)}, words)


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
