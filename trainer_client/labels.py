"""A task in a single column, as data sets for the field's trainers carry it.

One of three: a task of ours as JSON (`{"math": ...}` or `{"code": ...}`, with the
request's other fields beside it if wanted), `{"inputs": [...], "outputs": [...]}`
as most code data sets keep their tests, or a plain gold answer.
"""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format

from protos.reward.v1 import reward_pb2 as pb

_TASKS = ("math", "code")


class LabelError(ValueError):
    """A label that is none of the three forms; the message names the field."""


def request_of(label: Any, completion: str) -> pb.VerifyRequest:
    """The request that judges `completion` by `label`. Raises LabelError."""
    found = _as_object(label)
    if found is None:
        request = pb.VerifyRequest(math=pb.MathTask(gold=[_gold(label)]))
    elif any(name in found for name in _TASKS):
        request = _task(found)
    else:
        request = pb.VerifyRequest(code=_cases(found))
    request.completion = completion
    return request


def _as_object(label: Any) -> dict[str, Any] | None:
    """The label as an object if it is one of the two JSON forms; None: it is a gold."""
    if isinstance(label, str) and label.lstrip().startswith("{"):
        try:
            label = json.loads(label)
        except ValueError:
            return None  # a set in LaTeX or the like: `{1, 2}`
    if not isinstance(label, dict):
        return None
    known = any(name in label for name in _TASKS) or {"inputs", "outputs"} <= label.keys()
    return label if known else None


def _gold(label: Any) -> str:
    if isinstance(label, bool) or not isinstance(label, str | int | float):
        raise LabelError(f"label: {type(label).__name__} is neither a gold answer nor a task")
    return str(label)


def _task(found: dict[str, Any]) -> pb.VerifyRequest:
    """Protobuf's own JSON, with the API's two conveniences: plain call values and checkers by name."""
    code = dict(found.get("code") or {})
    if isinstance(code.get("checker"), str):
        code["checker"] = {"name": code["checker"]}
    if "call" in code:
        cases = [_case(case["args"], case["expected"]) for case in code["call"].get("cases", ())]
        code["call"] = {**code["call"], "cases": cases}
    try:
        return json_format.ParseDict({**found, "code": code} if code else found, pb.VerifyRequest())
    except json_format.ParseError as error:
        raise LabelError(f"label: {error}") from None


def _cases(found: dict[str, Any]) -> pb.CodeTask:
    """`{"inputs", "outputs", "fn_name"?, "language"?, "assert_case"?}`, as APPS, TACO and verl write it."""
    if found.get("assert_case"):
        return _asserts(found["assert_case"])
    inputs, outputs = found["inputs"], found["outputs"]
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
        raise LabelError("label.outputs: inputs and outputs must be arrays of one length")
    task = pb.CodeTask(language=found.get("language", "python"))
    if found.get("fn_name"):
        task.call.function = found["fn_name"]
        for given, expected in zip(inputs, outputs, strict=True):
            task.call.cases.add(**_call(given, expected))
        return task
    for given, expected in zip(inputs, outputs, strict=True):
        task.stdio.cases.add(input=_text(given), output=_text(expected))
    return task


def _asserts(found: Any) -> pb.CodeTask:
    """verl puts each behind the program, instead of inputs and outputs."""
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise LabelError("label.assert_case: must be an array of texts")
    return pb.CodeTask(language="python", asserts=pb.AssertTests(tests=found))


def _call(given: Any, expected: Any) -> dict[str, str]:
    """Arguments are an array, or one JSON text a line with the expected value as JSON text."""
    if isinstance(given, str):
        given = [_parsed(line) for line in given.split("\n") if line.strip()]
        expected = _parsed(expected) if isinstance(expected, str) else expected
    return _case(given, expected)


def _case(arguments: Any, expected: Any) -> dict[str, str]:
    return {"args": _json(arguments), "expected": _json(expected)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    """A test's text; APPS keeps some as arrays of lines."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
