"""Results as one HTML page that needs nothing from outside, and as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from trainer_client import pages
from trainer_client.evaluation.estimates import Estimate
from trainer_client.evaluation.results import BenchmarkResult, Comparison
from trainer_client.pages import html_page, html_table

_HEADERS = ("benchmark", "problems", "k", "avg@k", "pass@k", "maj@k", "truncated", "tokens", "unjudged")


def percent(estimate: Estimate) -> str:
    """`71.3 ± 1.2`, in per cent."""
    return f"{100 * estimate.value:.1f} ± {100 * estimate.standard_error:.1f}"


def rows_of(results: Sequence[BenchmarkResult]) -> list[tuple[str, ...]]:
    """The table's cells."""
    return [
        (
            result.benchmark,
            str(result.problems),
            str(result.k),
            percent(result.average),
            percent(result.pass_at[result.k]),
            percent(result.majority),
            f"{100 * result.truncated:.1f} %",
            "unknown" if result.tokens is None else f"{result.tokens:.0f}",
            str(result.unjudged),
        )
        for result in results
    ]


def text_table(results: Sequence[BenchmarkResult]) -> str:
    """The table for a terminal."""
    return pages.text_table(_HEADERS, rows_of(results))


def page(results: Sequence[BenchmarkResult], comparisons: Sequence[Comparison] = ()) -> str:
    """The HTML page: figures, pass@k by k, and what changed."""
    parts = [html_table(_HEADERS, rows_of(results))]
    parts += [_passes(result) for result in results]
    parts += [_compared(comparison) for comparison in comparisons]
    parts.append(
        "<p class='note'>avg@k: error of sampling with the problems fixed. pass@k and maj@k: error over "
        "problems. Samples that were not judged are in no figure.</p>"
    )
    return html_page("Evaluation", "\n".join(parts))


def _passes(result: BenchmarkResult) -> str:
    headers = ("k", *map(str, result.pass_at))
    cells = ("pass@k", *map(percent, result.pass_at.values()))
    return f"<h2>{escape(result.benchmark)}</h2>{html_table(headers, [cells])}"


def _compared(comparison: Comparison) -> str:
    headers = ("k", *map(str, comparison.pass_before))
    before = ("before", *(f"{100 * value:.1f}" for value in comparison.pass_before.values()))
    after = ("after", *(f"{100 * value:.1f}" for value in comparison.pass_after.values()))
    lists = "".join(
        f"<p><b>{title}</b> ({len(names)}): {escape(', '.join(names)) or 'none'}</p>"
        for title, names in (
            ("Newly solved", comparison.newly_solved),
            ("Newly lost", comparison.newly_lost),
            ("Solved at least once for the first time", comparison.first_reached),
        )
    )
    change = f"{100 * comparison.before:.1f} % to {100 * comparison.after:.1f} %"
    return (
        f"<h2>{escape(comparison.benchmark)}: {change} on {comparison.questions} questions</h2>"
        f"{html_table(headers, [before, after])}{lists}"
    )
