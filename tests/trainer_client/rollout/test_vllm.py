"""Real vLLM (its CPU build, in .vllm) samples for some steps of training; a lost hand-over is found out."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainer_client.fake_server import FakeServer
from tests.trainer_client.test_trainer import SMALL, judge_by_rule
from trainer_client.metrics import read_metrics
from trainer_client.recipe import Compute, Evaluation, ModelSettings, Stage, VllmSettings, recipe_as_toml

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".vllm" / "bin" / "python"
# vLLM's attention on a CPU wants heads of 32 and more.
MODEL = ModelSettings(vocabulary_size=320, hidden_size=128, layers=2, feed_forward_size=64)


def wait_for_the_installation() -> None:
    """`scripts/test` installs vLLM while other tests run, and leaves the installer's process id."""
    named = ROOT / ".vllm" / ".installer"
    if named.exists():
        installer = Path("/proc", named.read_text().strip(), "cmdline")
        while installer.exists() and b"scripts/test" in installer.read_bytes():
            time.sleep(1)


@pytest.mark.timeout(1800)  # vLLM starts in half a minute on idle cores and in many on busy ones
def test_vllm_samples_for_the_trainer_until_a_hand_over_is_lost(server: FakeServer, tmp_path, policy):
    wait_for_the_installation()
    if not (ROOT / ".vllm" / ".installed").exists():
        pytest.skip("vLLM is not installed in .vllm (scripts/test does it, and scripts/run --engine vllm)")
    server.faults = judge_by_rule
    stage = Stage("m", "math", 5, 12, group_size=4, prompts_per_step=4, learning_rate=5e-3, problems=16)
    recipe = replace(
        SMALL,
        model=MODEL,
        stage=(stage,),
        warm_start=replace(SMALL.warm_start, steps=2),
        evaluation=Evaluation(problems=2, every_steps=100, max_response_tokens=4),
        compute=Compute(engine="vllm", threads=1, logprob_tolerance=1e-3),
        vllm=VllmSettings(max_sequences=16),
    )
    (tmp_path / "recipe.toml").write_text(recipe_as_toml(recipe))
    command = [
        str(PYTHON),
        "-m",
        "tests.trainer_client.rollout.vllm_run",
        "run",
        str(tmp_path / "recipe.toml"),
    ]
    command += ["--out", str(tmp_path / "run"), "--server", server.address]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr[-3000:]
    assert "the sampler holds other weights" in done.stderr
    train = [line for line in read_metrics(tmp_path / "run" / "metrics.jsonl") if line["kind"] == "train"]
    # The first hand-over follows the warm start, the lost one the second step, which so leaves no line.
    assert [line["step"] for line in train] == [0]
    assert train[0]["gradient_norm"] > 0
    assert max(train[0]["sync_gap"], train[0]["logprob_gap"]) < 1e-4
    assert train[0]["unjudged"] == 0
