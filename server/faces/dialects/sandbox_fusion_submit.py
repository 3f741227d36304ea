"""SandboxFusion's `/submit` for problems that come with the request (`config.provided_data`).

`CommonOJDataset`: stdin/stdout tests, judged by that system's own rule. The assert
data sets (HumanEval, MBPP, AutoEval and kin): judged by ours, so that a plain comparison is
made outside the jail. The first fenced block of the language is the program; a completion
without one that continues its row's `prompt` (HumanEval without `is_freeform`) stands behind it.
The data sets that SandboxFusion ships are not here: `/list_datasets` is empty.
Source: sandbox/datasets/{common_oj,humaneval,mbpp,autoeval}.py (50adb7c2).
"""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.errors import RequestError
from server.faces.dialects import sandbox_fusion
from server.faces.dialects.common import Context, Refusal, Route, connected, endpoint, json

_PROMPTED = ("HumanEvalDataset", "EvoEvalDataset", "MBXPDataset")
_AUTO_EVAL = tuple(f"AutoEval{version}Dataset" for version in ("", "V4", "V5", "V6"))
ASSERT_DATASETS = (*_PROMPTED, *_AUTO_EVAL, "MBPPDataset")
_INSERTED_HERE = "#<INSERT>"  # where AutoEval's test has the answer's place
_DEFAULT_TIMEOUT_SECONDS = 20.0
_SHOWN_CHARACTERS = 1000
_FLOAT_TOLERANCE, _FLOAT_FLOOR = 1e-5, 1e-10
_FIRST_CHUNK, _CHUNK_GROWTH = 1, 4
# The patience of its SDK has no end; a trainer's does.
_PATIENCE_SECONDS = 300.0


class Config(BaseModel):
    """`TestConfig`, as far as it concerns a problem that is provided."""

    dataset_type: str | None = None
    language: str | None = None
    compile_timeout: float | None = Field(default=None, gt=0)
    run_timeout: float | None = Field(default=None, gt=0)
    custom_extract_logic: str | None = None
    provided_data: Any = None
    extra: dict[str, Any] = {}


class Submit(BaseModel):
    """`SubmitRequest`."""

    dataset: str
    id: int | str
    completion: str
    config: Config = Config()


def routes(context: Context) -> Sequence[Route]:
    """The paths of problems and data sets."""
    return (
        Route("POST", "/submit", endpoint(context, _submit, _on_error)),
        Route("GET", "/list_datasets", endpoint(context, _no_datasets)),
        Route("POST", "/list_ids", endpoint(context, _unknown_dataset)),
        Route("POST", "/get_prompts", endpoint(context, _unknown_dataset)),
        Route("POST", "/get_prompt_by_id", endpoint(context, _unknown_dataset)),
    )


async def _no_datasets(context: Context, request: Request) -> Response:
    return json([])


async def _unknown_dataset(context: Context, request: Request) -> Response:
    raise Refusal(400, {"detail": "this server ships no data sets; send the problem as config.provided_data"})


async def _submit(context: Context, request: Request) -> Response:
    call = await context.read(request, Submit)
    row = _row(call)
    if call.config.dataset_type == "CommonOJDataset":
        return json(await connected(request, _judge_stdio(context, call, row)))
    if call.config.dataset_type in ASSERT_DATASETS:
        return json(await connected(request, _judge_asserts(context, call, row)))
    raise Refusal(400, {"detail": f"eval class {call.config.dataset_type} not found"})


def _row(call: Submit) -> dict[str, Any]:
    if call.config.custom_extract_logic:
        raise Refusal(400, {"detail": "config.custom_extract_logic is not executed by this server"})
    if call.config.dataset_type is None:
        raise Refusal(400, {"detail": f"no eval class found for dataset {call.dataset}"})
    if not isinstance(call.config.provided_data, dict):
        raise Refusal(400, {"detail": "config.provided_data must be one problem, an object"})
    return call.config.provided_data


async def _judge_stdio(context: Context, call: Submit, row: dict[str, Any]) -> dict[str, Any]:
    if not call.config.language:
        raise Refusal(400, {"detail": "config.language is required"})
    source = extract(call.completion, call.config.language)
    cases = _cases(row)
    run_all = bool(call.config.extra.get("run_all_cases"))
    tests: list[dict[str, Any]] = []
    for chunk in _chunks(cases, whole=run_all):
        tests += await _run_chunk(context, call, source, chunk)
        if not run_all and not all(test["passed"] for test in tests):
            break
    return _eval_result(call, source, tests)


def extract(completion: str, language: str) -> str:
    """The first closed block of the language, else the first block, else an open one, else the text."""
    blocks = _CLOSED_BLOCK.findall(completion) or _OPEN_BLOCK.findall(completion)
    if not blocks:
        return completion
    names = _FENCES.get(language, (language.lower(),))
    first: str = blocks[0][1]
    return next((code for tag, code in blocks if tag.strip().lower() in names), first)


# A block ends where a line begins with its fence: a program may hold one elsewhere.
_CLOSED_BLOCK = re.compile(r"```([^\n]*)\n(.*?)^[^\S\n]*```", re.DOTALL | re.MULTILINE)
_OPEN_BLOCK = re.compile(r"```([^\n]*)\n(.*)", re.DOTALL)
_FENCES = {
    "python": ("python", "py", "python3"),
    "cpp": ("cpp", "c++", "c"),
    "nodejs": ("javascript", "js", "nodejs"),
    "typescript": ("typescript", "ts"),
    "csharp": ("csharp", "c#", "cs"),
    "go": ("go", "golang"),
    "bash": ("bash", "sh", "shell"),
}


def _cases(row: dict[str, Any]) -> list[dict[str, Any]]:
    found = row.get("test")
    if isinstance(found, str):
        try:
            found = json_module.loads(found)
        except (ValueError, RecursionError):
            raise _bad("test", "is not JSON") from None
    if not isinstance(found, list) or not found:
        # The original accepts whatever has no tests; that would be a reward for nothing.
        raise _bad("test", "must be a non-empty array")
    for index, case in enumerate(found):
        for part in ("input", "output"):
            if not isinstance(case, dict) or not isinstance(case.get(part, {}), dict):
                raise _bad(f"test[{index}].{part}", "must be an object")
    return found


def _bad(field: str, what: str) -> Refusal:
    return Refusal(400, {"detail": f"provided_data.{field} {what}"})


def _chunks(cases: list[dict[str, Any]], *, whole: bool) -> list[list[dict[str, Any]]]:
    """Growing pieces, so that a wrong program stops early and a right one costs few jails."""
    if whole:
        return [cases]
    chunks, start, size = [], 0, _FIRST_CHUNK
    while start < len(cases):
        chunks.append(cases[start : start + size])
        start, size = start + size, size * _CHUNK_GROWTH
    return chunks


async def _run_chunk(
    context: Context, call: Submit, source: str, cases: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    program = _program(call, source)
    inputs = [str(case.get("input", {}).get("stdin", "")) for case in cases]
    result = await context.execution(sandbox_fusion.to_execute(context, program, inputs), _PATIENCE_SECONDS)
    full = bool(call.config.extra.get("return_full_case"))
    if not result.compile.ok and not result.runs:
        failed = sandbox_fusion.to_response(result, program.run_timeout)
        return [{"passed": False, "exec_info": failed, "test_info": None}]
    return [
        _test(case, sandbox_fusion.to_response(result, program.run_timeout, index), full=full)
        for index, case in enumerate(cases)
    ]


def _program(call: Submit, source: str) -> sandbox_fusion.RunCode:
    return sandbox_fusion.RunCode(
        code=source,
        language=call.config.language or "python",
        compile_timeout=call.config.compile_timeout or _DEFAULT_TIMEOUT_SECONDS,
        run_timeout=call.config.run_timeout or _DEFAULT_TIMEOUT_SECONDS,
    )


def _test(case: dict[str, Any], ran: dict[str, Any], *, full: bool) -> dict[str, Any]:
    expected = str(case.get("output", {}).get("stdout", ""))
    passed = ran["status"] == "Success" and agrees(ran["run_result"]["stdout"], expected)
    shown = case if full else json_module.loads(_cut(json_module.dumps(case)))
    return {"passed": passed, "exec_info": ran, "test_info": shown}


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else json_module.dumps(text[:_SHOWN_CHARACTERS])


def agrees(output: str, expected: str) -> bool:
    """SandboxFusion's rule: lines without case and outer blanks; a line of one number within 1e-5."""
    found, wanted = _lines(output), _lines(expected)
    return len(found) == len(wanted) and all(map(_line_agrees, found, wanted))


def _lines(text: str) -> list[str]:
    lines = text.strip().split("\n")
    return lines[:-1] if len(lines) > 1 and not lines[-1].strip() else lines


def _line_agrees(found: str, wanted: str) -> bool:
    found, wanted = found.strip().lower(), wanted.strip().lower()
    if found == wanted:
        return True
    try:
        value, reference = float(found), float(wanted)
    except ValueError:
        return False
    return abs(value - reference) / max(abs(reference), _FLOAT_FLOOR) < _FLOAT_TOLERANCE


async def _judge_asserts(context: Context, call: Submit, row: dict[str, Any]) -> dict[str, Any]:
    labels = _plain(row.get("labels"))
    labels = labels if isinstance(labels, dict) else {}
    named = labels.get("execution_language") or labels.get("programming_language")
    language = call.config.language or str(named or "python")
    source = _answer(call, row, language)
    setup, tests = _asserts(row)
    message = pb.VerifyRequest(completion=source, extraction="whole", explain=True)
    message.code.language = language
    message.code.asserts.setup = setup or str(
        row.get("test_setup_code") or labels.get("test_setup_code") or ""
    )
    message.code.asserts.tests.extend(tests)
    message.code.asserts.entry_point = str(row.get("entry_point") or "")
    seconds = call.config.run_timeout or _DEFAULT_TIMEOUT_SECONDS
    message.code.limits.CopyFrom(context.limits(cpu_seconds=seconds, wall_seconds=seconds))
    verdict = await context.verdict(message, _PATIENCE_SECONDS)
    return _eval_result(call, source, [_asserts_test(verdict, context.reward(verdict))])


def _answer(call: Submit, row: dict[str, Any], language: str) -> str:
    """The program: a fenced block, or what continues the row's prompt as long as it is indented."""
    prompt = row.get("prompt")
    continues = call.config.dataset_type in _PROMPTED and not call.config.extra.get("is_freeform")
    if not continues or not isinstance(prompt, str) or "```" in call.completion:
        return extract(call.completion, language)
    return f"{prompt}\n{_UNINDENTED.split(call.completion, maxsplit=1)[0]}"


_UNINDENTED = re.compile(r"\n(?=\S)")


def _asserts(row: dict[str, Any]) -> tuple[str, list[str]]:
    """What runs before the program, and the tests behind it; raises Refusal 400 for other forms."""
    found = _plain(next((row[name] for name in ("tests", "test", "test_list") if row.get(name)), None))
    if isinstance(found, dict):
        if _plain(found.get("asset")):
            raise _bad("test.asset", "is not taken: there are no files beside asserts")
        found = found.get("code")
    if isinstance(found, str) and _INSERTED_HERE in found:
        before, _, behind = found.partition(_INSERTED_HERE)
        return before, [behind]
    tests = [found] if isinstance(found, str) else found
    if not isinstance(tests, list) or not tests or not all(isinstance(test, str) for test in tests):
        raise _bad("test", "must be a text, an array of texts, or an object with `code`")
    return "", tests


def _plain(value: Any) -> Any:
    """An array or object that came as JSON text; anything else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        return json_module.loads(value)
    except (ValueError, RecursionError):
        return value


def _asserts_test(verdict: pb.Verdict, reward: float) -> dict[str, Any]:
    passed = reward == 1.0
    ran = {
        "status": "Success" if passed else "Failed",
        "message": "",
        "compile_result": None,
        "run_result": {
            "status": "TimeLimitExceeded" if verdict.status == pb.TIME_LIMIT else "Finished",
            "execution_time": verdict.timing.run_seconds,
            "return_code": 0 if passed else None if verdict.status == pb.TIME_LIMIT else 1,
            "stdout": "",
            "stderr": "" if passed else verdict.message,
        },
        "executor_pod_name": None,
        "files": {},
    }
    return {"passed": passed, "exec_info": ran, "test_info": None}


def _eval_result(call: Submit, source: str, tests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": call.id,
        "accepted": bool(tests) and all(test["passed"] for test in tests),
        "extracted_code": source,
        "full_code": None,
        "test_code": None,
        "tests": tests,
        "extracted_type": "fenced" if source != call.completion else "heuristic",
        "extra": None,
    }


def _on_error(error: RequestError) -> Response:
    """On this path a fault of the service has always been a 500, which its SDK tries again."""
    status = 400 if error.code.http_status < 429 else 500
    return json({"detail": error.message}, status)
