"""What comes out: the training set, every rejected row with its reason, and the counts."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from trainer_client.curation.pipeline import steps_of
from trainer_client.curation.plan import Plan
from trainer_client.curation.problem import CuratedProblem
from trainer_client.curation.workspace import CurationError, Workspace
from trainer_client.files import written_whole

_EXAMPLES = 3


@dataclass(frozen=True)
class StepCount:
    """A step's row of the funnel; `rules` says how many rows each rule rejected."""

    name: str
    came_in: int
    rejected: int
    rules: dict[str, int]
    examples: dict[str, list[dict[str, str]]]
    seconds: float

    @property
    def left(self) -> int:
        """What it passed on."""
        return self.came_in - self.rejected


@dataclass(frozen=True)
class Summary:
    """A finished curation in numbers. `kept` is counted from the file, not from the steps."""

    name: str
    raw: int
    kept: int
    domains: dict[str, int]
    difficulties: dict[str, int]
    steps: list[StepCount]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        steps = [{**vars(step), "left": step.left} for step in self.steps]
        return {**vars(self), "steps": steps}


def export(plan: Plan, workspace: Workspace) -> Summary:
    """Writes train.jsonl, rejected.jsonl and report.json, each whole or not at all.

    Raises CurationError when the counts do not add up, which only a damaged folder can bring about.
    """
    examples = _write_rejected(workspace)
    domains, difficulties = _write_training_set(workspace)
    kept = sum(domains.values())
    steps = list(_funnel(plan, workspace, examples))
    if kept != workspace.left or (steps[-1].left if steps else 0) != kept:
        raise CurationError(f"{workspace.folder}: {workspace.rows} rows came in and the counts do not add up")
    found = Summary(plan.name, workspace.rows, kept, dict(domains), dict(sorted(difficulties.items())), steps)
    with written_whole(workspace.folder / "report.json") as file:
        file.write(json.dumps(found.as_json(), indent=1, ensure_ascii=False) + "\n")
    return found


def _funnel(
    plan: Plan, workspace: Workspace, examples: dict[str, list[dict[str, str]]]
) -> Iterator[StepCount]:
    counts, seconds = workspace.counts(), workspace.seconds()
    left = workspace.rows
    for step in steps_of(plan):
        rules = counts.get(step.name, {})
        shown = {rule: examples[rule] for rule in rules}
        yield StepCount(step.name, left, sum(rules.values()), rules, shown, seconds[step.name])
        left -= sum(rules.values())


def _write_rejected(workspace: Workspace) -> dict[str, list[dict[str, str]]]:
    """The file; a few examples of each rule."""
    examples: dict[str, list[dict[str, str]]] = {}
    with written_whole(workspace.folder / "rejected.jsonl") as file:
        for row, step, rejection in workspace.rejected():
            line = workspace.where(row) | {"step": step, "rule": rejection.rule, "detail": rejection.detail}
            _write(file, line)
            if len(shown := examples.setdefault(rejection.rule, [])) < _EXAMPLES:
                shown.append(line)
    return examples


def _write_training_set(workspace: Workspace) -> tuple[Counter[str], Counter[str]]:
    """The file; how many problems of each domain, and of each difficulty."""
    domains: Counter[str] = Counter()
    difficulties: Counter[str] = Counter()
    ids = _Ids()
    facts = workspace.facts()
    fact = next(facts, None)
    with written_whole(workspace.folder / "train.jsonl") as file:
        for row, problem in workspace.problems():
            while fact is not None and fact[0] < row:
                fact = next(facts, None)
            known = fact[1] if fact is not None and fact[0] == row else {}
            _write(file, question(problem, ids.unique(problem.id), known))
            domains[problem.domain] += 1
            if known:
                difficulties[str(known["difficulty"])] += 1
    ids.close()
    return domains, difficulties


def question(problem: CuratedProblem, name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The row that a stage's `data` is read from."""
    found = {"id": name, "prompt": problem.prompt, "label": problem.label}
    found |= {key: facts[key] for key in ("difficulty", "tokens") if facts.get(key) is not None}
    return found | ({"url": problem.url} if problem.url else {})


class _Ids:
    """Makes ids unique in order, in a temporary database on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE id(name TEXT PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def unique(self, name: str) -> str:
        """The name, or the name with the first number that makes it new."""
        number, candidate = 1, name
        while not self._database.execute("INSERT OR IGNORE INTO id VALUES (?)", (candidate,)).rowcount:
            number += 1
            candidate = f"{name}~{number}"
        return candidate

    def close(self) -> None:
        self._database.close()


def _write(file: IO[str], line: dict[str, Any]) -> None:
    file.write(json.dumps(line, ensure_ascii=False) + "\n")
