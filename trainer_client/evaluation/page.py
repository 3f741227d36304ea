"""Results as one HTML page that needs nothing from outside, and as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from trainer_client.evaluation.estimates import Estimate
from trainer_client.evaluation.results import BenchmarkResult, Comparison

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem auto; max-width: 60rem }
table { border-collapse: collapse; margin: 1rem 0 2rem } th, td { padding: .3rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left } thead th { border-bottom: 1px solid #888 }
tbody tr:nth-child(even) { background: #f4f4f4 } .note { color: #666 }
"""
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
            percent(result.pass_at[max(result.pass_at)]),
            percent(result.majority),
            f"{100 * result.truncated:.1f} %",
            f"{result.tokens:.0f}",
            str(result.unjudged),
        )
        for result in results
    ]


def text_table(results: Sequence[BenchmarkResult]) -> str:
    """The table for a terminal."""
    rows = [_HEADERS, *rows_of(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def page(results: Sequence[BenchmarkResult], comparisons: Sequence[Comparison] = ()) -> str:
    """The HTML page: figures, pass@k by k, and what changed."""
    parts = [_table(_HEADERS, rows_of(results))]
    parts += [_passes(result) for result in results]
    parts += [_compared(comparison) for comparison in comparisons]
    body = "\n".join(parts)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Evaluation</title>"
        f"<style>{_STYLE}</style></head><body><h1>Evaluation</h1>{body}"
        "<p class='note'>avg@k: error of sampling with the problems fixed. pass@k and maj@k: error over "
        "problems. Samples that were not judged are in no figure.</p></body></html>"
    )


def _passes(result: BenchmarkResult) -> str:
    headers = ("k", *map(str, result.pass_at))
    cells = ("pass@k", *map(percent, result.pass_at.values()))
    return f"<h2>{escape(result.benchmark)}</h2>{_table(headers, [cells])}"


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
        f"{_table(headers, [before, after])}{lists}"
    )


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
