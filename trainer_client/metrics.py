"""Metrics of a run: `metrics.jsonl`, one JSON object a line, and the same for TensorBoard and W&B.

Every line has `kind` (warm_start, train or eval) and `step`. Keys that end in
`_seconds` depend on the machine; all others are a function of recipe and verdicts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from trainer_client.errors import RecipeError
from trainer_client.recipe import Logging

Line = dict[str, Any]
KINDS = ("warm_start", "train", "eval")


def read_metrics(path: Path) -> list[Line]:
    """All whole lines of a metrics file (none without a file); one that a kill cut short is left out."""
    lines: list[Line] = []
    if not path.exists():
        return lines
    # Not splitlines: a JSON string may hold U+2028 and the like as they are.
    for text in path.read_bytes().split(b"\n"):
        try:
            lines.append(json.loads(text))
        except ValueError:  # no JSON, or the first half of a character
            break
    return lines


class Board(Protocol):
    """Takes the numbers of a line, to show them elsewhere."""

    def add(self, kind: str, step: int, numbers: Mapping[str, float]) -> None:
        """One line's numbers."""
        ...

    def close(self) -> None:
        """Writes what is left."""
        ...


class TensorBoard:
    """An event file in the run's folder; names are `kind/key`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def add(self, kind: str, step: int, numbers: Mapping[str, float]) -> None:
        """See `Board`."""
        for key, value in numbers.items():
            self._writer.add_scalar(f"{kind}/{key}", value, step)

    def close(self) -> None:
        """See `Board`."""
        self._writer.close()


class Wandb:
    """A run of Weights & Biases; each kind has a step of its own, since all of them begin at 0.

    Raises RecipeError where the package is missing. Account and mode are the package's own settings
    (`WANDB_API_KEY`, `WANDB_MODE`).
    """

    def __init__(self, folder: Path, project: str) -> None:
        try:
            import wandb
        except ImportError:
            raise RecipeError("logging.wandb: needs pip install 'verdict-reward[wandb]'") from None
        # The folder's name is the id, so that a resumed run goes on in the same one.
        self._run = wandb.init(project=project, name=folder.name, id=folder.name, dir=folder, resume="allow")
        for kind in KINDS:
            self._run.define_metric(f"{kind}/*", step_metric=f"{kind}/step")

    def add(self, kind: str, step: int, numbers: Mapping[str, float]) -> None:
        """See `Board`."""
        self._run.log({f"{kind}/step": step, **{f"{kind}/{key}": value for key, value in numbers.items()}})

    def close(self) -> None:
        """See `Board`."""
        self._run.finish()


class MetricsLog:
    """Appends to `metrics.jsonl` and to the boards that the settings name; the default is TensorBoard."""

    def __init__(self, folder: Path, settings: Logging | None = None) -> None:
        settings = settings or Logging()
        self._boards: list[Board] = [TensorBoard(folder)] if settings.tensorboard else []
        if settings.wandb:
            self._boards.append(Wandb(folder, settings.wandb))
        self._file = (folder / "metrics.jsonl").open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        for board in self._boards:
            board.close()

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """One line; its numbers go to the boards as well."""
        self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        self._file.flush()
        numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
        for board in self._boards:
            board.add(kind, step, numbers)


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
