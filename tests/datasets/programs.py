"""Real programs with their tests and labels, for whatever needs them: agreement, abuse, benchmarks.

The data lie beside the repository (`../shared/data/code`); `labelled` raises FileNotFoundError where
they do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.datasets import LOADERS, Known, Row, Task, load, read_rows

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "code"
# Data set -> loader and file.
_LOADED = {
    "humaneval": ("humaneval", "humaneval"),
    "humaneval+": ("humaneval", "humanevalplus_origfmt"),
    "mbpp": ("mbpp", "mbpp"),
    "mbpp+": ("mbpp", "mbppplus_origfmt"),
    "humaneval-x": ("humaneval-x", "humaneval_x"),
    "humanevalpack": ("humanevalpack", "humanevalpack"),
}
SETS = (*_LOADED, "reflexion", "olympiad")
_REPRODUCIBLE = "assert tests"  # the others of `reflexion` were judged by LeetCode's hidden tests
# This package has two validators where one is meant: the directory beside it is the newer one.
_LEFT_OVER = {"po-2019/final/jatten": "output_validators/validator.cpp"}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A program with its tests, as a request, and what its label says of it."""

    id: str
    dataset: str
    request: pb.VerifyRequest
    right: bool
    label: str
    tests_left_out: bool = False  # the data lack some of the problem's: what is wrong may pass the others

    @property
    def language(self) -> str:
        return self.request.code.language


def labelled(dataset: str) -> Iterator[Labelled]:
    """The labelled programs of a data set, in the order of its file."""
    if dataset == "reflexion":
        return _reflexion()
    if dataset == "olympiad":
        return (
            replace(_labelled(dataset, task, known), tests_left_out=left_out)
            for task, left_out in _olympiad()
            for known in task.known
        )
    tasks = load(_LOADED[dataset][0], [_path(_LOADED[dataset][1])])
    return (_labelled(dataset, task, known) for task in tasks for known in task.known)


def _labelled(dataset: str, task: Task, known: Known) -> Labelled:
    request = task.known_request(known)
    return Labelled(request.id, dataset, request, known.right, known.label)


def _path(name: str) -> Path:
    path = FOLDER / f"{name}.jsonl.gz"
    if not path.exists():
        raise FileNotFoundError(
            f"the data set {name} is not on this machine (looked for ../shared/data/code)"
        )
    return path


def _reflexion() -> Iterator[Labelled]:
    prompts = {row.text("id"): row.text("prompt") for row in read_rows(_path("humaneval"))}
    for row in read_rows(_path("model_programs_reflexion")):
        if row.text("test_kind") == _REPRODUCIBLE and isinstance(row.any("source"), str):
            asserts = pb.AssertTests(tests=[row.text("test")], entry_point=row.text("entry_point"))
            code = pb.CodeTask(language=row.text("language"), asserts=asserts)
            program = _whole(row.text("source"), row.text("task_id"), prompts)
            request = pb.VerifyRequest(id=row.id("id"), completion=program, extraction="whole", code=code)
            label = row.text("published_verdict")
            yield Labelled(request.id, "reflexion", request, label == "pass", label)


def _whole(source: str, task_id: str, prompts: dict[str, str]) -> str:
    """Some sources are only the body that follows HumanEval's prompt."""
    return prompts.get(task_id, "") + source if source.startswith(" ") else source


def _olympiad() -> Iterator[tuple[Task, bool]]:
    """Packages with their submissions of one file, and whether the data lack some of their tests.

    The three submissions of several files (graders) are left out.
    """
    submissions: dict[str, list[Known]] = {}
    for row in read_rows(_path("olympiad_submissions")):
        if row.has("source"):
            submissions.setdefault(row.text("problem_id"), []).append(_submission(row))
    for row in read_rows(_path("olympiad_problems")):
        if row.text("problem_id") in _LEFT_OVER:
            del row.any("checker")["files"][_LEFT_OVER[row.text("problem_id")]]
        left_out = int(row.any("tests_kept")) < int(row.any("tests_total"))
        task = LOADERS["kattis"](row)
        yield Task(task.id, task.prompt, task.task, tuple(submissions.get(task.id, ()))), left_out


def _submission(row: Row) -> Known:
    name, label = row.text("id").removeprefix(row.text("problem_id") + "/"), row.text("expected_verdict")
    return Known(name, row.text("source"), right=label == "AC", language=row.text("language"), label=label)
