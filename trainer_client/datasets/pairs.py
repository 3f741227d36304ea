"""Data sets whose tests are pairs of inputs and outputs, for whole programs or for one function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.datasets.mathematics import math_task
from trainer_client.datasets.rows import Row
from trainer_client.datasets.task import Known, Task
from trainer_client.labels import LabelError, request_of
from trainer_client.tasks.files import CODE_PROMPT

_STARTER = "# Your solution code here"
_UNITS = {"seconds": 1.0, "second": 1.0, "megabytes": 1 << 20, "megabyte": 1 << 20}
# deepmind/code_contests, contest_problem.proto: Solution.Language
_CODE_CONTESTS_LANGUAGES = {2: "cpp", 3: "python", 4: "java"}


def apps(row: Row) -> Task:
    """APPS (codeparrot/apps) and TACO (BAAI/TACO).

    `{problem_id? | id?, question, input_output, solutions?, starter_code?, time_limit?, memory_limit?}` where
    input_output is JSON text of `{inputs, outputs, fn_name?}`. TACO's limits read "2.0 seconds" and "256.0
    megabytes".
    """
    task = code_task(row.inner("input_output"))
    _limit(row, task)
    name = str(row.values.get("problem_id", row.values.get("id", row.where.rsplit(":", 1)[-1])))
    solutions = row.parsed("solutions") if row.values.get("solutions") else []
    known = tuple(Known(f"solution{i}", str(one), right=True) for i, one in enumerate(solutions))
    return Task(name, code_prompt(row.text("question"), row.text_or("", "starter_code")), task, known)


def verl(row: Row) -> Task:
    """Rows of verl, and with them PRIME's Eurus-2-RL-Data (PRIME-RL/Eurus-2-RL-Data).

    `{data_source, prompt: [{role, content}], ability?, reward_model: {ground_truth}, extra_info?: {index}}`;
    ground_truth is a gold answer, or JSON text of `{inputs, outputs, fn_name?}`.
    """
    truth = row.inner("reward_model").any("ground_truth")
    prompt = row.any("prompt")
    extra = row.values.get("extra_info") or {}
    name = str(extra.get("index", row.where.rsplit(":", 1)[-1]))
    identity = f"{row.text_or('verl', 'data_source')}/{name}"
    text = prompt if isinstance(prompt, str) else "\n".join(str(turn["content"]) for turn in prompt)
    pairs = isinstance(truth, Mapping) or (str(truth).lstrip().startswith("{") and '"inputs"' in str(truth))
    if pairs:
        return Task(identity, text, code_task(Row(row.where, {"t": truth}).inner("t")))
    task = math_task(Row(row.where, {"problem": text}), [str(truth)])
    return Task(identity, text, task.task, task.known)


def synthetic(row: Row) -> Task:
    """SYNTHETIC-1 and verifiable-coding-problems (PrimeIntellect).

    `{problem_id, prompt, gold_standard_solution?, verification_info}`; verification_info is
    `{ground_truth}`, or `{language, test_cases: [{type: stdin_stdout | function_call, fn_name?, input,
    output}]}`, also as text.
    """
    info = row.inner("verification_info")
    prompt, name = row.text("prompt"), row.id("problem_id")
    if info.has("ground_truth"):
        task = math_task(Row(info.where, {"problem": prompt}), [str(info.any("ground_truth"))])
        return Task(name, prompt, task.task, task.known)
    solution = row.values.get("gold_standard_solution")
    known = (Known("gold", _unfenced(str(solution)), right=True),) if solution else ()
    return Task(name, prompt, _test_cases(info), known)


def _test_cases(info: Row) -> pb.CodeTask:
    cases = [Row(f"{info.where}.test_cases[{i}]", one) for i, one in enumerate(info.array("test_cases"))]
    kinds = {str(case.values.get("type")) for case in cases}
    names = {case.values.get("fn_name") for case in cases}
    if not kinds <= {"stdin_stdout", "function_call"} or len(kinds) > 1 or len(names) > 1:
        raise info.fault("test_cases", f"one kind and one function are wanted, not {sorted(kinds)}")
    pairs = {
        "inputs": [case.any("input") for case in cases],
        "outputs": [case.any("output") for case in cases],
    }
    function = names.pop() if kinds == {"function_call"} else None
    return code_task(
        Row(info.where, {**pairs, "fn_name": function, "language": info.text_or("python", "language")})
    )


def code_contests(row: Row) -> Task:
    """CodeContests (deepmind/code_contests).

    `{name, description, public_tests, private_tests, generated_tests: {input, output}, time_limit?:
    {seconds, nanos}, memory_limit_bytes?, solutions?, incorrect_solutions?: {language, solution},
    input_file?, output_file?}`. Problems that read or write a named file are refused; Python 2 and unknown
    solutions are left out.
    """
    for field in ("input_file", "output_file"):
        if row.values.get(field):
            raise row.fault(field, "problems that use a file instead of stdin and stdout cannot be judged")
    task = pb.CodeTask(language="python")
    for field in ("public_tests", "private_tests", "generated_tests"):
        if row.has(field):
            _pairs(row.inner(field), task)
    time = row.values.get("time_limit") or {}
    task.limits.cpu_seconds = time.get("seconds", 0) + time.get("nanos", 0) / 1e9
    task.limits.memory_bytes = int(row.values.get("memory_limit_bytes") or 0)
    known = (*_solutions(row, "solutions", right=True), *_solutions(row, "incorrect_solutions", right=False))
    return Task(row.text("name"), code_prompt(row.text("description")), task, known)


def _pairs(tests: Row, task: pb.CodeTask) -> None:
    given, expected = tests.array("input"), tests.array("output")
    if len(given) != len(expected):
        raise tests.fault("output", f"{len(expected)} outputs for {len(given)} inputs")
    for one, other in zip(given, expected, strict=True):
        task.stdio.cases.add(input=one, output=other)


def _solutions(row: Row, field: str, *, right: bool) -> tuple[Known, ...]:
    if not row.has(field):
        return ()
    found = row.inner(field)
    both = enumerate(zip(found.array("language"), found.array("solution"), strict=False))
    return tuple(
        Known(f"{field}{index}", source, right=right, language=_CODE_CONTESTS_LANGUAGES[language])
        for index, (language, source) in both
        if language in _CODE_CONTESTS_LANGUAGES
    )


def code_task(pairs: Row) -> pb.CodeTask:
    """`{inputs, outputs, fn_name?, language?}` as a task. Raises DatasetError.

    A function's arguments are an array, or (LiveCodeBench, verl) one JSON text a line. APPS and its heirs
    keep what a function returns as an array of one; it is unwrapped where every output of the problem is
    so.
    """
    found: dict[str, Any] = {
        name: pairs.values.get(name) for name in ("inputs", "outputs", "fn_name", "language")
    }
    found = {name: value for name, value in found.items() if value}
    for name in ("inputs", "outputs"):
        found[name] = pairs.array(name)
    if not found["inputs"]:
        raise pairs.fault("inputs", "is empty: a problem without tests cannot be judged")
    if found.get("fn_name"):
        found["outputs"] = _unwrapped(found["outputs"])
    try:
        return request_of(found, "").code
    except LabelError as error:
        raise pairs.fault("inputs", str(error)) from None


def _unwrapped(outputs: list[Any]) -> list[Any]:
    if all(isinstance(one, list) and len(one) == 1 for one in outputs):
        return [one[0] for one in outputs]
    return outputs


def _limit(row: Row, task: pb.CodeTask) -> None:
    if row.values.get("time_limit"):
        task.limits.cpu_seconds = _measure(row, "time_limit")
    if row.values.get("memory_limit"):
        task.limits.memory_bytes = int(_measure(row, "memory_limit"))


def _measure(row: Row, field: str) -> float:
    found = re.fullmatch(r"([0-9.]+) *([a-z]+)", str(row.any(field)).strip())
    if found is None or found[2] not in _UNITS:
        raise row.fault(field, f"seconds or megabytes are wanted, not {row.any(field)!r}")
    return float(found[1]) * _UNITS[found[2]]


def _unfenced(text: str) -> str:
    found = re.search(r"```[a-z0-9+]*\n(.*?)```", text, re.DOTALL)
    return found[1] if found else text


def code_prompt(problem: str, starter: str = "") -> str:
    """The paper's prompt for a problem in Python."""
    return CODE_PROMPT.format(problem=problem, starter=starter or _STARTER)
