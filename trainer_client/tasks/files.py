"""Problems as files, to train on and to be evaluated on: one a line, with its prompt and its label."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer_client.errors import TrainerError
from trainer_client.labels import LabelError, request_of
from trainer_client.randomness import rng_of
from trainer_client.tasks.problem import Domain, Problem

# The paper's words (arXiv 2505.16400); no system prompt.
MATH_PROMPT = "{problem}\nPlease reason step by step, and put your final answer within \\boxed{{}}."
CODE_PROMPT = (
    "{problem}\nWrite Python code to solve the problem. Please place the solution code in the following "
    "format:\n```python\n{starter}\n```"
)
_STARTER = "# Your solution code here"
_PROBLEM_NAMES = ("problem", "question", "question_content", "content")
_LABEL_NAMES = ("label", "gold", "answer", "ground_truth")


class TaskFileError(TrainerError):
    """A file of problems that cannot be read; the message names file, line and field."""


@dataclass(frozen=True)
class Question:
    """One problem of a file. `level` is its difficulty, 0 to 8 in the paper; 1 where the row has none."""

    benchmark: str
    id: str
    prompt: str
    label: Any
    level: int = 1


def read_questions(path: Path) -> Iterator[Question]:
    """The questions of a JSONL file. Raises TaskFileError.

    A row has `prompt` (sent as it is) or `problem` (put into the paper's prompt), a `label` (see
    `trainer_client.labels`; `gold`, `answer` and `ground_truth` are read too), and if it likes `id`,
    `starter_code` and `difficulty`.
    """
    try:
        # Not splitlines: a JSON string may hold U+2028 and the like as they are.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskFileError(f"{path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _question(path, number, line)


def _question(path: Path, number: int, line: str) -> Question:
    where = f"{path}:{number}"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise TaskFileError(f"{where}: not JSON: {error}") from None
    if not isinstance(row, dict):
        raise TaskFileError(f"{where}: a row must be an object")
    return question_of(row, where, benchmark=path.stem, number=number)


def question_of(row: Mapping[str, Any], where: str, *, benchmark: str, number: int) -> Question:
    """One row's question; `number` is its id where it has none. Raises TaskFileError, naming `where`."""
    label = _first(row, _LABEL_NAMES, where)
    try:
        request_of(label, "")
    except LabelError as error:
        raise TaskFileError(f"{where}: {error}") from None
    level = row.get("difficulty", 1)
    if isinstance(level, bool) or not isinstance(level, int):
        raise TaskFileError(f"{where}: difficulty: an integer is wanted, not {level!r}")
    return Question(benchmark, str(row.get("id", number)), _prompt(row, label, where), label, level)


def _first(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> Any:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise TaskFileError(f"{where}: one of {', '.join(names)} is required")


def _prompt(row: Mapping[str, Any], label: Any, where: str) -> str:
    if isinstance(row.get("prompt"), str):
        return str(row["prompt"])
    problem = _first(row, _PROBLEM_NAMES, where)
    if request_of(label, "").WhichOneof("task") == "math":
        return MATH_PROMPT.format(problem=problem)
    return CODE_PROMPT.format(problem=problem, starter=row.get("starter_code") or _STARTER)


def read_problems(path: Path) -> list[Problem]:
    """A file's problems for training. Raises TaskFileError, also for two rows with one id."""
    found: dict[str, Problem] = {}
    for question in read_questions(path):
        request = request_of(question.label, "")
        domain = request.WhichOneof("task")
        assert domain in ("math", "code")
        if question.id in found:
            raise TaskFileError(f"{path}: id {question.id!r} comes twice")
        task = request.math if domain == "math" else request.code
        found[question.id] = Problem(question.id, domain, question.level, question.prompt, task)
    return list(found.values())


def file_pool(
    path: Path, domain: Domain, count: int, seed: int, *, min_level: int = 0, max_level: int = 99
) -> list[Problem]:
    """At most `count` problems of a domain of these levels, in an order of the seed's.

    Raises TaskFileError when there is none.
    """
    known = (one for one in read_problems(path) if one.domain == domain)
    found = [one for one in known if min_level <= one.level <= max_level]
    if not found:
        raise TaskFileError(f"{path}: no {domain} problem of difficulty {min_level} to {max_level}")
    rng_of("file pool", path.name, domain, seed).shuffle(found)
    return found[:count]
