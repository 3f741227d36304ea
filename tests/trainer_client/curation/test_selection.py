"""What attempts say: votes, difficulty, lengths."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_client.curation.plan import Band, Plan, Rollouts
from trainer_client.curation.problem import CuratedProblem
from trainer_client.curation.selection import majority_is_right, select

PLAN = Plan("p", (), rollouts=Rollouts(samples=8), band=(Band(2000, 0.0), Band(4000, 0.5)))


def attempt(answer: str, *, right: bool = False, tokens: int = 5000, judged: bool = True) -> dict:
    reward = (1.0 if right else 0.0) if judged else None
    status = "ACCEPTED" if right else "NO_ANSWER" if not answer else "WRONG_ANSWER"
    return {"reward": reward, "status": status, "answer": answer, "tokens": tokens}


def problem(domain: str = "math", name: str = "s/1") -> CuratedProblem:
    return CuratedProblem("f:1", name, "1", domain, "x", "x", "1", ("1",))


def rule(attempts: list[dict], domain: str = "math", name: str = "s/1") -> str:
    found, _ = select(problem(domain, name), attempts, PLAN)
    return found.rule if found else ""


@pytest.mark.parametrize(
    ("attempts", "right"),
    [
        ([attempt("1", right=True), attempt("2"), attempt("3")], True),
        ([attempt("2"), attempt("2"), attempt("1", right=True)], False),
        # However they are written, accepted answers are one answer.
        ([attempt("1/2", right=True), attempt("0.5", right=True), attempt("2"), attempt("3")], True),
        ([attempt("2"), attempt("1", right=True)], False),
        ([attempt(""), attempt(""), attempt("1", right=True)], True),
        ([attempt("")], False),
    ],
)
def test_majority(attempts, right):
    assert majority_is_right(attempts) is right


@pytest.mark.parametrize(("fails", "difficulty"), [(0, 0), (3, 3), (7, 7)])
def test_difficulty_is_how_many_of_eight_fail(fails, difficulty):
    attempts = [attempt("x")] * fails + [attempt("y", right=True)] * (8 - fails)
    found, facts = select(problem("code"), attempts, PLAN)
    assert (found, facts["difficulty"]) == (None, difficulty)


def test_what_all_attempts_fail_leaves():
    assert rule([attempt("x")] * 8, "code") == "unsolved"


def test_attempts_without_a_judgement_count_nowhere():
    attempts = [attempt("1", right=True)] * 2 + [attempt("2", judged=False)] * 6
    found, facts = select(problem(), attempts, PLAN)
    assert found is None
    assert (facts["judged"], facts["difficulty"]) == (2, 0)
    assert rule([attempt("2", judged=False)]) == "unjudged"
    assert rule([]) == "no_attempts"


def test_short_answers_leave_and_the_next_band_is_thinned_out():
    short, middle = [attempt("1", right=True, tokens=1999)], [attempt("1", right=True, tokens=3999)]
    assert rule(short) == "too_short_attempts"
    assert rule([attempt("1", right=True, tokens=4000)]) == ""
    kept = [rule(middle, name=f"s/{number}") == "" for number in range(400)]
    assert 150 < sum(kept) < 250
    assert kept == [rule(middle, name=f"s/{number}") == "" for number in range(400)]
    assert rule([attempt("1", right=True, tokens=10)], "code") == ""
    assert rule([attempt("1", right=True, tokens=-1)]) == "length_unknown"


def test_the_module_is_one_with_its_page():
    page = (Path(__file__).parents[3] / "docs" / "curation.md").read_text()
    for name in ("majority_disagrees", "unsolved", "too_short_attempts", "thinned_out", "unjudged"):
        assert f"`{name}`" in page


def test_a_length_of_null_is_unknown():
    unknown = attempt("1", right=True) | {"tokens": None}
    assert rule([unknown]) == "length_unknown"
