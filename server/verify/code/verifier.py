"""One code request, one verdict: extract, compile, run case by case, compare outside the jail.

Statuses and rewards:
    ACCEPTED 1, PARTIAL the fraction passed        scoring `fraction`: every case runs
    any other judged status 0                      that of the first failing case in test order
    NO_ANSWER 0, COMPILE_ERROR 0                   nothing ran
    UNGRADABLE, no reward                          the tests themselves are at fault
A fault of the sandbox is no verdict: SandboxError goes to the caller, who may try again.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Artefact, Case, Compilation, Limits, Outcome, Program, RunResult
from server.errors import invalid
from server.verify.code.plan import Finding, Plan, PlannedCase, Ungradable, judge_run, make_plan
from server.verify.code.validation import TEST_FORMATS, checker_of, validate
from server.verify.extraction import DEFAULT_POLICY, extract_unhurried
from server.verify.statuses import status_of

__all__ = ["TEST_FORMATS", "CodeVerifier", "validate"]

STDERR_TAIL_BYTES = 2048
DIAGNOSTICS_CHARS = 4096
# Beyond this many bytes a comparison leaves the event loop to others.
_INLINE_COMPARISON_BYTES = 1 << 18
# What leaves something to compare, or to explain by its exit; everything else is a status of its own.
_ENDED_BY_ITSELF = (Outcome.OK, Outcome.RUNTIME_ERROR)


class CodeSession(Protocol):
    """A jail for one submission, as `sandbox.Session`."""

    async def run(self, case: Case) -> RunResult:
        """Runs the program on one case; raises SandboxError."""


class LanguageRow(Protocol):
    """A language, as `sandbox.languages.Language`."""

    @property
    def name(self) -> str:
        """The canonical name."""


class CodeSandbox(Protocol):
    """What this verifier needs of `sandbox.Sandbox`."""

    @property
    def isolation(self) -> str:
        """The backend's name."""

    def language(self, name: str) -> LanguageRow:
        """The language by name or alias; raises UnknownLanguage."""

    async def compile(self, program: Program) -> Compilation:
        """Makes a program ready to run; raises SandboxError."""

    def session(self, artefact: Artefact, limits: Limits) -> AbstractAsyncContextManager[CodeSession]:
        """Opens a jail; raises SandboxError."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """One case that ran."""

    index: int
    result: RunResult
    finding: Finding


class CodeVerifier:
    """Verifies code tasks on a sandbox."""

    def __init__(self, sandbox: CodeSandbox) -> None:
        self._sandbox = sandbox

    async def verify(
        self, request: pb.VerifyRequest, tests: pb.CodeTask | pb.TestSet, limits: Limits
    ) -> pb.Verdict:
        """The verdict on one request whose task is `code`.

        `tests` is the task itself or the test set that its hash names, `limits` are per case.
        Raises RequestError for a malformed request, SandboxError for a fault of the service.
        """
        checker = checker_of(request.code, tests.WhichOneof("tests") or "")
        verdict = pb.Verdict(id=request.id, trust=pb.OUTSIDE, isolation=self._sandbox.isolation)
        language = self._sandbox.language(request.code.language).name
        found = await _extract(request)
        try:
            plan = make_plan(Program(language, found or ""), tests, checker)
        except Ungradable as error:
            return _conclude(verdict, pb.UNGRADABLE, None, str(error))
        verdict.trust = plan.trust
        _describe(verdict.code, plan, limits)
        if found is None:
            return _conclude(verdict, pb.NO_ANSWER, 0.0, "the completion holds no program to extract")
        verdict.extracted = found
        await self._judge(request, plan, limits, verdict)
        return verdict

    async def _judge(
        self, request: pb.VerifyRequest, plan: Plan, limits: Limits, verdict: pb.Verdict
    ) -> None:
        """Compiles, runs and scores; fills the verdict in."""
        compilation = await self._sandbox.compile(plan.program)
        _report_compilation(verdict, compilation)
        if compilation.artefact is None:
            _conclude(verdict, pb.COMPILE_ERROR, 0.0, _compile_message(compilation))
            return
        stop_early = not (request.code.run_all or request.code.scoring == "fraction")
        async with self._sandbox.session(compilation.artefact, limits) as session:
            judged = await _run_cases(session, plan, limits, stop_early=stop_early)
        _report_cases(verdict, judged, explain=request.explain)
        _score(verdict, judged, len(plan.cases), fraction=request.code.scoring == "fraction")


async def _extract(request: pb.VerifyRequest) -> str | None:
    policy = request.extraction or DEFAULT_POLICY["code"]
    try:
        found = await extract_unhurried(request.completion, policy, language=request.code.language)
    except ValueError as error:
        raise invalid("extraction", str(error)) from None
    return None if found is None else found.text


async def _run_cases(session: CodeSession, plan: Plan, limits: Limits, *, stop_early: bool) -> list[_Judged]:
    """Runs the cases in order; a program that does not even parse is not run again."""
    judged: list[_Judged] = []
    for index, planned in enumerate(plan.cases):
        result = await session.run(planned.case)
        finding = await _find(planned, plan, limits, result)
        judged.append(_Judged(index, result, finding))
        failed = finding.status != pb.ACCEPTED
        if finding.status == pb.COMPILE_ERROR or (failed and stop_early):
            break
    return judged


async def _find(planned: PlannedCase, plan: Plan, limits: Limits, result: RunResult) -> Finding:
    if result.outcome not in _ENDED_BY_ITSELF:
        return Finding(status_of(result.outcome), _limit_reason(result, limits))
    if len(result.stdout) + len(result.record or b"") <= _INLINE_COMPARISON_BYTES:
        return judge_run(planned, plan.program.mode, result)
    return await asyncio.to_thread(judge_run, planned, plan.program.mode, result)


def _limit_reason(result: RunResult, limits: Limits) -> str:
    match result.outcome:
        case Outcome.TIME_LIMIT:
            return f"{result.cpu_seconds:.2f} s of CPU time, limit {limits.cpu_seconds:g} s"
        case Outcome.WALL_LIMIT:
            used = f"{result.wall_seconds:.1f} s on the wall clock, limit {limits.wall_seconds:g} s"
            return f"{used}, with {result.cpu_seconds:.2f} s of CPU time used"
        case Outcome.MEMORY_LIMIT:
            return f"limit {limits.memory_bytes} bytes"
        case Outcome.OUTPUT_LIMIT:
            return f"limit {limits.output_bytes} bytes"
        case Outcome.PROCESS_LIMIT:
            return f"limit {limits.processes} processes and threads"
        case _:
            return _bounded(result.stderr.decode("utf-8", "replace"), 400)


def _score(verdict: pb.Verdict, judged: list[_Judged], total: int, *, fraction: bool) -> None:
    """Status, reward and message: all or nothing, or the fraction that passed."""
    passed = sum(case.finding.status == pb.ACCEPTED for case in judged)
    failed = next((case for case in judged if case.finding.status != pb.ACCEPTED), None)
    if failed is None:
        _conclude(verdict, pb.ACCEPTED, 1.0, f"{passed} of {total} tests passed")
    elif failed.finding.status == pb.COMPILE_ERROR:
        _report_parse_error(verdict, failed.result)
    elif fraction and passed:
        message = f"{passed} of {total} tests passed; {_describe_case(failed, total)}"
        _conclude(verdict, pb.PARTIAL, passed / total, message)
    else:
        _conclude(verdict, failed.finding.status, 0.0, _describe_case(failed, total))


def _describe_case(case: _Judged, total: int) -> str:
    name = pb.Status.Name(case.finding.status).lower().replace("_", " ")
    reason = f": {case.finding.reason}" if case.finding.reason else ""
    return f"test {case.index + 1} of {total}: {name}{reason}"


def _conclude(verdict: pb.Verdict, status: pb.Status, reward: float | None, message: str) -> pb.Verdict:
    verdict.status = status
    verdict.message = message
    if reward is not None:
        verdict.reward = reward
    if status == pb.PREMATURE_EXIT:
        verdict.flags.append("exit_before_end")
    return verdict


def _describe(detail: pb.CodeDetail, plan: Plan, limits: Limits) -> None:
    detail.tests_total = len(plan.cases)
    detail.checker = plan.comparison
    detail.limits.cpu_seconds = limits.cpu_seconds
    detail.limits.wall_seconds = limits.wall_seconds
    detail.limits.memory_bytes = limits.memory_bytes
    detail.limits.output_bytes = limits.output_bytes
    detail.limits.processes = limits.processes


def _report_compilation(verdict: pb.Verdict, compilation: Compilation) -> None:
    report = verdict.code.compile
    report.ok = compilation.artefact is not None
    report.diagnostics = _bounded(compilation.diagnostics, DIAGNOSTICS_CHARS)
    report.cpu_seconds = compilation.cpu_seconds
    report.wall_seconds = compilation.wall_seconds
    report.cached = compilation.cached
    verdict.timing.compile_seconds = 0.0 if compilation.cached else compilation.wall_seconds


def _compile_message(compilation: Compilation) -> str:
    if compilation.outcome is not Outcome.COMPILE_ERROR:
        return f"compilation ended with {compilation.outcome.value.replace('_', ' ')}"
    error = next((line for line in compilation.diagnostics.split("\n") if "error" in line), "")
    return f"does not compile: {_bounded(error, 200)}" if error else "does not compile"


def _report_parse_error(verdict: pb.Verdict, result: RunResult) -> None:
    """An interpreter finds out on the first run what a compiler finds out before it."""
    diagnostics = result.stderr.decode("utf-8", "replace")
    verdict.code.compile.ok = False
    verdict.code.compile.diagnostics = _bounded(diagnostics, DIAGNOSTICS_CHARS)
    last = (diagnostics.strip().split("\n") or [""])[-1]
    _conclude(verdict, pb.COMPILE_ERROR, 0.0, f"does not parse: {_bounded(last, 200)}")


def _report_cases(verdict: pb.Verdict, judged: list[_Judged], *, explain: bool) -> None:
    ran = [case for case in judged if case.finding.status != pb.COMPILE_ERROR]
    verdict.code.tests_run = len(ran)
    verdict.code.tests_passed = sum(case.finding.status == pb.ACCEPTED for case in ran)
    verdict.code.cases.extend(_case_detail(case, explain=explain) for case in ran)
    verdict.timing.run_seconds = sum(case.result.wall_seconds for case in judged)


def _case_detail(case: _Judged, *, explain: bool) -> pb.CaseDetail:
    result = case.result
    detail = pb.CaseDetail(
        index=case.index,
        status=case.finding.status,
        cpu_seconds=result.cpu_seconds,
        wall_seconds=result.wall_seconds,
        memory_bytes=result.memory_bytes,
        exit_code=result.exit_code,
        signal=result.signal,
    )
    if case.finding.status == pb.WRONG_ANSWER:
        detail.difference = case.finding.reason
    if explain:
        detail.stderr = result.stderr[-STDERR_TAIL_BYTES:].decode("utf-8", "replace")
    return detail


def _bounded(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}..."
