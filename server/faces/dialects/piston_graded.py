"""Piston's `c++17` and `cf_python3` packages, which judge a Codeforces problem, as open-r1 asks them to.

A request is one test: the program first, then `input.txt`, `correct_output.txt`, `grader_config` and, where a
problem has many answers, `checker.py`. The answer's `run.stdout` is `1` for a pass and `0` otherwise, with
code 0; `compile` is always there, for Python too. In the original the answer's program lies beside the
checker and the right output; here neither enters its jail. Without a checker, tokens are compared.
Only `INPUT_MODE` `stdio` is known, and not the package `cms_ioi`.
Sources: huggingface/open-r1 (1416fa0c), `competitive_programming/cf_scoring.py` for the files and the
answer; the checker is `python checker.py input.txt correct_output.txt solution_output.txt`, which prints 1
or 0 (data set open-r1/codeforces, `generated_checker`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from protos.reward.v1 import reward_pb2 as pb
from server.faces.dialects.common import Context, Refusal, connected

LANGUAGES = {"cf_python3": "python", "c++17": "cpp17"}
_CONFIG = "grader_config"
_NEEDED = ("input.txt", "correct_output.txt")
_DEFAULT_MEMORY_MB = 256.0
_MEBIBYTE = 1 << 20
# Exit codes of the protocol `kattis`; anything else, an exception too, is the task's fault and no verdict.
_RUN_CHECKER = """
import contextlib, io, runpy, sys
case, answer, feedback = sys.argv[1:4]
output = feedback + "solution_output.txt"
with open(output, "wb") as file:
    file.write(sys.stdin.buffer.read())
sys.argv = ["checker.py", case, answer, output]
printed, clean = io.StringIO(), True
try:
    with contextlib.redirect_stdout(printed):
        runpy.run_path("checker.py", run_name="__main__")
except SystemExit as end:
    clean = not end.code
last = float((printed.getvalue().split() or ["nan"])[-1])
if last == 0:
    sys.exit(43)
sys.exit(42 if clean and last == 1 else f"the checker printed {printed.getvalue()[-100:]!r}")
"""


def is_graded(body: Mapping[str, Any]) -> bool:
    """Whether this is a test to judge and not a program to run."""
    return body["language"] in LANGUAGES and any(file.get("name") == _CONFIG for file in body["files"])


async def judge(
    context: Context, request: Request, body: Mapping[str, Any], patience_seconds: float
) -> pb.Verdict:
    """The verdict; raises Refusal 400 for wrong or missing parts, RequestError where none came in time."""
    message = _to_verify(context, body)
    verdict = await connected(request, context.verdict(message, patience_seconds))
    context.reward(verdict)
    return verdict


def stages(verdict: pb.Verdict) -> dict[str, Any]:
    """`compile` and `run` as open-r1 reads them."""
    failed = verdict.status == pb.COMPILE_ERROR
    compiled = _stage("", verdict.message if failed else "", int(failed), verdict.timing.compile_seconds)
    if failed:
        return {"compile": compiled, "run": compiled}
    passed = verdict.status == pb.ACCEPTED
    why = "" if passed else verdict.message
    run = _stage("1\n" if passed else "0\n", why, 0, verdict.timing.run_seconds)
    return {"compile": compiled, "run": run}


def _stage(stdout: str, stderr: str, code: int, wall_seconds: float) -> dict[str, Any]:
    return {
        "signal": None,
        "stdout": stdout,
        "stderr": stderr,
        "output": stdout + stderr,
        "code": code,
        "memory": None,
        "message": None,
        "status": "RE" if code else None,
        "cpu_time": None,
        "wall_time": round(wall_seconds * 1000),
    }


def _to_verify(context: Context, body: Mapping[str, Any]) -> pb.VerifyRequest:
    program, *others = body["files"]
    files = {file.get("name"): file["content"] for file in others}
    for name in _NEEDED:
        if name not in files:
            raise Refusal(400, {"message": f"{name} is missing from files"})
    task = pb.CodeTask(language=LANGUAGES[body["language"]], limits=_limits(context, body, files[_CONFIG]))
    task.stdio.cases.add(input=files["input.txt"], output=files["correct_output.txt"])
    if "checker.py" in files:
        beside = {"checker.py": files["checker.py"]}
        task.checker.program.CopyFrom(
            pb.CheckerProgram(language="python", source=_RUN_CHECKER, protocol="kattis", files=beside)
        )
    return pb.VerifyRequest(completion=program["content"], extraction="whole", code=task)


def _limits(context: Context, body: Mapping[str, Any], config: str) -> pb.Limits:
    """CPU seconds are the problem's time limit; the wall is what the client asks for."""
    lines = dict(line.split("=", 1) for line in config.splitlines() if "=" in line)
    if lines.get("INPUT_MODE", "stdio") not in ("stdio", ""):
        raise Refusal(400, {"message": f"{_CONFIG}: INPUT_MODE {lines['INPUT_MODE']} is not known here"})
    seconds = _number(lines, "TIME_LIMIT", 1.0)
    wall_seconds = (body.get("run_timeout") or 10_000.0 * seconds) / 1000
    memory_bytes = int(_number(lines, "MEMORY_LIMIT", _DEFAULT_MEMORY_MB) * _MEBIBYTE)
    return context.limits(cpu_seconds=seconds, wall_seconds=wall_seconds, memory_bytes=memory_bytes)


def _number(lines: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(lines.get(name, default))
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise Refusal(400, {"message": f"{_CONFIG}: {name} must be a number above 0"})
    return value
