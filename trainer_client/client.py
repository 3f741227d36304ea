"""The reward server's client: `AsyncRewardClient`, and `RewardClient` for programs without an event loop.

Needs gRPC and the generated messages, nothing else: no torch.

    with RewardClient("127.0.0.1:50051") as client:
        verdict = client.verify(pb.VerifyRequest(completion="\\\\boxed{42}", math=pb.MathTask(gold=["42"])))

A verdict's `reward` is a number if and only if the completion was judged. When
the service is at fault the client asks again until its deadline and then gives
the last verdict back *without* a reward; a fault is never turned into 0.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import grpc.aio

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc
from trainer_client.errors import RewardRequestError, ServerUnreachable
from trainer_client.retry import RETRIED_STATUSES, RetryPolicy, ServiceFault, fault_of

T = TypeVar("T")

MESSAGE_BYTES = 64 * 1024 * 1024  # a test set may be large; the server has the last word on size
# Finds a dead connection under a call whose answer is long in coming. Our server takes pings this often;
# those of gRPC's defaults hang up after some, and the call is asked again.
_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 30_000),
    ("grpc.http2.max_pings_without_data", 0),
)
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # Our own policy decides when to ask again, and it must be the only one.
    ("grpc.enable_retries", 0),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A name with several addresses (`dns:///...`) is several replicas: calls go round.
    ("grpc.lb_policy_name", "round_robin"),
)


@dataclass(frozen=True)
class Verdict:
    """The answer to one request.

    `reward` is None when the completion was not judged; `status` then says whether the task or the
    service was at fault. `attempts` counts how often the server was asked. `proto` has all details;
    beware of its `reward` field, which reads 0.0 when absent.
    """

    id: str
    status: str
    reward: float | None
    message: str
    attempts: int
    proto: pb.Verdict

    @classmethod
    def of(cls, proto: pb.Verdict, attempts: int) -> Verdict:
        """A verdict as the server sent it."""
        reward = proto.reward if proto.HasField("reward") else None
        return cls(proto.id, pb.Status.Name(proto.status), reward, proto.message, attempts, proto)

    @classmethod
    def of_fault(cls, request_id: str, fault: ServiceFault, attempts: int) -> Verdict:
        """A verdict that the server could not send: no reward."""
        return cls.of(pb.Verdict(id=request_id, status=fault.status, message=fault.message), attempts)


class AsyncRewardClient:
    """Asks a reward server over gRPC. Safe for any number of concurrent tasks of one event loop."""

    def __init__(
        self,
        address: str,
        *,
        policy: RetryPolicy | None = None,
        max_in_flight: int = 256,
        api_key: str | None = None,
        priority: str = "",
    ) -> None:
        """`api_key`, or else REWARD_API_KEY of the environment, names the caller to a server that asks.

        `priority` is `evaluation`, `training` or `background`; empty: the server's default.
        """
        self.address = address
        self._policy = policy or RetryPolicy()
        self._channel = open_channel(address)
        stub = reward_pb2_grpc.RewardServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._stub: Any = _WithMetadata(stub, _metadata(api_key, priority))
        self._slots = asyncio.Semaphore(max_in_flight)
        self._tests: dict[str, pb.TestSet] = {}
        self._uploads: dict[str, asyncio.Task[pb.TestSetRef]] = {}
        # Spreads retries over time; nothing secret or reproducible hangs on it.
        self._rng = random.Random()  # noqa: S311

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection; calls in flight are cancelled."""
        await self._channel.close(grace=None)

    async def verify(self, request: pb.VerifyRequest) -> Verdict:
        """One completion, one verdict, asked again while the service is at fault.

        Raises RewardRequestError when the server says that the request itself is wrong.
        """
        async with self._slots:
            return await self._verify(request)

    async def verify_many(self, requests: Iterable[pb.VerifyRequest]) -> AsyncIterator[Verdict]:
        """Verdicts in the order in which they are made, matched by `id`; each is retried on its own.

        Raises RewardRequestError at the first request that is wrong; the others are then cancelled.
        """
        tasks = [asyncio.ensure_future(self.verify(request)) for request in requests]
        try:
            for task in asyncio.as_completed(tasks):
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stream(self, requests: Iterable[pb.VerifyRequest]) -> AsyncIterator[Verdict]:
        """Like `verify_many`, over one `VerifyStream` call: less overhead for each request.

        Needs different ids (ValueError otherwise). What the stream leaves without a judgement, because
        it broke or the service was at fault, is asked again through `verify_many`.
        """
        asked = list(requests)
        waiting = {request.id: request for request in asked}
        if len(waiting) != len(asked):
            raise ValueError("requests of a stream need different ids")
        async for verdict in self._stream_once(asked):
            del waiting[verdict.id]
            yield verdict
        async for verdict in self.verify_many(waiting.values()):
            yield verdict

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a test set on the server and here, so that it can be sent again should the server forget it.

        Raises RewardRequestError when it is refused, ServerUnreachable when the deadline passes.
        """
        reference: pb.TestSetRef = await self._insist(
            lambda timeout: self._stub.PutTests(tests, timeout=timeout)
        )
        self._tests[reference.hash] = tests
        return reference

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program in the server's jail. Raises as `put_tests` does."""
        result: pb.ExecuteResult = await self._insist(
            lambda timeout: self._stub.Execute(request, timeout=timeout)
        )
        return result

    async def check_task(self, request: pb.CheckTaskRequest) -> pb.TaskReport:
        """What is wrong with a task, by answers whose verdict is known. Raises as `put_tests` does.

        Counts as one request of `max_in_flight`, although the server judges several answers for it.
        """
        async with self._slots:
            report: pb.TaskReport = await self._insist(
                lambda timeout: self._stub.CheckTask(request, timeout=timeout)
            )
        return report

    async def capabilities(self, *, deadline_seconds: float | None = None) -> pb.Capabilities:
        """What the server can do. Raises as `put_tests` does."""
        question = pb.GetCapabilitiesRequest()
        answer: pb.Capabilities = await self._insist(
            lambda timeout: self._stub.GetCapabilities(question, timeout=timeout), deadline_seconds
        )
        return answer

    async def _verify(self, request: pb.VerifyRequest) -> Verdict:
        deadline = time.monotonic() + self._policy.deadline_seconds
        for attempt, wait in enumerate(self._policy.waits(self._rng), start=1):
            outcome = await self._attempt(request, deadline, attempt)
            if isinstance(outcome, Verdict) and not self._worth_repeating(outcome, request):
                return outcome
            asked = outcome.wait_seconds if isinstance(outcome, ServiceFault) else 0.0
            pause = max(wait, asked)
            if time.monotonic() + pause >= deadline:
                return self._give_up(request, outcome, attempt)
            await asyncio.sleep(pause)
        raise AssertionError("the waits have no end")

    async def _attempt(
        self, request: pb.VerifyRequest, deadline: float, attempt: int
    ) -> Verdict | ServiceFault:
        try:
            verdict = Verdict.of(await self._stub.Verify(request, timeout=self._timeout(deadline)), attempt)
            if verdict.status == "UNKNOWN_TESTS" and request.code.tests_hash in self._tests:
                await self._upload_again(request.code.tests_hash, deadline)
        except grpc.RpcError as error:
            return fault_of(error)
        return verdict

    def _worth_repeating(self, verdict: Verdict, request: pb.VerifyRequest) -> bool:
        if verdict.reward is not None:
            return False
        if verdict.status == "UNKNOWN_TESTS":
            return request.code.tests_hash in self._tests
        return verdict.status in RETRIED_STATUSES

    def _give_up(self, request: pb.VerifyRequest, outcome: Verdict | ServiceFault, attempts: int) -> Verdict:
        limit = f"given up after {attempts} attempts in {self._policy.deadline_seconds:g} s"
        if isinstance(outcome, Verdict):
            return replace(outcome, message=f"{limit}: {outcome.message}")
        return Verdict.of_fault(request.id, replace(outcome, message=f"{limit}: {outcome.message}"), attempts)

    def _timeout(self, deadline: float) -> float:
        """Seconds that the next attempt may take."""
        return self._policy.attempt_timeout(deadline - time.monotonic())

    async def _upload_again(self, tests_hash: str, deadline: float) -> None:
        """Sends a test set that the server does not hold; a group that misses it together sends it once."""
        upload = self._uploads.get(tests_hash)
        if upload is None:
            call = self._stub.PutTests(self._tests[tests_hash], timeout=self._timeout(deadline))
            upload = self._uploads[tests_hash] = asyncio.ensure_future(_result_of(call))
            upload.add_done_callback(lambda _: self._uploads.pop(tests_hash, None))
        await asyncio.shield(upload)

    async def _stream_once(self, requests: list[pb.VerifyRequest]) -> AsyncIterator[Verdict]:
        call = self._stub.VerifyStream(iter(requests), timeout=self._policy.deadline_seconds)
        by_id = {request.id: request for request in requests}
        try:
            async for proto in call:
                if proto.HasField("error"):
                    continue  # asked again alone, where a wrong request raises and a full queue is waited for
                verdict = Verdict.of(proto, attempts=1)
                request = by_id.pop(verdict.id, None)
                if request is not None and not self._worth_repeating(verdict, request):
                    yield verdict
        except grpc.RpcError as error:
            fault_of(error)  # raises unless the service is at fault; what is missing is then asked again
        finally:
            call.cancel()

    async def _insist(self, call: Callable[[float], Any], deadline_seconds: float | None = None) -> Any:
        """Repeats a call that has no verdict to return until it succeeds or the deadline passes."""
        deadline = time.monotonic() + (deadline_seconds or self._policy.deadline_seconds)
        for wait in self._policy.waits(self._rng):
            try:
                return await call(self._timeout(deadline))
            except grpc.RpcError as error:
                fault = fault_of(error)
            pause = max(wait, fault.wait_seconds)
            if time.monotonic() + pause >= deadline:
                raise ServerUnreachable(self.address, fault.message)
            await asyncio.sleep(pause)
        raise AssertionError("the waits have no end")


async def _result_of(call: Any) -> Any:
    return await call


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel in plain text, or under TLS where the environment names files for it.

    REWARD_TLS_CA holds the authorities that may have signed the server's certificate; REWARD_TLS_CERTIFICATE
    and REWARD_TLS_KEY are this client's own, for a server that asks for one. All are paths of PEM files.
    """
    authorities, key, certificate = (
        Path(path).read_bytes() if (path := os.environ.get(f"REWARD_TLS_{name}")) else None
        for name in ("CA", "KEY", "CERTIFICATE")
    )
    options = (*_CHANNEL_OPTIONS, *_KEEPALIVE)
    if authorities is None:
        return grpc.aio.insecure_channel(address, options=options)
    credentials = grpc.ssl_channel_credentials(authorities, key, certificate)
    return grpc.aio.secure_channel(address, credentials, options=options)


def _metadata(api_key: str | None, priority: str) -> tuple[tuple[str, str], ...]:
    key = os.environ.get("REWARD_API_KEY", "") if api_key is None else api_key
    pairs = (("authorization", key and f"Bearer {key}"), ("x-reward-priority", priority))
    return tuple((name, value) for name, value in pairs if value)


class _WithMetadata:
    """A stub whose calls all carry the same metadata."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub = stub
        self._metadata = metadata

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self._stub, name), metadata=self._metadata)


class LoopThread:
    """An event loop in a thread of its own, for code that has none."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts `work` on the loop; its result comes through the future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cancels what still runs and ends the thread."""
        self.submit(self._cancel_all()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    async def _cancel_all() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class RewardClient:
    """`AsyncRewardClient` for programs without an event loop. Safe for any number of threads."""

    def __init__(
        self,
        address: str,
        *,
        policy: RetryPolicy | None = None,
        max_in_flight: int = 256,
        api_key: str | None = None,
    ) -> None:
        self.address = address
        self._loop = LoopThread("reward-client")
        # The channel belongs to the loop it is made on.
        self._client = self._loop.submit(_connect(address, policy, max_in_flight, api_key)).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; calls in flight are cancelled."""
        self._loop.submit(self._client.close()).result()
        self._loop.close()

    def submit(self, request: pb.VerifyRequest) -> Future[Verdict]:
        """Asks without waiting: see `AsyncRewardClient.verify` for the future's outcome."""
        return self._loop.submit(self._client.verify(request))

    def verify(self, request: pb.VerifyRequest) -> Verdict:
        """See `AsyncRewardClient.verify`."""
        return self.submit(request).result()

    def verify_many(self, requests: Iterable[pb.VerifyRequest]) -> list[Verdict]:
        """Verdicts in the order of the requests. Raises RewardRequestError at the first wrong request."""
        futures = [self.submit(request) for request in requests]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def stream(self, requests: Iterable[pb.VerifyRequest]) -> Iterator[Verdict]:
        """See `AsyncRewardClient.stream`."""
        verdicts = self._client.stream(requests)
        try:
            while True:
                try:
                    yield self._loop.submit(anext(verdicts)).result()  # type: ignore[arg-type]
                except StopAsyncIteration:
                    return
        finally:
            self._loop.submit(verdicts.aclose()).result()  # type: ignore[attr-defined]

    def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """See `AsyncRewardClient.put_tests`."""
        return self._loop.submit(self._client.put_tests(tests)).result()

    def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """See `AsyncRewardClient.execute`."""
        return self._loop.submit(self._client.execute(request)).result()

    def check_task(self, request: pb.CheckTaskRequest) -> pb.TaskReport:
        """See `AsyncRewardClient.check_task`."""
        return self._loop.submit(self._client.check_task(request)).result()

    def capabilities(self, *, deadline_seconds: float | None = None) -> pb.Capabilities:
        """See `AsyncRewardClient.capabilities`."""
        return self._loop.submit(self._client.capabilities(deadline_seconds=deadline_seconds)).result()


async def _connect(
    address: str, policy: RetryPolicy | None, max_in_flight: int, api_key: str | None
) -> AsyncRewardClient:
    return AsyncRewardClient(address, policy=policy, max_in_flight=max_in_flight, api_key=api_key)


__all__ = [
    "AsyncRewardClient",
    "RetryPolicy",
    "RewardClient",
    "RewardRequestError",
    "ServerUnreachable",
    "Verdict",
]
