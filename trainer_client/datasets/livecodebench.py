"""LiveCodeBench (livecodebench/code_generation_lite)."""

from __future__ import annotations

import json
from typing import Any

from trainer_client.datasets.pairs import code_prompt, code_task
from trainer_client.datasets.pickled import NotPickledText, packed_text
from trainer_client.datasets.rows import Row
from trainer_client.datasets.task import Task


def livecodebench(row: Row) -> Task:
    """`{question_id, question_content, starter_code, public_test_cases, private_test_cases, metadata}`.

    Test cases are JSON text of `[{input, output, testtype: stdin | functional}]`; the private ones as
    published are base64 of zlib of a pickle of that text, which is read without unpickling. A function's
    arguments are one JSON text a line, its name is `func_name` in the JSON of metadata.
    """
    cases = [Row(f"{row.where}: test_cases[{i}]", one) for i, one in enumerate(_cases(row))]
    kinds = {case.text("testtype") for case in cases}
    if len(kinds) != 1 or not kinds <= {"stdin", "functional"}:
        raise row.fault("testtype", f"one of stdin and functional is wanted, not {sorted(kinds)}")
    pairs = {
        "inputs": [case.text("input") for case in cases],
        "outputs": [case.text("output") for case in cases],
    }
    function = row.inner("metadata").text("func_name") if kinds == {"functional"} else None
    starter = row.text_or("", "starter_code")
    task = code_task(Row(row.where, {**pairs, "fn_name": function}))
    return Task(row.id("question_id"), code_prompt(row.text("question_content"), starter), task)


def _cases(row: Row) -> list[Any]:
    found = [*_array(row, "public_test_cases", row.any("public_test_cases"))]
    if row.values.get("private_test_cases"):
        found += _array(row, "private_test_cases", _unpacked(row))
    if not found:
        raise row.fault("public_test_cases", "there is no test")
    return found


def _unpacked(row: Row) -> Any:
    value = row.any("private_test_cases")
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return value
    try:
        return packed_text(value)
    except NotPickledText as error:
        raise row.fault("private_test_cases", f"not base64 of zlib of a pickled string: {error}") from None


def _array(row: Row, field: str, value: Any) -> list[Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise row.fault(field, f"not JSON: {error}") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise row.fault(field, "an array of objects is wanted")
    return found
