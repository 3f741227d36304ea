"""The table of languages is consistent, and what is not in it is named."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from sandbox.errors import UnknownLanguage
from sandbox.languages import LANGUAGES, Kind, Language, find
from sandbox.languages.packages import packages
from sandbox.types import Mode
from tests.sandbox.programs import SAMPLES, WITHOUT_INPUT

EVERY_ROW = pytest.mark.parametrize("row", LANGUAGES, ids=lambda row: row.name)
PLACEHOLDERS = {"box", "sources", "main", "memory_mb", "preload", "precompiled", "linker", "class_archive"}


def test_no_name_or_alias_means_two_languages() -> None:
    names = [name for row in LANGUAGES for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    assert names == [name.lower() for name in names]


@EVERY_ROW
def test_a_row_is_whole(row: Language) -> None:
    assert find(row.name.upper()) is row
    assert "hello" in row.hello
    assert set(row.modes) <= {mode.value for mode in Mode}
    if row.kind is Kind.EXEC:
        assert row.version_command
        assert row.run_command
        assert row.tools


@EVERY_ROW
def test_every_placeholder_means_something(row: Language) -> None:
    # A word with blanks is a script, with braces of its own.
    words = [
        word for word in (*row.compile_command, *row.run_command) if "\n" not in word and " " not in word
    ]
    fields = {name for word in words for _, name, _, _ in string.Formatter().parse(word) if name}
    assert fields <= PLACEHOLDERS


@EVERY_ROW
def test_a_variant_follows_a_language_of_the_table(row: Language) -> None:
    assert find(row.rules).name == row.rules


def test_every_language_has_programs_to_be_tested_with() -> None:
    assert {row.name for row in LANGUAGES} == SAMPLES.keys() | WITHOUT_INPUT


def test_the_packages_are_those_that_the_tests_install(repository: Path) -> None:
    lines = (repository / "scripts" / "toolchains.txt").read_text().splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    assert listed == sorted({package for row in LANGUAGES for package in row.packages})


def test_the_packages_of_a_few_languages_for_an_image() -> None:
    assert packages(["c++", "go"]) == ["g++", "golang-go"]
    assert set(packages(["all"])) == {package for row in LANGUAGES for package in row.packages}


@pytest.mark.parametrize("name", ["nodejs", "R", "D_ut", "csharp", "c++", "golang", "racket", "sql"])
def test_names_of_other_servers_are_known(name: str) -> None:
    assert find(name)


def test_the_known_ones_are_listed_with_an_unknown_name() -> None:
    with pytest.raises(UnknownLanguage, match="python, cpp"):
        find("brainfuck")
