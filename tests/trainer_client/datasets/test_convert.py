"""`trainer_client convert` writes what the server and the trainer read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer_client import cli
from trainer_client.tasks.files import read_problems

ROW = {
    "problem_id": 4,
    "question": "Double.",
    "solutions": '["print(int(input()) * 2)"]',
    "input_output": '{"inputs": ["1\\n"], "outputs": ["2\\n"]}',
}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "apps.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps({**ROW, "problem_id": 5, "solutions": ""}) + "\n")
    return path


def test_requests_hold_the_known_program_or_none(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = rows.parent / "requests.jsonl"
    assert cli.main(["convert", "apps", str(rows), "--out", str(out)]) == 0
    known, empty = (json.loads(line) for line in out.read_text().splitlines())
    assert (known["id"], known["completion"], known["extraction"]) == (
        "4#solution0",
        "print(int(input()) * 2)",
        "whole",
    )
    assert (empty["id"], empty.get("completion", "")) == ("5", "")
    assert "2 requests" in capsys.readouterr().out


def test_questions_can_be_trained_on(rows: Path) -> None:
    out = rows.parent / "questions.jsonl"
    assert cli.main(["convert", "apps", str(rows), "--out", str(out), "--form", "questions"]) == 0
    problems = read_problems(out)
    assert [(one.key, one.domain) for one in problems] == [("4", "code"), ("5", "code")]


def test_a_row_at_fault_is_named(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows.write_text('{"problem_id": 1}\n')
    assert cli.main(["convert", "apps", str(rows), "--out", str(rows.parent / "o")]) == 1
    assert "apps.jsonl:1: input_output: is required" in capsys.readouterr().err
