"""Agreement with labelled pairs: floors per suite, and every disagreement explained by name.

Judged are all rows that take no computer algebra, and each SAMPLED-th of the others. The whole
table beside other graders is `python -m bench.math_agreement`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from server.verify.math.policy import read_policy
from server.verify.math.quick import judge_quickly
from tests.server.verify.math.agreement import (
    COMPLETIONS,
    DATA,
    SUITES,
    Row,
    Setting,
    judged,
    rows_of,
    setting_of,
    texts_of,
)
from tests.server.verify.math.explained import APART, BY_CHOICE, EXPLAINED, reason_of

SAMPLED = 6
SYMMETRIC = 25
WHOLE = Setting(
    "whole", "texts that were found; operators may stand on either side", {"unevaluated": "accepted"}
)
FLOORS = {  # percent of the rows judged here that must agree
    "lighteval_extractive_match": 98,
    "latex2sympy2_extended_parse": 97,
    "areal_math_verify_reward": 98,
    "misc_rl_frameworks": 97,
    "deepscaler_orm_fewshot": 60,
    "synthetic_math_perturb": 99.7,
}  # any other: 100

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="no ../shared/data/math beside this checkout")


@cache
def pairs() -> list[Row]:
    return [*rows_of("pairs"), *rows_of("pairs_by_construction"), *rows_of("completions_gsm8k")]


def is_decided_here(row: Row, setting: Setting) -> bool:
    gold, answer = texts_of(row, setting)
    return answer is None or judge_quickly(gold, answer, read_policy(setting.policy)) is not None


def sampled() -> Iterator[tuple[Row, bool]]:
    """Each row of the sample, and whether it is judged as its label says."""
    open_rows = 0
    for row in pairs():
        setting = setting_of(row)
        if not is_decided_here(row, setting):
            open_rows += 1
            if open_rows % SAMPLED:
                continue
        yield row, (judged(row, setting).status == "correct") == row["expected"]


@cache
def outcomes() -> dict[str, list[tuple[Row, bool]]]:
    found = defaultdict(list)
    for row, agreed in sampled():
        found[row["suite"]].append((row, agreed))
    return found


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_agreement_with_a_suite(suite: str) -> None:
    agreed = [agreed for row, agreed in outcomes()[suite] if row["id"] not in APART]
    assert agreed
    assert 100 * sum(agreed) / len(agreed) >= FLOORS.get(suite, 100)


def test_every_disagreement_is_explained() -> None:
    wrong = [row for found in outcomes().values() for row, agreed in found if not agreed]
    assert [row["id"] for row in wrong if reason_of(row) is None] == []


def test_no_explanation_outlives_its_disagreement() -> None:
    listed = [row for row in pairs() if row["id"] in EXPLAINED]
    assert {row["id"] for row in listed if (judged(row).status == "correct") != row["expected"]} == set(
        EXPLAINED
    )


def test_known_false_positives_are_refused() -> None:
    rows = [row for row in pairs() if row["suite"] == "issues_known_cases" and not row["expected"]]
    assert len(rows) > 10
    assert [row["id"] for row in rows if judged(row).status == "correct"] == []


def test_no_completion_is_judged_against_its_label() -> None:
    found = outcomes()[COMPLETIONS]
    assert len(found) == 2000
    assert all(agreed for _, agreed in found)


@pytest.mark.parametrize("name", sorted(BY_CHOICE))
def test_a_choice_accepts_what_the_default_refuses(name: str) -> None:
    _, policy = BY_CHOICE[name]
    rows = [row for row in pairs() if row.get("cls") == name]
    assert rows
    chosen = replace(SUITES["synthetic_math_perturb"], policy=policy)
    assert all(judged(row).status != "correct" for row in rows)
    assert all(judged(row, chosen).status == "correct" for row in rows)


# Rules of one direction: a lone capital is the letter of a choice, a small one a variable; and `9:10` as a
# gold may be a time of day, as an answer to a fraction it is a quotient.
# The last side of an equation answers a gold that is a value; a value does not answer an equation.
ONE_DIRECTION = {
    "choice of letters": lambda row: row["gold"] == "C",
    "ratio": lambda row: ":" in row["pred"],
    "last side": lambda row: "=" in row["pred"] or "=" in row["gold"],
}


def status_of(gold: str, answer: str) -> str:
    return judged({"gold": gold, "pred": answer}, WHOLE).status


def test_equality_is_symmetric_where_it_takes_computer_algebra() -> None:
    """Each SYMMETRIC-th of these pairs; the whole of them is a matter of minutes."""
    found = [(row, texts_of(row, setting_of(row))) for row in pairs()]
    taking = [(row, *texts) for row, texts in found if texts[1] is not None and judge_quickly(*texts) is None]
    one_sided = [
        row["id"]
        for row, gold, answer in taking[::SYMMETRIC]
        if "=" not in gold + answer
        and (status_of(gold, answer) == "correct") != (status_of(answer, gold) == "correct")
    ]
    assert one_sided == []


def test_equality_is_symmetric() -> None:
    one_sided = []
    for row in pairs():
        gold, answer = texts_of(row, setting_of(row))
        forth = None if answer is None else judge_quickly(gold, answer)
        back = None if answer is None else judge_quickly(answer, gold)
        if forth and back and (forth.status == "correct") != (back.status == "correct"):
            one_sided.append(row)
    assert [row["id"] for row in one_sided if not any(rule(row) for rule in ONE_DIRECTION.values())] == []
    assert 0 < len(one_sided) < 30


WRAPPINGS = [
    "{}", "${}$", r"\({}\)", r"\[{}\]", r"\boxed{{{}}}", " {} ", "**{}**", "{}.", r"$\displaystyle {}$",
    r"\fbox{{{}}}", "$$ {} $$",
]  # fmt: skip


@pytest.mark.parametrize("name", ["math500", "gsm8k_test", "omni_amc_aime_val_prime", "aime24", "amc23"])
def test_every_gold_accepts_itself_wrapped(name: str) -> None:
    golds = [row["gold"] for row in rows_of(f"gold_{name}")]
    refused = [
        (gold, wrapping)
        for gold in golds
        for wrapping in WRAPPINGS
        if (found := judge_quickly(gold, wrapping.format(gold))) is None or found.status != "correct"
    ]
    assert refused == []
