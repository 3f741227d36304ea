"""From a program and its mode to the files that a compiler and the jail get.

Unit tests end with a record on descriptor 4: a line of JSON, {"tests": {id: outcome}} with the outcomes
passed, failed, skipped and error, and b"done".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.harness import cpp_asserts_unit, cpp_call_unit, golang, javascript, jvm, naming, rust, scripts
from sandbox.harness.unit import Unit
from sandbox.languages.row import Language
from sandbox.types import Mode, Program

Maker = Callable[[Program], Unit]


def make_unit(row: Language, program: Program) -> Unit:
    """The files of a program; raises ValueError if the mode's fields make no unit."""
    maker = _MAKERS[program.mode].get(row.rules)
    return maker(program) if maker else single(row, program.source)


def single(row: Language, text: str) -> Unit:
    """A unit of one file."""
    return Unit({row.source_name: text}, {"sources": (row.source_name,), "main": ("main",)})


def _cpp_call(program: Program) -> Unit:
    return _cpp(cpp_call_unit(program.source, program.function))


def _cpp_asserts(program: Program) -> Unit:
    return _cpp(cpp_asserts_unit(program.source, program.setup, program.tests))


def _cpp(text: str) -> Unit:
    return Unit({"main.cpp": text}, {"sources": ("main.cpp",)})


_MAKERS: Mapping[Mode, Mapping[str, Maker]] = {
    Mode.SCRIPT: {
        "java": jvm.java_script,
        "junit": jvm.junit_script,
        "jest": javascript.jest_script,
        "kotlin": naming.kotlin,
        "scala": naming.scala,
        "erlang": naming.erlang,
        "go": golang.go_script,
        "php": scripts.php_script,
    },
    Mode.CALL: {"cpp": _cpp_call},
    Mode.ASSERTS: {
        "cpp": _cpp_asserts,
        "java": jvm.java_asserts,
        "javascript": javascript.javascript_asserts,
        "typescript": javascript.typescript_asserts,
        "go": golang.go_asserts,
        "rust": rust.rust_asserts,
        "php": scripts.php_asserts,
        "ruby": scripts.ruby_asserts,
        "perl": scripts.perl_asserts,
    },
    Mode.UNIT_TESTS: {
        "junit": jvm.junit_unit_tests,
        "go": golang.go_unit_tests,
        "rust": rust.rust_unit_tests,
        "jest": javascript.jest_unit_tests,
    },
}
