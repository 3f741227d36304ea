"""A batch of real Python programs as a step of RL has them: groups of rollouts, right, wrong and repeated.

A quarter of the programs are submissions to olympiad problems with their problems' first tests. The others
are solutions of HumanEval and MBPP (canonical, deliberately buggy, and written by models) made into programs
that read arguments and print what the function returns, with tests spread over those of HumanEval+ and MBPP+.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from server.verify.code.asserts import Equal, rewrite
from tests.datasets.programs import FOLDER, Labelled, labelled

GROUP = 8
OLYMPIAD_SHARE = 0.25
MOST_INPUT_BYTES = 100_000
_DRIVER = """

import json as reward_json, sys as reward_sys
print(reward_json.dumps({name}(*reward_json.loads(reward_sys.stdin.read()))))
"""

Tests = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Item:
    """One program and its tests; `problem` names them, and `right` is its label."""

    source: str
    problem: str
    right: bool
    tests: Tests

    @property
    def task(self) -> pb.CodeTask:
        """The task as our wire has it; the rule is the strictest that all parties share."""
        cases = [pb.StdioCase(input=given, output=wanted) for given, wanted in self.tests]
        return pb.CodeTask(language="python", stdio=pb.StdioTests(cases=cases))

    def distinct(self, number: int) -> Item:
        """The same program as no other."""
        return replace(self, source=f"{self.source}\n# {number}\n")

    def beginning_with(self, index: int) -> Item:
        """The same program with this test before the others."""
        return replace(self, tests=(self.tests[index], *self.tests[:index], *self.tests[index + 1 :]))


def batch(count: int, tests: int) -> list[Item]:
    """`count` programs with `tests` tests, the same at every call; groups stay together."""
    chance = random.Random(7)
    olympiad = round(count * OLYMPIAD_SHARE / GROUP)
    groups = [
        *_groups(_by_problem(_olympiad(tests)), olympiad, chance),
        *_groups(_by_problem(_functions(tests)), count // GROUP - olympiad, chance),
    ]
    chance.shuffle(groups)
    return [item for group in groups for item in group]


def shares(items: Sequence[Item]) -> dict[str, float]:
    """What the batch is made of."""
    count = len(items)
    return {
        "right": round(sum(item.right for item in items) / count, 2),
        "olympiad": round(sum("/" in item.problem for item in items) / count, 2),
        "repeats": round(1 - len({(item.problem, item.source) for item in items}) / count, 2),
    }


def _groups(problems: list[list[Item]], count: int, chance: random.Random) -> Iterator[list[Item]]:
    """8 rollouts each of problems that some programs solve and some do not: distinct ones, then repeats."""
    mixed = [known for known in problems if {item.right for item in known} == {True, False}]
    chance.shuffle(mixed)
    for number in range(count):
        known = mixed[number % len(mixed)]
        distinct = chance.sample(known, min(GROUP, len(known)))
        yield [*distinct, *chance.choices(known, k=GROUP - len(distinct))]


def _by_problem(items: Iterator[Item]) -> list[list[Item]]:
    found: dict[str, dict[str, Item]] = defaultdict(dict)
    for item in items:
        found[item.problem].setdefault(item.source, item)
    return [list(programs.values()) for programs in found.values()]


def _olympiad(most_tests: int) -> Iterator[Item]:
    problems = {row["problem_id"]: row for row in _rows("olympiad_problems")}
    for row in _rows("olympiad_submissions"):
        problem = problems[row["problem_id"]]
        tests = tuple(
            (test["input"], test["output"])
            for test in problem["tests"]
            if len(test["input"]) + len(test["output"]) <= MOST_INPUT_BYTES
        )[:most_tests]
        if row["language"] == "python" and problem["checker"]["type"] == "default" and tests:
            yield Item(row["source"], row["problem_id"], row["expected_verdict"] == "AC", tests)


def _functions(count: int) -> Iterator[Item]:
    tests = {**_plus_tests("humaneval+", count), **_plus_tests("mbpp+", count)}
    for dataset in ("humanevalpack", "humaneval", "mbpp+", "reflexion"):
        for item in labelled(dataset):
            key = _problem(item)
            if item.language == "python" and key in tests:
                name, cases = tests[key]
                yield Item(item.request.completion + _DRIVER.format(name=name), key, item.right, cases)


def _plus_tests(dataset: str, count: int) -> dict[str, tuple[str, Tests]]:
    """By problem: the function's name and tests, spread evenly, where that many are plain comparisons."""
    found = {}
    for item in labelled(dataset):
        asserts = item.request.code.asserts
        rewritten = rewrite("\n".join(asserts.tests), asserts.entry_point)
        if rewritten is None or len(rewritten.checks) < count:
            continue
        step = len(rewritten.checks) / count
        chosen = [rewritten.checks[int(number * step)] for number in range(count)]
        texts = tuple(_as_text(check.arguments, check.expectation) for check in chosen)
        if all(texts):
            found[_problem(item)] = (rewritten.function, tuple(text for text in texts if text))
    return found


def _as_text(arguments: list[Any], expectation: object) -> tuple[str, str] | None:
    """Input and output of one test, if JSON has its values."""
    if not isinstance(expectation, Equal):
        return None
    try:
        given, wanted = json.dumps(arguments), json.dumps(expectation.value)
    except (TypeError, ValueError):
        return None
    plain = (json.loads(given), json.loads(wanted)) == (arguments, expectation.value)
    return (f"{given}\n", f"{wanted}\n") if plain else None


def _problem(item: Labelled) -> str:
    """The problem's number in its set: HumanEval3 or MBPP170."""
    name = item.id.split("#")[0].rsplit("/", 1)[-1]
    number = name.split("_")[1] if name.startswith("mbpp_") else name
    return f"{'MBPP' if item.dataset == 'mbpp+' or name.startswith('mbpp_') else 'HumanEval'}{number}"


def _rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
