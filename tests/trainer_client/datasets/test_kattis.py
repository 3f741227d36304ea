"""A problem package's directory becomes a task with its submissions."""

from __future__ import annotations

from pathlib import Path

import pytest

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.datasets import DatasetError, Task, load

FILES = {
    "problem.yaml": "validation: default\nvalidator_flags: float_tolerance 1e-4\nlimits: {memory: 64}\n",
    ".timelimit": "3\n",
    "problem_statement/problem.en.tex": "Halve it.",
    "problem_statement/problem.sv.tex": "Halvera.",
    "data/sample/1.in": "2\n",
    "data/sample/1.ans": "1\n",
    "data/secret/group/2.in": "3\n",
    "data/secret/group/2.ans": "1.5\n",
    "submissions/accepted/a.py": "print(int(input()) / 2)\n",
    "submissions/wrong_answer/b.cpp": "int main() {}\n",
}


def package(folder: Path, **changes: str | None) -> Task:
    named = {name.replace("__", "/").replace("_dot_", "."): text for name, text in changes.items()}
    for name, text in {**FILES, **named}.items():
        if text is not None:
            path = folder / "half" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (task,) = load("kattis", [folder / "half"])
    return task


def code(task: Task) -> pb.CodeTask:
    assert isinstance(task.task, pb.CodeTask)
    return task.task


def test_tests_come_in_order_samples_first(tmp_path: Path) -> None:
    assert [case.input for case in code(package(tmp_path)).stdio.cases] == ["2\n", "3\n"]


def test_limits_are_seconds_and_bytes(tmp_path: Path) -> None:
    limits = code(package(tmp_path)).limits
    assert (limits.cpu_seconds, limits.memory_bytes) == (3.0, 64 << 20)


def test_the_english_statement_is_the_prompt(tmp_path: Path) -> None:
    assert "Halve it." in package(tmp_path).prompt


def test_submissions_are_known_by_their_folder(tmp_path: Path) -> None:
    found = [(one.name, one.language, one.right) for one in package(tmp_path).known]
    assert found == [("accepted/a.py", "python", True), ("wrong_answer/b.cpp", "cpp", False)]


def test_a_custom_validator_is_found(tmp_path: Path) -> None:
    yaml = "validation: custom\nvalidator_flags: x 1\n"
    task = package(tmp_path, problem_dot_yaml=yaml, output_validators__v__check_dot_py="pass\n")
    assert (code(task).checker.program.source, list(code(task).checker.program.arguments)) == (
        "pass\n",
        ["x", "1"],
    )


def test_an_interactive_validator_talks(tmp_path: Path) -> None:
    yaml = "validation: custom interactive\n"
    task = package(tmp_path, problem_dot_yaml=yaml, output_validators__check_dot_py="pass\n")
    assert code(task).interactive.interactor.source == "pass\n"


@pytest.mark.parametrize("yaml", ["type: [pass-fail, multi-pass]\n", "validation: custom multipass\n"])
def test_multipass_is_refused_by_name(tmp_path: Path, yaml: str) -> None:
    with pytest.raises(DatasetError, match=r"problem\.yaml: .*multi-?pass"):
        package(tmp_path, problem_dot_yaml=yaml)


def test_two_validators_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="one validator is wanted, not 2"):
        package(
            tmp_path,
            problem_dot_yaml="validation: custom\n",
            output_validators__a_dot_py="pass\n",
            output_validators__b_dot_py="pass\n",
        )


def test_a_test_without_an_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"3\.ans"):
        package(tmp_path, data__secret__3_dot_in="1\n")


def test_a_broken_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"problem\.yaml"):
        package(tmp_path, problem_dot_yaml="a: [\n")
