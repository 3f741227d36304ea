"""The table of languages is consistent, and what is not in it is named."""

from __future__ import annotations

import pytest

from sandbox.errors import UnknownLanguage
from sandbox.languages import LANGUAGES, Kind, find


def test_no_name_or_alias_means_two_languages() -> None:
    names = [name for row in LANGUAGES for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    assert names == [name.lower() for name in names]


@pytest.mark.parametrize("row", LANGUAGES, ids=lambda row: row.name)
def test_a_row_is_whole(row) -> None:  # type: ignore[no-untyped-def]
    assert find(row.name.upper()) is row
    assert row.hello
    if row.kind is Kind.EXEC:
        assert row.product in row.compile_command
        assert row.source_name in row.compile_command
        assert row.version_command


def test_the_known_ones_are_listed_with_an_unknown_name() -> None:
    with pytest.raises(UnknownLanguage, match="python, cpp"):
        find("brainfuck")
