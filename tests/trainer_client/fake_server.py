"""A reward server for tests, with a real gRPC wire and faults on demand.

Judges math by comparing text, and code by running it in a bare subprocess: no
isolation at all, so it must never see a program that the tests did not write.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc
from server import taskcheck
from server.errors import ErrorCode, RequestError

Abort = status_pb2.Status
# What happens to a request: None judges it, a Verdict is sent as it is, an Abort ends the call.
Fault = pb.Verdict | Abort | None


def abort(
    code: grpc.StatusCode,
    message: str = "",
    *,
    reason: str = "",
    field_path: str = "",
    wait_seconds: float | None = None,
) -> Abort:
    """A gRPC status with the details that the reward API promises."""
    status = status_pb2.Status(code=code.value[0], message=message)
    if reason:
        _add(status, error_details_pb2.ErrorInfo(reason=reason, domain="reward.v1"))
    if field_path:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field_path, description=message)
        _add(status, error_details_pb2.BadRequest(field_violations=[violation]))
    if wait_seconds is not None:
        delay = duration_pb2.Duration(nanos=int(wait_seconds * 1e9))
        _add(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def _add(status: status_pb2.Status, detail) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def verdict(status: str, reward: float | None = None, message: str = "") -> pb.Verdict:
    """A verdict; the id is filled in when it is sent."""
    return pb.Verdict(status=pb.Status.Value(status), reward=reward, message=message)


def judge(request: pb.VerifyRequest) -> pb.Verdict:
    """Judges a completion the simple way."""
    right = _math_is_right(request) if request.HasField("math") else _code_is_right(request)
    return verdict("ACCEPTED", 1.0) if right else verdict("WRONG_ANSWER", 0.0)


def _math_is_right(request: pb.VerifyRequest) -> bool:
    answers = re.findall(r"\\boxed\{([^}]*)\}", request.completion.rpartition("</think>")[2])
    return bool(answers) and answers[-1] in request.math.gold


def _code_is_right(request: pb.VerifyRequest) -> bool:
    blocks = re.findall(r"```python\n(.*?)```", request.completion, re.DOTALL)
    if request.extraction == "whole":
        blocks = [request.completion]
    if not blocks:
        return False
    if request.code.WhichOneof("tests") == "call":
        return _calls_are_right(blocks[-1], request.code.call)
    return all(
        (_python(blocks[-1], case.input) or "").split() == case.output.split()
        for case in request.code.stdio.cases
    )


def _calls_are_right(source: str, tests: pb.CallTests) -> bool:
    cases = [json.loads(case.args) for case in tests.cases]
    tail = f"\nimport json\nprint(json.dumps([{tests.function}(*args) for args in {cases!r}]))"
    output = _python(source + tail, "")
    return output is not None and json.loads(output) == [json.loads(case.expected) for case in tests.cases]


def _python(source: str, stdin: str) -> str | None:
    """What the program prints; None when it fails."""
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", source]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout if done.returncode == 0 else None


@dataclass
class FakeServer(reward_pb2_grpc.RewardServiceServicer):
    """`faults(request, attempt)` decides what happens to the `attempt`-th try (from 1) of a request."""

    faults: Callable[[pb.VerifyRequest, int], Fault] = lambda request, attempt: None
    attempts: dict[str, int] = field(default_factory=dict)
    completions: dict[str, str] = field(default_factory=dict)
    uploads: int = 0
    held: dict[str, pb.TestSet] = field(default_factory=dict)
    forget_tests: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def start(self, address: str = "127.0.0.1:0") -> None:
        """Listens; `address` says where."""
        self._server = grpc.server(ThreadPoolExecutor(8))
        reward_pb2_grpc.add_RewardServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port(address)
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def stop(self) -> None:
        """Ends at once; calls in flight fail."""
        self._server.stop(None).wait()

    def Verify(self, request: pb.VerifyRequest, context: grpc.ServicerContext) -> pb.Verdict:
        answer = self._answer(request)
        if isinstance(answer, Abort):
            context.abort_with_status(rpc_status.to_status(answer))
        return answer

    def VerifyStream(self, request_iterator, context: grpc.ServicerContext):
        for request in request_iterator:
            answer = self._answer(request)
            if isinstance(answer, Abort):
                context.abort_with_status(rpc_status.to_status(answer))
            yield answer

    def PutTests(self, request: pb.TestSet, context: grpc.ServicerContext) -> pb.TestSetRef:
        name = "sha256:" + hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
        with self._lock:
            self.uploads += 1
            self.held[name] = request
        return pb.TestSetRef(hash=name)

    def Execute(self, request: pb.ExecuteRequest, context: grpc.ServicerContext) -> pb.ExecuteResult:
        return pb.ExecuteResult(id=request.id, isolation="none")

    def CheckTask(self, request: pb.CheckTaskRequest, context: grpc.ServicerContext) -> pb.TaskReport:
        """As the server does it, over this one's verdicts."""
        try:
            return asyncio.run(taskcheck.check(_Answering(self, request.id), request))
        except RequestError as error:
            at_fault = error.code is ErrorCode.INTERNAL
            code = grpc.StatusCode.INTERNAL if at_fault else grpc.StatusCode.INVALID_ARGUMENT
            context.abort_with_status(rpc_status.to_status(abort(code, str(error), reason=error.code.name)))
            raise AssertionError("abort_with_status raises") from error

    def GetCapabilities(self, request, context: grpc.ServicerContext) -> pb.Capabilities:
        return pb.Capabilities(version="fake")

    def _answer(self, request: pb.VerifyRequest) -> pb.Verdict | Abort:
        with self._lock:
            attempt = self.attempts[request.id] = self.attempts.get(request.id, 0) + 1
            self.completions[request.id] = request.completion
        answer = self.faults(request, attempt)
        if answer is None:
            answer = self._judge(request)
        if isinstance(answer, pb.Verdict):
            sent = pb.Verdict()
            sent.CopyFrom(answer)
            sent.id = request.id
            return sent
        return answer

    def _judge(self, request: pb.VerifyRequest) -> pb.Verdict:
        if request.code.tests_hash:
            return (
                verdict("ACCEPTED", 1.0) if request.code.tests_hash in self.held else verdict("UNKNOWN_TESTS")
            )
        return judge(request)


@dataclass
class _Answering:
    """What `taskcheck` asks; its requests carry no id of their own."""

    server: FakeServer
    task_id: str

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        request.id = self.task_id
        answer = self.server._answer(request)
        assert isinstance(answer, pb.Verdict)
        return answer
