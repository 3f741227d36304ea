"""SIGKILL at a random moment of each phase, then --resume: what follows is the unbroken run, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainer_client.fake_server import FakeServer
from tests.trainer_client.test_trainer import SMALL, curve, judge_by_rule
from trainer_client.metrics import read_metrics
from trainer_client.model import Policy
from trainer_client.recipe import Evaluation, recipe_as_toml

ROOT = Path(__file__).parents[2]
KILLED = 9  # a wait status: SIGKILL, no exit status


class Runs:
    """Runs of one recipe by `killed_run`, which stays up so that torch is imported once."""

    def __init__(self, folder: Path, server: str, process: subprocess.Popen[str]) -> None:
        self.folder, self._server, self._process = folder, server, process
        self.entries = self.run("whole")["entries"]

    def run(
        self, name: str, *more: str, phase: str = "", entry: int = 0, share: float = 0.0
    ) -> dict[str, Any]:
        arguments = ["run", str(self.folder / "recipe.toml"), "--out", str(self.folder / name), *more]
        arguments += ["--server", self._server]
        job = {"phase": phase, "entry": entry, "share": share, "arguments": arguments}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("kills")
    policy.save(folder / "policy")
    recipe = replace(
        SMALL,
        model=replace(SMALL.model, path=str(folder / "policy")),
        warm_start=replace(SMALL.warm_start, steps=0),
        stage=tuple(replace(stage, steps=2) for stage in SMALL.stage),
        evaluation=Evaluation(problems=2, every_steps=3, max_response_tokens=4),
    )
    (folder / "recipe.toml").write_text(recipe_as_toml(recipe))
    server = FakeServer(judge_by_rule)
    server.start()
    command = [sys.executable, "-m", "tests.trainer_client.killed_run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        yield Runs(folder, server.address, process)
    server.stop()


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("phase", ["sampling", "grading", "update", "checkpoint"])
def test_a_kill_changes_nothing_that_follows(runs: Runs, phase: str) -> None:
    """Another moment at every run of the test: the property holds at all of them."""
    whole = runs.folder / "whole"
    # Before the first checkpoint there is nothing to go on from; after the last one the run may end first.
    entry = random.randint(2, runs.entries[phase] - 1)
    share = random.random()
    killed = runs.run(phase, phase=phase, entry=entry, share=share)
    assert killed["status"] == KILLED, f"entry {entry}, share {share}: {killed}"
    at_kill = curve(runs.folder / phase)
    assert at_kill == curve(whole)[: len(at_kill)], f"entry {entry}, share {share}"
    assert runs.run(phase, "--resume")["status"] == 0, f"entry {entry}, share {share}"
    assert curve(runs.folder / phase) == curve(whole), f"entry {entry}, share {share}"
    assert weights(runs.folder / phase) == weights(whole), f"entry {entry}, share {share}"


def test_the_run_says_something(runs: Runs) -> None:
    """The curve that the kills are held against is not of a policy that stands still."""
    train = [
        line for line in read_metrics(runs.folder / "whole" / "metrics.jsonl") if line["kind"] == "train"
    ]
    assert sum(line["gradient_norm"] > 0 for line in train) > len(train) / 2
