"""Rewards for completions, asked for while the sampler goes on.

The client's event loop runs in a thread of its own: a completion is sent off
the moment it ends, and when the last one of a batch is sampled most verdicts
are there. What is left to wait then is the exposed time, a metric.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainer_client.client import RewardClient, Verdict
from trainer_client.rollout.engine import Completion, RolloutEngine, SamplingSettings
from trainer_client.tasks.problem import Problem

if TYPE_CHECKING:
    from trainer_client.parallel import World

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
    verdicts after the last token. `hidden_seconds` is the part of sampling in which completions were
    being judged: from the first one that ended to the last token or, if sooner, the last verdict.
    """

    judged: list[Judged]
    sample_seconds: float
    exposed_seconds: float
    hidden_seconds: float = 0.0

    @classmethod
    def joined(cls, parts: Sequence[Rollouts]) -> Rollouts:
        """The parts of several processes as one batch; of each time the slowest one's."""
        return cls(
            [one for part in parts for one in part.judged],
            max(part.sample_seconds for part in parts),
            max(part.exposed_seconds for part in parts),
            max(part.hidden_seconds for part in parts),
        )


class _Answers:
    """Notes when the first request left and when the last answer came."""

    def __init__(self) -> None:
        self._first_sent: float | None = None
        self._last_answered = 0.0

    def sent(self, future: Future[Verdict]) -> None:
        if self._first_sent is None:
            self._first_sent = time.perf_counter()
        future.add_done_callback(self._answered)

    def hidden_until(self, sampled: float) -> float:
        """Seconds of judging before the moment `sampled`."""
        first = sampled if self._first_sent is None else self._first_sent
        return max(0.0, min(sampled, self._last_answered) - first)

    def _answered(self, _: Future[Verdict]) -> None:
        self._last_answered = max(self._last_answered, time.perf_counter())


def roll_out(
    engine: RolloutEngine,
    client: RewardClient,
    prompts: Sequence[tuple[Problem, Sequence[int]]],
    settings: SamplingSettings,
    *,
    label: str,
    run: str,
    check: Callable[[], None] = lambda: None,
    world: World | None = None,
) -> Rollouts:
    """Samples one completion for each (problem, prompt ids) and has it judged as it ends.

    `check` is called now and then and may raise to abandon the batch. Raises RewardRequestError when
    the server says that a request itself is wrong. With several processes all must call it: each samples its
    share and asks for its rewards, and all get the whole batch, the one that a single process would get.
    """

    def part(share: slice) -> Rollouts:
        mine = replace(settings, first=settings.first + share.start)
        return _roll_out(engine, client, prompts[share], mine, label=label, run=run, check=check)

    if world is None or world.size == 1:
        return part(slice(0, len(prompts)))
    return Rollouts.joined(world.from_each(lambda: part(world.share(len(prompts)))))


def _roll_out(
    engine: RolloutEngine,
    client: RewardClient,
    prompts: Sequence[tuple[Problem, Sequence[int]]],
    settings: SamplingSettings,
    *,
    label: str,
    run: str,
    check: Callable[[], None],
) -> Rollouts:
    if not prompts:  # more processes than prompts
        return Rollouts([], 0.0, 0.0)
    began = time.perf_counter()
    pending: dict[int, tuple[Completion, Future[Verdict]]] = {}
    answers = _Answers()
    try:
        for completion in engine.sample([ids for _, ids in prompts], settings):
            check()
            problem = prompts[completion.index][0]
            place = settings.first + completion.index
            request = problem.request(completion.text, request_id=f"{label}/{place}", run=run)
            pending[completion.index] = completion, client.submit(request)
            answers.sent(pending[completion.index][1])
        sampled = time.perf_counter()
        _wait_for([future for _, future in pending.values()], check)
    except BaseException:  # also on Ctrl-C: the server need not judge what nobody waits for
        _abandon(future for _, future in pending.values())
        raise
    judged = [
        Judged(prompts[index][0], pending[index][0], pending[index][1].result()) for index in sorted(pending)
    ]
    exposed = time.perf_counter() - sampled
    return Rollouts(judged, sampled - began, exposed, answers.hidden_until(sampled))


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
