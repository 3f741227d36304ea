"""The evaluation itself: what is missing is sampled, judged as it comes, and written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

from trainer_client.client import AsyncRewardClient, Verdict
from trainer_client.evaluation.endpoint import Endpoint, Reply
from trainer_client.evaluation.samples import Sample, SampleLog, read_samples
from trainer_client.labels import request_of
from trainer_client.tasks.files import Question


async def evaluate(
    questions: Sequence[Question],
    samples: int,
    endpoint: Endpoint,
    client: AsyncRewardClient,
    folder: Path,
    *,
    progress: Callable[[Sample], None] = lambda sample: None,
) -> None:
    """Brings every question to `samples` judged samples in `folder`.

    Raises EndpointError, RewardRequestError; what was judged before is kept. A sample that could not
    be judged is written without a reward, and asked for again by the next call.
    """
    done = {sample.key for sample in read_samples(folder) if sample.reward is not None}
    wanted = [
        (question, index)
        for question in questions
        for index in range(samples)
        if (question.benchmark, question.id, index) not in done
    ]
    with SampleLog(folder) as log:

        async def judge(question: Question, index: int) -> None:
            sample = await _one(question, index, endpoint, client)
            log.write(sample)
            progress(sample)

        await _all(judge(question, index) for question, index in wanted)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs everything at once; the first fault is raised and ends the rest."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None


async def _one(question: Question, index: int, endpoint: Endpoint, client: AsyncRewardClient) -> Sample:
    reply = await endpoint.complete(question.prompt, index)
    request = request_of(question.label, reply.text)
    request.id = f"{question.benchmark}/{question.id}/{index}"
    request.run = "eval"
    return _sample(question, index, reply, await client.verify(request))


def _sample(question: Question, index: int, reply: Reply, verdict: Verdict) -> Sample:
    return Sample(
        benchmark=question.benchmark,
        question=question.id,
        index=index,
        completion=reply.text,
        truncated=reply.truncated,
        tokens=reply.tokens,
        reward=verdict.reward,
        status=verdict.status,
        answer=verdict.proto.math.answer_parsed or verdict.proto.extracted,
        message=verdict.message,
    )
