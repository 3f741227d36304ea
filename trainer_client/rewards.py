"""Rewards for completions, asked for while the sampler goes on.

The client's event loop runs in a thread of its own: a completion is sent off
the moment it ends, and when the last one of a batch is sampled most verdicts
are there. What is left to wait then is the exposed time, a metric.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass

from trainer_client.client import RewardClient, Verdict
from trainer_client.rollout.engine import Completion, RolloutEngine, SamplingSettings
from trainer_client.tasks.problem import Problem

_POLL_SECONDS = 0.2  # how soon a wish to stop is noticed while waiting


@dataclass(frozen=True)
class Judged:
    """A completion of a problem with its verdict. Without a judgement `verdict.reward` is None."""

    problem: Problem
    completion: Completion
    verdict: Verdict


@dataclass(frozen=True)
class Rollouts:
    """A batch in the order of its prompts, and where the time went.

    `sample_seconds` is sampling with grading hidden behind it, `exposed_seconds` the wait for the last
    verdicts after the last token.
    """

    judged: list[Judged]
    sample_seconds: float
    exposed_seconds: float


def roll_out(
    engine: RolloutEngine,
    client: RewardClient,
    prompts: Sequence[tuple[Problem, Sequence[int]]],
    settings: SamplingSettings,
    *,
    label: str,
    run: str,
    check: Callable[[], None] = lambda: None,
) -> Rollouts:
    """Samples one completion for each (problem, prompt ids) and has it judged as it ends.

    `check` is called now and then and may raise to abandon the batch. Raises RewardRequestError when
    the server says that a request itself is wrong.
    """
    began = time.perf_counter()
    pending: dict[int, tuple[Completion, Future[Verdict]]] = {}
    try:
        for completion in engine.sample([ids for _, ids in prompts], settings):
            check()
            problem = prompts[completion.index][0]
            request = problem.request(completion.text, request_id=f"{label}/{completion.index}", run=run)
            pending[completion.index] = completion, client.submit(request)
        sampled = time.perf_counter()
        _wait_for([future for _, future in pending.values()], check)
    except BaseException:  # also on Ctrl-C: the server need not judge what nobody waits for
        _abandon(future for _, future in pending.values())
        raise
    judged = [
        Judged(prompts[index][0], pending[index][0], pending[index][1].result()) for index in sorted(pending)
    ]
    return Rollouts(judged, sampled - began, time.perf_counter() - sampled)


def _wait_for(futures: Sequence[Future[Verdict]], check: Callable[[], None]) -> None:
    remaining = set(futures)
    while remaining:
        check()
        done, remaining = wait(remaining, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()


def _abandon(futures: Iterable[Future[Verdict]]) -> None:
    for future in futures:
        future.cancel()
