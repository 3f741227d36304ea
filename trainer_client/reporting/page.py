"""The report as one HTML page that needs nothing from outside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from trainer_client.pages import html_page, html_table
from trainer_client.progress import as_percent
from trainer_client.recipe import recipe_as_toml
from trainer_client.reporting.charts import Panel
from trainer_client.reporting.runs import Run

_STYLE = """
.charts { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem } figure { margin: 0 }
figcaption { color: #666; font-size: 13px }
.sample { border-left: 3px solid #ccc; padding-left: 1rem; margin: 1rem 0 }
.sample.right { border-color: #1a7f37; color: inherit }
.sample.wrong { border-color: #b3261e; color: inherit }
@media (max-width: 50rem) { .charts { grid-template-columns: 1fr } }
"""
_LAST = 10
_HEADERS = (
    "run",
    "updates",
    "math",
    "code",
    "reward",
    "tokens",
    "entropy",
    "no reward",
    "waiting for rewards",
)
_SAMPLED_STEPS = 6


def page(runs: Sequence[Run], pictures: Iterable[tuple[Panel, bytes]]) -> str:
    """The page: figures, pictures, sample completions with their verdicts, recipes."""
    title = runs[0].recipe.name if len(runs) == 1 else "Runs side by side"
    parts = [
        html_table(_HEADERS, [_figures(run) for run in runs]),
        "<p class='note'>math, code: held-out accuracy at the start and at the end. reward, tokens, entropy: "
        f"mean of the last {_LAST} updates. no reward: completions that were not judged, of all. waiting for "
        "rewards: share of a step's time after the last token.</p>",
        f"<div class='charts'>{''.join(_figure(panel, picture) for panel, picture in pictures)}</div>",
    ]
    parts += [_samples(run) for run in runs if run.samples]
    parts += [_recipe(run) for run in runs]
    return html_page(f"Report: {title}", "\n".join(parts), style=_STYLE)


def _figures(run: Run) -> tuple[str, ...]:
    completions = [_completions(run, line) for line in run.train]
    unjudged = sum(line["unjudged"] for line in run.train)
    return (
        f"{run.name} (seed {run.recipe.seed})",
        f"{len(run.train)} of {run.recipe.total_steps}",
        _change(run, "math"),
        _change(run, "code"),
        as_percent(_recent(run, "reward")),
        _number(_recent(run, "response_tokens"), "{:.0f}"),
        _number(_recent(run, "entropy"), "{:.2f}"),
        f"{unjudged} of {sum(completions)}",
        as_percent(_waiting(run)),
    )


def _completions(run: Run, line: dict[str, Any]) -> int:
    stage = next(stage for stage in run.recipe.stage if stage.name == line["stage"])
    return stage.group_size * stage.prompts_per_step


def _change(run: Run, domain: str) -> str:
    values = run.accuracy(domain)[1]
    return f"{as_percent(values[0])} → {as_percent(values[-1])}" if values else "-"


def _recent(run: Run, key: str) -> float | None:
    values = run.series(key)[1][-_LAST:]
    return sum(values) / len(values) if values else None


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _waiting(run: Run) -> float | None:
    parts = ("sample_seconds", "exposed_reward_seconds", "update_seconds")
    total = sum(line[part] for line in run.train for part in parts)
    return sum(line["exposed_reward_seconds"] for line in run.train) / total if total else None


def _figure(panel: Panel, picture: bytes) -> str:
    data = base64.b64encode(picture).decode()
    return (
        f"<figure><img src='data:image/png;base64,{data}' alt='{escape(panel.title, quote=True)}'>"
        f"<figcaption>{escape(panel.note)}</figcaption></figure>"
    )


def _samples(run: Run) -> str:
    steps = sorted({sample["step"] for sample in run.samples})
    stride = max(1, -(-len(steps) // _SAMPLED_STEPS))
    chosen = set(steps[::stride]) | set(steps[-1:])
    shown = [sample for sample in run.samples if sample["step"] in chosen]
    body = "".join(
        f"<details{' open' if step == steps[-1] else ''}><summary>update {step + 1}, "
        f"{escape(next(one['stage'] for one in shown if one['step'] == step))}</summary>"
        f"{''.join(_sample(one) for one in shown if one['step'] == step)}</details>"
        for step in sorted(chosen)
    )
    return f"<h2>Completions: {escape(run.name)}</h2>{body}"


def _sample(sample: dict[str, Any]) -> str:
    reward = sample["reward"]
    kind = "" if reward is None else "right" if reward == 1.0 else "wrong"
    said = "no reward" if reward is None else f"reward {reward:g}"
    notes = [f"{sample['status']}, {said}", sample["message"]]
    notes += ["truncated"] if sample["truncated"] else []
    notes += [f"flags: {', '.join(sample['flags'])}"] if sample["flags"] else []
    return (
        f"<div class='sample {kind}'><pre>{escape(sample['prompt'])}</pre>"
        f"<pre>{escape(sample['completion'])}</pre>"
        f"<p><b class='{kind}'>{escape('; '.join(filter(None, notes)))}</b><br>"
        f"<span class='note'>read as: <code>{escape(sample['extracted'] or '(nothing)')}</code></span></p>"
        "</div>"
    )


def _recipe(run: Run) -> str:
    text = escape(recipe_as_toml(run.recipe))
    return f"<details><summary>Recipe: {escape(run.name)}</summary><pre>{text}</pre></details>"
