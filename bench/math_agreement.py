r"""How far math graders agree with labelled pairs of answers: the table of docs/math.md.

    python -m bench.math_agreement [SUITE ...] [--graders DIRECTORY ...] [--every N] [--disagreements FILE]

One run over `pairs.jsonl`, `pairs_by_construction.jsonl` and the labelled completions of
`../shared/data/math`: ours by each suite's settings (tests/server/verify/math/agreement.py) and by
the default policy, beside math-verify, TRL's `accuracy_reward` and verl's `math_dapo` and `prime_math`.
The last three are imported from the directories given, if they are there:

    pip install --no-deps --target DIRECTORY verl trl pylatexenc

Every grader gets a row in the form it asks for: math-verify a formula in dollars and the parameters
of the row's own test; TRL a box; math_dapo a line "Answer: ...", or its strict mode where there is a box;
prime_math the bare answer. What follows the last `A:` of a GSM8K completion is found for all of them.
Each runs in a process of its own and without its own timers, which a busy machine would decide; it is
ended, and the row counted as refused, after CPU_SECONDS for one row. prime_math evaluates what it reads, so
that this is no bench for rows from strangers.

A cell is the agreement in percent, with false negatives and false positives behind it. Rows whose label the
data itself calls suspect, or whose gold is empty, have a line of their own, "labels at fault".
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import multiprocessing
import os
import re
import sys
import time
import types
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from server.verify.extraction import extract, last_box  # noqa: E402
from tests.server.verify.math.agreement import (  # noqa: E402
    COMPLETIONS,
    DATA,
    Row,
    judged,
    rows_of,
    setting_of,
    texts_of,
)
from tests.server.verify.math.explained import APART, reason_of  # noqa: E402

CPU_SECONDS = 30.0
BACKSTOP_SECONDS = 900.0  # of wall time, for a grader that waits
Grade = Callable[[Row], bool]

_DELIMITER = re.compile(r"\$|\\[(\[]|\\f?box")


# --- the forms that graders ask for --------------------------------------------------------------


def is_bare(row: Row) -> bool:
    """Whether the answer is to be put into whatever form a grader asks for."""
    return row["suite"] == COMPLETIONS or setting_of(row).extraction == "whole"


def answer_of(row: Row) -> str:
    """The row's answer; of a GSM8K completion what follows its last `A:`."""
    if row["suite"] != COMPLETIONS:
        return str(row["pred"])
    found = extract(row["pred"], "final_answer")
    return "" if found is None else found.text


def in_dollars(text: str) -> str:
    """A formula without delimiters between dollars."""
    return text if _DELIMITER.search(text) else f"${text}$"


def without_delimiters(text: str) -> str:
    """The last box's content, or the text without dollars around it."""
    box = last_box(text)
    return text.strip().strip("$") if box is None else box


# --- graders -------------------------------------------------------------------------------------


def ours(row: Row) -> bool:
    """By the suite's settings."""
    return judged(row).status == "correct"


def ours_by_default(row: Row) -> bool:
    """By the suite's extraction, but joining no boxes, and the policy that a task without one has."""
    setting = setting_of(row)
    if setting.extraction == "whole" and r"\boxed" in row["pred"]:
        setting = replace(setting, extraction="last_boxed")
    extraction = setting.extraction.replace("joined_", "last_")
    return judged(row, replace(setting, extraction=extraction, policy={})).status == "correct"


def math_verify_grade(row: Row) -> bool:
    """math-verify's `parse` and `verify`, with the parameters of the row's own test."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify

    configurations = {
        "latex": LatexExtractionConfig,
        "expr": ExprExtractionConfig,
        "NativeLetters": StringExtractionConfig,
    }
    chosen = [configurations[kind]() for kind in row.get("match_types", ["latex", "expr"])]
    gold, answer = row["gold"], answer_of(row)
    if is_bare(row):
        gold, answer = in_dollars(gold), in_dollars(answer)
    sides = [parse(text, chosen, parsing_timeout=None) for text in (gold, answer)]
    return verify(
        *sides,
        float_rounding=row.get("precision", 6),
        strict=row.get("strict", True),
        allow_set_relation_comp=row.get("allow_set_relation_comp", False),
        timeout_seconds=None,
    )


def trl_grade(row: Row) -> bool:
    """TRL's `accuracy_reward`; a task that it skips is no accepted answer."""
    from trl.rewards.accuracy_rewards import accuracy_reward

    answer = answer_of(row)
    content = rf"\boxed{{{answer}}}" if is_bare(row) and not _DELIMITER.search(answer) else answer
    solution = in_dollars(row["gold"])
    with ThreadPoolExecutor(1) as aside:  # outside of the main thread it sets no timers
        rewards = aside.submit(accuracy_reward, [[{"content": content}]], [solution]).result()
    return bool(rewards[0] == 1.0)


def math_dapo_grade(row: Row) -> bool:
    """verl's `math_dapo.compute_score`."""
    from verl.utils.reward_score.math_dapo import compute_score

    gold, answer = without_delimiters(row["gold"]), answer_of(row)
    boxed = r"\boxed" in answer
    text = answer if boxed or not is_bare(row) else f"Answer: {without_delimiters(answer)}"
    return bool(compute_score(text, gold, strict_box_verify=boxed)["acc"])


def prime_math_grade(row: Row) -> bool:
    """verl's `prime_math.compute_score`."""
    from verl.utils.reward_score.prime_math import compute_score

    answer = answer_of(row)
    text = without_delimiters(answer) if is_bare(row) else answer
    return bool(compute_score(text, without_delimiters(row["gold"]))[0])


GRADERS: dict[str, tuple[str, Grade]] = {  # the module that it needs, and itself
    "ours": ("server", ours),
    "ours, default": ("server", ours_by_default),
    "math-verify": ("math_verify", math_verify_grade),
    "TRL": ("trl/rewards/accuracy_rewards.py", trl_grade),
    "math_dapo": ("verl/utils/reward_score/math_dapo.py", math_dapo_grade),
    "prime_math": ("verl/utils/reward_score/prime_math", prime_math_grade),
}


def found_graders(directories: Sequence[str]) -> list[str]:
    """The graders that are here: ours, math-verify, and what the directories hold."""
    always = ["ours", "ours, default", "math-verify"]
    others = [name for name in GRADERS if name not in always]
    return always + [n for n in others if any((Path(d) / GRADERS[n][0]).exists() for d in directories)]


def without_requirements(directories: Sequence[str]) -> None:
    """Lets verl's scores be imported without timers and without the rest of it, which asks for ray."""
    sys.path += list(directories)
    for directory in directories:
        for name in ("verl", "verl.utils", "verl.utils.reward_score"):
            path = Path(directory, *name.split("."))
            if path.exists():
                package = types.ModuleType(name)
                package.__path__ = [str(path)]
                sys.modules[name] = package
    if "verl" in sys.modules:
        from verl.utils import py_functional

        py_functional.timeout_limit = lambda **_: lambda function: function


# --- a process for each --------------------------------------------------------------------------


def serve(name: str, directories: Sequence[str], pipe: Connection) -> None:
    """Answers each row that comes through the pipe with whether it is accepted, or with a fault's name."""
    without_requirements(directories)
    logging.disable()
    grade = GRADERS[name][1]
    while (row := _next_row(pipe)) is not None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                accepted: bool | str = grade(row)
        except Exception as fault:  # noqa: BLE001 - graders raise what they meet: a row that none accepted
            accepted = type(fault).__name__
        pipe.send(accepted)


def _next_row(pipe: Connection) -> Row | None:
    try:
        row: Row = pipe.recv()
    except (EOFError, ConnectionResetError):
        return None  # who asked has ended
    return row


class Graded:
    """One grader in a process that is ended when a row takes too long, and started anew for the next."""

    def __init__(self, name: str, directories: Sequence[str]) -> None:
        self._name, self._directories = name, directories
        self.late = self.faults = 0
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=serve, args=(self._name, self._directories, theirs))
        self._process.start()
        theirs.close()

    def grade(self, row: Row) -> bool:
        """Whether the row is accepted."""
        self._pipe.send(row)
        try:
            answered = self._wait()
            accepted = self._pipe.recv() if answered else False
        except EOFError:
            answered, accepted = False, False
        if not answered:
            self.late += 1
            self.close()
            self._start()
        self.faults += isinstance(accepted, str)
        return accepted is True

    def _wait(self) -> bool:
        """Whether there is an answer before a limit is met."""
        cpu, started = self._cpu_seconds(), time.monotonic()
        while not self._pipe.poll(0.5):
            if self._cpu_seconds() - cpu > CPU_SECONDS or time.monotonic() - started > BACKSTOP_SECONDS:
                return False
        return True

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


# --- the table -----------------------------------------------------------------------------------


@dataclass
class Cell:
    """What one grader made of one suite."""

    rows: int = 0
    false_negatives: int = 0
    false_positives: int = 0

    def add(self, accepted: bool, expected: bool) -> None:
        """Counts one row."""
        self.rows += 1
        self.false_negatives += expected and not accepted
        self.false_positives += accepted and not expected

    @property
    def text(self) -> str:
        """Percent of agreement, and both kinds of disagreement."""
        wrong = self.false_negatives + self.false_positives
        return f"{100 * (self.rows - wrong) / self.rows:.1f} {self.false_negatives}/{self.false_positives}"


def line_of(row: Row) -> str:
    """The line of the table that a row belongs to."""
    if row["id"] in APART:
        return "labels at fault"
    if "cls" not in row:
        return str(row["suite"])
    return "by construction: policy" if row["policy"] else "by construction"


def all_rows(every: int, suites: Sequence[str]) -> Iterator[Row]:
    """All of `pairs`, and each `every`-th of the two large files."""
    for name, step in (("pairs", 1), ("pairs_by_construction", every), ("completions_gsm8k", every)):
        yield from (row for row in list(rows_of(name))[::step] if not suites or line_of(row) in suites)


def measure(rows: Sequence[Row], names: Sequence[str], directories: Sequence[str]) -> dict[str, Any]:
    """Cells by line and grader, and what was late or failed by grader; all graders run beside each other."""
    graders = {name: Graded(name, directories) for name in names}
    lines: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        lines[line_of(row)].append(row)
    try:
        with ThreadPoolExecutor(len(names)) as pool:
            columns = dict(
                zip(names, pool.map(lambda name: _column(graders[name], lines), names), strict=True)
            )
        cells = {line: {name: columns[name][line] for name in names} for line in lines}
        print_row("suite", "rows", names)
        for line, members in lines.items():
            print_row(line, str(len(members)), [cell.text for cell in cells[line].values()])
        totals = {name: _sum(cells[line][name] for line in cells) for name in names}
        print_row("all", str(len(rows)), [cell.text for cell in totals.values()])
    finally:
        for grader in graders.values():
            grader.close()
    return {
        "cells": {line: {name: vars(cell) for name, cell in found.items()} for line, found in cells.items()},
        "late": {name: grader.late for name, grader in graders.items()},
        "faults": {name: grader.faults for name, grader in graders.items()},
    }


def _column(grader: Graded, lines: dict[str, list[Row]]) -> dict[str, Cell]:
    return {line: _cell(grader, members) for line, members in lines.items()}


def _cell(grader: Graded, rows: Iterable[Row]) -> Cell:
    cell = Cell()
    for row in rows:
        cell.add(grader.grade(row), row["expected"])
    return cell


def _sum(cells: Iterable[Cell]) -> Cell:
    total = Cell()
    for cell in cells:
        total.rows += cell.rows
        total.false_negatives += cell.false_negatives
        total.false_positives += cell.false_positives
    return total


def print_row(name: str, count: str, cells: Sequence[str]) -> None:
    """One line."""
    print(f"{name:32}{count:>6}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def disagreements(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Every row that ours judges otherwise than its label, with whose label is right and why."""
    logging.disable()
    for row in rows:
        found = judged(row)
        if (found.status == "correct") == row["expected"]:
            continue
        right, why = reason_of(row) or ("unknown", "not explained")
        gold, answer = texts_of(row, setting_of(row))
        yield {
            "suite": row["suite"],
            "id": row["id"],
            "expected": row["expected"],
            "gold": gold,
            "answer": answer,
            "status": found.status,
            "rule": found.rule,
            "right": right,
            "why": why,
        }


def main() -> int:
    """Runs what the command line names; 1 without the data, 2 if a disagreement is not explained."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="lines of the table; none: all")
    parser.add_argument("--graders", nargs="*", default=[str(ROOT / ".clients")], metavar="DIRECTORY")
    parser.add_argument("--only", nargs="*", metavar="NAME", help=f"of {', '.join(GRADERS)}")
    parser.add_argument("--every", type=int, default=1, help="each N-th row of the two large files only")
    parser.add_argument("--disagreements", type=Path, help="JSONL of every disagreement of ours")
    options = parser.parse_args()
    if not DATA.exists():
        print("no ../shared/data/math beside this checkout: nothing to measure", file=sys.stderr)
        return 1
    rows = list(all_rows(options.every, options.suites))
    results = measure(rows, options.only or found_graders(options.graders), options.graders)
    unexplained = 0
    if options.disagreements:
        listed = list(disagreements(rows))
        options.disagreements.write_text("".join(json.dumps(one) + "\n" for one in listed))
        unexplained = sum(one["right"] == "unknown" for one in listed)
        print(f"{len(listed)} disagreements of ours, {unexplained} not explained: {options.disagreements}")
    print(json.dumps({"bench": "math_agreement", "every": options.every, **results}))
    return 2 if unexplained else 0


if __name__ == "__main__":
    raise SystemExit(main())
