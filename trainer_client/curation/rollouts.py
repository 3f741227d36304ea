"""Attempts at each problem: where they come from, and having them judged."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from trainer_client.client import AsyncRewardClient, Verdict
from trainer_client.curation.plan import Plan, Rollouts
from trainer_client.curation.problem import CuratedProblem
from trainer_client.curation.verification import asked
from trainer_client.curation.workspace import SideTable, Workspace
from trainer_client.datasets.rows import read_rows
from trainer_client.evaluation.endpoint import Endpoint, Reply, SamplingOptions, token_count


class Attempts(Protocol):
    """A source of completions. `None` where there is no attempt of that number."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def attempt(self, problem: CuratedProblem, number: int) -> Reply | None:
        """The `number`-th completion for a problem, from 0."""
        ...


class EndpointAttempts:
    """Sampled from an OpenAI-compatible endpoint; the key is read from `OPENAI_API_KEY`."""

    def __init__(self, settings: Rollouts, seed: int, max_in_flight: int) -> None:
        options = SamplingOptions(
            settings.model, settings.temperature, settings.top_p, settings.max_tokens, seed
        )
        key = os.environ.get("OPENAI_API_KEY", "")
        self._endpoint = Endpoint(settings.endpoint, options, key=key, max_in_flight=max_in_flight)

    async def __aenter__(self) -> Self:
        await self._endpoint.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._endpoint.__aexit__(kind, value, traceback)

    async def attempt(self, problem: CuratedProblem, number: int) -> Reply | None:
        """See `Attempts`. Raises EndpointError."""
        return await self._endpoint.complete(problem.prompt, number)


class FileAttempts:
    """Read from JSONL files of `{id, completion, tokens?, truncated?}`, a line an attempt, in any order.

    `id` is the problem's own, or SOURCE/ID. They go into a temporary database on disk.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._index = SideTable()
        for name in files:
            for row in read_rows(Path(name)):
                body = {
                    "text": row.text("completion"),
                    "truncated": bool(row.values.get("truncated")),
                    "tokens": token_count(row.values.get("tokens")),
                }
                self._index.add(row.id("id"), json.dumps(body))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._index.close()

    async def attempt(self, problem: CuratedProblem, number: int) -> Reply | None:
        """See `Attempts`."""
        body = self._index.get(problem.id, number) or self._index.get(problem.raw_id, number)
        return Reply(**json.loads(body)) if body else None


def attempts_of(plan: Plan) -> EndpointAttempts | FileAttempts:
    """The source that a plan names. Raises DatasetError for a file that is none of completions."""
    if plan.rollouts.completions:
        return FileAttempts(plan.rollouts.completions)
    return EndpointAttempts(plan.rollouts, plan.seed, plan.verifier.max_in_flight)


async def roll_out(
    workspace: Workspace,
    problems: Sequence[tuple[int, CuratedProblem]],
    samples: int,
    attempts: Attempts,
    client: AsyncRewardClient,
) -> None:
    """Brings every problem to `samples` judged attempts, each kept as soon as it is judged.

    Raises CurationError when the reward server is at fault, EndpointError, RewardRequestError.
    """

    async def one(row: int, problem: CuratedProblem, number: int) -> None:
        reply = await attempts.attempt(problem, number)
        if reply is not None:
            verdict = await asked(client, problem, reply.text)
            workspace.add_samples([(row, number, _kept(reply, verdict))])

    try:
        async with asyncio.TaskGroup() as group:
            for row, problem in problems:
                done = workspace.samples(row)
                for number in range(samples):
                    if number not in done:
                        group.create_task(one(row, problem, number))
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None


def _kept(reply: Reply, verdict: Verdict) -> dict[str, Any]:
    return {
        "reward": verdict.reward,
        "status": verdict.status,
        "answer": verdict.proto.math.answer_parsed or verdict.proto.extracted[:200],
        "tokens": reply.tokens,
        "truncated": reply.truncated,
        "completion": reply.text,
    }
