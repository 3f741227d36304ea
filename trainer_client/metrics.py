"""Metrics of a run: `metrics.jsonl`, one JSON object a line, and the same for TensorBoard.

Every line has `kind` (warm_start, train or eval) and `step`. Keys that end in
`_seconds` depend on the machine; all others are a function of recipe and verdicts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Line = dict[str, Any]


def read_metrics(path: Path) -> list[Line]:
    """All whole lines of a metrics file (none without a file); one that a kill cut short is left out."""
    lines: list[Line] = []
    if not path.exists():
        return lines
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


class MetricsLog:
    """Appends to `metrics.jsonl` and to TensorBoard's event file in the same folder."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._file = (folder / "metrics.jsonl").open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._board.close()

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """One line; numbers go to TensorBoard as well, under `kind/key`."""
        self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        self._file.flush()
        for key, value in values.items():
            if isinstance(value, int | float):
                self._board.add_scalar(f"{kind}/{key}", value, step)


class NoMetrics:
    """Stands where a process writes nothing, because another one does."""

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Nothing is written."""


def rewind(path: Path, *, phase: str, step: int) -> None:
    """Takes back the lines that a resumed run writes again: those after `step` steps of `phase`."""
    kept = [line for line in read_metrics(path) if _is_before(line, phase, step)]
    draft = path.with_suffix(".tmp")
    draft.write_text("".join(json.dumps(line) + "\n" for line in kept))
    os.replace(draft, path)


def _is_before(line: Line, phase: str, step: int) -> bool:
    kind, at = str(line["kind"]), int(line["step"])
    if phase == "warm_start":
        return kind == "warm_start" and at < step
    # A train line of step s belongs to update s; an eval line of step s was measured after s updates.
    return kind == "warm_start" or at < step or (kind == "eval" and at == step)
