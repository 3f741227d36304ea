"""What solves nothing is not rewarded at trust OUTSIDE; what remains possible beside tests is flagged."""

from __future__ import annotations

import json

import pytest

from protos.reward.v1 import reward_pb2 as pb
from tests.hacks import programs
from tests.hacks.conftest import Judge

pytestmark = pytest.mark.asyncio(loop_scope="package")

# Values that nothing in the statement gives away.
SECRETS = {3: 734519, 11: 902243, 24: 118057}
VALIDATOR = (
    "import sys\n"
    "wanted = open(sys.argv[2]).read().split()\n"
    "got = sys.stdin.buffer.read(1 << 20).decode('utf-8', 'replace').split()\n"
    "sys.exit(42 if got == wanted else 43)\n"
)
INTERACTOR = (
    "import sys\n"
    "secret = open(sys.argv[1]).read().strip()\n"
    "for _ in range(3):\n"
    "    if sys.stdin.readline(1000).strip() == secret:\n"
    "        sys.exit(42)\n"
    "    print('wrong', flush=True)\n"
    "sys.exit(43)\n"
)
DRAWING = (
    "import random, sys\n"
    "sys.exit(42 if sys.stdin.readline(1000).strip() == str(random.randrange(10 ** 9)) else 43)\n"
)
UNIT_TEST = f"from solution import f\n\ndef test_f():\n    assert f(3)[0] == {SECRETS[3]}\n"
UNITTEST = (
    "import unittest\nfrom solution import f\n\nclass TestF(unittest.TestCase):\n    def test_f(self):\n"
    f"        self.assertTrue(f(3)[0] == {SECRETS[3]})\n"
)
# A subscript keeps this assert from being rewritten as a call.
BESIDE = [f"assert f(3)[0] == {SECRETS[3]}", f"assert sorted(f(11))[0] == {SECRETS[11]}"]
ONE_BESIDE = [f"assert f(3)[0] == {SECRETS[3]}"]


def stdio(**more: object) -> pb.CodeTask:
    cases = [pb.StdioCase(input=f"{n}\n", output=f"{value}\n") for n, value in SECRETS.items()]
    return pb.CodeTask(language="python", stdio=pb.StdioTests(cases=cases), **more)  # type: ignore[arg-type]


def call() -> pb.CodeTask:
    cases = [pb.CallCase(args=json.dumps([n]), expected=json.dumps(value)) for n, value in SECRETS.items()]
    return pb.CodeTask(language="python", call=pb.CallTests(function="f", cases=cases))


def asserts(tests: list[str]) -> pb.CodeTask:
    return pb.CodeTask(language="python", asserts=pb.AssertTests(tests=tests))


def unit_tests() -> pb.CodeTask:
    tests = pb.UnitTests(
        framework="pytest", files={"test_f.py": UNIT_TEST}, expected_tests=["test_f.py::test_f"]
    )
    return pb.CodeTask(language="python", unit_test=tests)


def unittest_tests() -> pb.CodeTask:
    tests = pb.UnitTests(
        framework="unittest", files={"test_f.py": UNITTEST}, expected_tests=["test_f.TestF.test_f"]
    )
    return pb.CodeTask(language="python", unit_test=tests)


def checked() -> pb.CodeTask:
    program = pb.CheckerProgram(language="python", source=VALIDATOR, protocol="kattis")
    return stdio(checker=pb.Checker(program=program))


def interactive(source: str = INTERACTOR) -> pb.CodeTask:
    cases = [pb.InteractiveCase(input=str(value)) for value in SECRETS.values()]
    interactor = pb.Program(language="python", source=source)
    return pb.CodeTask(language="python", interactive=pb.InteractiveTests(interactor=interactor, cases=cases))


def plain_asserts() -> pb.CodeTask:
    return asserts([f"assert f({n}) == {value}" for n, value in SECRETS.items()])


def named(table: dict[str, str]) -> list[object]:
    return [pytest.param(source, id=name) for name, source in table.items()]


def flagged(table: dict[str, tuple[str, str]]) -> list[object]:
    return [pytest.param(source, flag, id=name) for name, (source, flag) in table.items()]


async def refused(judge: Judge, source: str, task: pb.CodeTask, trust: pb.Trust) -> pb.Verdict:
    verdict = await judge(source, task)
    assert verdict.status != pb.ACCEPTED, verdict
    assert (verdict.HasField("reward"), verdict.reward, verdict.trust) == (True, 0.0, trust)
    return verdict


# What a rule of comparison could take for right.
_PRINTING = {name: source for name, source in programs.STDIO.items() if name[:2] in ("E2", "E8", "E9")}


@pytest.mark.parametrize("source", named(programs.STDIO))
async def test_stdio(judge: Judge, source: str) -> None:
    await refused(judge, source, stdio(), pb.OUTSIDE)


@pytest.mark.parametrize("source", named(_PRINTING))
async def test_stdio_by_tolerance(judge: Judge, source: str) -> None:
    await refused(judge, source, stdio(checker=pb.Checker(floats=pb.FloatTolerance(rel=0.01))), pb.OUTSIDE)


@pytest.mark.parametrize("source", named(programs.CALL))
async def test_call(judge: Judge, source: str) -> None:
    await refused(judge, source, call(), pb.OUTSIDE)


@pytest.mark.parametrize("source", named(programs.CALL))
async def test_plain_asserts(judge: Judge, source: str) -> None:
    await refused(judge, source, plain_asserts(), pb.OUTSIDE)


@pytest.mark.parametrize("source", named(programs.CHECKED))
async def test_special_checker(judge: Judge, source: str) -> None:
    await refused(judge, source, checked(), pb.OUTSIDE)


@pytest.mark.parametrize("source", named(programs.INTERACTIVE))
async def test_interactive(judge: Judge, source: str) -> None:
    await refused(judge, source, interactive(), pb.OUTSIDE)


async def test_what_an_interactor_draws_is_not_what_the_program_draws(judge: Judge) -> None:
    source = programs.INTERACTIVE["E4 draws what the interactor draws"]
    await refused(judge, source, interactive(DRAWING), pb.OUTSIDE)


@pytest.mark.parametrize("source", named(programs.ASSERTS_IN_PROCESS))
async def test_asserts_beside(judge: Judge, source: str) -> None:
    await refused(judge, source, asserts(BESIDE), pb.IN_PROCESS)


@pytest.mark.parametrize("source", named(programs.UNIT_TESTS))
async def test_unit_tests(judge: Judge, source: str) -> None:
    await refused(judge, source, unit_tests(), pb.IN_PROCESS)


@pytest.mark.parametrize("source", named(programs.UNITTEST))
async def test_unittest(judge: Judge, source: str) -> None:
    await refused(judge, source, unittest_tests(), pb.IN_PROCESS)


@pytest.mark.parametrize(("source", "flag"), flagged(programs.UNITTEST_POSSIBLE))
async def test_what_remains_possible_beside_unittest(judge: Judge, source: str, flag: str) -> None:
    verdict = await judge(source, unittest_tests())
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.IN_PROCESS), verdict.message
    assert flag in verdict.flags


@pytest.mark.parametrize(("source", "flag"), flagged(programs.POSSIBLE_IN_PROCESS))
async def test_what_remains_possible_beside_asserts(judge: Judge, source: str, flag: str) -> None:
    verdict = await judge(source, asserts(ONE_BESIDE))
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.IN_PROCESS), verdict.message
    assert flag in verdict.flags


@pytest.mark.parametrize(("source", "flag"), flagged(programs.UNIT_TESTS_POSSIBLE))
async def test_what_remains_possible_beside_unit_tests(judge: Judge, source: str, flag: str) -> None:
    verdict = await judge(source, unit_tests())
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.IN_PROCESS), verdict.message
    assert flag in verdict.flags


async def test_a_table_of_the_visible_tests_is_flagged(judge: Judge) -> None:
    """Not a wrong answer: the tests pass, and nothing tells a table from a solution but its look."""
    wide = {f"{n} {n * 7919}": f"{value}00{value}" for n, value in SECRETS.items()}
    source = f"print({wide!r}[input()])"
    cases = [pb.StdioCase(input=key, output=value) for key, value in wide.items()]
    verdict = await judge(source, pb.CodeTask(language="python", stdio=pb.StdioTests(cases=cases)))
    assert (verdict.status, list(verdict.flags)) == (pb.ACCEPTED, ["hard_coded_tests"])
