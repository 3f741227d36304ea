"""What a resumed run keeps of its metrics, and where else they go."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from trainer_client.errors import RecipeError
from trainer_client.metrics import MetricsLog, read_metrics, rewind
from trainer_client.recipe import Logging

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


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_only_a_line_feed_ends_a_line(tmp_path, separator):
    path = tmp_path / "samples.jsonl"
    lines = [{"completion": f"a{separator}b"}, {"completion": "c"}]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    assert read_metrics(path) == lines


def test_a_line_cut_short_within_a_character_is_left_out(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"step": 0}\n{"completion": "\xe2\x82')
    assert read_metrics(path) == [{"step": 0}]


def test_no_file_no_lines(tmp_path):
    assert read_metrics(tmp_path / "none.jsonl") == []


class FakeWandb(ModuleType):
    """Notes what it is told, as the package's run would take it."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.told: list[tuple] = []

    def init(self, **settings) -> FakeWandb:
        self.told.append(("init", settings["project"], settings["id"], settings["resume"]))
        return self

    def define_metric(self, name: str, *, step_metric: str) -> None:
        self.told.append(("metric", name, step_metric))

    def log(self, values: dict) -> None:
        self.told.append(("log", values))

    def finish(self) -> None:
        self.told.append(("finish",))


def test_wandb_gets_the_numbers_with_a_step_of_their_kind(tmp_path, monkeypatch):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with MetricsLog(tmp_path, Logging(tensorboard=False, wandb="project")) as log:
        log.write("train", 3, {"stage": "m", "reward": 0.5, "code": None})
    assert fake.told[0] == ("init", "project", tmp_path.name, "allow")
    assert ("metric", "train/*", "train/step") in fake.told
    assert fake.told[-2:] == [("log", {"train/step": 3, "train/reward": 0.5}), ("finish",)]
    assert not (tmp_path / "tensorboard").exists()


def test_a_missing_wandb_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(RecipeError, match=r"logging\.wandb.*verdict-reward\[wandb\]"):
        MetricsLog(tmp_path, Logging(tensorboard=False, wandb="project"))
