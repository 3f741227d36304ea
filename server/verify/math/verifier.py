"""One math request, one verdict: extraction, the fast path, then a jailed worker.

Statuses and rewards:
    ACCEPTED 1, WRONG_ANSWER 0, NO_ANSWER 0    the completion was judged
    UNGRADABLE, no reward                      no gold that can be read
    UNDECIDED, no reward                       the check ran out of its budget, or failed by itself
A worker that is lost is no verdict: `WorkerLost` goes to the caller, who may try again.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import WorkerBudgetExceeded
from server.errors import invalid
from server.verify.extraction import DEFAULT_POLICY, POLICIES, extract_unhurried
from server.verify.math.fast import Decision, decide
from server.verify.math.judge import MAX_RAW_CHARACTERS, Judgement, Status

WorkerCall = Callable[[bytes, float], Awaitable[bytes]]

MAX_SHOWN = 2000  # characters of the extracted answer in a verdict
_NO_REWARD = {"unreadable_gold": pb.UNGRADABLE, "undecided": pb.UNDECIDED}


class JudgementCache:
    """The judgements of workers, least recently used out first; bounded in entries and in bytes of text."""

    def __init__(self, max_entries: int = 4096, max_bytes: int = 4 << 20) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[bytes, Judgement] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, payload: bytes) -> Judgement | None:
        """The judgement kept for a payload, or None."""
        judgement = self._entries.get(payload)
        if judgement is not None:
            self._entries.move_to_end(payload)
        return judgement

    def put(self, payload: bytes, judgement: Judgement) -> None:
        """Keeps a judgement, and lets go of the oldest ones that no longer fit."""
        if payload not in self._entries:
            self._bytes += _size(payload, judgement)
        self._entries[payload] = judgement
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._bytes -= _size(*self._entries.popitem(last=False))


def _size(payload: bytes, judgement: Judgement) -> int:
    return len(payload) + len(judgement.rule) + len(judgement.gold_parsed) + len(judgement.answer_parsed)


class MathVerifier:
    """Verifies math tasks.

    `call(payload, cpu_seconds)` runs `worker.handle` in a jailed worker; it raises
    `sandbox.errors.WorkerBudgetExceeded` or `sandbox.errors.WorkerLost`.
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
        policy = request.extraction or DEFAULT_POLICY["math"]
        if policy not in POLICIES:
            raise invalid("extraction", f"unknown policy {policy!r}; known: {', '.join(POLICIES)}")
        golds = [gold for gold in request.math.gold if gold.strip()]
        if not golds:
            return _verdict(request, pb.UNGRADABLE, "the task has no gold answer")
        found = await extract_unhurried(request.completion, policy)
        if found is None:
            return _verdict(request, pb.NO_ANSWER, f"no answer found by policy {policy}")
        verdict = await self._judge(request, golds, found.text)
        verdict.extracted = found.text[:MAX_SHOWN]
        verdict.message += f" (answer: {found.how})"
        return verdict

    async def _judge(self, request: pb.VerifyRequest, golds: Sequence[str], answer: str) -> pb.Verdict:
        decisions = [decide(gold, answer) for gold in golds]
        open_golds = [gold for gold, decision in zip(golds, decisions, strict=True) if decision is None]
        decided = [decision for decision in decisions if decision is not None]
        accepted = next((decision for decision in decided if decision.correct), None)
        if accepted or not open_golds:
            return _judged(request, _as_judgement(accepted or decided[0]))
        payload = _payload(open_golds, answer)
        kept = self._cache.get(payload)
        try:
            judgement = kept or await self._ask_worker(payload)
        except WorkerBudgetExceeded:
            return _verdict(request, pb.UNDECIDED, f"undecided within {self._cpu_seconds:g} s of CPU time")
        if judgement.status == "unreadable_gold" and decided:
            judgement = _as_judgement(decided[0])  # an alternative gold was read, and rejects the answer
        return _judged(request, judgement, cached=kept is not None)

    async def _ask_worker(self, payload: bytes) -> Judgement:
        judgement = Judgement(**json.loads(await self._call(payload, self._cpu_seconds)))
        if judgement.status != "undecided":
            self._cache.put(payload, judgement)
        return judgement


def _payload(golds: Sequence[str], answer: str) -> bytes:
    """What `worker.handle` reads. An answer that is too long in any case is cut just above the limit."""
    return json.dumps({"gold": list(golds), "answer": answer[: MAX_RAW_CHARACTERS + 1]}).encode()


def _as_judgement(decision: Decision) -> Judgement:
    status: Status = "correct" if decision.correct else "incorrect"
    return Judgement(status, decision.rule, decision.gold_parsed, decision.answer_parsed)


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
    verdict.math.gold_parsed = judgement.gold_parsed
    verdict.math.answer_parsed = judgement.answer_parsed
    verdict.math.rule = "unreadable_answer" if judgement.status == "unreadable_answer" else judgement.rule
    return verdict


def _verdict(request: pb.VerifyRequest, status: pb.Status, message: str) -> pb.Verdict:
    """A verdict whose reward is present exactly if the completion was judged."""
    verdict = pb.Verdict(id=request.id, status=status, message=message, trust=pb.OUTSIDE)
    if status == pb.ACCEPTED:
        verdict.reward = 1.0
    elif status in {pb.WRONG_ANSWER, pb.NO_ANSWER}:
        verdict.reward = 0.0
    return verdict
