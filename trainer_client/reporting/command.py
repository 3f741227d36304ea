"""`trainer_client report`: reads runs' folders, writes a page and its pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer_client.files import written_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(command=run)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, finished or not")
    parser.add_argument("--out", type=Path, help="where index.html goes (default: report/ in the first run)")


def run(options: argparse.Namespace) -> int:
    """Writes index.html and a PNG for each panel. Raises ReportError."""
    from trainer_client.reporting.charts import draw_panels
    from trainer_client.reporting.page import page
    from trainer_client.reporting.runs import read_runs

    runs = read_runs(options.runs)
    folder = options.out or options.runs[0] / "report"
    folder.mkdir(parents=True, exist_ok=True)
    pictures = list(draw_panels(runs))
    for panel, picture in pictures:
        (folder / f"{panel.name}.png").write_bytes(picture)
    with written_whole(folder / "index.html") as file:
        file.write(page(runs, pictures))
    print(f"done: {folder / 'index.html'} ({len(pictures)} pictures beside it)")
    return 0
