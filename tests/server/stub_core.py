"""A core without a sandbox: real answers for easy math, a gate that holds code until it is opened."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError, invalid

HELD, FAULTY, FULL = "held", "faulty", "full"


class StubCore:
    """What the faces need of a core; a completion that is HELD waits until `gate` is set."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.held = asyncio.Event()  # a request has reached the gate
        self.cancelled = asyncio.Event()  # a request was cancelled at the gate
        self._changed = asyncio.Condition()
        self.in_flight = 0
        self.most_in_flight = 0
        self.queue_depth = 0
        self.warm = False
        self.draining = False
        self.closed = False
        self.start_gate: asyncio.Event | None = None
        self.fail_start: Exception | None = None

    def math_statistics(self) -> dict[str, int]:
        return {"cache.hit": 3, "workers.budget_kill": 1, "cache_bytes": 100}

    def statistics(self) -> dict[str, float]:
        return {"queue.cost": 7.0, "busy.programs": 2, "slots.programs": 4, "jails.open": 1, "launchers": 1}

    async def start(self) -> None:
        if self.start_gate is not None:
            await self.start_gate.wait()
        if self.fail_start is not None:
            raise self.fail_start
        self.warm = True

    async def test_languages(self) -> None:
        """Nothing to test."""

    async def drain(self, seconds: float) -> None:
        self.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.until(in_flight=0)

    async def until(self, in_flight: int) -> None:
        """Waits until that many requests are being judged."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.in_flight == in_flight)

    async def _count(self, step: int) -> None:
        async with self._changed:
            self.in_flight += step
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self._changed.notify_all()

    async def close(self) -> None:
        self.closed = True

    @property
    def ready(self) -> bool:
        return self.warm and not self.draining

    @property
    def starting(self) -> bool:
        return self.start_gate is not None and not self.warm

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        if self.draining:
            raise RequestError(ErrorCode.DRAINING, "draining", retry_after_seconds=1.0)
        if request.WhichOneof("task") is None:
            raise invalid("task", "one of math and code is required")
        await self._count(+1)
        try:
            return await self._judge(request)
        finally:
            await self._count(-1)

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """Nothing is judged at once, so that tests can hold what they like."""
        return None

    async def _judge(self, request: pb.VerifyRequest) -> pb.Verdict:
        if request.completion == HELD:
            await self._wait_at_gate()
        if request.completion == FAULTY:
            raise ZeroDivisionError("a bug of ours")
        if request.completion == FULL:
            raise RequestError(ErrorCode.QUEUE_FULL, "the queue is full", retry_after_seconds=2.5)
        found = re.search(r"\\boxed\{(.*?)\}", request.completion)
        answer = found.group(1) if found else ""
        right = answer in request.math.gold
        return pb.Verdict(
            id=request.id,
            status=pb.ACCEPTED if right else pb.WRONG_ANSWER,
            reward=float(right),
            extracted=answer,
            math=pb.MathDetail(gold_parsed="".join(request.math.gold[:1]), answer_parsed=answer, rule="text"),
            trust=pb.OUTSIDE,
            timing=pb.Timing(total_seconds=0.25),
        )

    async def _wait_at_gate(self) -> None:
        self.held.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        body = tests.SerializeToString(deterministic=True)
        digest = hashlib.sha256(body).hexdigest()
        return pb.TestSetRef(hash=f"sha256:{digest}", cases=len(tests.stdio.cases), bytes=len(body))

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        if request.source == HELD:
            await self._wait_at_gate()
        run = pb.Execution(status=pb.ACCEPTED, exit_code=0, stdout=b"ok\n", stderr=b"\xff")
        return pb.ExecuteResult(id=request.id, runs=[run])

    def capabilities(self) -> pb.Capabilities:
        return pb.Capabilities(
            version="0",
            isolation="stub",
            languages=[pb.Language(name="python", aliases=["py"], available=True)],
        )
