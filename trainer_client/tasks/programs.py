"""Small Python exercises whose solutions really run: functions that are called, programs on stdin.

As in `arithmetic`, each family has a right program and one with a typical bug
(swapped operands, off by one, the wrong operator). The expected outputs are
computed here by a reference; the bugs are chosen so that the tests catch them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.tasks.problem import Draft, Problem

CASES = 4  # tests per problem: enough to tell the bugs apart, cheap enough for two cores


@dataclass(frozen=True)
class Exercise:
    """A family's output before it is turned into messages."""

    family: str
    level: int
    prompt: str
    plan: str
    right: str
    slip: str


def _response(plan: str, source: str) -> str:
    return f"<think>{plan}</think>\n```python\n{source}\n```"


def _draft(exercise: Exercise, task: pb.CodeTask) -> Draft:
    key = f"code/{exercise.family}/{exercise.prompt}"
    problem = Problem(key, "code", exercise.level, exercise.prompt, task)
    return Draft(problem, _response(exercise.plan, exercise.right), _response(exercise.plan, exercise.slip))


def _call(exercise: Exercise, inputs: list[tuple[Any, ...]], reference: Callable[..., Any]) -> Draft:
    cases = [pb.CallCase(args=json.dumps(args), expected=json.dumps(reference(*args))) for args in inputs]
    return _draft(exercise, pb.CodeTask(language="python", call=pb.CallTests(function="f", cases=cases)))


def _stdio(exercise: Exercise, inputs: list[str], reference: Callable[[str], str]) -> Draft:
    cases = [pb.StdioCase(input=text, output=reference(text)) for text in inputs]
    return _draft(exercise, pb.CodeTask(language="python", stdio=pb.StdioTests(cases=cases)))


def _function(arguments: str, expression: str) -> str:
    return f"def f({arguments}):\n    return {expression}"


def _numbers(rng: random.Random, count: int = CASES) -> list[int]:
    """Distinct numbers from 1 to 30, so that no two tests of a problem are the same."""
    return rng.sample(range(1, 31), count)


def _pairs(rng: random.Random) -> list[tuple[int, int]]:
    return list(zip(_numbers(rng), _numbers(rng), strict=True))


def _linear(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 19), rng.randint(2, 9)
    exercise = Exercise(
        "linear",
        1,
        f"Write f(a, b) that returns {k} times the difference of a and b, plus {j}.",
        "multiply the difference",
        _function("a, b", f"{k} * (a - b) + {j}"),
        _function("a, b", f"{k} * a - b + {j}"),
    )
    return _call(exercise, _pairs(rng), lambda a, b: k * (a - b) + j)


def _square(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 19), rng.randint(2, 9)
    exercise = Exercise(
        "square",
        1,
        f"Write f(x) that returns {k} times x squared, minus {j}.",
        "square before multiplying",
        _function("x", f"{k} * x * x - {j}"),
        _function("x", f"{k} * x * 2 - {j}"),
    )
    return _call(exercise, [(x + 2,) for x in _numbers(rng)], lambda x: k * x * x - j)


def _range_sum(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 19), rng.randint(2, 9)
    exercise = Exercise(
        "range",
        1,
        f"Write f(n) that returns {j} times the sum of the integers from {k} to n.",
        "sum a range",
        _function("n", f"{j} * sum(range({k}, n + 1))"),
        _function("n", f"{j} * sum(range({k}, n))"),
    )
    return _call(exercise, [(k + n,) for n in _numbers(rng)], lambda n: j * sum(range(k, n + 1)))


def _larger(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 19), rng.randint(2, 9)
    exercise = Exercise(
        "larger",
        1,
        f"Write f(a, b) that returns the larger of a + {k} and b, minus {j}.",
        "take the maximum first",
        _function("a, b", f"max(a + {k}, b) - {j}"),
        _function("a, b", f"max(a + {k}, b - {j})"),
    )
    pairs = [(a, a + k + b if i % 2 else b) for i, (a, b) in enumerate(_pairs(rng))]
    return _call(exercise, pairs, lambda a, b: max(a + k, b) - j)


def _tail(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 9), rng.randint(2, 9)
    exercise = Exercise(
        "tail",
        1,
        f"Write f(s) that returns the last {k} characters of s, repeated {j} times.",
        "slice from the end",
        _function("s", f"s[-{k}:] * {j}"),
        _function("s", f"s[{k}:] * {j}"),
    )
    texts = ["".join(rng.choices("abcdefgh", k=3 * k + extra)) for extra in range(CASES)]
    return _call(exercise, [(text,) for text in texts], lambda s: s[-k:] * j)


def _filter(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 19), rng.randint(2, 9)
    exercise = Exercise(
        "filter",
        1,
        f"Write f(xs) that returns the numbers of xs that are at least {k}, each plus {j}.",
        "keep some of the list",
        _function("xs", f"[x + {j} for x in xs if x >= {k}]"),
        _function("xs", f"[x + {j} for x in xs if x > {k}]"),
    )
    lists = [([*_numbers(rng), k, *_numbers(rng)],) for _ in range(CASES)]
    return _call(exercise, lists, lambda xs: [x + j for x in xs if x >= k])


def _count(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 9), rng.randint(2, 9)
    loop = (
        "def f(xs):\n    total = {start}\n    for x in xs:\n"
        "        if x % {k} == 0:\n            total += {step}\n    return total"
    )
    exercise = Exercise(
        "count",
        2,
        f"Write f(xs) that returns {j} plus how many numbers of xs are divisible by {k}.",
        "count in a loop",
        loop.format(start=j, k=k, step=1),
        loop.format(start=j, k=k, step="x"),
    )
    lists = [([*_numbers(rng, 6), 2 * k, 3 * k],) for _ in range(CASES)]
    return _call(exercise, lists, lambda xs: j + sum(x % k == 0 for x in xs))


def _two_numbers(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 19), rng.randint(2, 9)
    source = "a, b = map(int, input().split())\nprint({})"
    exercise = Exercise(
        "two_numbers",
        2,
        f"Read integers a and b from one line. Print {k} times their sum, plus {j}.",
        "read one line",
        source.format(f"{k} * (a + b) + {j}"),
        source.format(f"{k} * a + b + {j}"),
    )
    inputs = [f"{a} {b}\n" for a, b in _pairs(rng)]
    return _stdio(exercise, inputs, lambda text: f"{k * sum(map(int, text.split())) + j}\n")


def _running(rng: random.Random) -> Draft:
    k, j = rng.randint(2, 19), rng.randint(2, 9)
    source = (
        "n = int(input())\ntotal = {j}\nfor i in range({first}):\n"
        "    total += {k} * int(input())\nprint(total)"
    )
    exercise = Exercise(
        "running",
        2,
        f"Read n, then n lines with an integer each. Print {j} plus {k} times their sum.",
        "loop over the lines",
        source.format(first="n", k=k, j=j),
        source.format(first="n - 1", k=k, j=j),
    )
    lists = [_numbers(rng, count + 2) for count in range(CASES)]
    inputs = ["\n".join(map(str, [len(xs), *xs])) + "\n" for xs in lists]
    return _stdio(exercise, inputs, lambda text: f"{j + k * sum(map(int, text.split()[1:]))}\n")


FAMILIES: tuple[Callable[[random.Random], Draft], ...] = (
    _linear,
    _square,
    _range_sum,
    _larger,
    _tail,
    _filter,
    _count,
    _two_numbers,
    _running,
)


def draw(rng: random.Random) -> Draft:
    """A random exercise of a random family."""
    return rng.choice(FAMILIES)(rng)
