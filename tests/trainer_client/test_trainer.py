"""Whole runs of a very small recipe against the fake server: what is learned, written and survived."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.reward.v1 import reward_pb2 as pb
from tests.trainer_client.conftest import TINY_MODEL
from tests.trainer_client.fake_server import FakeServer, abort, verdict
from trainer_client import first_verdicts, report, trainer, warm_start
from trainer_client.checkpoint import find_checkpoints
from trainer_client.cli import main
from trainer_client.metrics import read_metrics
from trainer_client.recipe import Compute, Evaluation, Recipe, Rewards, Stage, WarmStart, recipe_as_toml
from trainer_client.rollout.transformers_engine import ReplicaEngine

SMALL = Recipe(
    name="small",
    stage=(
        Stage("math-1", "math", 3, 10, group_size=4, prompts_per_step=2, learning_rate=1e-3, problems=16),
        Stage("math-2", "math", 3, 14, group_size=4, prompts_per_step=2, learning_rate=1e-3, problems=16),
    ),
    checkpoint_every_steps=2,
    model=TINY_MODEL,
    warm_start=WarmStart(steps=3, batch_size=4, learning_rate=1e-3),
    compute=Compute(threads=1),
    evaluation=Evaluation(problems=4, every_steps=2, max_response_tokens=8),
    rewards=Rewards(deadline_seconds=30.0),
)


REAL_DRAWING = report.draw_report


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out what is tested elsewhere: pictures, a tokenizer from a large corpus, and the check of a
    verifier, which the rule of these tests would not pass."""
    monkeypatch.setattr(first_verdicts, "show_first_verdicts", lambda recipe, client, progress: None)
    monkeypatch.setattr(report, "draw_report", lambda folder, recipe: None)
    monkeypatch.setattr(warm_start, "CORPUS_EXAMPLES", 50)


def reward_for(request: pb.VerifyRequest) -> float:
    """A rule that an untrained model meets about half the time, so that groups differ."""
    return float(sum(request.completion.encode()) % 2)


def judge_by_rule(request: pb.VerifyRequest, attempt: int) -> pb.Verdict:
    if request.id.startswith("first/"):  # the known answers before training, where nothing is patched
        return verdict("ACCEPTED", float(request.id.endswith("right")))
    return verdict("ACCEPTED", reward_for(request))


@pytest.fixture
def ruled(server: FakeServer) -> FakeServer:
    server.faults = judge_by_rule
    return server


def run(server: FakeServer, folder: Path, *more: str, recipe: Recipe = SMALL) -> int:
    path = folder.with_suffix(".toml")
    path.write_text(recipe_as_toml(recipe))
    return main(["run", str(path), "--out", str(folder), "--server", server.address, *more])


def curve(folder: Path) -> list[dict[str, Any]]:
    """The metrics without what depends on the machine."""
    return [
        {key: value for key, value in line.items() if not key.endswith("_seconds") and key != "retries"}
        for line in read_metrics(folder / "metrics.jsonl")
    ]


def test_a_run_leaves_what_it_promises(ruled, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(report, "draw_report", REAL_DRAWING)
    folder = tmp_path / "run"
    assert run(ruled, folder) == 0
    lines = curve(folder)
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(6))
    assert [line["step"] for line in lines if line["kind"] == "eval"] == [0, 2, 3, 4, 6]
    assert [line["stage"] for line in lines if line["kind"] == "train"] == ["math-1"] * 3 + ["math-2"] * 3
    assert all(line["logprob_gap"] < 1e-3 for line in lines if line["kind"] == "train")
    assert any(line["gradient_norm"] > 0 for line in lines if line["kind"] == "train")
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "tensorboard").glob("events*"))
    assert (folder / "model" / "model.safetensors").exists()
    assert [checkpoint.position.step for checkpoint in find_checkpoints(folder)] == [4, 6]
    assert str(folder) in capsys.readouterr().out


def test_each_update_takes_its_own_learning_rate(ruled, tmp_path, monkeypatch):
    taken = []
    update = trainer.update_policy
    monkeypatch.setattr(
        trainer,
        "update_policy",
        lambda policy, optimizer, rows, stage, *more, **named: (
            taken.append(stage.learning_rate) or update(policy, optimizer, rows, stage, *more, **named)
        ),
    )
    falling = replace(SMALL.stage[0], final_learning_rate=1e-4)
    assert run(ruled, tmp_path / "run", recipe=replace(SMALL, stage=(falling,))) == 0
    assert taken == pytest.approx([1e-3, 5.5e-4, 1e-4])
    noted = [line["learning_rate"] for line in curve(tmp_path / "run") if line["kind"] == "train"]
    assert noted == taken


def test_every_reward_comes_from_the_server(ruled, tmp_path):
    folder = tmp_path / "run"
    run(ruled, folder)
    for line in (line for line in curve(folder) if line["kind"] == "train"):
        asked = {
            key: text for key, text in ruled.completions.items() if key.startswith(f"step{line['step']}/")
        }
        assert len(asked) == 8
        rewards = [float(sum(text.encode()) % 2) for text in asked.values()]
        assert line["reward"] == pytest.approx(sum(rewards) / 8)


def test_the_run_learns_the_rule_that_the_server_rewards(server, tmp_path):
    server.faults = lambda request, attempt: verdict("ACCEPTED", float("e" in request.completion))
    stage = Stage("m", "math", 25, 6, group_size=8, prompts_per_step=4, learning_rate=5e-3, problems=16)
    recipe = replace(
        SMALL, stage=(stage,), warm_start=WarmStart(steps=0), evaluation=Evaluation(4, 25, 0.6, 8)
    )
    folder = tmp_path / "run"
    assert run(server, folder, recipe=recipe) == 0
    rewards = [line["reward"] for line in curve(folder) if line["kind"] == "train"]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.3


def test_same_seed_same_curve_other_seed_another(ruled, tmp_path):
    for name, more in (("a", []), ("b", []), ("c", ["--seed", "1"])):
        assert run(ruled, tmp_path / name, *more) == 0
    assert curve(tmp_path / "a") == curve(tmp_path / "b")
    assert curve(tmp_path / "a") != curve(tmp_path / "c")


class Killed(BaseException):
    """Stands for a kill: nothing in the code under test catches it."""


@pytest.mark.parametrize("steps_before", [1, 3, 4, 5])
def test_a_killed_run_goes_on_on_the_same_curve(ruled, tmp_path, monkeypatch, steps_before):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(ruled, whole) == 0

    def killing(*args: Any, **kwargs: Any) -> Any:
        if kwargs["label"] == f"step{steps_before}":
            raise Killed
        return roll_out(*args, **kwargs)

    roll_out = trainer.roll_out
    monkeypatch.setattr(trainer, "roll_out", killing)
    with pytest.raises(Killed):
        run(ruled, killed)
    monkeypatch.undo()
    assert curve(killed) == curve(whole)[: len(curve(killed))]
    assert run(ruled, killed, "--resume") == 0
    assert curve(killed) == curve(whole)


def test_a_run_killed_in_the_warm_start_goes_on_on_the_same_curve(ruled, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "WARM_START_CHECKPOINT_STEPS", 1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(ruled, whole) == 0
    steps = iter(range(2))

    def killing(*args: Any) -> float:
        if next(steps, None) is None:
            raise Killed
        return supervised_step(*args)

    supervised_step = trainer.supervised_step
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "supervised_step", killing)
        with pytest.raises(Killed):
            run(ruled, killed)
    assert run(ruled, killed, "--resume") == 0
    assert curve(killed) == curve(whole)


def test_missing_rewards_never_count_as_zero(server, tmp_path):
    """A rule under which the served rewards are all 1: any zero could only be a fault in disguise."""

    def faulty(request: pb.VerifyRequest, attempt: int) -> pb.Verdict:
        return verdict("UNGRADABLE") if reward_for(request) else verdict("ACCEPTED", 1.0)

    server.faults = faulty
    folder = tmp_path / "run"
    assert run(server, folder) == 0
    train = [line for line in curve(folder) if line["kind"] == "train"]
    assert sum(line["unjudged"] for line in train) > 10
    assert {line["reward"] for line in train} == {1.0}
    # Groups of ones say nothing, so nothing may have moved; read as zeros the faults would have moved it.
    assert {line["gradient_norm"] for line in train} == {0.0}
    assert {line["math"] for line in curve(folder) if line["kind"] == "eval"} <= {1.0, None}


def test_passing_faults_leave_the_curve_as_it_is(server, tmp_path):
    server.faults = judge_by_rule
    assert run(server, tmp_path / "calm") == 0
    unavailable = abort(grpc.StatusCode.UNAVAILABLE, "restarting")
    queue_full = abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", reason="QUEUE_FULL", wait_seconds=0.01)
    troubles = [unavailable, queue_full, verdict("INTERNAL_ERROR"), verdict("OVERLOADED")]
    server.attempts.clear()

    def stormy(request: pb.VerifyRequest, attempt: int) -> Any:
        if attempt == 1 and len(request.completion) % 3 == 0:
            return troubles[len(request.completion) % 4]
        return judge_by_rule(request, attempt)

    server.faults = stormy
    assert run(server, tmp_path / "stormy") == 0
    assert max(server.attempts.values()) > 1
    assert curve(tmp_path / "stormy") == curve(tmp_path / "calm")


def test_a_lasting_outage_leaves_completions_out(server, tmp_path):
    def outage(request: pb.VerifyRequest, attempt: int) -> Any:
        if request.id.startswith("step2/"):
            return abort(grpc.StatusCode.UNAVAILABLE, "down")
        return judge_by_rule(request, attempt)

    server.faults = outage
    folder = tmp_path / "run"
    assert run(server, folder, recipe=replace(SMALL, rewards=Rewards(deadline_seconds=0.3))) == 0
    by_step = {line["step"]: line for line in curve(folder) if line["kind"] == "train"}
    assert (by_step[2]["reward"], by_step[2]["unjudged"], by_step[2]["gradient_norm"]) == (None, 8, 0.0)
    assert by_step[3]["unjudged"] == 0


def test_a_wrong_request_ends_the_run(server, tmp_path, capsys):
    server.faults = lambda request, attempt: abort(
        grpc.StatusCode.INVALID_ARGUMENT, "empty", reason="INVALID_ARGUMENT", field_path="math.gold"
    )
    assert run(server, tmp_path / "run") == 1
    assert "INVALID_ARGUMENT at math.gold: empty" in capsys.readouterr().err


def test_no_server_is_said_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("trainer_client.cli._HELLO_SECONDS", 0.2)
    path = tmp_path / "small.toml"
    path.write_text(recipe_as_toml(SMALL))
    assert main(["run", str(path), "--out", str(tmp_path / "run"), "--server", "127.0.0.1:1"]) == 1
    assert "127.0.0.1:1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()  # nothing to clear away before the next try


def test_a_folder_is_not_run_into_twice(ruled, tmp_path, capsys):
    assert run(ruled, tmp_path / "run") == 0
    assert run(ruled, tmp_path / "run") == 2
    assert "--resume" in capsys.readouterr().err


def test_resume_wants_the_same_recipe(ruled, tmp_path, capsys):
    assert run(ruled, tmp_path / "run") == 0
    assert run(ruled, tmp_path / "run", "--resume", "--seed", "5") == 2
    assert "another recipe or seed" in capsys.readouterr().err
    assert run(ruled, tmp_path / "none", "--resume") == 2
    assert "holds no run" in capsys.readouterr().err


def test_a_signal_saves_and_ends(ruled, tmp_path, policy):
    """The command as a process: the signal comes in mid-run, then the run goes on to the same curve."""
    policy.save(tmp_path / "policy")  # a Hugging Face checkpoint as the start
    start = replace(SMALL.model, path=str(tmp_path / "policy"))
    recipe = replace(SMALL, model=start, stage=(replace(SMALL.stage[0], steps=12),))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run(ruled, whole, recipe=recipe) == 0

    def interrupting(request: pb.VerifyRequest, attempt: int) -> pb.Verdict:
        if request.id == "step5/0":
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        return judge_by_rule(request, attempt)

    path = tmp_path / "stopped.toml"
    path.write_text(recipe_as_toml(recipe))
    ruled.faults = interrupting
    command = [sys.executable, "-m", "trainer_client", "run", str(path), "--out", str(stopped)]
    command += ["--server", ruled.address]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        output, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert "checkpoint saved in" in output
    assert (stopped / "report.png").exists()
    assert len(curve(stopped)) < len(curve(whole))
    ruled.faults = judge_by_rule
    assert run(ruled, stopped, "--resume", recipe=recipe) == 0
    assert curve(stopped) == curve(whole)


def stopping_recipe() -> Recipe:
    """The first stage, of ten steps, ends when its mean reward has not risen for one evaluation."""
    first = replace(SMALL.stage[0], steps=10, stop_metric="reward", stop_after_flat=1)
    return replace(SMALL, stage=(first, SMALL.stage[1]))


def test_a_rule_ends_a_stage_and_the_next_begins_where_it_would_have(ruled, tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(ruled, folder, recipe=stopping_recipe()) == 0
    steps = [line["step"] for line in curve(folder) if line["kind"] == "train"]
    early = [step for step in steps if step < 10]
    assert early == list(range(len(early)))
    assert len(early) < 10
    assert steps[len(early) :] == [10, 11, 12]
    (stopped,) = [line for line in curve(folder) if "stopped" in line]
    assert (stopped["step"], stopped["stopped"]) == (10, "math-1")
    assert stopped["stopped_because"] in capsys.readouterr().out


def test_a_run_killed_after_a_stage_ended_early_goes_on_on_the_same_curve(ruled, tmp_path, monkeypatch):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(ruled, whole, recipe=stopping_recipe()) == 0

    def killing(*args: Any, **kwargs: Any) -> Any:
        if kwargs["label"] == "step10":
            raise Killed
        return roll_out(*args, **kwargs)

    roll_out = trainer.roll_out
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "roll_out", killing)
        with pytest.raises(Killed):
            run(ruled, killed, recipe=stopping_recipe())
    assert any("stopped" in line for line in curve(killed))
    assert run(ruled, killed, "--resume", recipe=stopping_recipe()) == 0
    assert curve(killed) == curve(whole)


def test_metrics_are_json_lines(ruled, tmp_path):
    folder = tmp_path / "run"
    run(ruled, folder)
    for text in (folder / "metrics.jsonl").read_text().splitlines():
        assert {"kind", "step"} <= set(json.loads(text))


class ForgetfulEngine(ReplicaEngine):
    """A sampler of its own weights, one of whose hand-overs is lost without a word."""

    lost_sync = 2  # counted from 0; the first one follows the warm start

    def sync(self, weights):
        self.syncs = getattr(self, "syncs", -1) + 1
        if self.syncs != self.lost_sync:
            super().sync(weights)


def with_engine(monkeypatch: pytest.MonkeyPatch, kind: type[ReplicaEngine]) -> None:
    monkeypatch.setattr(trainer, "make_engine", lambda name, policy, vllm, replica: kind(policy))


def test_a_sampler_with_weights_of_its_own_gives_the_same_curve(ruled, tmp_path, monkeypatch):
    assert run(ruled, tmp_path / "shared") == 0
    with_engine(monkeypatch, ReplicaEngine)
    assert run(ruled, tmp_path / "copied") == 0
    lines = [line for line in curve(tmp_path / "copied") if line["kind"] == "train"]
    assert max(line["sync_gap"] for line in lines) < 1e-4
    whole = [line for line in curve(tmp_path / "shared") if line["kind"] == "train"]
    for key in ("reward", "response_tokens", "entropy", "gradient_norm"):  # but for the last bits of a sum
        assert [line[key] for line in lines] == pytest.approx([line[key] for line in whole], rel=1e-4)


def test_a_lost_hand_over_ends_the_run_before_the_next_step(ruled, tmp_path, monkeypatch, capsys):
    with_engine(monkeypatch, ForgetfulEngine)
    recipe = replace(SMALL, compute=Compute(threads=1, logprob_tolerance=1e-4))
    assert run(ruled, tmp_path / "run", recipe=recipe) == 1
    assert "the sampler holds other weights" in capsys.readouterr().err
    steps = [line["step"] for line in curve(tmp_path / "run") if line["kind"] == "train"]
    assert steps == [0]  # the hand-over after step 1 was lost: neither its line nor another step
