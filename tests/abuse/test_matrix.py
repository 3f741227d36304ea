"""The table of the abuse corpus in the docs, and what it is made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.abuse import matrix
from tests.abuse.corpus import read


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return dict(json.loads(matrix.RESULTS.read_text()))


def test_the_docs_have_the_table_and_the_reasons_of_the_last_runs(
    results: dict[str, Any], repository: Path
) -> None:
    text = (repository / "docs" / "isolation.md").read_text()
    assert matrix.table(results) in text
    assert matrix.reasons(results) in text
    assert matrix.wrong(results) in text


def test_every_program_of_the_results_is_one_of_the_corpus(results: dict[str, Any]) -> None:
    known = {f"{abuse.language} {abuse.name}" for abuse in read()}
    for found in results.values():
        assert known.issuperset(found.get("held", ()))
        assert known.issuperset(found.get("not_held", ()))


def test_a_program_that_was_run_again_has_its_new_finding() -> None:
    first = [{"name": "c a", "kind": "wrong", "detail": "x"}, {"name": "c b", "kind": "held", "detail": ""}]
    row = matrix._row({}, first)
    again = matrix._row(row, [{"name": "c a", "kind": "held", "detail": ""}])
    assert (again["held"], again["not_held"]) == (["c a", "c b"], {})


@pytest.mark.parametrize(("again", "names"), [([], "--names="), (["--again"], "--names=python fork_bomb")])
def test_a_row_is_run_whole_or_only_what_was_wrong(
    again: list[str], names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(place: str, backend: str, image: str, more: list[str]) -> int:
        asked.append(more)
        return 0

    monkeypatch.setattr(matrix, "run", run)
    monkeypatch.setattr(matrix, "_not_held", lambda place, backend: "python fork_bomb")
    monkeypatch.setattr("sys.argv", ["matrix", "--place", "user", "--backend", "landlock", *again])
    assert matrix.main() == 0
    assert [more[-1] for more in asked] == [names]
