"""Runs the cases of a plan for one compiled program, each judged as soon as it has run.

Where a program of the task decides, it has a jail of its own beside the completion's:
the completion's output, the input and the judge's answer are files there.
"""

from __future__ import annotations

import asyncio
import math
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from protos.reward.v1 import reward_pb2 as pb
from sandbox import conversation, rlimits
from sandbox.conversation import Ends
from sandbox.errors import SandboxError
from sandbox.types import Artefact, Case, Compilation, Limits, Outcome, Program, RunResult
from server.verify.code import interactive, judge_program
from server.verify.code.findings import Finding, Ungradable
from server.verify.code.judge_program import JudgeProgram
from server.verify.code.plan import Plan, PlannedCase, ProgramJudge, judge_run
from server.verify.statuses import status_of

# Beyond this many bytes a comparison leaves the event loop to others.
_INLINE_COMPARISON_BYTES = 1 << 18
# What leaves something to compare, or to explain by its exit; everything else is a status of its own.
_ENDED_BY_ITSELF = (Outcome.OK, Outcome.RUNTIME_ERROR)


class CodeSession(Protocol):
    """A jail for one program, as `sandbox.Session`; every method raises SandboxError."""

    async def run(self, case: Case, *, keep_files: bool = False) -> RunResult:
        """Runs the program on one case."""

    async def run_some(
        self,
        cases: Sequence[Case],
        *,
        until_failure: bool = False,
        repeat: bool = False,
        seconds: float = ...,
    ) -> list[RunResult]:
        """Runs the first case, and those after it that begin within `seconds`; `repeat`: in one process."""

    async def converse(
        self, ends: Ends, *, arguments: Sequence[str] = (), keep_files: bool = False
    ) -> RunResult:
        """Runs it as one side of a conversation."""

    async def put(self, files: dict[str, bytes]) -> None:
        """Places files in the working directory."""

    async def reset(self) -> None:
        """Clean scratch places."""

    async def fetch(self, paths: Sequence[str], max_bytes: int) -> dict[str, bytes]:
        """Reads files of the working directory."""


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

    def companion(self, artefact: Artefact, limits: Limits) -> AbstractAsyncContextManager[CodeSession]:
        """Opens a jail beside an open one; raises SandboxError."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One case that ran."""

    index: int
    result: RunResult
    finding: Finding


async def run_cases(
    sandbox: CodeSandbox,
    compiled: tuple[Artefact, str],
    plan: Plan,
    limits: Limits,
    ordering: Callable[[], Sequence[int]],
    *,
    stop_early: bool,
    shared_processes: bool = True,
) -> list[Judged]:
    """Runs the cases; `compiled` is the artefact and the source it came from.

    Their order is asked for once a jail is open: what others taught while this program waited counts.
    With `shared_processes` a Python program that leaves its process as it found it has several in one.
    A program that does not even parse is not run again. Raises SandboxError, and Ungradable if a
    program of the task fails.
    """
    artefact, source = compiled
    limits = plan.ample(limits)
    judged: list[Judged] = []
    decider = await _compiled(sandbox, plan.decided_by) if plan.decided_by is not None else None
    async with _opened(sandbox, artefact, plan, limits, decider, shared=shared_processes) as runner:
        files, order = plan.files_for(source), ordering()
        while len(judged) < len(order):
            following = order[len(judged) :] if judged or not stop_early else order[:1]
            cases = [plan.cases[index] for index in following]
            seconds = _round_seconds(judged, stop_early=stop_early)
            found = await runner.run(cases, files, stop_early=stop_early, seconds=seconds)
            judged += [Judged(index, *one) for index, one in zip(following, found, strict=False)]
            if _settles(judged[-1].finding, stop_early=stop_early):
                break
    return judged


def _round_seconds(judged: Sequence[Judged], *, stop_early: bool) -> float:
    """How long runs may be begun before the next look: a failure then wastes no more than was spent."""
    return sum(one.result.wall_seconds for one in judged) if stop_early else math.inf


def _settles(finding: Finding, *, stop_early: bool) -> bool:
    """Whether no further case need be run."""
    return finding.status == pb.COMPILE_ERROR or (stop_early and finding.status != pb.ACCEPTED)


async def _compiled(sandbox: CodeSandbox, decider: JudgeProgram) -> Artefact:
    compilation = await sandbox.compile(decider.program)
    if compilation.artefact is None:
        raise Ungradable(f"the {decider.role} does not compile: {compilation.diagnostics[:400]}")
    return compilation.artefact


@asynccontextmanager
async def _opened(
    sandbox: CodeSandbox,
    artefact: Artefact,
    plan: Plan,
    limits: Limits,
    decider: Artefact | None,
    *,
    shared: bool,
) -> AsyncIterator[_Runner]:
    async with sandbox.session(artefact, limits) as session:
        if decider is None or plan.decided_by is None:
            yield _Runner(session, plan, limits, shared=shared)
            return
        patience = interactive.interactor_limits(limits) if plan.is_conversation else judge_program.LIMITS
        async with sandbox.companion(decider, patience) as companion:
            kind = _Conversation if plan.is_conversation else _Checked
            yield kind(session, plan, limits, companion, plan.decided_by)


class _Runner:
    """Cases whose judge needs no jail."""

    def __init__(self, session: CodeSession, plan: Plan, limits: Limits, *, shared: bool = False) -> None:
        self._session = session
        self._shared = shared
        self._plan = plan
        self._limits = limits

    async def run(
        self, cases: Sequence[PlannedCase], files: Mapping[str, bytes], *, stop_early: bool, seconds: float
    ) -> list[tuple[RunResult, Finding]]:
        """The first of the cases, with files beside the program, and those after it that came with it."""
        if files:
            result = await self._run_beside(cases[0], files)
            return [(result, await self._find(cases[0], result))]
        found: list[tuple[RunResult, Finding]] = []
        asked = [one.case for one in cases]
        results = await self._session.run_some(
            asked, until_failure=stop_early, repeat=self._shared, seconds=seconds
        )
        for planned, result in zip(cases, results, strict=False):
            found.append(await self._judged(planned, result))
            if _settles(found[-1][1], stop_early=stop_early):
                break
        return found

    async def _judged(self, planned: PlannedCase, result: RunResult) -> tuple[RunResult, Finding]:
        """A result and what it is worth; what speaks against a program comes from a fork of its own."""
        finding = await self._find(planned, result)
        if result.repeated and finding.status != pb.ACCEPTED:
            result = await self._session.run(planned.case)
            finding = await self._find(planned, result)
        return result, finding

    async def _run_beside(self, planned: PlannedCase, files: Mapping[str, bytes]) -> RunResult:
        if not files:
            return await self._session.run(planned.case)
        await self._session.reset()
        await self._session.put(dict(files))
        return await self._session.run(planned.case, keep_files=True)

    async def _find(self, planned: PlannedCase, result: RunResult) -> Finding:
        if result.outcome not in _ENDED_BY_ITSELF:
            return Finding(status_of(result.outcome), limit_reason(result, self._limits))
        if len(result.stdout) + len(result.record or b"") <= _INLINE_COMPARISON_BYTES:
            return judge_run(planned, self._plan.mode, result)
        return await asyncio.to_thread(judge_run, planned, self._plan.mode, result)


class _Decided(_Runner, ABC):
    """Cases that a program of the task decides, in its own jail."""

    def __init__(
        self,
        session: CodeSession,
        plan: Plan,
        limits: Limits,
        companion: CodeSession,
        decider: JudgeProgram,
    ) -> None:
        super().__init__(session, plan, limits)
        self._companion = companion
        self._decider = decider

    async def run(
        self, cases: Sequence[PlannedCase], files: Mapping[str, bytes], *, stop_early: bool, seconds: float
    ) -> list[tuple[RunResult, Finding]]:
        """The first of the cases: each has its turn in the other jail."""
        return [await self._run_one(cases[0], files)]

    @abstractmethod
    async def _run_one(self, planned: PlannedCase, files: Mapping[str, bytes]) -> tuple[RunResult, Finding]:
        """One case."""

    async def _prepare(self, planned: PlannedCase, more: Mapping[str, bytes]) -> None:
        assert isinstance(planned.judge, ProgramJudge)
        await self._companion.reset()
        await self._companion.put({**planned.judge.files, **more})

    async def _feedback(self) -> dict[str, bytes]:
        return await self._companion.fetch(judge_program.FETCHED, judge_program.MOST_FEEDBACK_BYTES)


class _Checked(_Decided):
    """The program first; then, if it ended well, the checker on what it printed."""

    async def _run_one(self, planned: PlannedCase, files: Mapping[str, bytes]) -> tuple[RunResult, Finding]:
        result = await self._run_beside(planned, files)
        finding = await self._find(planned, result)
        if finding.status != pb.ACCEPTED:
            return result, finding
        await self._prepare(planned, {"output": result.stdout})
        case = Case(stdin=result.stdout, arguments=self._decider.command_line())
        checked = await self._companion.run(case, keep_files=True)
        return result, self._decider.read(checked, await self._feedback())


class _Conversation(_Decided):
    """Both programs at once."""

    async def _run_one(self, planned: PlannedCase, files: Mapping[str, bytes]) -> tuple[RunResult, Finding]:
        await self._prepare(planned, {})
        ours, theirs = conversation.join()
        try:
            async with asyncio.TaskGroup() as both:
                program = both.create_task(self._session.converse(ours))
                arguments = self._decider.command_line()
                decider = both.create_task(
                    self._companion.converse(theirs, arguments=arguments, keep_files=True)
                )
        except* SandboxError as group:
            raise group.exceptions[0] from None  # as if there had been one jail only
        finally:
            ours.close()
            theirs.close()
        result = program.result()
        found = interactive.judge(self._decider, decider.result(), result, await self._feedback())
        return result, found or await self._find(planned, result)


def limit_reason(result: RunResult, limits: Limits) -> str:
    """The limit that a run exceeded, for a person."""
    match result.outcome:
        case Outcome.TIME_LIMIT:
            return f"{result.cpu_seconds:.2f} s of CPU time, limit {limits.cpu_seconds:g} s"
        case Outcome.WALL_LIMIT:
            used = f"{result.wall_seconds:.1f} s on the wall clock, limit {limits.wall_seconds:g} s"
            return f"{used}, with {result.cpu_seconds:.2f} s of CPU time used"
        case Outcome.MEMORY_LIMIT:
            holder = f", held by the {result.memory_held_by}" if result.memory_held_by else ""
            return f"limit {limits.memory_bytes} bytes{holder}"
        case Outcome.OUTPUT_LIMIT if result.signal == signal.SIGXFSZ:
            return f"limit {rlimits.file_bytes(limits)} bytes of one file"
        case Outcome.OUTPUT_LIMIT:
            return f"limit {limits.output_bytes} bytes"
        case Outcome.PROCESS_LIMIT:
            return f"limit {limits.processes} processes and threads"
        case _:
            text = result.stderr.decode("utf-8", "replace")
            return f"{_refused(text, limits)}{bounded(text, 400)}"


def _refused(stderr: str, limits: Limits) -> str:
    """Which limit without an outcome of its own the program complains of, if it does so in libc's words."""
    if "Too many open files" in stderr:
        return f"limit {rlimits.OPEN_FILES} open files: "
    return f"limit {rlimits.file_bytes(limits)} bytes of one file: " if "File too large" in stderr else ""


def bounded(text: str, characters: int) -> str:
    """Text of at most that length, and dots where more was."""
    return text if len(text) <= characters else f"{text[:characters]}..."
