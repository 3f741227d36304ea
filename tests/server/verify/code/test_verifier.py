"""From runs to a verdict: statuses, rewards, early stop, scoring, and what never enters the jail."""

from __future__ import annotations

import asyncio
import json
import math
import types
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox import python_runner
from sandbox.errors import JailLost
from sandbox.types import Artefact, Compilation, Limits, Mode, Outcome, RunResult
from sandbox.values import decode, encode
from server.errors import RequestError
from server.verify.code.verifier import CodeVerifier, Options
from tests.server.verify.code.scripted import ScriptedSandbox, ScriptedSession, ran

SECRET = "27182818284"
PROGRAM = "```python\nprint(1)\n```"


def stdio(*pairs: tuple[str, str]) -> pb.StdioTests:
    return pb.StdioTests(cases=[pb.StdioCase(input=left, output=right) for left, right in pairs])


def call(*pairs: tuple[list[Any], Any]) -> pb.CallTests:
    cases = [pb.CallCase(args=json.dumps(args), expected=json.dumps(value)) for args, value in pairs]
    return pb.CallTests(function="f", cases=cases)


async def judge(
    sandbox: ScriptedSandbox, completion: str = PROGRAM, *, explain: bool = False, **task: Any
) -> pb.Verdict:
    code = pb.CodeTask(**{"language": "python", **task})
    request = pb.VerifyRequest(id="r1", completion=completion, explain=explain, code=code)
    verdict = await CodeVerifier(sandbox).verify(request, code, Limits())
    assert sandbox.open_sessions == 0
    return verdict


async def judge_run(result: RunResult, **task: Any) -> pb.Verdict:
    return await judge(ScriptedSandbox([result]), **(task or {"stdio": stdio(("1", "ok"))}))


def record_of(returned: object, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What a jail hands over of a value that a program's `f` returns."""
    records: list[bytes] = []
    monkeypatch.setattr(python_runner, "_hand_over", records.append)
    program = types.ModuleType("solution")
    program.__dict__["f"] = lambda: returned
    python_runner._call("f", [], program)
    return records[0]


async def test_accepted() -> None:
    sandbox = ScriptedSandbox([ran(b"2\n"), ran(b"4\n")])
    verdict = await judge(sandbox, stdio=stdio(("1", "2"), ("2", "4")))
    assert (verdict.id, verdict.status, verdict.reward) == ("r1", pb.ACCEPTED, 1.0)
    assert (verdict.message, verdict.extracted) == ("2 of 2 tests passed", "print(1)")
    assert (verdict.trust, verdict.isolation) == (pb.OUTSIDE, "scripted")
    assert (verdict.code.tests_passed, verdict.code.tests_run, verdict.code.tests_total) == (2, 2, 2)
    assert [case.index for case in verdict.code.cases] == [0, 1]
    assert verdict.code.limits.cpu_seconds == Limits().cpu_seconds
    assert verdict.code.checker == "tokens"
    assert [case.stdin for case in sandbox.cases] == [b"1", b"2"]
    assert verdict.timing.run_seconds == 1.0


async def test_stops_at_the_first_failure() -> None:
    sandbox = ScriptedSandbox([ran(b"2"), ran(b"5"), ran(b"6")])
    verdict = await judge(sandbox, stdio=stdio(("", "2"), ("", "4"), ("", "6")))
    assert (verdict.status, verdict.reward) == (pb.WRONG_ANSWER, 0.0)
    assert verdict.message == "test 2 of 3: wrong answer: token 1: expected '4', got '5'"
    assert (verdict.code.tests_passed, verdict.code.tests_run, verdict.code.tests_total) == (1, 2, 3)
    assert not verdict.code.cases[0].HasField("difference")
    assert verdict.code.cases[1].difference == "token 1: expected '4', got '5'"


def _request(source: str, code: pb.CodeTask) -> pb.VerifyRequest:
    return pb.VerifyRequest(completion=source, extraction="whole", code=code)


@dataclass
class OneSlot(ScriptedSandbox):
    """Its sessions wait for each other."""

    slot: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def session(self, artefact: Artefact, limits: Limits) -> AsyncIterator[ScriptedSession]:
        async with self.slot, super().session(artefact, limits) as session:
            yield session


async def test_a_program_that_waits_learns_from_those_before_it() -> None:
    sandbox = OneSlot([ran(b"1"), ran(b"wrong")])
    code = pb.CodeTask(language="python", stdio=stdio(("a", "1"), ("b", "2"), ("c", "3")))
    verifier = CodeVerifier(sandbox)

    def verify(source: str) -> Awaitable[pb.Verdict]:
        return verifier.verify(_request(source, code), code, Limits())

    verdicts = await asyncio.gather(verify("first"), verify("second"))
    assert [case.stdin for case in sandbox.cases] == [b"a", b"b", b"b"]
    assert [verdict.code.tests_run for verdict in verdicts] == [2, 1]


@pytest.mark.parametrize("at_once", [1, 2, 99])
async def test_the_verdict_does_not_depend_on_how_many_runs_come_together(at_once: int) -> None:
    sandbox = ScriptedSandbox([ran(str(n).encode()) for n in (1, 2, 3, 0, 5, 6, 7)], at_once=at_once)
    verdict = await judge(sandbox, stdio=stdio(*(("", str(n)) for n in range(1, 8))))
    assert (verdict.status, verdict.code.tests_passed, verdict.code.tests_run) == (pb.WRONG_ANSWER, 3, 4)


async def test_runs_are_begun_for_as_long_again_as_those_so_far_took() -> None:
    sandbox = ScriptedSandbox([ran(b"1", wall_seconds=0.5)] * 4, at_once=2)
    await judge(sandbox, stdio=stdio(*[("", "1")] * 4))
    assert sandbox.asked == [(1, 0.0), (3, 0.5), (1, 1.5)]


async def test_what_a_shared_process_got_wrong_is_run_again() -> None:
    results = [ran(b"1"), ran(b"0", repeated=True), ran(b"2"), ran(b"3", repeated=True)]
    sandbox = ScriptedSandbox(results)
    verdict = await judge(sandbox, stdio=stdio(("a", "1"), ("b", "2"), ("c", "3")))
    assert verdict.status == pb.ACCEPTED
    assert [case.stdin for case in sandbox.cases] == [b"a", b"b", b"b", b"c"]


async def test_what_a_fork_got_wrong_as_well_is_wrong() -> None:
    results = [ran(b"1"), ran(b"0", repeated=True), ran(b"5")]
    verdict = await judge(ScriptedSandbox(results), explain=True, stdio=stdio(("a", "1"), ("b", "2")))
    assert verdict.status == pb.WRONG_ANSWER
    assert "5" in str(verdict.code.cases[1])


@pytest.mark.parametrize("shared", [True, False])
async def test_an_operator_may_want_a_process_for_each_test(shared: bool) -> None:
    sandbox, code = ScriptedSandbox([ran(b"1")]), pb.CodeTask(language="python", stdio=stdio(("", "1")))
    verifier = CodeVerifier(sandbox, Options(shared_processes=shared))
    await verifier.verify(pb.VerifyRequest(completion=PROGRAM, code=code), code, Limits())
    assert sandbox.may_repeat == shared


async def test_where_every_test_has_to_run_all_are_asked_for() -> None:
    sandbox = ScriptedSandbox([ran(b"1")] * 20, at_once=99)
    await judge(sandbox, run_all=True, stdio=stdio(*[("", "1")] * 20))
    assert sandbox.asked == [(20, math.inf)]


async def test_run_all_goes_on_with_the_same_verdict() -> None:
    results = [ran(b"2"), ran(outcome=Outcome.TIME_LIMIT), ran(b"0"), ran(b"8")]
    verdict = await judge(
        ScriptedSandbox(results), run_all=True, stdio=stdio(*(("", str(n)) for n in (2, 4, 6, 8)))
    )
    assert (verdict.status, verdict.reward) == (pb.TIME_LIMIT, 0.0)
    assert (verdict.code.tests_passed, verdict.code.tests_run) == (2, 4)


@pytest.mark.parametrize(
    ("outputs", "status", "reward"),
    [
        ((b"1", b"2", b"3", b"4"), pb.ACCEPTED, 1.0),
        ((b"1", b"0", b"3", b"0"), pb.PARTIAL, 0.5),
        ((b"0", b"0", b"0", b"0"), pb.WRONG_ANSWER, 0.0),
    ],
)
async def test_fraction(outputs: tuple[bytes, ...], status: pb.Status, reward: float) -> None:
    sandbox = ScriptedSandbox([ran(output) for output in outputs])
    verdict = await judge(sandbox, scoring="fraction", stdio=stdio(*(("", str(n)) for n in (1, 2, 3, 4))))
    assert (verdict.status, verdict.reward, verdict.code.tests_run) == (status, reward, 4)


@pytest.mark.parametrize(
    ("outcome", "status", "said"),
    [
        (Outcome.TIME_LIMIT, pb.TIME_LIMIT, "CPU time, limit 4 s"),
        (Outcome.WALL_LIMIT, pb.TIME_LIMIT, "wall clock"),
        (Outcome.MEMORY_LIMIT, pb.MEMORY_LIMIT, "bytes"),
        (Outcome.OUTPUT_LIMIT, pb.OUTPUT_LIMIT, "bytes"),
        (Outcome.PROCESS_LIMIT, pb.PROCESS_LIMIT, "processes"),
        (Outcome.RUNTIME_ERROR, pb.RUNTIME_ERROR, "exit code 1: ValueError: x"),
    ],
)
async def test_outcomes(outcome: Outcome, status: pb.Status, said: str) -> None:
    # The right output does not save a program that did not end well.
    verdict = await judge_run(ran(b"ok", outcome, stderr=b"Traceback\nValueError: x\n"))
    assert (verdict.status, verdict.HasField("reward"), verdict.reward) == (status, True, 0.0)
    assert said in verdict.message


async def test_who_held_the_memory_is_named() -> None:
    verdict = await judge_run(ran(outcome=Outcome.MEMORY_LIMIT, memory_held_by="control group"))
    assert verdict.message.endswith(
        f"memory limit: limit {Limits().memory_bytes} bytes, held by the control group"
    )


async def test_signal() -> None:
    verdict = await judge_run(ran(outcome=Outcome.RUNTIME_ERROR, exit_code=None, signal=11))
    assert verdict.message == "test 1 of 1: runtime error: signal 11"
    assert (verdict.code.cases[0].signal, verdict.code.cases[0].HasField("exit_code")) == (11, False)


async def test_no_answer() -> None:
    sandbox = ScriptedSandbox([])
    verdict = await judge(sandbox, "I cannot do this.", stdio=stdio(("", "1")))
    assert (verdict.status, verdict.HasField("reward"), verdict.reward) == (pb.NO_ANSWER, True, 0.0)
    assert not sandbox.programs


async def test_compile_error() -> None:
    failed = Compilation(None, "x.cpp:1: error: no", Outcome.COMPILE_ERROR, 0.1, 0.2)
    verdict = await judge(ScriptedSandbox([], failed), stdio=stdio(("", "1")))
    assert (verdict.status, verdict.reward) == (pb.COMPILE_ERROR, 0.0)
    assert (verdict.code.compile.ok, verdict.code.compile.diagnostics) == (False, "x.cpp:1: error: no")
    assert verdict.code.tests_total == 1


async def test_a_program_that_does_not_parse_runs_once() -> None:
    failed = ran(outcome=Outcome.COMPILE_ERROR, stderr=b"SyntaxError: bad\n")
    sandbox = ScriptedSandbox([failed, failed])
    verdict = await judge(sandbox, run_all=True, stdio=stdio(("", "1"), ("", "2")))
    assert (verdict.status, verdict.reward, len(sandbox.cases)) == (pb.COMPILE_ERROR, 0.0, 1)
    assert (verdict.code.compile.ok, verdict.code.tests_run) == (False, 0)
    assert verdict.message == "does not parse: SyntaxError: bad"


@pytest.mark.parametrize(
    "task",
    [
        {"stdio": pb.StdioTests()},
        {"call": pb.CallTests(function="f")},
        {"asserts": pb.AssertTests()},
        {"asserts": pb.AssertTests(tests=["assert f( == 1"])},
        {"asserts": pb.AssertTests(tests=["assert f(1) == 1"], setup="def")},
        {"asserts": pb.AssertTests(tests=["def check(c):\n    assert c(1)[0] == 1"])},
    ],
)
async def test_tests_that_cannot_judge_give_no_reward(task: dict[str, Any]) -> None:
    verdict = await judge(ScriptedSandbox([]), **task)
    assert (verdict.status, verdict.HasField("reward")) == (pb.UNGRADABLE, False)


async def test_a_fault_of_the_sandbox_is_no_verdict() -> None:
    with pytest.raises(JailLost):
        await judge(ScriptedSandbox([ran(b"1"), JailLost("gone")]), stdio=stdio(("", "1"), ("", "2")))


async def test_call() -> None:
    sandbox = ScriptedSandbox([ran(record=encode((1, 2))), ran(record=encode([1, True]))])
    verdict = await judge(sandbox, call=call(([1], [1, 2]), ([2], [1, 1])))
    assert verdict.message == "test 2 of 2: wrong answer: [1]: expected 1, got True"
    assert [decode(case.call) for case in sandbox.cases] == [[1], [2]]
    (program,) = sandbox.programs
    assert (program.mode, program.function) == (Mode.CALL, "f")


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (ran(record=None), pb.PREMATURE_EXIT),
        (ran(record=b"!1int64"), pb.WRONG_ANSWER),
        (ran(record=b'{"x":1}'), pb.WRONG_ANSWER),
        (ran(record=b"\xff"), pb.WRONG_ANSWER),
        (ran(record=b"[" * 100_000), pb.WRONG_ANSWER),
        (ran(outcome=Outcome.RUNTIME_ERROR, record=encode(1)), pb.RUNTIME_ERROR),
    ],
)
async def test_records_that_are_no_right_value(result: RunResult, status: pb.Status) -> None:
    verdict = await judge_run(result, call=call(([1], 1)))
    assert (verdict.status, verdict.HasField("reward"), verdict.reward) == (status, True, 0.0)
    assert list(verdict.flags) == (["exit_before_end"] if status == pb.PREMATURE_EXIT else [])


async def test_plain_asserts_are_judged_outside() -> None:
    asserts = pb.AssertTests(tests=[f"assert f(1) == {SECRET}", "assert f(2) is None"])
    sandbox = ScriptedSandbox([ran(record=encode(int(SECRET))), ran(record=encode(None))])
    verdict = await judge(sandbox, asserts=asserts)
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.OUTSIDE)
    assert SECRET not in repr(sandbox.programs) + repr(sandbox.cases)


@pytest.mark.parametrize(
    ("test", "returned", "status"),
    [
        ("assert f(1)", {1: [2]}.items(), pb.ACCEPTED),
        ("assert not f(1)", {1: [2]}.items(), pb.WRONG_ANSWER),
        ("assert f(1)", {}.items(), pb.WRONG_ANSWER),
        ("assert not f(1)", {}.items(), pb.ACCEPTED),
        ("assert f(1) == {(1, 2)}", {1: [2]}.items(), pb.WRONG_ANSWER),
        ("assert f(1) is True", {1: [2]}.items(), pb.WRONG_ANSWER),
    ],
)
async def test_the_truth_of_items_that_no_set_can_hold_decides(
    test: str, returned: object, status: pb.Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    asserts = pb.AssertTests(tests=[test])
    verdict = await judge_run(ran(record=record_of(returned, monkeypatch)), asserts=asserts)
    assert (verdict.status, verdict.trust) == (status, pb.OUTSIDE)
    assert verdict.reward == float(status == pb.ACCEPTED)


@pytest.mark.parametrize("task", [{"stdio": stdio(("1", SECRET))}, {"call": call(([1], int(SECRET)))}])
async def test_expected_values_never_enter_the_jail(task: dict[str, Any]) -> None:
    sandbox = ScriptedSandbox([ran(SECRET.encode(), record=encode(int(SECRET)))])
    verdict = await judge(sandbox, **task)
    assert verdict.status == pb.ACCEPTED
    assert SECRET not in repr(sandbox.programs) + repr(sandbox.cases)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (ran(record=b"done"), pb.ACCEPTED),
        (ran(record=None), pb.PREMATURE_EXIT),
        (ran(record=b"don"), pb.PREMATURE_EXIT),
        (ran(outcome=Outcome.RUNTIME_ERROR, stderr=b"x\nAssertionError: 3\n"), pb.WRONG_ANSWER),
        (ran(outcome=Outcome.RUNTIME_ERROR, stderr=b"ValueError: 3\n"), pb.RUNTIME_ERROR),
        (ran(outcome=Outcome.RUNTIME_ERROR, stderr=b"AssertionError\n", record=b"done"), pb.WRONG_ANSWER),
    ],
)
async def test_other_asserts_run_beside_the_program(result: RunResult, status: pb.Status) -> None:
    sandbox = ScriptedSandbox([result])
    verdict = await judge(sandbox, asserts=pb.AssertTests(tests=["assert f(1)[0] == 1"]))
    assert (verdict.status, verdict.trust) == (status, pb.IN_PROCESS)
    assert sandbox.programs[0].mode is Mode.ASSERTS


async def test_check_is_called_once() -> None:
    check = "def check(c):\n    assert c(1)[0] == 1\n"
    sandbox = ScriptedSandbox([ran(record=b"done")])
    await judge(sandbox, asserts=pb.AssertTests(tests=[check], entry_point="f"))
    assert sandbox.programs[0].tests.startswith(f"{check}\ncheck(f)\n")


async def test_setup_keeps_asserts_beside_the_program() -> None:
    sandbox = ScriptedSandbox([ran(record=b"done")])
    tests = pb.AssertTests(tests=["assert f(1) == 1"], setup="import math")
    assert (await judge(sandbox, asserts=tests)).trust == pb.IN_PROCESS
    assert sandbox.programs[0].setup.endswith("\nimport math")


async def test_stderr_only_on_explain() -> None:
    result = ran(b"ok", stderr=b"x" * 5000 + b"\xff")
    silent = await judge_run(result)
    told = await judge(ScriptedSandbox([result]), explain=True, stdio=stdio(("", "ok")))
    assert silent.code.cases[0].stderr == ""
    assert 2000 < len(told.code.cases[0].stderr) < 3000


async def test_large_outputs_are_judged_alike() -> None:
    wanted = "7 " * 200_000
    assert (await judge_run(ran(wanted.encode()), stdio=stdio(("", wanted)))).status == pb.ACCEPTED
    assert (await judge_run(ran(wanted.encode() + b"8"), stdio=stdio(("", wanted)))).status == pb.WRONG_ANSWER


async def test_the_checker_of_the_request_is_used() -> None:
    task = {"stdio": stdio(("", "yes")), "checker": pb.Checker(name="case_insensitive_tokens")}
    assert (await judge_run(ran(b"YES"), **task)).status == pb.ACCEPTED
    floats = pb.Checker(floats=pb.FloatTolerance(abs=0.5))
    assert (await judge_run(ran(record=encode(1.4)), call=call(([], 1.0)), checker=floats)).reward == 1.0


async def test_a_checker_of_text_does_not_apply_to_values() -> None:
    with pytest.raises(RequestError, match=r"code\.checker"):
        await judge_run(ran(), call=call(([], 1)), checker=pb.Checker(name="lines"))
