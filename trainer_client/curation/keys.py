"""Which rows share a key, for more rows than a dict would hold: keys on disk, sorted when they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

_BUFFERED = 1 << 14


class KeyFile:
    """Pairs of a 64-bit key and a row, appended in the order of rows. 16 bytes a pair on disk, 40 to sort."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffer: list[tuple[int, int]] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._flush()
        assert self._file is not None
        self._file.close()

    def add(self, key: int, row: int) -> None:
        """One pair; rows must not fall."""
        self._buffer.append((key, row))
        if len(self._buffer) >= _BUFFERED:
            self._flush()

    def groups(self) -> Iterator[NDArray[np.uint64]]:
        """Rows that share a key, ascending, for each key that more than one row has. After leaving `with`."""
        pairs = np.fromfile(self._path, np.uint64).reshape(-1, 2)
        order = np.argsort(pairs[:, 0], kind="stable")
        keys, rows = pairs[order, 0], pairs[order, 1]
        del pairs, order
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        ends = np.append(starts[1:], len(keys))
        shared = ends - starts > 1
        for start, end in zip(starts[shared], ends[shared], strict=True):
            yield rows[start:end]

    def remove(self) -> None:
        """Takes the file away."""
        self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        assert self._file is not None
        np.array(self._buffer, np.uint64).tofile(self._file)
        self._buffer.clear()
