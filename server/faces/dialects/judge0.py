"""Judge0 CE's submissions with `wait=true`, as ms-swift's plugin calls them.

Judged by equality of stdout after trailing blanks of each line and of the whole text
are dropped. Times are seconds, memory kilobytes, texts base64 where
`base64_encoded=true`. Without `wait=true`, and for a token, the answer is 400: nothing
is kept here. A fault of the service is 503 with `queue is full`, or status 13.
Source: judge0/judge0 (1.13.1), docs and app/enumerations.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, FiniteFloat
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.faces.dialects.common import (
    Context,
    Endpoint,
    Handler,
    Refusal,
    Route,
    connected,
    endpoint,
    gather,
    json,
)

MAX_BATCH = 20
# ms-swift's plugin waits 300 s (aiohttp's default), tries nothing again and takes every fault for 0.
_PATIENCE_SECONDS = 290.0
_DEFAULT_CPU_SECONDS, _DEFAULT_WALL_SECONDS = 5.0, 10.0
_ACCEPTED, _WRONG_ANSWER, _TIME_LIMIT, _COMPILATION_ERROR, _NON_ZERO_EXIT, _OTHER = 3, 4, 5, 6, 11, 12
_BY_SIGNAL = {11: 7, 25: 8, 8: 9, 6: 10}  # SIGSEGV, SIGXFSZ, SIGFPE, SIGABRT
STATUSES = {
    1: "In Queue",
    2: "Processing",
    3: "Accepted",
    4: "Wrong Answer",
    5: "Time Limit Exceeded",
    6: "Compilation Error",
    7: "Runtime Error (SIGSEGV)",
    8: "Runtime Error (SIGXFSZ)",
    9: "Runtime Error (SIGFPE)",
    10: "Runtime Error (SIGABRT)",
    11: "Runtime Error (NZEC)",
    12: "Runtime Error (Other)",
    13: "Internal Error",
    14: "Exec Format Error",
}
# Judge0 CE's numbers of the newest version it lists for each language, and older ones in use.
LANGUAGE_IDS = {
    "bash": (46,),
    "c": (50, 48, 49, 75, 103),
    "cpp": (54, 52, 53, 76, 105),
    "csharp": (51,),
    "go": (60, 95, 106, 107),
    "haskell": (61,),
    "java": (62, 91),
    "javascript": (63, 93, 97, 102),
    "lua": (64,),
    "ocaml": (65,),
    "perl": (85,),
    "php": (68, 98),
    "python": (71, 92, 100, 109, 113),
    "r": (80, 99),
    "ruby": (72,),
    "rust": (73, 108),
    "scala": (81,),
    "typescript": (74, 94, 101),
}
_NAMES = {number: name for name, numbers in LANGUAGE_IDS.items() for number in numbers}


class Submission(BaseModel):
    """The fields that this server heeds; the others are ignored."""

    source_code: str
    language_id: int
    stdin: str | None = None
    expected_output: str | None = None
    command_line_arguments: str | None = None
    cpu_time_limit: FiniteFloat | None = None
    wall_time_limit: FiniteFloat | None = None
    memory_limit: FiniteFloat | None = None  # kilobytes


class Batch(BaseModel):
    """Several submissions."""

    submissions: list[Submission]


def routes(context: Context) -> Sequence[Route]:
    """The paths of this dialect."""

    def patient(handler: Handler) -> Endpoint:
        return endpoint(context, handler, _on_error, patience_seconds=_PATIENCE_SECONDS)

    return (
        Route("POST", "/submissions", patient(_submit)),
        Route("POST", "/submissions/", patient(_submit)),
        Route("POST", "/submissions/batch", patient(_batch)),
        Route("GET", "/submissions/{token}", endpoint(context, _no_token, _on_error)),
        Route("GET", "/languages", endpoint(context, _languages)),
        Route("GET", "/statuses", endpoint(context, _statuses)),
    )


async def _languages(context: Context, request: Request) -> Response:
    here = {row.name: row.version for row in context.service.capabilities().languages if row.available}
    return json(
        [
            {"id": number, "name": f"{name} ({here[name]})"}
            for name, numbers in LANGUAGE_IDS.items()
            for number in numbers
            if name in here
        ]
    )


async def _statuses(context: Context, request: Request) -> Response:
    return json([{"id": number, "description": text} for number, text in STATUSES.items()])


async def _no_token(context: Context, request: Request) -> Response:
    raise Refusal(400, {"error": "this server keeps no submissions; use wait=true"})


async def _submit(context: Context, request: Request) -> Response:
    _must_wait(request)
    submission = await context.read(request, Submission)
    encoded = _encoded(request)
    return json(await connected(request, _judge(context, submission, encoded=encoded)), 201)


async def _batch(context: Context, request: Request) -> Response:
    _must_wait(request)
    batch = await context.read(request, Batch)
    if len(batch.submissions) > MAX_BATCH:
        raise Refusal(400, {"error": f"number of submissions in a batch should be at most {MAX_BATCH}"})
    encoded = _encoded(request)
    work = gather(_judge(context, one, encoded=encoded) for one in batch.submissions)
    return json(await connected(request, work), 201)


def _must_wait(request: Request) -> None:
    if request.query_params.get("wait", "").lower() != "true":
        raise Refusal(400, {"error": "this server keeps no submissions; use wait=true"})


def _encoded(request: Request) -> bool:
    return request.query_params.get("base64_encoded", "").lower() == "true"


async def _judge(context: Context, submission: Submission, *, encoded: bool) -> dict[str, Any]:
    name = _NAMES.get(submission.language_id)
    if name is None:
        why = f"language with id {submission.language_id} doesn't exist"
        raise Refusal(422, {"language_id": [why]})
    message = pb.ExecuteRequest(
        language=name,
        source=_read(submission.source_code, encoded, "source_code"),
        stdin=[_read(submission.stdin or "", encoded, "stdin")],
        arguments=(submission.command_line_arguments or "").split(),
        limits=context.limits(
            cpu_seconds=submission.cpu_time_limit or _DEFAULT_CPU_SECONDS,
            wall_seconds=submission.wall_time_limit or _DEFAULT_WALL_SECONDS,
            memory_bytes=int((submission.memory_limit or 0) * 1024),
        ),
    )
    result = await context.execution(message, _PATIENCE_SECONDS)
    return _answer(result, _expected(submission, encoded), encoded=encoded)


def _expected(submission: Submission, encoded: bool) -> str | None:
    if submission.expected_output is None:
        return None
    return _read(submission.expected_output, encoded, "expected_output")


def _read(text: str, encoded: bool, field: str) -> str:
    if not encoded:
        return text
    try:
        return base64.b64decode(text).decode()
    except ValueError:  # also what is not ASCII, or no UTF-8
        raise Refusal(400, {field: ["is not base64 of UTF-8 text"]}) from None


def _answer(result: pb.ExecuteResult, expected: str | None, *, encoded: bool) -> dict[str, Any]:
    run = result.runs[0] if result.runs else pb.Execution(status=pb.COMPILE_ERROR)
    stdout = run.stdout.decode("utf-8", "replace")
    number = _status(run, stdout, expected)
    texts = {
        "stdout": stdout,
        "stderr": run.stderr.decode("utf-8", "replace"),
        "compile_output": result.compile.diagnostics,
        "message": "" if number in (_ACCEPTED, _WRONG_ANSWER) else run.message,
    }
    return {
        **{name: _written(text, encoded) for name, text in texts.items()},
        "exit_code": run.exit_code if run.HasField("exit_code") else None,
        "exit_signal": run.signal if run.HasField("signal") else None,
        "status": {"id": number, "description": STATUSES[number]},
        "token": str(uuid.uuid4()),
        "time": f"{run.cpu_seconds:.3f}",
        "wall_time": f"{run.wall_seconds:.3f}",
        "memory": run.memory_bytes // 1024 or None,
    }


def _written(text: str, encoded: bool) -> str | None:
    if not text:
        return None
    return base64.b64encode(text.encode()).decode() if encoded else text


def _status(run: pb.Execution, stdout: str, expected: str | None) -> int:
    if run.status == pb.ACCEPTED:
        return _ACCEPTED if expected is None or _trimmed(stdout) == _trimmed(expected) else _WRONG_ANSWER
    if run.status == pb.COMPILE_ERROR:
        return _COMPILATION_ERROR
    if run.status == pb.TIME_LIMIT:
        return _TIME_LIMIT
    if run.HasField("signal") and run.signal:
        return _BY_SIGNAL.get(run.signal, _OTHER)
    return _NON_ZERO_EXIT if run.exit_code else _OTHER


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.rstrip().split("\n"))


def _on_error(error: RequestError) -> Response:
    if error.code is ErrorCode.INVALID_ARGUMENT:
        return json({"error": error.message}, 422)
    if error.code is ErrorCode.TOO_LARGE:
        return json({"error": error.message}, 413)
    full = error.code is ErrorCode.DEADLINE_EXCEEDED
    return json({"error": "queue is full" if full else error.message}, 503)
