"""Rows of JSONL files, one at a time, with errors that name file, row and field."""

from __future__ import annotations

import ast
import gzip
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trainer_client.errors import TrainerError


class DatasetError(TrainerError):
    """A row that is not of the published format; the message names file, row and field."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `where` is FILE:LINE."""

    where: str
    values: Mapping[str, Any]

    def fault(self, field: str, why: str) -> DatasetError:
        """The error to raise about a field."""
        return DatasetError(f"{self.where}: {field}: {why}")

    def any(self, *names: str) -> Any:
        """The first of the fields that is there and not null. Raises DatasetError."""
        for name in names:
            if self.values.get(name) is not None:
                return self.values[name]
        raise self.fault(" or ".join(names), "is required")

    def text(self, *names: str) -> str:
        """The same, which must be a string. Raises DatasetError."""
        return str(self._typed(self.any(*names), str, " or ".join(names)))

    def text_or(self, default: str, *names: str) -> str:
        """The first of the fields that is there, which must be a string, or `default`."""
        return self.text(*names) if self.has(*names) else default

    def array(self, *names: str) -> list[Any]:
        """The first of the fields that is there, which must be an array. Raises DatasetError."""
        return list(self._typed(self.any(*names), list, " or ".join(names)))

    def has(self, *names: str) -> bool:
        """Whether one of the fields is there and not null."""
        return any(self.values.get(name) is not None for name in names)

    def id(self, *names: str) -> str:
        """An identity as text, numbers included. Raises DatasetError."""
        return str(self.any(*names))

    def inner(self, field: str) -> Row:
        """The object in a field: itself, as JSON text, or as the text of a Python literal."""
        return Row(f"{self.where}: {field}", self._typed(self.parsed(field), dict, field))

    def parsed(self, field: str) -> Any:
        """What a field holds as JSON text, or as the text of a Python literal; a value as it is."""
        value = self.any(field)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return self._literal(field, value)

    def _literal(self, field: str, text: str) -> Any:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise self.fault(field, "is neither JSON nor a Python literal") from None

    def _typed(self, value: Any, kind: type, field: str) -> Any:
        if not isinstance(value, kind):
            raise self.fault(field, f"{kind.__name__} is wanted, not {type(value).__name__}")
        return value


def syntax_tree(source: str) -> ast.Module:
    """The tree of a program, without the warnings that are its author's. Raises SyntaxError or ValueError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a JSONL file, gzipped if its name ends in .gz. Raises DatasetError."""
    for where, line in read_lines(path):
        yield row_of(where, line)


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """FILE:LINE and text of each line that is not blank, gunzipped for .gz. Raises DatasetError."""
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}:{number}", line
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: {error}") from error


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def row_of(where: str, line: str) -> Row:
    """A line's row. Raises DatasetError when it is not a JSON object."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise DatasetError(f"{where}: a row must be an object")
    return Row(where, found)
