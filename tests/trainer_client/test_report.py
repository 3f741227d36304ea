"""The picture of a run, also of one that has hardly begun."""

from __future__ import annotations

import json

import pytest

from trainer_client.recipe import Recipe, Stage
from trainer_client.report import draw_report, smoothed

RECIPE = Recipe("r", (Stage("m", "math", steps=3, max_response_tokens=8),))
TRAIN = {"kind": "train", "entropy": 0.1, "response_tokens": 5.0}
LINES = [
    {"kind": "eval", "step": 0, "math": 0.1},
    {**TRAIN, "step": 0, "reward": 0.2},
    {**TRAIN, "step": 1, "reward": None},
    {**TRAIN, "step": 2, "reward": 0.4},
    {"kind": "eval", "step": 3, "math": None},
]


@pytest.mark.parametrize("count", range(len(LINES) + 1))
def test_any_stretch_of_a_run_can_be_drawn(tmp_path, count):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES[:count]))
    assert draw_report(tmp_path, RECIPE).read_bytes().startswith(b"\x89PNG")


def test_smoothing():
    assert smoothed([1.0, 0.0, 0.0], weight=0.5) == [1.0, 0.5, 0.25]
    assert smoothed([]) == []
