"""The repository's own sample: every kind of test in both languages, right and wrong programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from protos.reward.v1 import reward_pb2 as pb
from tests.datasets.conftest import Judge

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _rows() -> list[Any]:
    lines = (Path(__file__).parents[1] / "data" / "code_sample.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    marks: dict[str, Any] = {"cpp": pytest.mark.toolchain("g++"), "python": ()}
    return [pytest.param(row, id=row["id"], marks=marks[row["language"]]) for row in rows]


@pytest.mark.parametrize("row", _rows())
async def test_sample(judge: Judge, row: dict[str, Any]) -> None:
    task = ParseDict(row["task"], pb.CodeTask())
    tests = {task.WhichOneof("tests"): getattr(task, task.WhichOneof("tests"))}
    verdict = await judge.verdict(row["language"], row["program"], **tests)
    assert (pb.Status.Name(verdict.status), pb.Trust.Name(verdict.trust)) == (row["verdict"], row["trust"])
    assert verdict.reward == float(row["verdict"] == "ACCEPTED")
    assert verdict.HasField("reward")
