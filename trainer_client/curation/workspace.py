"""The state of a curation on disk: the rows as they were read, and in SQLite what each step decided.

    problems.jsonl   one line a raw row; its place is the row's number
    state.sqlite     step(name, mark, seconds, done), rejected(row, step, rule, detail), sample, fact

A step's decisions and its mark are committed together, so a killed run repeats no more than a chunk and
decides nothing twice.
"""

from __future__ import annotations

import json
import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from trainer_client.curation.problem import CuratedProblem, Rejection, Rejections
from trainer_client.errors import TrainerError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS step(name TEXT PRIMARY KEY, mark INTEGER, seconds REAL, done INTEGER);
CREATE TABLE IF NOT EXISTS rejected(row INTEGER PRIMARY KEY, step TEXT, rule TEXT, detail TEXT);
CREATE TABLE IF NOT EXISTS sample(row INTEGER, number INTEGER, body TEXT, PRIMARY KEY(row, number));
CREATE TABLE IF NOT EXISTS fact(row INTEGER PRIMARY KEY, body TEXT);
"""
_CACHE_KIB = 32 * 1024


class CurationError(TrainerError):
    """A curation that cannot go on; what was decided so far is kept."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A raw row that is no problem."""

    where: str
    rejection: Rejection


class Workspace:
    """Opens a folder's state; rows are read once by `ingest`, then everything else works on their numbers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._database = sqlite3.connect(folder / "state.sqlite", isolation_level=None)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)
        self._offsets: array[int] = array("Q")
        self._alive = bytearray()
        self._lines: IO[bytes] | None = None
        if self.is_done("read"):
            self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lines is not None:
            self._lines.close()
        self._database.close()

    @property
    def rows(self) -> int:
        """Raw rows, rejected ones included."""
        return len(self._alive)

    @property
    def left(self) -> int:
        """Rows that no step has rejected."""
        return sum(self._alive)

    def ingest(self, found: Iterable[CuratedProblem | Unread], seconds: Any) -> None:
        """Writes the raw rows; `seconds()` says how long it took. A killed ingest begins anew."""
        draft = self.folder / "problems.jsonl.part"
        with draft.open("w", encoding="utf-8") as file, self._transaction():
            self._database.execute("DELETE FROM rejected")
            for row, one in enumerate(found):
                if isinstance(one, Unread):
                    file.write(json.dumps({"where": one.where}) + "\n")
                    self._reject("read", [(row, one.rejection)])
                else:
                    file.write(one.to_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
            os.replace(draft, self.folder / "problems.jsonl")
            self._mark("read", 0, seconds(), done=True)
        self._open()

    def _open(self) -> None:
        self._lines = (self.folder / "problems.jsonl").open("rb")
        position = 0
        for line in self._lines:
            self._offsets.append(position)
            position += len(line)
        self._alive = bytearray(b"\x01") * len(self._offsets)
        for (row,) in self._database.execute("SELECT row FROM rejected"):
            self._alive[row] = 0

    def problems(self, start: int = 0) -> Iterator[tuple[int, CuratedProblem]]:
        """The rows that are left, from a row number on."""
        with (self.folder / "problems.jsonl").open("rb") as file:
            if start < self.rows:
                file.seek(self._offsets[start])
                for row, line in enumerate(file, start):
                    if self._alive[row]:
                        yield row, CuratedProblem.from_json(line.decode())

    def problem(self, row: int) -> CuratedProblem:
        """One row, wherever it is. Not for rows that could not be read."""
        return CuratedProblem.from_json(self._line(row))

    def where(self, row: int) -> dict[str, str]:
        """File, row and, where it was read, id of a raw row."""
        found = json.loads(self._line(row))
        return {name: found[name] for name in ("where", "id") if name in found}

    def is_left(self, row: int) -> bool:
        """Whether no step has rejected it."""
        return bool(self._alive[row])

    def is_done(self, step: str) -> bool:
        """Whether a step has seen every row."""
        found = self._database.execute("SELECT done FROM step WHERE name = ?", (step,)).fetchone()
        return bool(found and found[0])

    def position(self, step: str) -> tuple[int, float]:
        """The row that a step goes on with, and the seconds it has taken."""
        found = self._database.execute("SELECT mark, seconds FROM step WHERE name = ?", (step,)).fetchone()
        return tuple(found) if found else (0, 0.0)

    def commit(
        self,
        step: str,
        rejections: Rejections,
        *,
        mark: int,
        seconds: float,
        done: bool = False,
        facts: Iterable[tuple[int, Any]] = (),
    ) -> None:
        """A step's decisions up to row `mark`, all or nothing."""
        with self._transaction():
            self._reject(step, rejections)
            self._database.executemany(
                "INSERT OR REPLACE INTO fact VALUES (?, ?)", [(row, json.dumps(fact)) for row, fact in facts]
            )
            self._mark(step, mark, seconds, done=done)
        for row, _ in rejections:
            self._alive[row] = 0

    def add_samples(self, samples: Iterable[tuple[int, int, Any]]) -> None:
        """Judged attempts: row, number of the attempt, and what is known of it."""
        with self._transaction():
            self._database.executemany(
                "INSERT OR REPLACE INTO sample VALUES (?, ?, ?)",
                [(row, number, json.dumps(body, ensure_ascii=False)) for row, number, body in samples],
            )

    def samples(self, row: int) -> dict[int, Any]:
        """The judged attempts at a row by number."""
        found = self._database.execute(
            "SELECT number, body FROM sample WHERE row = ? ORDER BY number", (row,)
        )
        return {number: json.loads(body) for number, body in found}

    def facts(self) -> Iterator[tuple[int, Any]]:
        """What steps found out about rows, ascending."""
        for row, body in self._database.execute("SELECT row, body FROM fact ORDER BY row"):
            yield row, json.loads(body)

    def rejected(self) -> Iterator[tuple[int, str, Rejection]]:
        """Every rejected row with step and reason, ascending."""
        rows = self._database.execute("SELECT row, step, rule, detail FROM rejected ORDER BY row")
        for row, step, rule, detail in rows:
            yield row, step, Rejection(rule, detail)

    def counts(self) -> dict[str, dict[str, int]]:
        """Step -> rule -> rows."""
        found: dict[str, dict[str, int]] = {}
        query = "SELECT step, rule, COUNT(*) FROM rejected GROUP BY step, rule ORDER BY step, rule"
        for step, rule, count in self._database.execute(query):
            found.setdefault(step, {})[rule] = count
        return found

    def seconds(self) -> dict[str, float]:
        """Step -> seconds, of the steps that were done."""
        return dict(self._database.execute("SELECT name, seconds FROM step WHERE done"))

    def _line(self, row: int) -> str:
        assert self._lines is not None
        self._lines.seek(self._offsets[row])
        return self._lines.readline().decode()

    def _reject(self, step: str, rejections: Rejections) -> None:
        self._database.executemany(
            "INSERT INTO rejected VALUES (?, ?, ?, ?)",
            [(row, step, rejection.rule, rejection.detail) for row, rejection in rejections],
        )

    def _mark(self, step: str, mark: int, seconds: float, *, done: bool) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO step VALUES (?, ?, ?, ?)", (step, mark, seconds, int(done))
        )

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    """BEGIN, then COMMIT or ROLLBACK."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.execute("ROLLBACK" if kind else "COMMIT")


class SideTable:
    """Texts by key and number, in a temporary file that SQLite takes away at the end."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE text(key TEXT, body TEXT)")
        self._database.execute("BEGIN")
        self._is_indexed = False

    def add(self, key: str, body: str) -> None:
        """One more text of a key. Not after the first `get`."""
        self._database.execute("INSERT INTO text VALUES (?, ?)", (key, body))

    def get(self, key: str, number: int) -> str | None:
        """The `number`-th text of a key, from 0."""
        if not self._is_indexed:
            self._database.execute("CREATE INDEX by_key ON text(key)")
            self._is_indexed = True
        query = "SELECT body FROM text WHERE key = ? ORDER BY rowid LIMIT 1 OFFSET ?"
        found = self._database.execute(query, (key, number)).fetchone()
        return str(found[0]) if found else None

    def close(self) -> None:
        """Gives the file back."""
        self._database.close()
