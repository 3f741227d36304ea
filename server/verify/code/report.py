"""Fills a verdict in: what was compiled, what ran, what it is worth."""

from __future__ import annotations

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Compilation, Limits, Outcome, RunResult
from server.verify.code.plan import Plan
from server.verify.code.running import Judged, bounded

STDERR_TAIL_BYTES = 2048
DIAGNOSTICS_CHARS = 4096


def conclude(verdict: pb.Verdict, status: pb.Status, reward: float | None, message: str) -> pb.Verdict:
    """The verdict with its end: no reward if None."""
    verdict.status = status
    verdict.message = message
    verdict.ClearField("reward")
    if reward is not None:
        verdict.reward = reward
    if status == pb.PREMATURE_EXIT:
        verdict.flags.append("exit_before_end")
    return verdict


def score(verdict: pb.Verdict, judged: list[Judged], total: int, *, fraction: bool) -> None:
    """Status, reward and message: all or nothing, or the mean of what each test is worth."""
    passed = sum(case.finding.status == pb.ACCEPTED for case in judged)
    failed = next((case for case in judged if case.finding.status != pb.ACCEPTED), None)
    worth = sum(case.finding.worth for case in judged)
    if failed is None:
        conclude(verdict, pb.ACCEPTED, 1.0, f"{passed} of {total} tests passed")
    elif failed.finding.status == pb.COMPILE_ERROR:
        _report_parse_error(verdict, failed)
    elif fraction and worth > 0:
        message = f"{passed} of {total} tests passed; {_describe_case(failed, total)}"
        conclude(verdict, pb.PARTIAL, worth / total, message)
    else:
        conclude(verdict, _status_at_zero(failed), 0.0, _describe_case(failed, total))


def _status_at_zero(failed: Judged) -> pb.Status:
    """A partial score is a wrong answer to a task that asks for all of it."""
    status = failed.finding.status
    return pb.WRONG_ANSWER if status == pb.PARTIAL else status


def _describe_case(case: Judged, total: int) -> str:
    name = pb.Status.Name(case.finding.status).lower().replace("_", " ")
    points = "" if case.finding.score is None else f" ({case.finding.score:g} of 1)"
    reason = f": {case.finding.reason}" if case.finding.reason else ""
    return f"test {case.index + 1} of {total}: {name}{points}{reason}"


def describe(detail: pb.CodeDetail, plan: Plan, limits: Limits) -> None:
    """What was to be run, and under which limits."""
    limits = plan.ample(limits)
    detail.tests_total = len(plan.cases)
    detail.checker = plan.comparison
    detail.limits.cpu_seconds = limits.cpu_seconds
    detail.limits.wall_seconds = limits.wall_seconds
    detail.limits.memory_bytes = limits.memory_bytes
    detail.limits.output_bytes = limits.output_bytes
    detail.limits.processes = limits.processes


def report_compilation(verdict: pb.Verdict, compilation: Compilation) -> None:
    """How the compilation went."""
    report = verdict.code.compile
    report.ok = compilation.artefact is not None
    report.diagnostics = bounded(compilation.diagnostics, DIAGNOSTICS_CHARS)
    report.cpu_seconds = compilation.cpu_seconds
    report.wall_seconds = compilation.wall_seconds
    report.cached = compilation.cached
    verdict.timing.compile_seconds = 0.0 if compilation.cached else compilation.wall_seconds


def compile_message(compilation: Compilation) -> str:
    """Why there is no program to run."""
    if compilation.outcome is not Outcome.COMPILE_ERROR:
        return f"compilation ended with {compilation.outcome.value.replace('_', ' ')}"
    error = next((line for line in compilation.diagnostics.split("\n") if "error" in line), "")
    return f"does not compile: {bounded(error, 200)}" if error else "does not compile"


def _report_parse_error(verdict: pb.Verdict, case: Judged) -> None:
    """An interpreter finds out on the first run what a compiler finds out before it."""
    diagnostics = case.result.stderr.decode("utf-8", "replace") or case.finding.reason
    verdict.code.compile.ok = False
    verdict.code.compile.diagnostics = bounded(diagnostics, DIAGNOSTICS_CHARS)
    last = (diagnostics.strip().split("\n") or [""])[-1]
    conclude(verdict, pb.COMPILE_ERROR, 0.0, f"does not parse: {bounded(last, 200)}")


def report_cases(verdict: pb.Verdict, judged: list[Judged], *, explain: bool) -> None:
    """What each case did, in test order."""
    ran = sorted(
        (case for case in judged if case.finding.status != pb.COMPILE_ERROR), key=lambda case: case.index
    )
    verdict.code.tests_run = len(ran)
    verdict.code.tests_passed = sum(case.finding.status == pb.ACCEPTED for case in ran)
    verdict.code.cases.extend(_case_detail(case, explain=explain) for case in ran)
    verdict.timing.run_seconds = sum(case.result.wall_seconds for case in judged)
    for flag in (flag for case in judged for flag in case.finding.flags):
        if flag not in verdict.flags:
            verdict.flags.append(flag)


def _case_detail(case: Judged, *, explain: bool) -> pb.CaseDetail:
    result: RunResult = case.result
    detail = pb.CaseDetail(
        index=case.index,
        status=case.finding.status,
        cpu_seconds=result.cpu_seconds,
        wall_seconds=result.wall_seconds,
        memory_bytes=result.memory_bytes,
        exit_code=result.exit_code,
        signal=result.signal,
        score=case.finding.score,
    )
    if case.finding.status in (pb.WRONG_ANSWER, pb.PARTIAL):
        detail.difference = case.finding.reason
    elif case.finding.status == pb.ACCEPTED:
        detail.checker_message = case.finding.reason
    if explain:
        detail.stderr = result.stderr[-STDERR_TAIL_BYTES:].decode("utf-8", "replace")
    return detail
