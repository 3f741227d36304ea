"""The jailed half of the math checker: one payload in, one judgement out.

The module is imported once in a warmed interpreter, which is then forked; each
fork answers `handle` in a jail and is killed from outside at its budget, so
nothing here sets a timer. A payload is UTF-8 JSON:

    in   {"gold": ["1/2", ...], "answer": "\\frac12"}
    out  {"status": "correct" | "incorrect" | "undecided" | "unreadable_gold" | "unreadable_answer",
          "rule": ..., "gold_parsed": ..., "answer_parsed": ...}
"""

from __future__ import annotations

import dataclasses
import json
import logging

from server.verify.math.judge import Judgement, Status, judge
from server.verify.math.symbolic import SymbolicAlgebra

MAX_SHOWN = 300  # characters of each side in the answer

# math-verify warns once that its own timers are off; here that is on purpose.
logging.getLogger("math_verify").setLevel(logging.ERROR)

_PREFERENCE: tuple[Status, ...] = (
    "correct",
    "undecided",
    "incorrect",
    "unreadable_answer",
    "unreadable_gold",
)
_WARM_UP = (
    (r"\frac{1}{2}", "0.25 + 0.25"),
    (r"3\sqrt{13}", r"\sqrt{117}"),
    (r"x^2 + 2x + 1", "(x+1)^2"),
    (r"\left(3, \frac{\pi}{2}\right)", r"(3, \pi/2)"),
    (r"(-\infty, 2) \cup (3, \infty)", r"(3,\infty)\cup(-\infty,2)"),
    (r"y = 2x + 3", "2x - y + 3 = 0"),
    (r"\begin{pmatrix} -1/3 \\ \cos x \end{pmatrix}", r"(-\frac13, \sin(90^\circ - x))"),
    ("x^2 - 4", "x^2 + 4"),
    (r"1 \le x < \log_2 8", r"[1, 3)"),
)


def handle(payload: bytes) -> bytes:
    """The judgement on one payload. Raises ValueError for a payload that is not the JSON above."""
    request = json.loads(payload)
    golds, answer = request["gold"], request["answer"]
    if not isinstance(answer, str) or not golds or not all(isinstance(gold, str) for gold in golds):
        raise ValueError("payload needs a list of gold strings and an answer string")
    return json.dumps(_shown(_judge_all(golds, answer))).encode()


def _judge_all(golds: list[str], answer: str) -> Judgement:
    """Golds are alternatives: one that accepts is enough, one that could be read is enough to reject."""
    judgements = []
    for gold in golds:
        judgements.append(_judge_one(gold, answer))
        if judgements[-1].status == "correct":
            break
    return min(judgements, key=lambda judgement: _PREFERENCE.index(judgement.status))


def _judge_one(gold: str, answer: str) -> Judgement:
    try:
        return judge(gold, answer, SymbolicAlgebra())
    except Exception as fault:  # noqa: BLE001 - a fault inside sympy is no verdict on the completion
        return Judgement("undecided", f"comparison failed: {type(fault).__name__}", gold, answer)


def _shown(judgement: Judgement) -> dict[str, str]:
    return {name: value[:MAX_SHOWN] for name, value in dataclasses.asdict(judgement).items()}


def warm_up() -> None:
    """Parses a few of every kind of expression, so that every fork starts with warm grammar caches."""
    for gold, answer in _WARM_UP:
        handle(json.dumps({"gold": [gold], "answer": answer}).encode())
