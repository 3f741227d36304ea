"""Piston's API v2: `GET /api/v2/runtimes` and `POST /api/v2/execute`, as open-r1 calls them.

Times are milliseconds, memory bytes. The first text file is the program; the others
are placed beside it. stdin always gets a last newline. A failed compilation's stage is
copied into `run`. Any answer but 200 is tried again by open-r1's client, five times.
Versions: a program asks for a version and gets this server's, if the asked one is `*`
or a prefix of it. The packages that judge Codeforces problems are in `piston_graded`.
Source: engineer-man/piston (0a844d0).
"""

from __future__ import annotations

import base64
import signal
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.faces import json_wire
from server.faces.dialects import piston_graded
from server.faces.dialects.common import Context, Refusal, Route, connected, endpoint, json

# open-r1's client hears nothing for 30 s and tries again; the answer must be on its way before.
_PATIENCE_SECONDS = 28.0
_DEFAULT_RUN_MS = 3000.0
_NUMBERS = (
    "compile_timeout",
    "run_timeout",
    "compile_cpu_time",
    "run_cpu_time",
    "compile_memory_limit",
    "run_memory_limit",
)
_STATUSES = {
    pb.TIME_LIMIT: "TO",
    pb.OUTPUT_LIMIT: "OL",
    pb.MEMORY_LIMIT: "SG",
    pb.PROCESS_LIMIT: "RE",
}


def routes(context: Context) -> Sequence[Route]:
    """The paths of this dialect."""
    return (
        Route("GET", "/api/v2/runtimes", endpoint(context, _runtimes, _on_error)),
        Route(
            "POST",
            "/api/v2/execute",
            endpoint(context, _execute, _on_error, patience_seconds=_PATIENCE_SECONDS),
        ),
    )


async def _runtimes(context: Context, request: Request) -> Response:
    languages = context.service.capabilities().languages
    return json(
        [
            {"language": row.name, "version": row.version, "aliases": list(row.aliases)}
            for row in languages
            if row.available
        ]
    )


async def _execute(context: Context, request: Request) -> Response:
    media_type = request.headers.get("content-type", "")
    if not media_type.startswith("application/json"):
        raise Refusal(415, {"message": "requests must be of type application/json"})
    body = json_wire.loads(await context.body(request))
    if not isinstance(body, dict):
        raise _bad("the body must be an object")
    _check(body)
    if piston_graded.is_graded(body):
        return await _judge(context, request, body)
    runtime = _runtime(context, body["language"], body["version"])
    message = _to_execute(context, body, runtime.name)
    result = await connected(request, context.execution(message, _PATIENCE_SECONDS))
    return json({"language": runtime.name, "version": runtime.version, **_stages(result)})


async def _judge(context: Context, request: Request, body: dict[str, Any]) -> Response:
    """One test of a problem, as the Codeforces packages judge it."""
    runtime = _runtime(context, piston_graded.LANGUAGES[body["language"]], "*")
    verdict = await piston_graded.judge(context, request, body, _PATIENCE_SECONDS)
    answer = {"language": body["language"], "version": runtime.version}
    return json({**answer, **piston_graded.stages(verdict)})


def _bad(message: str) -> Refusal:
    return Refusal(400, {"message": message})


def _check(body: dict[str, Any]) -> None:
    """Piston's own order of validation and its words."""
    for name in ("language", "version"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise _bad(f"{name} is required as a string")
    if not isinstance(body.get("files"), list):
        raise _bad("files is required as an array")
    for index, file in enumerate(body["files"]):
        if not isinstance(file, dict) or not isinstance(file.get("content"), str):
            raise _bad(f"files[{index}].content is required as a string")
        if not isinstance(file.get("name") or "", str):
            raise _bad(f"files[{index}].name must be a string")
    if not isinstance(body.get("args") or [], list):
        raise _bad("args must be an array")
    for name in _NUMBERS:
        value = body.get(name)
        if value and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise _bad(f"If specified, {name} must be a number")


def _runtime(context: Context, language: str, version: str) -> pb.Language:
    for row in context.service.capabilities().languages:
        named = row.available and language.lower() in (row.name, *row.aliases)
        if named and (version in ("*", row.version) or row.version.startswith(f"{version}.")):
            return row
    raise _bad(f"{language}-{version} runtime is unknown")


def _to_execute(context: Context, body: dict[str, Any], language: str) -> pb.ExecuteRequest:
    source, files = _files(body["files"])
    run_ms = body.get("run_timeout") or _DEFAULT_RUN_MS
    cpu_ms = body.get("run_cpu_time") or run_ms
    memory = body.get("run_memory_limit") or -1
    stdin = str(body.get("stdin") or "")
    return pb.ExecuteRequest(
        language=language,
        source=source or "\n",  # an empty program runs there
        stdin=[stdin if stdin.endswith("\n") else f"{stdin}\n"],
        arguments=[str(argument) for argument in body.get("args") or []],
        files=files,
        limits=context.limits(
            cpu_seconds=cpu_ms / 1000, wall_seconds=run_ms / 1000, memory_bytes=max(0, int(memory))
        ),
    )


def _files(files: list[dict[str, Any]]) -> tuple[str, dict[str, bytes]]:
    """The program's text, and what lies beside it."""
    source: str | None = None
    others = {}
    for index, file in enumerate(files):
        encoding = file.get("encoding") or "utf8"
        if encoding == "utf8" and source is None:
            source = file["content"]
        else:
            name = file.get("name") or f"file{index}.code"
            others[name] = _content(index, file["content"], encoding)
    if source is None:
        raise _bad("files must include at least one utf8 encoded file")
    return source, others


def _content(index: int, text: str, encoding: str) -> bytes:
    try:
        match encoding:
            case "base64":
                return base64.b64decode(text, validate=True)
            case "hex":
                return bytes.fromhex(text)
            case _:
                return text.encode()
    except ValueError:  # also what is not ASCII, or no Unicode
        raise _bad(f"files[{index}].content is not {encoding}") from None


def _stages(result: pb.ExecuteResult) -> dict[str, Any]:
    compiled = result.compile.cached or result.compile.wall_seconds > 0
    stage = _compile_stage(result.compile)
    if not result.runs:
        return {"compile": stage, "run": stage}
    run = _run_stage(result.runs[0])
    return {"compile": stage, "run": run} if compiled else {"run": run}


def _compile_stage(detail: pb.CompileDetail) -> dict[str, Any]:
    return {
        "signal": None,
        "stdout": "",
        "stderr": detail.diagnostics,
        "output": detail.diagnostics,
        "code": 0 if detail.ok else 1,
        "memory": None,
        "message": None,
        "status": None if detail.ok else "RE",
        "cpu_time": round(detail.cpu_seconds * 1000),
        "wall_time": round(detail.wall_seconds * 1000),
    }


def _run_stage(run: pb.Execution) -> dict[str, Any]:
    stdout, stderr = run.stdout.decode("utf-8", "replace"), run.stderr.decode("utf-8", "replace")
    killed = run.status in _STATUSES and run.status != pb.PROCESS_LIMIT
    died_of = _signal_name(run.signal) if run.HasField("signal") and run.signal else None
    status = _STATUSES.get(run.status)
    if status is None and run.status != pb.ACCEPTED:
        status = "SG" if died_of else "RE"
    return {
        "signal": "SIGKILL" if killed else died_of,
        "stdout": stdout,
        "stderr": stderr,
        "output": stdout + stderr,
        "code": None if killed or died_of else run.exit_code,
        "memory": run.memory_bytes or None,
        "message": None if run.status == pb.ACCEPTED else run.message,
        "status": status,
        "cpu_time": round(run.cpu_seconds * 1000),
        "wall_time": round(run.wall_seconds * 1000),
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal, which has no name of its own
        return f"SIG{number}"


def _on_error(error: RequestError) -> Response:
    status = 400 if error.code is ErrorCode.INVALID_ARGUMENT else error.code.http_status
    return json({"message": error.message}, status)
