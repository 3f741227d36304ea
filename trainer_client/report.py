"""`report.png`: a run in four panels, drawn from its metrics alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_client.metrics import Line, read_metrics
from trainer_client.recipe import Recipe
from trainer_client.schedule import stage_starts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMOOTHING = 0.8  # weight of the past in the drawn-out line


def draw_report(folder: Path, recipe: Recipe) -> Path:
    """Draws `metrics.jsonl` of a run's folder; returns the picture's path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = read_metrics(folder / "metrics.jsonl")
    train = [line for line in lines if line["kind"] == "train"]
    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{recipe.name}, seed {recipe.seed}")
    axes = figure.subplots(2, 2)
    _draw_reward(axes[0][0], train)
    _draw_accuracy(axes[0][1], [line for line in lines if line["kind"] == "eval"])
    _draw_entropy(axes[1][0], train)
    _draw_lengths(axes[1][1], train, recipe)
    for panel in axes.flat:
        _draw_stages(panel, recipe)
        panel.set_xlabel("policy updates")
        panel.grid(alpha=0.3)
    path = folder / "report.png"
    figure.savefig(path, dpi=120)
    return path


def smoothed(values: Sequence[float], weight: float = _SMOOTHING) -> list[float]:
    """Exponential moving average that starts at the first value."""
    result: list[float] = []
    for value in values:
        result.append(value if not result else weight * result[-1] + (1 - weight) * value)
    return result


def _draw_reward(panel: Axes, train: Sequence[Line]) -> None:
    rewarded = [line for line in train if line["reward"] is not None]
    steps, values = [line["step"] for line in rewarded], [line["reward"] for line in rewarded]
    panel.plot(steps, values, alpha=0.3, color="C0")
    panel.plot(steps, smoothed(values), color="C0")
    panel.set(title="training reward (mean of a batch)", ylim=(0, 1.02))


def _draw_accuracy(panel: Axes, evaluations: Sequence[Line]) -> None:
    for domain in ("math", "code"):
        points = [(line["step"], line[domain]) for line in evaluations if line.get(domain) is not None]
        if points:
            panel.plot(*zip(*points, strict=True), marker="o", label=domain)
            panel.legend(loc="lower right")
    panel.set(title="held-out accuracy", ylim=(0, 1.02))


def _draw_entropy(panel: Axes, train: Sequence[Line]) -> None:
    panel.plot([line["step"] for line in train], [line["entropy"] for line in train], color="C2")
    panel.set(title="entropy of a token, nats")


def _draw_lengths(panel: Axes, train: Sequence[Line], recipe: Recipe) -> None:
    panel.plot(
        [line["step"] for line in train], [line["response_tokens"] for line in train], label="mean response"
    )
    limits = [stage.max_response_tokens for stage in recipe.stage for _ in range(stage.steps)]
    panel.plot(range(len(limits)), limits, "--", color="C3", label="limit")
    panel.legend(loc="upper left")
    panel.set(title="response length, tokens", ylim=(0, None))


def _draw_stages(panel: Axes, recipe: Recipe) -> None:
    for name, step in stage_starts(recipe):
        panel.axvline(step, color="0.6", linewidth=0.8)
        panel.annotate(
            name,
            (step, 0.5),
            xycoords=("data", "axes fraction"),
            rotation=90,
            color="0.5",
            fontsize=8,
            va="center",
        )
