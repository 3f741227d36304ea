"""A sandbox that runs nothing: it answers as scripted, and remembers all that it was given."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.errors import UnknownLanguage
from sandbox.types import Artefact, Case, Compilation, Limits, Outcome, Program, RunResult


def ran(stdout: bytes = b"", outcome: Outcome = Outcome.OK, **other: Any) -> RunResult:
    """A run's result, everything left out being uneventful."""
    fields: dict[str, Any] = {
        "exit_code": 0 if outcome is Outcome.OK else 1,
        "signal": None,
        "stderr": b"",
        "record": None,
        "cpu_seconds": 0.25,
        "wall_seconds": 0.5,
        "memory_bytes": 1 << 20,
    }
    return RunResult(outcome=outcome, stdout=stdout, **{**fields, **other})


@dataclass(frozen=True)
class Row:
    name: str


@dataclass
class ScriptedSandbox:
    """Gives the results in order, `at_once` to each asking; an exception among them is raised."""

    results: Sequence[RunResult | Exception]
    compilation: Compilation | None = None
    programs: list[Program] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    open_sessions: int = 0
    at_once: int = 1
    asked: list[tuple[int, float]] = field(default_factory=list)  # how many cases and seconds, each time
    may_repeat: bool = False
    isolation: str = "scripted"

    def language(self, name: str) -> Row:
        names = {"python": "python", "py": "python", "cpp": "cpp"}
        if name not in names:
            raise UnknownLanguage(name)
        return Row(names[name])

    async def compile(self, program: Program) -> Compilation:
        self.programs.append(program)
        return self.compilation or Compilation(Artefact(program, "", b""), "", Outcome.OK, 0.1, 0.2)

    @asynccontextmanager
    async def session(self, artefact: Artefact, limits: Limits) -> AsyncIterator[ScriptedSession]:
        self.open_sessions += 1
        try:
            yield ScriptedSession(self, iter(self.results))
        finally:
            self.open_sessions -= 1


@dataclass
class ScriptedSession:
    sandbox: ScriptedSandbox
    results: Iterator[RunResult | Exception]

    async def run(self, case: Case) -> RunResult:
        self.sandbox.cases.append(case)
        result = next(self.results)
        if isinstance(result, Exception):
            raise result
        return result

    async def run_some(
        self,
        cases: Sequence[Case],
        *,
        until_failure: bool = False,
        repeat: bool = False,
        seconds: float = math.inf,
    ) -> list[RunResult]:
        self.sandbox.asked.append((len(cases), seconds))
        self.sandbox.may_repeat = repeat
        return [await self.run(case) for case in cases[: self.sandbox.at_once]]
