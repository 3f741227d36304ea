"""Benchmark files, and what is wrong with one by line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer_client.tasks.files import TaskFileError, file_pool, read_problems, read_questions


def file(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "aime.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_a_math_row_gets_the_papers_prompt(tmp_path):
    (question,) = read_questions(file(tmp_path, {"problem": "1+1?", "gold": "2"}))
    assert (question.benchmark, question.id, question.label) == ("aime", "1", "2")
    assert question.prompt == (
        "1+1?\nPlease reason step by step, and put your final answer within \\boxed{}."
    )


def test_a_code_row_gets_its_starter_code(tmp_path):
    label = {"inputs": ["1"], "outputs": ["2"]}
    row = {"id": "a", "question": "Add.", "label": label, "starter_code": "def f():"}
    (question,) = read_questions(file(tmp_path, row))
    assert question.id == "a"
    assert question.prompt.endswith("```python\ndef f():\n```")


def test_a_prompt_is_sent_as_it_is(tmp_path):
    (question,) = read_questions(file(tmp_path, {"prompt": "p {x}", "answer": 3}))
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
    with pytest.raises(TaskFileError, match=why):
        list(read_questions(file(tmp_path, {"prompt": "p", "gold": "1"}, row)))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TaskFileError, match=r"no\.jsonl"):
        list(read_questions(tmp_path / "no.jsonl"))


def test_problems_to_train_on(tmp_path):
    rows = [
        {"id": "m", "problem": "1+1?", "gold": "2", "difficulty": 3},
        {"id": "c", "problem": "Add.", "label": {"inputs": ["1"], "outputs": ["2"]}},
    ]
    math, code = read_problems(file(tmp_path, *rows))
    assert (math.key, math.domain, math.level) == ("m", "math", 3)
    assert list(math.task.gold) == ["2"]
    assert (code.domain, code.level) == ("code", 1)
    assert code.request("x", request_id="r", run="n").code.stdio.cases[0].output == "2"


def test_an_id_that_comes_twice_is_refused(tmp_path):
    rows = [{"id": 1, "prompt": "p", "gold": "1"}] * 2
    with pytest.raises(TaskFileError, match="'1' comes twice"):
        read_problems(file(tmp_path, *rows))


def test_a_pool_takes_one_domain_up_to_a_level_and_a_number(tmp_path):
    rows = [{"id": n, "prompt": "p", "gold": "1", "difficulty": n % 4} for n in range(20)]
    path = file(tmp_path, *rows)
    pool = file_pool(path, "math", 5, seed=0, max_level=1)
    assert len(pool) == 5
    assert all(problem.level <= 1 for problem in pool)
    assert pool == file_pool(path, "math", 5, seed=0, max_level=1)
    assert pool != file_pool(path, "math", 5, seed=1, max_level=1)


def test_a_pool_of_nothing_says_so(tmp_path):
    path = file(tmp_path, {"prompt": "p", "gold": "1", "difficulty": 8})
    with pytest.raises(TaskFileError, match="no math problem of difficulty 0 to 7"):
        file_pool(path, "math", 5, seed=0, max_level=7)


def test_a_difficulty_must_be_an_integer(tmp_path):
    with pytest.raises(TaskFileError, match="difficulty"):
        read_problems(file(tmp_path, {"prompt": "p", "gold": "1", "difficulty": "hard"}))


def test_a_hard_stage_leaves_out_the_easy(tmp_path):
    rows = [{"id": str(level), "prompt": "p", "gold": "1", "difficulty": level} for level in range(9)]
    found = file_pool(file(tmp_path, *rows), "math", 9, 0, min_level=5, max_level=7)
    assert {problem.level for problem in found} == {5, 6, 7}


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_only_a_line_feed_ends_a_row(tmp_path, separator):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"prompt": "a{separator}b", "label": "1"}}\n', encoding="utf-8")
    assert [question.prompt for question in read_questions(path)] == [f"a{separator}b"]
