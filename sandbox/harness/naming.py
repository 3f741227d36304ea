"""Languages whose files or entries are named by what is declared in them."""

from __future__ import annotations

import re

from sandbox.harness.lexing import JAVA, blanked
from sandbox.harness.unit import Unit
from sandbox.types import Program

_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)", re.MULTILINE)
_SCALA_APP = re.compile(r"\bobject\s+(\w+)[^{\n]*\bextends\b[^{\n]*\bApp\b")
_SCALA_MAIN = re.compile(r"\bobject\s+(\w+)(?:(?!\bobject\s).)*?\bdef\s+main\b", re.DOTALL)
_KOTLIN_STATIC = re.compile(r"\bobject\s+(\w+)\s*\{(?:(?!\bobject\s).)*?@JvmStatic\s+fun\s+main\b", re.DOTALL)
_ERLANG_MODULE = re.compile(r"^-module\(\s*([a-z]\w*)\s*\)", re.MULTILINE)


def package_of(code: str) -> str:
    """The package with its dot, or nothing."""
    found = _PACKAGE.search(code)
    return f"{found[1]}." if found else ""


def kotlin(program: Program) -> Unit:
    """Top-level main() lies in the class MainKt."""
    code = blanked(program.source, JAVA)
    found = _KOTLIN_STATIC.search(code)
    entry = found[1] if found else "MainKt"
    return _named(program, "Main.kt", package_of(code) + entry)


def scala(program: Program) -> Unit:
    """The object that is an App or has main()."""
    code = blanked(program.source, JAVA)
    found = _SCALA_APP.search(code) or _SCALA_MAIN.search(code)
    return _named(program, "Main.scala", package_of(code) + (found[1] if found else "Main"))


def erlang(program: Program) -> Unit:
    """A module must stand in the file of its name."""
    found = _ERLANG_MODULE.search(program.source)
    module = found[1] if found else "main"
    return _named(program, f"{module}.erl", module)


def _named(program: Program, file: str, entry: str) -> Unit:
    return Unit({file: program.source}, {"sources": (file,), "main": (entry,)})
