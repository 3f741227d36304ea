"""The steps in order. Each is run once to its end; a stopped one goes on after the rows it has decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from trainer_client.client import AsyncRewardClient
from trainer_client.curation import filters
from trainer_client.curation.contamination import Benchmarks
from trainer_client.curation.duplicates import exact_duplicates, near_duplicates, url_duplicates
from trainer_client.curation.plan import Plan, load_plan
from trainer_client.curation.problem import CuratedProblem, Rejection, Rejections
from trainer_client.curation.rollouts import attempts_of, roll_out
from trainer_client.curation.selection import select
from trainer_client.curation.sources import read_source
from trainer_client.curation.verification import check_golds, check_references
from trainer_client.curation.workspace import Workspace
from trainer_client.errors import RecipeError
from trainer_client.recipe import recipe_as_toml
from trainer_client.retry import RetryPolicy

_CHUNK = 4096  # rows whose decisions are committed together; fewer where each costs a request
_HELLO_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """A named step and what it does to a workspace."""

    name: str
    run: Callable[[Workspace, Clock], None]


class Clock:
    """Seconds that a step has taken, those of earlier starts included."""

    def __init__(self, before: float) -> None:
        self._began = time.perf_counter() - before

    def __call__(self) -> float:
        return time.perf_counter() - self._began


def steps_of(plan: Plan) -> list[Step]:
    """The steps that the plan asks for, reading first."""
    duplicates, verifier = plan.duplicates, plan.verifier
    known = [
        (True, Step("read", lambda workspace, clock: _read(workspace, plan, clock))),
        (duplicates.exact, _whole("exact", exact_duplicates)),
        (duplicates.url, _whole("url", url_duplicates)),
        (True, _each("filters", lambda: lambda problem: filters.judge(problem, plan.filters))),
        (duplicates.near, _whole("near", lambda workspace: near_duplicates(workspace, duplicates))),
        (
            plan.contamination.benchmarks,
            _each("contamination", lambda: Benchmarks(plan.contamination).judge),
        ),
        (verifier.golds, _asked("golds", plan, check_golds)),
        (
            verifier.references,
            _asked("references", plan, lambda client, one: check_references(client, one, verifier)),
        ),
        (plan.rollouts.samples, Step("rollouts", lambda work, clock: _roll_out(work, plan, clock))),
        (plan.rollouts.samples, Step("selection", lambda work, clock: _select(work, plan, clock))),
    ]
    return [step for wanted, step in known if wanted]


def curate(plan: Plan, workspace: Workspace, note: Callable[[str], None]) -> None:
    """Runs what is left to run. Raises TrainerError; what was decided is kept."""
    for step in steps_of(plan):
        if not workspace.is_done(step.name):
            before = workspace.left
            step.run(workspace, Clock(workspace.position(step.name)[1]))
            came_in = workspace.rows if step.name == "read" else before
            note(f"{step.name}: {came_in} in, {came_in - workspace.left} rejected, {workspace.left} left")


def claim(folder: Path, plan: Plan) -> None:
    """Makes the folder this plan's. Raises RecipeError when it is another's; only the server may differ."""
    recorded = folder / "curation.toml"
    if recorded.exists():
        before = load_plan(recorded)
        if replace(plan, verifier=replace(plan.verifier, server=before.verifier.server)) != before:
            raise RecipeError(f"--out: {folder} holds a curation by another plan (see its curation.toml)")
        return
    folder.mkdir(parents=True, exist_ok=True)
    recorded.write_text(recipe_as_toml(plan), encoding="utf-8")


def _read(workspace: Workspace, plan: Plan, clock: Clock) -> None:
    workspace.ingest(chain.from_iterable(map(read_source, plan.source)), clock)


def _whole(name: str, found: Callable[[Workspace], Iterator[tuple[int, Rejection]]]) -> Step:
    """A step that must see all rows before it can say anything."""

    def run(workspace: Workspace, clock: Clock) -> None:
        rejections = list(found(workspace))
        workspace.commit(name, rejections, mark=workspace.rows, seconds=clock(), done=True)

    return Step(name, run)


def _each(name: str, make: Callable[[], Callable[[CuratedProblem], Rejection | None]]) -> Step:
    """A step that looks at one problem at a time."""

    def run(workspace: Workspace, clock: Clock) -> None:
        judge = make()
        for chunk in _chunks(workspace, name, _CHUNK):
            found = ((row, judge(problem)) for row, problem in chunk)
            _commit(workspace, name, chunk, [(row, one) for row, one in found if one], clock)
        _finish(workspace, name, clock)

    return Step(name, run)


Question = Callable[[AsyncRewardClient, CuratedProblem], Any]


def _asked(name: str, plan: Plan, ask: Question) -> Step:
    """A step that asks the reward server about each problem, some at a time."""

    async def run(workspace: Workspace, clock: Clock) -> None:
        async with _connected(plan) as client:
            for chunk in _chunks(workspace, name, 2 * plan.verifier.max_in_flight):
                answers = await asyncio.gather(*(ask(client, problem) for _, problem in chunk))
                found = zip((row for row, _ in chunk), answers, strict=True)
                _commit(workspace, name, chunk, [(row, one) for row, one in found if one], clock)
        _finish(workspace, name, clock)

    return Step(name, lambda workspace, clock: asyncio.run(run(workspace, clock)))


def _roll_out(workspace: Workspace, plan: Plan, clock: Clock) -> None:
    async def run() -> None:
        async with attempts_of(plan) as attempts, _connected(plan) as client:
            for chunk in _chunks(workspace, "rollouts", plan.verifier.max_in_flight):
                await roll_out(workspace, chunk, plan.rollouts.samples, attempts, client)
                _commit(workspace, "rollouts", chunk, [], clock)

    asyncio.run(run())
    _finish(workspace, "rollouts", clock)


def _select(workspace: Workspace, plan: Plan, clock: Clock) -> None:
    for chunk in _chunks(workspace, "selection", _CHUNK):
        found = [(row, *select(one, workspace.samples(row).values(), plan)) for row, one in chunk]
        rejections = [(row, rejection) for row, rejection, _ in found if rejection]
        facts = [(row, facts) for row, _, facts in found]
        mark = chunk[-1][0] + 1
        workspace.commit("selection", rejections, mark=mark, seconds=clock(), facts=facts)
    _finish(workspace, "selection", clock)


@asynccontextmanager
async def _connected(plan: Plan) -> AsyncIterator[AsyncRewardClient]:
    """A client whose server answers. Raises ServerUnreachable when it does not."""
    settings = plan.verifier
    policy = RetryPolicy(deadline_seconds=settings.deadline_seconds)
    async with AsyncRewardClient(
        settings.server, policy=policy, max_in_flight=settings.max_in_flight
    ) as client:
        await client.capabilities(deadline_seconds=min(_HELLO_SECONDS, settings.deadline_seconds))
        yield client


def _chunks(workspace: Workspace, step: str, size: int) -> Iterator[list[tuple[int, CuratedProblem]]]:
    """What a step has not seen yet, in chunks."""
    problems = workspace.problems(workspace.position(step)[0])
    while chunk := list(islice(problems, size)):
        yield chunk


def _commit(
    workspace: Workspace,
    step: str,
    chunk: list[tuple[int, CuratedProblem]],
    rejections: Rejections,
    clock: Clock,
) -> None:
    workspace.commit(step, rejections, mark=chunk[-1][0] + 1, seconds=clock())


def _finish(workspace: Workspace, step: str, clock: Clock) -> None:
    workspace.commit(step, [], mark=workspace.rows, seconds=clock(), done=True)
