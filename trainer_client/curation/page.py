"""The report of a curation: a funnel of steps, what each rule rejected with examples, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from trainer_client.curation.export import StepCount, Summary
from trainer_client.pages import html_page, html_table, text_table

_HEADERS = ("step", "in", "rejected", "left", "seconds")


def terminal_table(summary: Summary) -> str:
    """The funnel and the rules for a terminal."""
    rules = [(step.name, rule, str(count)) for step, rule, count in _rules(summary)]
    parts = [text_table(_HEADERS, _funnel(summary))]
    if rules:
        parts.append(text_table(("step", "rule", "rejected"), rules))
    return "\n\n".join(parts)


def page(summary: Summary) -> str:
    """The HTML page."""
    kept = ", ".join(f"{count} of {domain}" for domain, count in sorted(summary.domains.items())) or "none"
    parts = [
        f"<p>{summary.raw} raw rows, {summary.kept} problems kept ({escape(kept)}).</p>",
        html_table(_HEADERS, _funnel(summary)),
    ]
    if summary.difficulties:
        parts.append("<h2>Difficulty</h2><p class='note'>Attempts of 8 that fail.</p>")
        parts.append(
            html_table(("difficulty", "problems"), [(k, str(v)) for k, v in summary.difficulties.items()])
        )
    parts.append("<h2>Rejected</h2>")
    parts += [_rule(step, rule, count) for step, rule, count in _rules(summary)]
    return html_page(f"Curation: {summary.name}", "\n".join(parts))


def _funnel(summary: Summary) -> Sequence[tuple[str, ...]]:
    return [
        (step.name, str(step.came_in), str(step.rejected), str(step.left), f"{step.seconds:.1f}")
        for step in summary.steps
    ]


def _rules(summary: Summary) -> Iterator[tuple[StepCount, str, int]]:
    for step in summary.steps:
        for rule, count in sorted(step.rules.items(), key=lambda item: -item[1]):
            yield step, rule, count


def _rule(step: StepCount, rule: str, count: int) -> str:
    shown = [
        (example.get("id", ""), example["where"], example["detail"][:300]) for example in step.examples[rule]
    ]
    table = html_table(("problem", "row", "why"), shown, text=("row", "why"))
    return f"<details><summary>{escape(rule)} ({escape(step.name)}): {count}</summary>{table}</details>"
