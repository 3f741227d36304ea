"""The loaders by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from trainer_client.datasets.functions import humaneval, humaneval_x, kodcode, mbpp, multipl_e
from trainer_client.datasets.kattis import package, package_row
from trainer_client.datasets.livecodebench import livecodebench
from trainer_client.datasets.mathematics import gold_answer, gsm8k
from trainer_client.datasets.pairs import apps, code_contests, synthetic, verl
from trainer_client.datasets.rows import DatasetError, Row, read_rows
from trainer_client.datasets.task import Task

LOADERS: dict[str, Callable[[Row], Task]] = {
    "aime": gold_answer,
    "apps": apps,
    "codecontests": code_contests,
    "deepscaler": gold_answer,
    "gsm8k": gsm8k,
    "humaneval": humaneval,
    "humanevalpack": humaneval_x,
    "humaneval-x": humaneval_x,
    "kattis": package_row,
    "kodcode": kodcode,
    "livecodebench": livecodebench,
    "math": gold_answer,
    "mbpp": mbpp,
    "multipl-e": multipl_e,
    "prime": verl,
    "synthetic": synthetic,
    "taco": apps,
    "verl": verl,
}


def load(name: str, paths: Iterable[Path]) -> Iterator[Task]:
    """The tasks of a data set's files, one at a time; for `kattis` also of packages' directories.

    Raises DatasetError, also for a name that is not in LOADERS.
    """
    loader = LOADERS.get(name)
    if loader is None:
        raise DatasetError(f"unknown data set {name!r}; known: {', '.join(LOADERS)}")
    for path in paths:
        if loader is package_row and path.is_dir():
            yield package(path)
        else:
            yield from map(loader, read_rows(path))
