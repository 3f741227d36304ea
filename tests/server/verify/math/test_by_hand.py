"""Pairs decided by hand: every one is judged so, and equality has no direction."""

from __future__ import annotations

import pytest

from server.verify.math.judge import judge
from server.verify.math.quick import judge_quickly
from server.verify.math.symbolic import SymbolicAlgebra
from tests.server.verify.math.by_hand import DECIDED_HERE, FOR_A_WORKER, MISREAD


@pytest.mark.parametrize("gold", DECIDED_HERE)
def test_what_is_decided_in_the_server(gold: str) -> None:
    found = {answer: judge_quickly(gold, answer) for answers in DECIDED_HERE[gold] for answer in answers}
    accepted = [answer for answer, judgement in found.items() if judgement and judgement.status == "correct"]
    refused = [answer for answer, judgement in found.items() if judgement and judgement.status == "incorrect"]
    assert (accepted, refused) == DECIDED_HERE[gold]


@pytest.mark.parametrize("gold", FOR_A_WORKER)
def test_what_takes_computer_algebra(gold: str) -> None:
    accepted, refused = FOR_A_WORKER[gold]
    algebra = SymbolicAlgebra()
    judgements = {answer: judge(gold, answer, algebra).status for answer in accepted + refused}
    assert [answer for answer in judgements if judgements[answer] == "correct"] == accepted
    assert "undecided" not in judgements.values()
    assert "unreadable_gold" not in judgements.values()


@pytest.mark.parametrize("gold", MISREAD)
def test_what_is_easily_misread(gold: str) -> None:
    accepted, refused = MISREAD[gold]
    algebra = SymbolicAlgebra()
    found = {answer: judge(gold, answer, algebra).status for answer in accepted + refused}
    assert [answer for answer in found if found[answer] == "correct"] == accepted
    assert not {"undecided", "unreadable_gold"} & set(found.values())
    here = {answer: judge_quickly(gold, answer) for answer in found}
    assert all(judgement.status == found[answer] for answer, judgement in here.items() if judgement)


@pytest.mark.parametrize("gold", [r"\text{?}", r"\text{ }", r"\text{...}"])
@pytest.mark.parametrize("answer", [r"\sqrt2", r"\text{!}", "7"])
def test_a_gold_without_words_is_never_answered_by_another_text(gold: str, answer: str) -> None:
    assert judge(gold, answer, SymbolicAlgebra()).status == "unreadable_gold"
