"""The pictures of a report: a panel each, every run in a colour of its own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer_client.report import smoothed
from trainer_client.reporting.runs import Run
from trainer_client.schedule import stage_starts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOMAIN_STYLES = {"math": "-", "code": "--"}
_INCHES, _DPI = (6.4, 3.4), 110

Draw = Callable[["Axes", Run, str, str], None]
"""Draws a run into a panel: axes, run, colour, label."""


@dataclass(frozen=True)
class Panel:
    """A picture: file name, title, what it is drawn by, and what it says to a reader."""

    name: str
    title: str
    note: str
    draw: Draw
    share: bool = False
    logarithmic: bool = False


def _metric(key: str, *, smooth: bool = False) -> Draw:
    def draw(axes: Axes, run: Run, colour: str, label: str) -> None:
        steps, values = run.series(key)
        axes.plot(steps, values, color=colour, alpha=0.3 if smooth else 1.0, label=None if smooth else label)
        if smooth:
            axes.plot(steps, smoothed(values), color=colour, label=label)

    return draw


def _accuracy(axes: Axes, run: Run, colour: str, label: str) -> None:
    for domain, style in _DOMAIN_STYLES.items():
        steps, values = run.accuracy(domain)
        if steps:
            name = f"{label} {domain}".strip()
            axes.plot(steps, values, style, marker="o", markersize=4, color=colour, label=name)


def _lengths(axes: Axes, run: Run, colour: str, label: str) -> None:
    axes.plot(*run.series("response_tokens"), color=colour, label=f"{label} mean".strip())
    limits = [stage.max_response_tokens for stage in run.recipe.stage for _ in range(stage.steps)]
    axes.step(range(len(limits)), limits, ":", color=colour, label=f"{label} limit".strip())


def _pair(first: tuple[str, str], second: tuple[str, str]) -> Draw:
    """Two metrics of a run, the second dashed."""

    def draw(axes: Axes, run: Run, colour: str, label: str) -> None:
        for (key, name), style in ((first, "-"), (second, "--")):
            steps, values = run.series(key)
            if any(values):
                axes.plot(steps, values, style, color=colour, label=f"{label} {name}".strip())

    return draw


PANELS = (
    Panel(
        "reward",
        "training reward",
        "Mean of a batch, with a moving average.",
        _metric("reward", smooth=True),
        share=True,
    ),
    Panel("accuracy", "held-out accuracy", "One completion a problem.", _accuracy, share=True),
    Panel(
        "entropy",
        "entropy of a token, nats",
        "Estimated by the sampled tokens; a fall to zero ends exploration.",
        _metric("entropy"),
    ),
    Panel("lengths", "response length, tokens", "Mean of a batch against the stage's limit.", _lengths),
    Panel(
        "truncated",
        "share of truncated responses",
        "They hit the stage's limit.",
        _metric("truncated"),
        share=True,
    ),
    Panel(
        "gradient_norm",
        "gradient norm",
        "Before clipping.",
        _metric("gradient_norm"),
        logarithmic=True,
    ),
    Panel(
        "logprob_gap",
        "sampler against trainer, nats",
        "Largest difference in a sampled token's log-probability; above the tolerance the run ends.",
        _pair(("logprob_gap", "in the batch"), ("sync_gap", "after the hand-over")),
        logarithmic=True,
    ),
    Panel(
        "reward_seconds",
        "seconds of grading a step",
        "Exposed: waited for after the last token. Hidden: behind sampling.",
        _pair(("exposed_reward_seconds", "exposed"), ("hidden_reward_seconds", "hidden")),
    ),
    Panel(
        "unjudged",
        "completions without a reward",
        "Left out of baseline and loss, never zero.",
        _metric("unjudged"),
    ),
)


def draw_panels(runs: Sequence[Run]) -> Iterator[tuple[Panel, bytes]]:
    """Each panel with its picture as PNG."""
    for panel in PANELS:
        yield panel, _picture(panel, runs)


def _picture(panel: Panel, runs: Sequence[Run]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, run in enumerate(runs):
        panel.draw(axes, run, f"C{number}", run.name if len(runs) > 1 else "")
    _dress(axes, panel, runs)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def _dress(axes: Axes, panel: Panel, runs: Sequence[Run]) -> None:
    axes.set(title=panel.title, xlabel="policy updates")
    if panel.share:
        axes.set_ylim(-0.02, 1.02)
    if panel.logarithmic:
        axes.set_yscale("symlog", linthresh=1e-6)
    elif not panel.share:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    schedules = {tuple(stage_starts(run.recipe)) for run in runs}
    if len(schedules) == 1:
        _draw_stages(axes, schedules.pop())
    if any(not str(line.get_label()).startswith("_") and line.get_label() for line in axes.lines):
        axes.legend(fontsize=8)


def _draw_stages(axes: Axes, starts: Sequence[tuple[str, int]]) -> None:
    for name, step in starts:
        axes.axvline(step, color="0.6", linewidth=0.8)
        axes.annotate(
            name,
            (step, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, -3),
            textcoords="offset points",
            color="0.45",
            fontsize=8,
            va="top",
        )
