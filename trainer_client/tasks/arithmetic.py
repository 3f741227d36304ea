"""Small word problems: a few steps of arithmetic in `<think>…</think>`, the answer in `\\boxed{…}`.

Each family knows the right procedure and one typical mistake (the wrong order
of operations, a step forgotten). A model that has seen both must find out
from rewards alone which one is right.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.tasks.problem import Draft, Problem


class Working:
    """Does arithmetic and writes each step down, as one would on paper."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def add(self, left: int, right: int) -> int:
        """left + right, written down."""
        return self._note(left, "+", right, left + right)

    def sub(self, left: int, right: int) -> int:
        """left - right, written down."""
        return self._note(left, "-", right, left - right)

    def mul(self, left: int, right: int) -> int:
        """left * right, written down."""
        return self._note(left, "*", right, left * right)

    def _note(self, left: int, sign: str, right: int, result: int) -> int:
        self.steps.append(f"{left}{sign}{right}={result}")
        return result


_NAMES = ("Ann", "Ben", "Eve", "Tom")
_WARES = ("pens", "cups", "eggs")

Procedure = Callable[[Working], int]


def _respond(procedure: Procedure) -> tuple[str, int]:
    working = Working()
    answer = procedure(working)
    return f"<think>{', '.join(working.steps)}</think>\\boxed{{{answer}}}", answer


def _draft(
    family: str, level: int, numbers: tuple[int, ...], prompt: str, *, right: Procedure, slip: Procedure
) -> Draft:
    response, answer = _respond(right)
    # The numbers are the problem; names and wares in the prompt are only its dress.
    key = f"math/{family}/{','.join(map(str, numbers))}"
    problem = Problem(key, "math", level, prompt, pb.MathTask(gold=[str(answer)]))
    return Draft(problem, response, _respond(slip)[0])


def _precedence(rng: random.Random) -> Draft:
    a, b, c = rng.randint(2, 9), rng.randint(2, 5), rng.randint(2, 6)
    return _draft(
        "precedence",
        1,
        (a, b, c),
        f"Compute {a} + {b} * {c}.",
        right=lambda w: w.add(a, w.mul(b, c)),
        slip=lambda w: w.add(w.add(a, b), c),
    )


def _brackets(rng: random.Random) -> Draft:
    c, b = sorted((rng.randint(1, 6), rng.randint(1, 9)))
    a = rng.randint(b + c, 15)
    return _draft(
        "brackets",
        1,
        (a, b, c),
        f"Compute {a} - ({b} - {c}).",
        right=lambda w: w.sub(a, w.sub(b, c)),
        slip=lambda w: w.sub(w.sub(a, b), c),
    )


def _boxes(rng: random.Random) -> Draft:
    a, b, c = rng.randint(2, 9), rng.randint(2, 5), rng.randint(2, 6)
    who, ware = rng.choice(_NAMES), rng.choice(_WARES)
    return _draft(
        "boxes",
        1,
        (a, b, c),
        f"{who} has {a} {ware} and buys {b} boxes of {c} {ware}. How many {ware} has {who} now?",
        right=lambda w: w.add(a, w.mul(b, c)),
        slip=lambda w: w.add(w.add(a, b), c),
    )


def _perimeter(rng: random.Random) -> Draft:
    a, b = rng.randint(2, 12), rng.randint(2, 9)
    return _draft(
        "perimeter",
        1,
        (a, b),
        f"A garden is {a} m long and {b} m wide. How long is the fence around it?",
        right=lambda w: w.mul(2, w.add(a, b)),
        slip=lambda w: w.add(w.add(a, b), b),
    )


def _lose_and_double(rng: random.Random) -> Draft:
    a, b = rng.randint(6, 14), rng.randint(1, 5)
    who, ware = rng.choice(_NAMES), rng.choice(_WARES)
    return _draft(
        "double",
        1,
        (a, b),
        f"{who} had {a} {ware}, lost {b} and then doubled the rest. How many {ware} has {who} now?",
        right=lambda w: w.mul(2, w.sub(a, b)),
        slip=lambda w: w.sub(a, b),
    )


def _broken(rng: random.Random) -> Draft:
    a, b, c, d = (rng.randint(2, 4) for _ in range(4))
    e = rng.randint(1, 4)
    ware = rng.choice(_WARES)
    return _draft(
        "broken",
        2,
        (a, b, c, d, e),
        f"A shop gets {a} bags of {b} {ware} and {c} bags of {d} {ware}; {e} are broken. How many are whole?",
        right=lambda w: w.sub(w.add(w.mul(a, b), w.mul(c, d)), e),
        slip=lambda w: w.add(w.mul(a, b), w.mul(c, d)),
    )


def _terms(rng: random.Random) -> Draft:
    a, d = rng.randint(1, 6), rng.randint(2, 6)
    return _draft(
        "terms",
        2,
        (a, d),
        f"A sequence starts at {a} and grows by {d} each time. What is the sum of its first three terms?",
        right=lambda w: _sum_terms(w, a, d, 3),
        slip=lambda w: _sum_terms(w, a, d, 2),
    )


def _sum_terms(working: Working, first: int, growth: int, count: int) -> int:
    term = total = first
    for _ in range(count - 1):
        term = working.add(term, growth)
        total = working.add(total, term)
    return total


def _trip(rng: random.Random) -> Draft:
    a, b, c, d = rng.randint(2, 5), rng.randint(2, 6), rng.randint(2, 3), rng.randint(2, 6)
    who = rng.choice(_NAMES)
    return _draft(
        "trip",
        2,
        (a, b, c, d),
        f"{who} walks {a} km a day for {b} days, rests {c}, then walks {d} km a day for {c} days. How far?",
        right=lambda w: w.add(w.mul(a, b), w.mul(d, c)),
        slip=lambda w: w.add(w.add(w.mul(a, b), c), w.mul(d, c)),
    )


FAMILIES: tuple[Callable[[random.Random], Draft], ...] = (
    _precedence,
    _brackets,
    _boxes,
    _perimeter,
    _lose_and_double,
    _broken,
    _terms,
    _trip,
)


def draw(rng: random.Random) -> Draft:
    """A random problem of a random family."""
    return rng.choice(FAMILIES)(rng)
