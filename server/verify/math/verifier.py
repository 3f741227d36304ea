"""One math request, one verdict: extraction, what can be told here, then a jailed worker.

Statuses and rewards:
    ACCEPTED 1, WRONG_ANSWER 0, NO_ANSWER 0    the completion was judged
    UNGRADABLE, no reward                      no gold that can be read
    UNDECIDED, no reward                       the check ran out of its budget, or failed by itself
A worker that is lost is no verdict: `WorkerLost` goes to the caller, who may try again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import WorkerBudgetExceeded, WorkerDied
from server.errors import invalid
from server.verify.extraction import (
    DEFAULT_POLICY,
    INLINE_CHARACTERS,
    POLICIES,
    Extraction,
    extract,
    extract_unhurried,
)
from server.verify.math.cache import JudgementCache, Key
from server.verify.math.judge import Judgement, preferred
from server.verify.math.options import MAX_OPTIONS, by_option, with_options
from server.verify.math.policy import DEFAULT, Policy, read_policy
from server.verify.math.quick import judge_quickly
from server.verify.math.reading import MAX_RAW_CHARACTERS

WorkerCall = Callable[[bytes, float], Awaitable[bytes]]

MAX_SHOWN = 2000  # characters of the extracted answer in a verdict
_NO_REWARD = {"unreadable_gold": pb.UNGRADABLE, "undecided": pb.UNDECIDED}


class MathVerifier:
    """Verifies math tasks.

    `call(payload, cpu_seconds)` runs `worker.handle` in a jailed worker; it raises
    `sandbox.errors.WorkerBudgetExceeded`, `WorkerDied` or `WorkerLost`.
    """

    def __init__(
        self, call: WorkerCall, *, cpu_seconds: float = 5.0, cache: JudgementCache | None = None
    ) -> None:
        self._call = call
        self._cpu_seconds = cpu_seconds
        self._cache = JudgementCache() if cache is None else cache

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """The verdict on one request whose task is `math`.

        Raises RequestError for an unknown extraction policy, and WorkerLost if a worker ended
        without having answered.
        """
        policy = _extraction_of(request)
        found = await extract_unhurried(request.completion, policy)
        question = _question_of(request, policy, found)
        if isinstance(question, pb.Verdict):
            return question
        return _explained(await self._judge(request, *question), found)

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """The verdict that `verify` gives, if it takes neither a worker nor a thread; None else.

        Raises RequestError for an unknown extraction policy.
        """
        completion = request.completion  # decoded anew each time that it is asked for
        if len(completion) > INLINE_CHARACTERS:
            return None
        policy = _extraction_of(request)
        found = extract(completion, policy)
        question = _question_of(request, policy, found)
        if isinstance(question, pb.Verdict):
            return question
        verdict = self._judge_now(request, *question)
        return None if verdict is None else _explained(verdict, found)

    def _judge_now(self, request: pb.VerifyRequest, golds: Sequence[str], answer: str) -> pb.Verdict | None:
        key = _key_of(request, answer)
        kept = self._cache.find(key)
        if kept is not None:
            return _judged(request, kept, cached=True)
        here = _judge_here(golds, answer, _policy_of(request.math.policy))
        if here.open_golds:
            return None
        self._cache.counts.misses += 1
        return self._decided(request, key, here)

    def _decided(self, request: pb.VerifyRequest, key: Key, here: _JudgedHere) -> pb.Verdict:
        judgement = preferred(here.judgements)
        self._cache.put(key, judgement)
        return _judged(request, judgement)

    async def _judge(self, request: pb.VerifyRequest, golds: Sequence[str], answer: str) -> pb.Verdict:
        key = _key_of(request, answer)
        kept = self._cache.get(key)
        if kept is not None:
            return _judged(request, kept, cached=True)
        settings = dict(request.math.policy)
        here = _judge_here(golds, answer, _policy_of(settings))
        if not here.open_golds:
            return self._decided(request, key, here)
        try:
            return _judged(
                request, await self._cache.make(key, lambda: self._ask_worker(here, answer, settings))
            )
        except WorkerBudgetExceeded:
            return _verdict(request, pb.UNDECIDED, f"undecided within {self._cpu_seconds:g} s of CPU time")
        except WorkerDied as death:
            return _verdict(request, pb.UNDECIDED, f"undecided: {death}")

    async def _ask_worker(self, here: _JudgedHere, answer: str, settings: dict[str, str]) -> Judgement:
        payload = _payload(here.open_golds, answer, settings)
        found = json.loads(await self._call(payload, self._cpu_seconds))
        return preferred([*here.judgements, Judgement(**found)])


@dataclass(frozen=True, slots=True)
class _JudgedHere:
    """What could be told without a worker, by gold; no golds are left open once one accepts."""

    judgements: Sequence[Judgement]
    open_golds: Sequence[str]


def _extraction_of(request: pb.VerifyRequest) -> str:
    policy = request.extraction or DEFAULT_POLICY["math"]
    if policy not in POLICIES:
        raise invalid("extraction", f"unknown policy {policy!r}; known: {', '.join(POLICIES)}")
    return policy


def _question_of(
    request: pb.VerifyRequest, policy: str, found: Extraction | None
) -> tuple[Sequence[str], str] | pb.Verdict:
    """Golds and answer to compare, or the verdict where one side is missing."""
    golds = [gold for gold in request.math.gold if gold.strip()]
    if not golds:
        return _verdict(request, pb.UNGRADABLE, "the task has no gold answer")
    if found is None:
        return _verdict(request, pb.NO_ANSWER, f"no answer found by policy {policy}")
    if options := _options_of(request):
        return with_options(golds, options), by_option(found.text, options)
    return golds, found.text


def _key_of(request: pb.VerifyRequest, answer: str) -> Key:
    return request.math.SerializeToString(deterministic=True), answer


def _explained(verdict: pb.Verdict, found: Extraction | None) -> pb.Verdict:
    """The verdict with what was extracted, and how."""
    if found is not None:
        verdict.extracted = found.text[:MAX_SHOWN]
        verdict.message += f" (answer: {found.how})"
    return verdict


def _options_of(request: pb.VerifyRequest) -> Sequence[str]:
    options = request.math.options
    if len(options) > MAX_OPTIONS:
        raise invalid("math.options", f"{len(options)} options; at most {MAX_OPTIONS}")
    return options


def _policy_of(settings: Mapping[str, str]) -> Policy:
    try:
        return read_policy(settings) if settings else DEFAULT
    except ValueError as fault:
        raise invalid("math.policy", str(fault)) from None


def _judge_here(golds: Sequence[str], answer: str, policy: Policy) -> _JudgedHere:
    judgements, open_golds = [], []
    for gold in golds:
        judgement = judge_quickly(gold, answer, policy)
        if judgement is None:
            open_golds.append(gold)
        elif judgement.status == "correct":
            return _JudgedHere((judgement,), ())
        else:
            judgements.append(judgement)
    return _JudgedHere(judgements, open_golds)


def _payload(golds: Sequence[str], answer: str, settings: dict[str, str]) -> bytes:
    """What `worker.handle` reads. An answer that is too long in any case is cut just above the limit."""
    request = {"gold": list(golds), "answer": answer[: MAX_RAW_CHARACTERS + 1]}
    return json.dumps(request | ({"policy": settings} if settings else {})).encode()


def _judged(request: pb.VerifyRequest, judgement: Judgement, *, cached: bool = False) -> pb.Verdict:
    """The verdict that a judgement is."""
    match judgement.status:
        case "correct":
            status, message = pb.ACCEPTED, f"equals the gold: {judgement.rule}"
        case "unreadable_gold" | "undecided":
            status, message = _NO_REWARD[judgement.status], judgement.rule
        case _:
            status, message = pb.WRONG_ANSWER, f"does not equal the gold: {judgement.rule}"
    verdict = _verdict(request, status, message)
    verdict.cached = cached
    detail = verdict.math
    detail.gold_parsed = judgement.gold_parsed
    detail.answer_parsed = judgement.answer_parsed
    detail.rule = "unreadable_answer" if judgement.status == "unreadable_answer" else judgement.rule
    return verdict


def _verdict(request: pb.VerifyRequest, status: pb.Status, message: str) -> pb.Verdict:
    """A verdict whose reward is present exactly if the completion was judged."""
    verdict = pb.Verdict(id=request.id, status=status, message=message, trust=pb.OUTSIDE)
    if status == pb.ACCEPTED:
        verdict.reward = 1.0
    elif status in {pb.WRONG_ANSWER, pb.NO_ANSWER}:
        verdict.reward = 0.0
    return verdict
