"""The languages as data: names, files, commands, probes.

A language is available on a host when its version probe answers and its
hello-world passes in a jail; otherwise it is reported with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sandbox.errors import UnknownLanguage


class Kind(Enum):
    """How a program of the language is started."""

    PYTHON = "python"  # in a fork of the warmed interpreter
    EXEC = "exec"  # as an executable


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table. Commands run in the jail with /work as working directory."""

    name: str
    aliases: tuple[str, ...]
    kind: Kind
    source_name: str
    compile_command: tuple[str, ...]  # empty: nothing to compile ahead of the first run
    product: str  # the file that compilation leaves in /work
    version_command: tuple[str, ...]
    hello: str  # prints "hello"; the self-test


CPP_FLAGS = ("-O2", "-std=gnu++20")

PYTHON = Language(
    name="python",
    aliases=("py", "python3"),
    kind=Kind.PYTHON,
    source_name="main.py",
    compile_command=(),
    product="",
    version_command=(),
    hello='print("hello")\n',
)
CPP = Language(
    name="cpp",
    aliases=("c++", "cxx", "cc", "g++", "cpp20"),
    kind=Kind.EXEC,
    source_name="main.cpp",
    compile_command=("g++", *CPP_FLAGS, "main.cpp", "-o", "main"),
    product="main",
    version_command=("g++", "-dumpfullversion"),
    hello='#include <cstdio>\nint main() { std::puts("hello"); }\n',
)

LANGUAGES = (PYTHON, CPP)
_BY_NAME = {name: row for row in LANGUAGES for name in (row.name, *row.aliases)}


def find(name: str) -> Language:
    """The language of that name or alias, in any case; raises UnknownLanguage."""
    row = _BY_NAME.get(name.lower())
    if row is None:
        known = ", ".join(row.name for row in LANGUAGES)
        raise UnknownLanguage(f"unknown language {name!r}; known: {known}")
    return row
