"""Raw rows as problems, one at a time, from JSONL and Parquet. A bad row is a rejection, not an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.curation.plan import QUESTIONS, Source
from trainer_client.curation.problem import CuratedProblem, Program, Rejection
from trainer_client.curation.workspace import Unread
from trainer_client.datasets.loaders import LOADERS
from trainer_client.datasets.rows import DatasetError, Row, read_lines, row_of
from trainer_client.datasets.task import Known, Task
from trainer_client.labels import request_of
from trainer_client.tasks.files import CODE_PROMPT, MATH_PROMPT, TaskFileError, question_of

_STATEMENT_NAMES = ("problem", "question", "question_content", "content", "description", "text", "Problem")
_URL_NAMES = ("url", "source_url", "link")
_DATE_NAMES = ("released", "release_date", "contest_date", "date")
_ID_NAMES = ("id", "unique_id", "problem_id", "question_id", "task_id", "ID")
_FRAMES = (MATH_PROMPT.format(problem=""), CODE_PROMPT.partition("{starter}")[0].format(problem=""))
_BATCH_ROWS = 256


def read_source(source: Source) -> Iterator[CuratedProblem | Unread]:
    """Every row of a source's files in order. Raises DatasetError for a file that cannot be read at all."""
    for name in source.files:
        for where, row in _rows(Path(name)):
            yield row if isinstance(row, Unread) else _problem(source, where, row)


def read_statements(path: Path) -> Iterator[str]:
    """The texts of a benchmark's problems. Raises DatasetError for a row without one."""
    for where, row in _rows(path):
        if isinstance(row, Unread):
            raise DatasetError(f"{where}: {row.rejection.detail}")
        statement = _statement(row.values, "")
        if not statement:
            raise row.fault("problem", "is required: golds alone cannot be compared with a problem's text")
        yield statement


def _rows(path: Path) -> Iterator[tuple[str, Row | Unread]]:
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
        return
    for where, line in read_lines(path):
        try:
            yield where, row_of(where, line)
        except DatasetError as error:
            yield where, Unread(where, Rejection("broken_row", _without(where, error)))


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DatasetError(f"{path}: Parquet needs pyarrow: pip install 'verdict-reward[curation]'") from None
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    yield f"{path}:{number}", Row(f"{path}:{number}", values)
    except (OSError, ValueError) as error:  # pyarrow's own faults are ValueErrors
        raise DatasetError(f"{path}: {error}") from error


def _problem(source: Source, where: str, row: Row) -> CuratedProblem | Unread:
    try:
        task = _task(source, row)
        return _of_task(source, where, row, task)
    except (DatasetError, TaskFileError) as error:
        return Unread(where, Rejection("unusable_row", _without(where, error)))
    except (TypeError, KeyError, AttributeError, IndexError, ValueError) as error:
        # A loader that meets values of another shape than its data set publishes.
        return Unread(where, Rejection("unusable_row", f"{type(error).__name__}: {error}"))


def _task(source: Source, row: Row) -> Task:
    if source.format != QUESTIONS:
        return LOADERS[source.format](row)
    number = int(row.where.rsplit(":", 1)[-1])
    question = question_of(row.values, row.where, benchmark=source.name, number=number)
    request = request_of(question.label, "")
    task = request.math if request.WhichOneof("task") == "math" else request.code
    return Task(question.id, question.prompt, task, tuple(_programs(row)))


def _programs(row: Row) -> Iterator[Known]:
    """`reference`, a right program, and `wrong`, programs that are not, as for the check of tasks."""
    if row.has("reference", "solution"):
        yield Known("reference", row.text("reference", "solution"), right=True)
    for index, source in enumerate(row.array("wrong") if row.has("wrong") else ()):
        yield Known(f"wrong{index}", str(source), right=False)


def _of_task(source: Source, where: str, row: Row, task: Task) -> CuratedProblem:
    statement = _statement(row.values, task.prompt)
    if not statement.strip():
        raise row.fault("problem", "is empty")
    is_math = isinstance(task.task, pb.MathTask)
    # A loader without an id in the row counts rows, which differs from file to file.
    raw_id = task.id if row.has(*_ID_NAMES) or source.format != QUESTIONS else where
    return CuratedProblem(
        where=where,
        id=f"{source.name}/{raw_id}",
        raw_id=raw_id,
        domain="math" if is_math else "code",
        statement=statement,
        prompt=task.prompt,
        label=task.question()["label"],
        golds=tuple(task.task.gold) if isinstance(task.task, pb.MathTask) else (),
        url=str(_first(row.values, _URL_NAMES) or ""),
        released=_date(_first(row.values, _DATE_NAMES)),
        programs=() if is_math else tuple(_program(known) for known in task.known),
    )


def _program(known: Known) -> Program:
    return Program(known.name, known.completion, known.right, known.language)


def _statement(values: Mapping[str, Any], prompt: str) -> str:
    """The problem's own text; of a prompt, what the paper's frames leave."""
    found = _first(values, _STATEMENT_NAMES)
    if isinstance(found, str):
        return found
    text = str(prompt or values.get("prompt") or "")
    for frame in _FRAMES:
        text = text.partition(frame)[0]
    return text.strip()


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name)), None)


def _date(found: Any) -> str:
    """An ISO date; empty for what is none."""
    if isinstance(found, date | datetime):
        return found.isoformat()[:10]
    try:
        return date.fromisoformat(str(found)[:10]).isoformat()
    except ValueError:
        return ""


def _without(where: str, error: Exception) -> str:
    return str(error).removeprefix(f"{where}: ")
