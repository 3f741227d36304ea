"""A task in a single text field: dialects whose wire carries only a label.

A label is one of three: a task of ours as JSON (`{"math": ...}` or `{"code": ...}`,
with the request's other fields beside it if wanted), the `inputs`/`outputs` form
in which most code data sets keep their tests, or a plain gold answer.
"""

from __future__ import annotations

import json
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from server.errors import invalid
from server.faces import json_wire

_TASKS = ("math", "code")
_CASES = ("inputs", "outputs")


def request_of(label: Any, completion: str, request_id: str = "") -> pb.VerifyRequest:
    """The request that judges `completion` by `label`; raises RequestError naming the label's field."""
    found = _as_object(label)
    if found is None:
        request = pb.VerifyRequest(math=pb.MathTask(gold=[_gold(label)]))
    elif any(name in found for name in _TASKS):
        request = json_wire.from_json(found, pb.VerifyRequest)
    else:
        request = pb.VerifyRequest(code=_cases(found))
    request.completion = completion
    request.id = request.id or request_id
    return request


def _as_object(label: Any) -> dict[str, Any] | None:
    """The label as an object if it is one of the two JSON forms, else None: then it is a gold."""
    if isinstance(label, str) and label.lstrip().startswith("{"):
        try:
            label = json.loads(label)
        except (ValueError, RecursionError):
            return None  # a set in LaTeX or the like: `{1, 2}`
    if not isinstance(label, dict):
        return None
    known = any(name in label for name in _TASKS) or all(name in label for name in _CASES)
    return label if known else None


def _gold(label: Any) -> str:
    if isinstance(label, bool) or not isinstance(label, str | int | float):
        raise invalid("label", "must be a gold answer or a task as JSON")
    return str(label)


def _cases(found: dict[str, Any]) -> pb.CodeTask:
    """`{"inputs", "outputs", "fn_name"?, "language"?, "assert_case"?}`, as APPS, TACO and verl write it."""
    if found.get("assert_case"):
        return _asserts(found["assert_case"])
    inputs, outputs = found["inputs"], found["outputs"]
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
        raise invalid("label.outputs", "inputs and outputs must be arrays of one length")
    language = found.get("language", "python")
    if found.get("fn_name"):
        cases = [_call_case(given, expected) for given, expected in zip(inputs, outputs, strict=True)]
        call = {"function": found["fn_name"], "cases": cases}
        return json_wire.from_json({"language": language, "call": call}, pb.CodeTask)
    stdio = {
        "cases": [
            {"input": _text(given), "output": _text(expected)}
            for given, expected in zip(inputs, outputs, strict=True)
        ]
    }
    return json_wire.from_json({"language": language, "stdio": stdio}, pb.CodeTask)


def _asserts(found: Any) -> pb.CodeTask:
    """verl puts each behind the program, instead of inputs and outputs."""
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise invalid("label.assert_case", "must be an array of texts")
    return pb.CodeTask(language="python", asserts=pb.AssertTests(tests=found))


def _call_case(given: Any, expected: Any) -> dict[str, Any]:
    """Arguments are an array, or one JSON text a line with the expected value as JSON text."""
    if isinstance(given, str):
        given = [_parsed(line) for line in given.split("\n") if line.strip()]
        expected = _parsed(expected) if isinstance(expected, str) else expected
    return {"args": given, "expected": expected}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text(value: Any) -> str:
    """A test's text; APPS keeps some as arrays of lines."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
