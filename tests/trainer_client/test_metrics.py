"""What a resumed run keeps of its metrics."""

from __future__ import annotations

import json

import pytest

from trainer_client.metrics import read_metrics, rewind

LINES = [
    *({"kind": "warm_start", "step": step} for step in range(4)),
    {"kind": "eval", "step": 0},
    {"kind": "train", "step": 0},
    {"kind": "train", "step": 1},
    {"kind": "eval", "step": 2},
    {"kind": "train", "step": 2},
]


@pytest.mark.parametrize(
    ("phase", "step", "kept"),
    [
        ("warm_start", 0, 0),
        ("warm_start", 2, 2),
        ("train", 0, 5),
        ("train", 1, 6),
        ("train", 2, 8),
        ("train", 3, 9),
    ],
)
def test_rewind(tmp_path, phase, step, kept):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    rewind(path, phase=phase, step=step)
    assert read_metrics(path) == LINES[:kept]


def test_a_line_cut_short_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "train", "step": 0}\n{"kind": "tr')
    assert read_metrics(path) == [{"kind": "train", "step": 0}]


def test_no_file_no_lines(tmp_path):
    assert read_metrics(tmp_path / "none.jsonl") == []
