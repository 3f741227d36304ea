"""Benchmarks as files: one problem a line, with the prompt to send and the label to judge by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer_client.errors import TrainerError
from trainer_client.labels import LabelError, request_of

# The paper's words (arXiv 2505.16400); no system prompt.
MATH_PROMPT = "{problem}\nPlease reason step by step, and put your final answer within \\boxed{{}}."
CODE_PROMPT = (
    "{problem}\nWrite Python code to solve the problem. Please place the solution code in the following "
    "format:\n```python\n{starter}\n```"
)
_STARTER = "# Your solution code here"
_PROBLEM_NAMES = ("problem", "question", "question_content", "content")
_LABEL_NAMES = ("label", "gold", "answer", "ground_truth")


class BenchmarkError(TrainerError):
    """A benchmark file that cannot be read; the message names file, line and field."""


@dataclass(frozen=True)
class Question:
    """One problem of a benchmark."""

    benchmark: str
    id: str
    prompt: str
    label: Any


def read_benchmark(path: Path) -> Iterator[Question]:
    """The questions of a JSONL file. Raises BenchmarkError.

    A row has `prompt` (sent as it is) or `problem` (put into the paper's prompt), a `label` (see
    `trainer_client.labels`; `gold`, `answer` and `ground_truth` are read too), and if it likes `id` and
    `starter_code`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _question(path, number, line)


def _question(path: Path, number: int, line: str) -> Question:
    where = f"{path}:{number}"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BenchmarkError(f"{where}: not JSON: {error}") from None
    if not isinstance(row, dict):
        raise BenchmarkError(f"{where}: a row must be an object")
    label = _first(row, _LABEL_NAMES, where)
    try:
        request_of(label, "")
    except LabelError as error:
        raise BenchmarkError(f"{where}: {error}") from None
    return Question(path.stem, str(row.get("id", number)), _prompt(row, label, where), label)


def _first(row: dict[str, Any], names: tuple[str, ...], where: str) -> Any:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise BenchmarkError(f"{where}: one of {', '.join(names)} is required")


def _prompt(row: dict[str, Any], label: Any, where: str) -> str:
    if isinstance(row.get("prompt"), str):
        return str(row["prompt"])
    problem = _first(row, _PROBLEM_NAMES, where)
    if request_of(label, "").WhichOneof("task") == "math":
        return MATH_PROMPT.format(problem=problem)
    return CODE_PROMPT.format(problem=problem, starter=row.get("starter_code") or _STARTER)
