"""Pages that need nothing from outside, and tables: for a browser and for a terminal. All text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem auto; max-width: 70rem }
body { padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 2rem } th, td { padding: .3rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left } thead th { border-bottom: 1px solid #888 }
tbody tr:nth-child(even) { background: #f4f4f4 } .note { color: #666 }
th, td { white-space: nowrap } td.text { white-space: normal }
td.text, th.text { text-align: left } img { max-width: 100% }
pre { background: #f4f4f4; padding: .6rem .8rem; white-space: pre-wrap; margin: .4rem 0 }
pre { overflow-wrap: anywhere }
details { margin: .6rem 0 } summary { cursor: pointer } .right { color: #1a7f37 } .wrong { color: #b3261e }
"""

Rows = Sequence[Sequence[str]]


def html_page(title: str, body: str, *, style: str = "") -> str:
    """A whole page; `body` is HTML, `title` is text."""
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<style>{_STYLE}{style}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )


def html_table(headers: Sequence[str], rows: Rows, *, text: Sequence[str] = ()) -> str:
    """A table of texts. Columns named in `text` are set to the left, as the first one is."""
    kinds = [" class='text'" if header in text else "" for header in headers]
    head = "".join(f"<th{kind}>{escape(cell)}</th>" for kind, cell in zip(kinds, headers, strict=True))
    body = "".join(f"<tr>{_cells(row, kinds)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Sequence[str], kinds: Sequence[str]) -> str:
    return "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True))


def text_table(headers: Sequence[str], rows: Rows) -> str:
    """The same for a terminal."""
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
