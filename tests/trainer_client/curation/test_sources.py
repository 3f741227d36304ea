"""Raw rows of every shape: read, or rejected with a reason."""

from __future__ import annotations

import gzip
import json
from datetime import date

import pyarrow
import pytest
from pyarrow import parquet

from trainer_client.curation.plan import Source
from trainer_client.curation.problem import CuratedProblem
from trainer_client.curation.sources import read_source, read_statements
from trainer_client.datasets.rows import DatasetError
from trainer_client.tasks.files import CODE_PROMPT

ROWS = [
    {"id": "a", "problem": "What is 1+1, as a number?", "gold": "2", "url": "u", "date": date(2024, 8, 2)},
    {"id": "b", "problem": "What is 1+2, as a number?", "gold": "3", "url": None, "date": None},
]
APPS = {
    "problem_id": 7,
    "question": "Print the input.",
    "input_output": json.dumps({"inputs": ["1"], "outputs": ["1"]}),
    "solutions": json.dumps(["print(input())"]),
}


def read(path, kind="questions"):
    return list(read_source(Source("s", (str(path),), kind)))


def test_parquet_and_jsonl_give_the_same_problems(tmp_path):
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    lines = "".join(json.dumps(row, default=str) + "\n" for row in ROWS)
    (tmp_path / "rows.jsonl").write_text(lines)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    found = [read(tmp_path / name) for name in ("rows.parquet", "rows.jsonl", "rows.jsonl.gz")]
    described = [
        [(one.id, one.statement, one.golds, one.url, one.released) for one in some] for some in found
    ]
    assert described[0] == described[1] == described[2]
    assert described[0][0] == ("s/a", ROWS[0]["problem"], ("2",), "u", "2024-08-02")


def test_a_published_format_brings_its_programs(tmp_path):
    (tmp_path / "apps.jsonl").write_text(json.dumps(APPS) + "\n")
    (problem,) = read(tmp_path / "apps.jsonl", "apps")
    assert isinstance(problem, CuratedProblem)
    assert (problem.id, problem.domain, problem.statement) == ("s/7", "code", "Print the input.")
    assert [(program.source, program.right) for program in problem.programs] == [("print(input())", True)]
    assert problem.request("x").code.stdio.cases[0].output == "1"
    assert CuratedProblem.from_json(problem.to_json()) == problem


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"id": 1', "broken_row"),
        ("3", "broken_row"),
        ('{"problem": "What is it, exactly?"}', "unusable_row"),
        ('{"gold": "2"}', "unusable_row"),
        ('{"problem": " ", "gold": "2"}', "unusable_row"),
        ('{"problem": "What is it?", "gold": [true]}', "unusable_row"),
        ('{"problem": "What is it?", "gold": "2", "difficulty": "hard"}', "unusable_row"),
        ('{"problem": "x", "label": {"inputs": ["1"], "outputs": []}}', "unusable_row"),
    ],
)
def test_a_bad_row_is_rejected_and_the_next_one_read(tmp_path, line, rule):
    (tmp_path / "rows.jsonl").write_text(f"{line}\n{json.dumps(ROWS[1], default=str)}\n")
    bad, good = read(tmp_path / "rows.jsonl")
    assert bad.rejection.rule == rule
    assert bad.where.endswith("rows.jsonl:1")
    assert good.id == "s/b"


def test_a_row_of_another_shape_than_published_is_rejected(tmp_path):
    rows = [APPS, APPS | {"solutions": "[[["}, APPS | {"input_output": 3}, APPS | {"question": 4}]
    (tmp_path / "apps.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, *others = read(tmp_path / "apps.jsonl", "apps")
    assert isinstance(first, CuratedProblem)
    assert [one.rejection.rule for one in others] == ["unusable_row"] * 3


def test_a_file_that_is_no_parquet_is_an_error(tmp_path):
    (tmp_path / "rows.parquet").write_text("no")
    with pytest.raises(DatasetError, match=r"rows\.parquet"):
        read(tmp_path / "rows.parquet")


def test_the_papers_prompt_is_no_part_of_a_statement(tmp_path):
    asked = CODE_PROMPT.format(problem="Print one.", starter="# here")
    (tmp_path / "b.jsonl").write_text(json.dumps({"prompt": asked, "label": "1"}) + "\n")
    assert list(read_statements(tmp_path / "b.jsonl")) == ["Print one."]


def test_a_benchmark_of_golds_alone_is_refused(tmp_path):
    (tmp_path / "b.jsonl").write_text('{"gold": "1"}\n')
    with pytest.raises(DatasetError, match="golds alone"):
        list(read_statements(tmp_path / "b.jsonl"))
