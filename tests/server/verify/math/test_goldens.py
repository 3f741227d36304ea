"""Golds of published sets: each accepts itself, and none accepts another problem's different gold.

The sets are read from `../shared/data/math` beside the checkout; without them
the tests that need them are skipped by name, and the repository's own sample is
still judged.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from server.verify.math import worker
from server.verify.math.quick import judge_quickly
from server.verify.math.reading import read
from server.verify.math.tree import Number
from tests.server.verify.math.test_rewritings import around, of_decimal, of_fraction, of_integer

ROOT = Path(__file__).parents[4]
SHARED = ROOT.parent / "shared" / "data" / "math"
GOLD_SETS = ["gold_math500", "gold_gsm8k_test", "gold_omni_amc_aime_val_prime", "gold_aime24", "gold_amc23"]

# Neighbours whose golds have the same value: the answer to one does answer the other.
SAME_VALUE = {("5", "x=5")}


def rows(name: str) -> list[dict[str, str]]:
    path = SHARED / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this checkout (../shared/data/math)")
    return [json.loads(line) for line in path.read_text().splitlines()]


def status(gold: str, answer: str) -> str:
    result = json.loads(worker.handle(json.dumps({"gold": [gold], "answer": answer}).encode()))
    return str(result["status"])


def test_the_repositorys_own_sample() -> None:
    lines = (ROOT / "tests" / "data" / "math_sample.jsonl").read_text().splitlines()
    sample = [json.loads(line) for line in lines]
    assert len(sample) >= 20
    wrong = [
        row["id"] for row in sample if (status(row["gold"], row["answer"]) == "correct") != row["expected"]
    ]
    assert wrong == []


@pytest.mark.parametrize("name", GOLD_SETS)
def test_every_gold_accepts_itself(name: str) -> None:
    golds = [row["gold"] for row in rows(name)]
    assert [gold for gold in golds if status(gold, gold) != "correct"] == []


@pytest.mark.parametrize("name", GOLD_SETS)
def test_no_gold_accepts_its_neighbours_different_gold(name: str) -> None:
    golds = [row["gold"] for row in rows(name)]
    pairs = {(one, other) for one, other in pairwise(golds) if one != other} - SAME_VALUE
    assert pairs
    assert [pair for pair in pairs if status(*pair) not in {"incorrect", "unreadable_answer"}] == []


@pytest.mark.parametrize("name", GOLD_SETS)
def test_every_gold_can_be_read(name: str) -> None:
    golds = {row["gold"] for row in rows(name)}
    assert [gold for gold in golds if status(gold, "987654321") != "incorrect"] == []


# --- their usual rewritings ----------------------------------------------------------------------

REWRITINGS = {"integer": of_integer, "fraction": of_fraction, "decimal": of_decimal}
FURTHER_NEIGHBOURS = 8


def is_accepted(gold: str, answer: str) -> bool:
    found = judge_quickly(gold, answer)
    return found is not None and found.status == "correct"


def plain_numbers(name: str) -> dict[str, Number]:
    """The golds of a set that are numbers without a name, unit or sign of percent."""
    found = {row["gold"]: read(row["gold"]) for row in rows(name)}
    return {gold: answer for gold, answer in found.items() if isinstance(answer, Number)}


def rewritings(gold: str, number: Number) -> list[str]:
    value = int(number.value) if number.kind == "integer" else number.value
    return [*around(gold), *REWRITINGS[number.kind](value)] if number.kind in REWRITINGS else around(gold)


@pytest.mark.parametrize("name", GOLD_SETS)
def test_every_number_accepts_its_rewritings(name: str) -> None:
    found = plain_numbers(name)
    assert len(found) > 20
    refused = [
        (gold, answer)
        for gold, number in found.items()
        for answer in rewritings(gold, number)
        if not is_accepted(gold, answer)
    ]
    assert refused == []


@pytest.mark.parametrize("name", GOLD_SETS)
def test_every_other_gold_accepts_its_rewritings(name: str) -> None:
    others = {row["gold"] for row in rows(name)} - set(plain_numbers(name))
    refused = [(gold, answer) for gold in others for answer in around(gold) if not is_accepted(gold, answer)]
    assert refused == []


@pytest.mark.parametrize("name", GOLD_SETS)
def test_no_number_accepts_another_of_its_set_or_its_rewritings(name: str) -> None:
    found = list(plain_numbers(name).items())
    accepted = []
    for place, (gold, number) in enumerate(found):
        for other, its in found[place + 1 : place + 1 + FURTHER_NEIGHBOURS]:
            if number.value == its.value:
                continue
            accepted += [
                (gold, answer) for answer in (other, f"${other}.$", f"x={other}") if is_accepted(gold, answer)
            ]
    assert accepted == []
