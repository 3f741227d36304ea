"""Benchmark files, and what is wrong with one by line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer_client.evaluation.benchmark import BenchmarkError, read_benchmark


def file(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "aime.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_a_math_row_gets_the_papers_prompt(tmp_path):
    (question,) = read_benchmark(file(tmp_path, {"problem": "1+1?", "gold": "2"}))
    assert (question.benchmark, question.id, question.label) == ("aime", "1", "2")
    assert question.prompt == (
        "1+1?\nPlease reason step by step, and put your final answer within \\boxed{}."
    )


def test_a_code_row_gets_its_starter_code(tmp_path):
    label = {"inputs": ["1"], "outputs": ["2"]}
    row = {"id": "a", "question": "Add.", "label": label, "starter_code": "def f():"}
    (question,) = read_benchmark(file(tmp_path, row))
    assert question.id == "a"
    assert question.prompt.endswith("```python\ndef f():\n```")


def test_a_prompt_is_sent_as_it_is(tmp_path):
    (question,) = read_benchmark(file(tmp_path, {"prompt": "p {x}", "answer": 3}))
    assert question.prompt == "p {x}"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("{", "aime.jsonl:2: not JSON"),
        ("[]", "aime.jsonl:2: a row must be an object"),
        ({"problem": "x"}, "aime.jsonl:2: one of label, gold"),
        ({"gold": "1"}, "aime.jsonl:2: one of problem"),
        ({"problem": "x", "label": {"inputs": [], "outputs": ["1"]}}, "aime.jsonl:2: label.outputs"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, why):
    with pytest.raises(BenchmarkError, match=why):
        list(read_benchmark(file(tmp_path, {"prompt": "p", "gold": "1"}, row)))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"no\.jsonl"):
        list(read_benchmark(tmp_path / "no.jsonl"))
