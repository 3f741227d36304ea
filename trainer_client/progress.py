"""What a person sees while a run goes on: a live display on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from trainer_client.recipe import Recipe
from trainer_client.schedule import Turn


class Progress(Protocol):
    """Told of everything that happens; must not fail or wait."""

    def note(self, text: str) -> None:
        """A line to keep."""
        ...

    def warm_start(self, step: int, loss: float) -> None:
        """A supervised step is done."""
        ...

    def train(self, turn: Turn, values: Mapping[str, Any]) -> None:
        """A policy update is done; `values` are its metrics."""
        ...

    def evaluated(self, step: int, values: Mapping[str, Any]) -> None:
        """Held-out accuracy after `step` updates."""
        ...


def as_percent(share: float | None) -> str:
    """A share for a person; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def evaluation_text(step: int, values: Mapping[str, Any]) -> str:
    """Held-out accuracies in a line."""
    domains = [key for key in ("math", "code") if key in values]
    parts = [f"{domain} {as_percent(values[domain])}" for domain in domains]
    unjudged = sum(values[f"{domain}_unjudged"] for domain in domains)
    missing = f" ({unjudged} completions without a reward left out)" if unjudged else ""
    return f"held-out accuracy after step {step}: {', '.join(parts)}{missing}"


def train_text(turn: Turn, values: Mapping[str, Any]) -> str:
    """A step's metrics in a line."""
    missing = f"  without reward {values['unjudged']}" if values["unjudged"] else ""
    return (
        f"step {turn.step + 1:>4} {turn.stage.name}  reward {as_percent(values['reward'])}"
        f"  entropy {values['entropy']:.2f}  tokens {values['response_tokens']:.0f}"
        f"  truncated {as_percent(values['truncated'])}"
        f"  waited {values['exposed_reward_seconds']:.2f} of {values['step_seconds']:.2f} s{missing}"
    )


class PlainProgress:
    """One line for each event, for logs; warm-start steps only now and then."""

    def note(self, text: str) -> None:
        """See `Progress`."""
        print(text, flush=True)

    def warm_start(self, step: int, loss: float) -> None:
        """See `Progress`."""
        if step % 50 == 0:
            self.note(f"warm start {step:>4}  loss {loss:.3f}")

    def train(self, turn: Turn, values: Mapping[str, Any]) -> None:
        """See `Progress`."""
        self.note(train_text(turn, values))

    def evaluated(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Progress`."""
        self.note(evaluation_text(step, values))


class NoProgress:
    """Shows nothing: another process does."""

    def note(self, text: str) -> None:
        """See `Progress`."""

    def warm_start(self, step: int, loss: float) -> None:
        """See `Progress`."""

    def train(self, turn: Turn, values: Mapping[str, Any]) -> None:
        """See `Progress`."""

    def evaluated(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Progress`."""


class LiveProgress:
    """Bars for warm start and stages with the latest numbers; evaluations scroll by above them."""

    def __init__(self, recipe: Recipe) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[latest]}"),
        )
        steps = {"warm start": recipe.warm_start.steps} | {stage.name: stage.steps for stage in recipe.stage}
        self._tasks = {
            name: self._bars.add_task(name, total=total, start=False, latest="")
            for name, total in steps.items()
            if total
        }

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def note(self, text: str) -> None:
        """See `Progress`."""
        self._bars.console.print(text, highlight=False)

    def warm_start(self, step: int, loss: float) -> None:
        """See `Progress`."""
        self._show("warm start", step + 1, f"loss {loss:.3f}")

    def train(self, turn: Turn, values: Mapping[str, Any]) -> None:
        """See `Progress`."""
        latest = f"reward {as_percent(values['reward'])}  tokens {values['response_tokens']:.0f}"
        missing = f"  without reward {values['unjudged']}" if values["unjudged"] else ""
        self._show(turn.stage.name, turn.stage_step + 1, latest + missing)

    def evaluated(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Progress`."""
        self.note(evaluation_text(step, values))

    def _show(self, name: str, completed: int, latest: str) -> None:
        self._bars.start_task(self._tasks[name])
        self._bars.update(self._tasks[name], completed=completed, latest=latest)


def is_terminal() -> bool:
    """Whether a live display has somewhere to be."""
    return sys.stdout.isatty()
