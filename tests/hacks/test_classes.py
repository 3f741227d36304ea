"""Every class of documented reward hacks is tried on every test format, but where it cannot exist."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from tests.hacks import frameworks, others, programs

CLASSES = frozenset(f"E{number}" for number in range(1, 12))
FORMATS: dict[str, Iterable[str]] = {
    "stdio": (*programs.STDIO, *programs.STDIO_BASH),
    "call": programs.CALL,
    "call in C++": others.CPP_CALL,
    "special checker": programs.CHECKED,
    "interactive": programs.INTERACTIVE,
    "asserts beside": (*programs.ASSERTS_IN_PROCESS, *programs.POSSIBLE_IN_PROCESS),
    "asserts in other languages": [
        name for beside in others.BESIDE.values() for name in (*beside.hacks, *beside.possible)
    ],
    "pytest": (*programs.UNIT_TESTS, *programs.UNIT_TESTS_POSSIBLE),
    "unittest": (*programs.UNITTEST, *programs.UNITTEST_POSSIBLE),
    **{name: (*suite.hacks, *suite.possible) for name, suite in frameworks.SUITES.items()},
}
_NO_FILES = "nothing that judges lies where the program could write"
_TYPED = "the tests compare numbers of the language's own type"
_SAME_JAIL = "the jail is that of calls in Python, which try it"
CANNOT_EXIST: dict[tuple[str, str], str] = {
    ("special checker", "E2"): "what is judged are bytes",
    ("interactive", "E2"): "what is judged are bytes",
    ("junit", "E2"): _TYPED,
    ("go", "E2"): _TYPED,
    ("call in C++", "E5"): _NO_FILES,
    ("call in C++", "E10"): _SAME_JAIL,
    ("call in C++", "E11"): _SAME_JAIL,
    ("asserts in other languages", "E5"): _NO_FILES,
    ("asserts in other languages", "E10"): "the jail is that of asserts in Python, which try it",
    ("asserts in other languages", "E11"): "the jail is that of asserts in Python, which try it",
}


def classes(names: Iterable[str]) -> set[str]:
    return {found for name in names for found in re.findall(r"\bE\d+\b", name)}


@pytest.mark.parametrize("name", FORMATS)
def test_every_class_is_tried(name: str) -> None:
    without = {kind for test_format, kind in CANNOT_EXIST if test_format == name}
    assert CLASSES - classes(FORMATS[name]) == without


def test_the_suite_is_as_large_as_it_says() -> None:
    assert sum(len(list(names)) for names in FORMATS.values()) >= 230
