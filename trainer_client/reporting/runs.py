"""A run as it lies in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer_client.errors import TrainerError
from trainer_client.metrics import Line, read_metrics
from trainer_client.recipe import Recipe, load_recipe
from trainer_client.sample_log import read_samples


class ReportError(TrainerError):
    """A folder that holds no run."""


@dataclass(frozen=True)
class Run:
    """A run's recipe, its metrics by kind and its sampled completions. `name` tells runs apart on a page."""

    name: str
    folder: Path
    recipe: Recipe
    train: Sequence[Line]
    evaluations: Sequence[Line]
    samples: Sequence[dict[str, Any]]

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """Steps and values of a metric of training, where it is a number."""
        points = [(line["step"], line[key]) for line in self.train if line.get(key) is not None]
        return [step for step, _ in points], [value for _, value in points]

    def accuracy(self, domain: str) -> tuple[list[int], list[float]]:
        """Steps and held-out accuracies of a domain."""
        points = [(line["step"], line[domain]) for line in self.evaluations if line.get(domain) is not None]
        return [step for step, _ in points], [value for _, value in points]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs, named by as much of their folders' paths as tells them apart. Raises ReportError."""
    names = _names([folder.resolve() for folder in folders])
    return [_read(folder, name) for folder, name in zip(folders, names, strict=True)]


def _read(folder: Path, name: str) -> Run:
    if not (folder / "recipe.toml").exists():
        raise ReportError(f"{folder} holds no run: there is no recipe.toml in it")
    lines = read_metrics(folder / "metrics.jsonl")
    return Run(
        name,
        folder,
        load_recipe(folder / "recipe.toml"),
        [line for line in lines if line["kind"] == "train"],
        [line for line in lines if line["kind"] == "eval"],
        read_samples(folder),
    )


def _names(folders: Sequence[Path]) -> list[str]:
    if len(set(folders)) < len(folders):
        raise ReportError("a run is named twice")
    depth = 1
    while len(names := {"/".join(folder.parts[-depth:]) for folder in folders}) < len(folders):
        depth += 1
    assert len(names) == len(folders)
    return ["/".join(folder.parts[-depth:]) for folder in folders]
