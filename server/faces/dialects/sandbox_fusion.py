"""SandboxFusion's `/run_code` and `/v1/ping`, as verl, SkyRL and its own SDK call them.

Facts of the wire are those of bytedance/SandboxFusion (469de08) and of verl's
client (utils/reward_score/sandbox_fusion). What matters to a reward:

- stdout comes back to the byte; verl compares it itself.
- A time limit is `Failed` with `run_result.status` `TimeLimitExceeded`.
- verl tries again on HTTP 504 only and takes every other fault for a wrong answer,
  so a request is held while the server is full, and ends as 504 before the client
  gives up, which it does after compile_timeout + run_timeout + 10 s. SkyRL's and
  the others that grew from `coder1/sandboxfusion_exec.py` send stdin, no compile
  timeout and fetch no files, and wait run_timeout + 2 s.

Different from the original: a memory kill, which it does not know, is a `Finished`
run with return code -9 and `limit_exceeded: "memory"` beside it; absolute paths
and `..` in files are refused; `custom_extract_logic`, Python for the server to
execute, is refused.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.faces.dialects.common import Context, Refusal, Route, connected, endpoint, json

LANGUAGES = tuple(
    """
    python cpp nodejs go go_test java php csharp bash typescript sql rust cuda lua R perl D_ut ruby scala
    julia pytest junit kotlin_script jest verilog python_gpu lean swift racket
    """.split()  # noqa: SIM905
)
# verl gives up 10 s after both timeouts; the answer must be on its way before.
_CLIENT_MARGIN_SECONDS, _ANSWER_MARGIN_SECONDS = 10.0, 2.0
# SkyRL gives up 2 s after run_timeout and asks its next server. It is known by what it sends and leaves out.
_SKYRL_MARGIN_SECONDS, _NOT_OF_SKYRL = 1.5, {"compile_timeout", "fetch_files"}
_KILLED = -9
_LIMITS = {
    pb.MEMORY_LIMIT: "memory",
    pb.OUTPUT_LIMIT: "output",
    pb.PROCESS_LIMIT: "processes",
}


class RunCode(BaseModel):
    """`RunCodeRequest`; unknown keys are ignored, as there."""

    compile_timeout: float = Field(default=10, gt=0)
    run_timeout: float = Field(default=10, gt=0)
    memory_limit_MB: int = -1
    code: str
    stdin: str | None = None
    language: str
    files: dict[str, str | None] = {}
    fetch_files: list[str] = []

    @property
    def patience_seconds(self) -> float:
        """How long the client is known to wait, less what the answer needs to get there."""
        if "stdin" in self.model_fields_set and not self.model_fields_set & _NOT_OF_SKYRL:
            return self.run_timeout + _SKYRL_MARGIN_SECONDS
        client = self.compile_timeout + self.run_timeout + _CLIENT_MARGIN_SECONDS
        return client - _ANSWER_MARGIN_SECONDS


def routes(context: Context) -> Sequence[Route]:
    """The paths of this dialect."""
    from server.faces.dialects import sandbox_fusion_jupyter, sandbox_fusion_submit

    return (
        Route("POST", "/run_code", endpoint(context, _run_code, on_error)),
        Route("GET", "/v1/ping", endpoint(context, _ping)),
        *sandbox_fusion_submit.routes(context),
        *sandbox_fusion_jupyter.routes(context),
    )


async def _ping(context: Context, request: Request) -> Response:
    return json("pong")


async def _run_code(context: Context, request: Request) -> Response:
    call = await context.read(request, RunCode)
    if call.language not in LANGUAGES:
        raise Refusal(422, {"detail": [_language_error(call.language)]})
    if not _available(context, call.language):
        return json(sandbox_error(f"language {call.language} is not available on this server"))
    message = to_execute(context, call, [call.stdin or ""])
    result = await connected(request, context.execution(message, call.patience_seconds))
    return json(to_response(result, call.run_timeout))


def _language_error(found: str) -> dict[str, Any]:
    expected = " or ".join(map(repr, LANGUAGES))
    return {
        "type": "literal_error",
        "loc": ["body", "language"],
        "msg": f"Input should be {expected}",
        "input": found,
    }


def _available(context: Context, name: str) -> bool:
    languages = context.service.capabilities().languages
    wanted = name.lower()
    return any(
        row.available and wanted in (row.name.lower(), *(alias.lower() for alias in row.aliases))
        for row in languages
    )


def to_execute(context: Context, call: RunCode, inputs: Sequence[str]) -> pb.ExecuteRequest:
    """The same program as our request: its timeout is ours for CPU time and for the wall clock."""
    memory_bytes = call.memory_limit_MB << 20 if call.memory_limit_MB > 0 else 0
    return pb.ExecuteRequest(
        language=call.language,
        source=call.code or "\n",  # an empty program runs there
        stdin=inputs,
        files={path: _decoded(path, text) for path, text in call.files.items() if text is not None},
        fetch_files=call.fetch_files,
        limits=context.limits(
            cpu_seconds=call.run_timeout, wall_seconds=call.run_timeout, memory_bytes=memory_bytes
        ),
    )


def _decoded(path: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # also what is not ASCII
        raise Refusal(422, {"detail": f"files[{path!r}] is not base64: {error}"}) from None


def to_response(result: pb.ExecuteResult, run_timeout: float, index: int = 0) -> dict[str, Any]:
    """`RunCodeResponse` for one of the runs."""
    compiled = _compile_result(result.compile)
    if not result.compile.ok and compiled is not None:
        return _response("Failed", compiled, None)
    run = result.runs[index]
    ran = _run_result(run, run_timeout)
    succeeded = ran["status"] == "Finished" and ran["return_code"] == 0
    files = {path: base64.b64encode(content).decode() for path, content in run.files.items()}
    return _response("Success" if succeeded else "Failed", compiled, ran, files=files)


def _response(
    status: Literal["Success", "Failed", "SandboxError"],
    compiled: dict[str, Any] | None,
    ran: dict[str, Any] | None,
    *,
    files: dict[str, str] | None = None,
    message: str = "",
) -> dict[str, Any]:
    return {
        "status": status,
        "message": message,
        "compile_result": compiled,
        "run_result": ran,
        "executor_pod_name": None,
        "files": files or {},
    }


def sandbox_error(message: str) -> dict[str, Any]:
    """A fault that is not the program's; the SDK tries again on it."""
    return _response("SandboxError", None, None, message=message)


def _compile_result(detail: pb.CompileDetail) -> dict[str, Any] | None:
    """What the compiler did; None where there was none, because the language is interpreted."""
    if detail.ok and not detail.cached and detail.wall_seconds == 0:
        return None
    return {
        "status": "Finished",
        "execution_time": detail.wall_seconds,
        "return_code": 0 if detail.ok else 1,
        "stdout": "",
        "stderr": detail.diagnostics,
    }


def _run_result(run: pb.Execution, run_timeout: float) -> dict[str, Any]:
    timed_out = run.status == pb.TIME_LIMIT
    result = {
        "status": "TimeLimitExceeded" if timed_out else "Finished",
        "execution_time": max(run.wall_seconds, run_timeout) if timed_out else run.wall_seconds,
        "return_code": None if timed_out else _return_code(run),
        "stdout": run.stdout.decode("utf-8", "replace"),
        "stderr": run.stderr.decode("utf-8", "replace"),
    }
    if run.status in _LIMITS:
        result["limit_exceeded"] = _LIMITS[run.status]
    return result


def _return_code(run: pb.Execution) -> int:
    if run.status == pb.ACCEPTED:
        return 0
    if run.HasField("signal") and run.signal:
        return -run.signal
    return run.exit_code or _KILLED


def on_error(error: RequestError) -> Response:
    """What verl must try again is 504; a wrong request is FastAPI's 422."""
    if error.code is ErrorCode.INVALID_ARGUMENT:
        return json({"detail": error.message}, 422)
    if error.code is ErrorCode.TOO_LARGE:
        return json({"detail": error.message}, 413)
    return json({"detail": error.message}, 504)
