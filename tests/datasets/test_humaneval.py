"""HumanEval: right programs accepted, faulty ones judged as their asserts judge them, in Python and C++.

A program's plain outcome, the script with its asserts run by itself, is the
label that the verdict is held against wherever the data's own label could be wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.verify.code.asserts import rewrite
from tests.datasets.conftest import Judge, Rows, for_each
from trainer_client.curation.mutants import mutants

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

MUTANTS_PER_PROGRAM = 1
REWRITTEN = 156  # of 164: the rest use random inputs, loops, or functions of the program

# C++ functions of HumanEval-X that are not the Python ones in other clothes: another name, another type, or
# another value where Python gives None.
CPP_DIFFERS = {12, 22, 27, 71, 77, 78, 90, 92, 103, 112, 121, 125, 128, 136, 137}
EVERY = 16  # every row would compile for minutes; 35, 69 and 110 share their names with std functions
FLOAT = pb.FloatTolerance(abs=1e-4, rel=1e-4)  # these functions compute in `float`


@dataclass(frozen=True)
class Subject:
    """A program and the tests it is held against."""

    id: str
    language: str
    program: str
    tests: str
    entry_point: str

    @property
    def script(self) -> str:
        """The program and its tests as one script."""
        call = "" if f"check({self.entry_point})" in self.tests else f"\ncheck({self.entry_point})\n"
        return f"{self.program}\n{self.tests}\n{call if self.language == 'python' else ''}"


def subject(row: dict[str, Any], solution: str = "canonical_solution") -> Subject:
    python = row["language"] == "python"
    head = row["prompt"] if python else row["declaration"]
    entry_point = row.get("entry_point") or (_entry_point(row) if python else "")
    return Subject(row["id"], row["language"], head + row[solution], row["test"], entry_point)


def _entry_point(row: dict[str, Any]) -> str:
    return str(row["test"]).rsplit("check(", 1)[1].split(")")[0]


async def verdict(judge: Judge, subject: Subject) -> pb.Verdict:
    tests = pb.AssertTests(tests=[subject.tests], entry_point=subject.entry_point)
    return await judge.verdict(subject.language, subject.program, asserts=tests)


async def accepted(judge: Judge, subjects: list[Subject]) -> dict[str, pb.Verdict]:
    verdicts = await for_each(subjects, lambda item: verdict(judge, item))
    return {item.id: found for item, found in zip(subjects, verdicts, strict=True)}


def rejections(verdicts: dict[str, pb.Verdict]) -> dict[str, str]:
    return {name: found.message for name, found in verdicts.items() if found.status != pb.ACCEPTED}


def report(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n    {text}")


async def test_canonical_python(
    judge: Judge, load: Callable[[str], Rows], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = load("humaneval")
    verdicts = await accepted(judge, [subject(row) for row in rows])
    outside = sum(found.trust == pb.OUTSIDE for found in verdicts.values())
    report(capsys, f"humaneval: {len(rows)} canonical Python programs, {outside} judged outside the jail")
    assert len(rows) == 164
    assert rejections(verdicts) == {}
    assert outside == REWRITTEN


async def test_python_mutants(
    judge: Judge, load: Callable[[str], Rows], capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict on a mutant is that of its asserts, run plainly, whatever the mutation did."""
    faulty = [
        Subject(row["id"], "python", source, row["test"], row["entry_point"])
        for row in load("humaneval")
        for source in mutants(
            row["prompt"] + row["canonical_solution"], MUTANTS_PER_PROGRAM, function=row["entry_point"]
        )
    ]
    plain = await for_each(faulty, lambda item: judge.exits_with_zero("python", item.script))
    verdicts = await for_each(faulty, lambda item: verdict(judge, item))
    kinds = Counter(pb.Status.Name(found.status) for found in verdicts)
    report(capsys, f"{len(faulty)} mutants, {len(faulty) - sum(plain)} change an outcome: {dict(kinds)}")
    differing = [
        (item.id, right, found.message)
        for item, right, found in zip(faulty, plain, verdicts, strict=True)
        if right != (found.status == pb.ACCEPTED)
    ]
    assert not differing
    assert sum(plain) < len(faulty) / 4


@pytest.mark.toolchain("g++")
async def test_canonical_cpp_through_call(
    judge: Judge, load: Callable[[str], Rows], capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python rows' plain asserts, as typed calls of the C++ functions."""
    rows = {row["id"]: row for row in load("humaneval_x")}
    numbers = [number for number in range(0, 164, EVERY) if number not in CPP_DIFFERS]
    names = [number for number in numbers if _as_call(rows[f"HumanEvalX/Python/{number}"]) is not None]

    async def one(number: int) -> pb.Verdict:
        row = rows[f"HumanEvalX/CPP/{number}"]
        program = row["declaration"] + row["canonical_solution"]
        tests = _as_call(rows[f"HumanEvalX/Python/{number}"])
        return await judge.verdict("cpp", program, call=tests, checker=pb.Checker(floats=FLOAT))

    verdicts = dict(zip(map(str, names), await for_each(names, one), strict=True))
    report(capsys, f"{len(names)} canonical C++ programs through call")
    assert rejections(verdicts) == {}
    assert len(names) > 4


def _as_call(row: dict[str, Any]) -> pb.CallTests | None:
    rewritten = rewrite(row["test"])
    if rewritten is None:
        return None
    cases = [
        pb.CallCase(args=json.dumps(check.arguments), expected=json.dumps(check.expectation.value))
        for check in rewritten.checks
    ]
    return pb.CallTests(function=rewritten.function, cases=cases)
