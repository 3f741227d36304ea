"""The jailed half of the math checker: one payload in, one judgement out.

The module is imported once in a warmed interpreter, which is then forked; each
fork answers `handle` in a jail and is killed from outside at its budget, so
nothing here sets a timer. A payload is UTF-8 JSON:

    in   {"gold": ["1/2", ...], "answer": "\\frac12", "policy": {"order": "kept"}}
    out  {"status": "correct" | "incorrect" | "undecided" | "unreadable_gold" | "unreadable_answer",
          "rule": ..., "gold_parsed": ..., "answer_parsed": ...}
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import random
import sys

# Before sympy is imported: GMP's loops hear no signal and may abort the whole process, so that sympy and
# mpmath must not find it. flint's are no better, and none of them makes these checks faster.
os.environ["SYMPY_GROUND_TYPES"] = "python"
os.environ["MPMATH_NOGMPY"] = "1"
sys.modules.setdefault("gmpy2", None)  # type: ignore[arg-type]  # None forbids the import

from sympy.core import random as sympy_random  # noqa: E402

from server.verify.math.judge import Judgement, judge, preferred  # noqa: E402
from server.verify.math.policy import DEFAULT, Policy, read_policy  # noqa: E402
from server.verify.math.symbolic import SymbolicAlgebra  # noqa: E402

MAX_SHOWN = 300  # characters of each side in the answer

# math-verify warns once that its own timers are off; here that is on purpose.
logging.getLogger("math_verify").setLevel(logging.ERROR)

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
    """The judgement on one payload.

    Raises ValueError for a payload that is not the JSON above, and MemoryError where memory is refused.
    """
    request = json.loads(payload)
    golds, answer = request["gold"], request["answer"]
    if not isinstance(answer, str) or not golds or not all(isinstance(gold, str) for gold in golds):
        raise ValueError("payload needs a list of gold strings and an answer string")
    _forget_chance()
    settings = request.get("policy")
    policy = read_policy(settings) if settings else DEFAULT
    return json.dumps(_shown(_judge_all(golds, answer, policy))).encode()


def _judge_all(golds: list[str], answer: str, policy: Policy = DEFAULT) -> Judgement:
    judgements = []
    for gold in golds:
        judgements.append(_judge_one(gold, answer, policy))
        if judgements[-1].status == "correct":
            break
    return preferred(judgements)


def _judge_one(gold: str, answer: str, policy: Policy = DEFAULT) -> Judgement:
    try:
        return judge(gold, answer, SymbolicAlgebra(evaluates=policy.unevaluated == "accepted"), policy)
    except MemoryError:
        raise  # a budget was used up: not a word on either side
    except Exception as fault:  # noqa: BLE001 - a fault inside sympy is no verdict on the completion
        return Judgement("undecided", f"comparison failed: {type(fault).__name__}", gold, answer)


def _forget_chance() -> None:
    """sympy tries random points: the same pair must meet the same ones, whatever was judged before it."""
    random.seed(0)
    sympy_random.seed(0)


def _shown(judgement: Judgement) -> dict[str, str]:
    return {name: value[:MAX_SHOWN] for name, value in dataclasses.asdict(judgement).items()}


def warm_up() -> None:
    """Parses a few of every kind of expression, so that every fork starts with warm grammar caches."""
    for gold, answer in _WARM_UP:
        handle(json.dumps({"gold": [gold], "answer": answer}).encode())
