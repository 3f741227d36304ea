"""Samples on disk: a line each, written when it is judged, so that a stopped evaluation goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from trainer_client.files import drop_cut_off_line

FILE_NAME = "samples.jsonl"


@dataclass(frozen=True)
class Sample:
    """One completion of one question with its verdict; `reward` is None where it was not judged."""

    benchmark: str
    question: str
    index: int
    completion: str
    truncated: bool
    tokens: int
    reward: float | None
    status: str
    answer: str
    message: str

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is a sample of."""
        return self.benchmark, self.question, self.index


class SampleLog:
    """Appends samples to a folder's file, behind its last whole line."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        drop_cut_off_line(self._path)
        self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()

    def write(self, sample: Sample) -> None:
        """Adds one, on disk at once."""
        assert self._file is not None
        self._file.write(json.dumps(asdict(sample), ensure_ascii=False) + "\n")
        self._file.flush()


def read_samples(folder: Path) -> Iterator[Sample]:
    """What a folder holds; a last line that was cut off by a kill is left out."""
    path = folder / FILE_NAME
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n")[:-1]:
        if line:
            yield Sample(**json.loads(line))


def latest(samples: Iterable[Sample]) -> list[Sample]:
    """Each sample once, as it was written last: one that was not judged is asked for again."""
    return list({sample.key: sample for sample in samples}.values())


def judged(samples: Iterable[Sample]) -> list[Sample]:
    """Those that have a reward."""
    return [sample for sample in samples if sample.reward is not None]
