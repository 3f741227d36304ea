"""`trainer_client convert`: rows of a published data set as requests, or as problems to train on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer_client.datasets.loaders import LOADERS, load
from trainer_client.datasets.task import Task, as_json

FORMS = ("requests", "questions")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(command=run)
    parser.add_argument("dataset", choices=sorted(LOADERS), help="the format of the rows")
    parser.add_argument("files", nargs="+", type=Path, help="JSONL files, also .gz; for kattis also packages")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="what is written")
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="requests",
        help="requests, one a known program (default), or questions to train on",
    )


def run(options: argparse.Namespace) -> int:
    """Writes the file. Raises DatasetError at the first row that is not of the format."""
    count = 0
    with options.out.open("w", encoding="utf-8") as file:
        for task in load(options.dataset, options.files):
            for line in _lines(task, options.form):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
    print(f"{options.out}: {count} {options.form}")
    return 0


def _lines(task: Task, form: str) -> Iterator[dict[str, Any]]:
    """A task without known programs is one request with an empty completion, to be filled in."""
    if form == "questions":
        yield task.question()
    elif not task.known:
        yield as_json(task.request(""))
    else:
        yield from (as_json(task.known_request(known)) for known in task.known)
