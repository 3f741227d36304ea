"""Two processes over gloo do what one does: gradient, weights, checkpoint, and whole runs."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from protos.reward.v1 import reward_pb2 as pb
from tests.trainer_client.fake_server import FakeServer
from tests.trainer_client.grpo.test_update import judged
from tests.trainer_client.sharded_update import update, update_adapters
from tests.trainer_client.test_trainer import SMALL, curve, judge_by_rule
from trainer_client import report, warm_start
from trainer_client.checkpoint import Position, newest_checkpoint
from trainer_client.cli import main
from trainer_client.errors import Interrupted, RecipeError, RewardRequestError
from trainer_client.model import Policy, load_policy
from trainer_client.parallel import World, _Failure
from trainer_client.recipe import Compute, Evaluation, Loss, recipe_as_toml
from trainer_client.trainer import _check_world

ROOT = Path(__file__).parents[2]


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
PATIENT = "--shutdown-timeout=600"  # a busy machine needs longer than torchrun's 30 s for the last checkpoint
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def torchrun(*arguments: str) -> None:
    """Runs a module in two processes."""
    done = subprocess.run(
        [*TORCHRUN, "-m", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> Path:
    """A policy, and seven judged completions: odd, so that one process has a micro-batch more."""
    path = tmp_path_factory.mktemp("sharded")
    policy.save(path / "policy")
    batch = judged(policy, [1.0, 0.0, 0.0, None, 0.0, 1.0, 1.0, 0.0])
    (path / "batch.pickle").write_bytes(pickle.dumps(batch))
    return path


def outcome(folder: Path, name: str) -> dict[str, Any]:
    return torch.load(folder / f"{name}.pt", weights_only=True)


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-6)


def test_two_processes_step_as_one_and_their_checkpoint_is_anyones(folder):
    update(folder, "alone")
    update(folder, "alone-resumed")
    torchrun("tests.trainer_client.sharded_update", str(folder), "sharded")
    alone, sharded = outcome(folder, "alone"), outcome(folder, "sharded")
    assert_same(sharded["gradients"], alone["gradients"])
    assert_same(sharded["weights"], alone["weights"])
    for key in ("trained_rows", "denominator_tokens"):
        assert sharded["result"][key] == alone["result"][key]
    assert sharded["result"]["gradient_norm"] == pytest.approx(alone["result"]["gradient_norm"], rel=1e-4)
    assert sharded["result"]["logprob_gap"] == pytest.approx(alone["result"]["logprob_gap"], abs=1e-5)

    update_adapters(folder, "alone-adapters")
    ours, theirs = outcome(folder, "sharded-adapters"), outcome(folder, "alone-adapters")
    assert_same(ours["adapters"], theirs["adapters"])
    assert_same(ours["weights"], theirs["weights"])

    # The checkpoint that is there now was written by two processes: one goes on from it.
    update(folder, "sharded-then-resumed")
    assert_same(
        outcome(folder, "sharded-then-resumed")["weights"], outcome(folder, "alone-resumed")["weights"]
    )


@pytest.mark.parametrize("count", [1, 4, 5])
def test_every_process_has_as_many_turns(count):
    parts = list(range(count))
    shares = [World(rank, 2).mine(parts) for rank in range(2)]
    assert len(shares[0]) == len(shares[1])
    assert sorted(part for share in shares for part in share if part is not None) == parts


@pytest.mark.parametrize(
    "error", [Interrupted(15), RewardRequestError("TOO_LARGE", "too long", field="math")]
)
def test_what_ends_the_first_process_can_travel_to_the_others(error):
    arrived = pickle.loads(pickle.dumps(_Failure.of(error))).as_error()
    assert str(arrived) == str(error)
    assert getattr(arrived, "signal_number", None) == getattr(error, "signal_number", None)


def test_an_engine_for_a_single_process_is_refused():
    recipe = replace(SMALL, compute=replace(SMALL.compute, engine="vllm"))
    with pytest.raises(RecipeError, match="vllm_server"):
        _check_world(World(0, 2), recipe)
    _check_world(World(), recipe)


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_shares_are_the_whole_in_order(count):
    whole = list(range(count))
    parts = [whole[World(rank, 3).share(count)] for rank in range(3)]
    assert [one for part in parts for one in part] == whole
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


class Whole:
    """`torchrun ... -m trainer_client run` in two processes, and the same run in this one."""

    def __init__(self, folder: Path, server: FakeServer) -> None:
        self.folder, self._server = folder, server

    def run(self, name: str, *more: str) -> int:
        """In this process."""
        return main(self._arguments(name, *more))

    def under_torchrun(self, name: str, *more: str, flags: Sequence[str] = ()) -> subprocess.Popen[str]:
        """In two, with `flags` for torchrun; standard output and error come together."""
        return subprocess.Popen(
            [*TORCHRUN, *flags, "-m", "trainer_client", *self._arguments(name, *more)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def disturbed(
        self, name: str, *more: str, at: str, by: Callable[[int], None], flags: Sequence[str] = ()
    ) -> str:
        """In two, until `by` is called with torchrun's process id at request `at`; what it printed."""
        came: list[str] = []

        def disturbing(request: pb.VerifyRequest, attempt: int) -> Any:
            if request.id == at and not came:
                came.append(request.id)
                by(two.pid)
            return judge_by_rule(request, attempt)

        self._server.faults = disturbing
        two = self.under_torchrun(name, *more, flags=flags)
        output = two.communicate()[0]
        self._server.faults = judge_by_rule
        assert came, output[-3000:]
        assert two.returncode != 0
        return output

    def _arguments(self, name: str, *more: str) -> list[str]:
        recipe, out = str(self.folder / "recipe.toml"), str(self.folder / name)
        return ["run", recipe, "--out", out, "--server", self._server.address, *more]


@pytest.fixture
def whole(tmp_path: Path, server: FakeServer, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Whole:
    """A recipe with an odd number of problems a step and two updates for a batch."""
    policy.save(tmp_path / "policy")
    stage = replace(SMALL.stage[0], steps=5, prompts_per_step=3)
    recipe = replace(
        SMALL,
        model=replace(SMALL.model, path=str(tmp_path / "policy")),
        stage=(stage,),
        warm_start=replace(SMALL.warm_start, steps=2),
        compute=Compute(micro_batch_size=3),
        loss=Loss(updates_per_batch=2),
        evaluation=Evaluation(problems=3, every_steps=3, max_response_tokens=4),
    )
    (tmp_path / "recipe.toml").write_text(recipe_as_toml(recipe))
    server.faults = judge_by_rule
    monkeypatch.setattr(report, "draw_report", lambda folder, recipe: None)
    monkeypatch.setattr(warm_start, "CORPUS_EXAMPLES", 50)
    return Whole(tmp_path, server)


def assert_like(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Equal metrics but for the last bits of sums; the gaps of two computations are such bits themselves."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours["kind"], ours["step"], ours.keys()) == (theirs["kind"], theirs["step"], theirs.keys())
        for key in ours.keys() - {"logprob_gap", "sync_gap"}:
            wants = theirs[key]
            if isinstance(wants, float):
                wants = pytest.approx(wants, rel=1e-3, abs=1e-6)
            assert ours[key] == wants, (key, ours, theirs)


@pytest.mark.timeout(1500)  # three starts of torch in two processes each
def test_a_run_in_two_processes_killed_stopped_and_resumed_is_that_of_one(whole, server):
    """The same completions, rewards, updates and evaluations, from the warm start to the last weights."""
    assert whole.run("one") == 0
    wanted = curve(whole.folder / "one")

    # One process killed: none is left waiting for it, and torchrun names it.
    output = whole.disturbed("two", at="step3/11", by=lambda pid: os.kill(rank_of(pid, 1), signal.SIGKILL))
    assert "Signal 9 (SIGKILL)" in output, output[-3000:]
    assert newest_checkpoint(whole.folder / "two").position == Position("train", 2)

    # A signal to torchrun while the second process samples: all stop, and there is a checkpoint.
    by_signal = whole.disturbed(
        "two", "--resume", at="step4/11", by=lambda pid: os.kill(pid, signal.SIGINT), flags=[PATIENT]
    )
    assert "checkpoint saved in" in by_signal, by_signal[-3000:]
    assert_like(curve(whole.folder / "two"), wanted[: len(curve(whole.folder / "two"))])

    resumed = whole.under_torchrun("two", "--resume")
    output = resumed.communicate()[0]
    assert resumed.returncode == 0, output[-3000:]
    assert_like(curve(whole.folder / "two"), wanted)
    last = dict(load_policy(whole.folder / "one" / "model").model.named_parameters())
    for name, weight in load_policy(whole.folder / "two" / "model").model.named_parameters():
        torch.testing.assert_close(weight, last[name], rtol=0, atol=1e-3)


def rank_of(torchrun_pid: int, rank: int) -> int:
    """The process that torchrun started as this rank."""
    children = Path(f"/proc/{torchrun_pid}/task/{torchrun_pid}/children").read_text().split()
    for child in children:
        if f"\0RANK={rank}\0".encode() in Path(f"/proc/{child}/environ").read_bytes():
            return int(child)
    raise AssertionError(f"no process of rank {rank} among {children}")
