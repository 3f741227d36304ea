"""Two processes over gloo do what one does: gradient, weights and checkpoint."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer_client.grpo.test_update import judged
from tests.trainer_client.sharded_update import update
from tests.trainer_client.test_trainer import SMALL
from trainer_client.checkpoint import Checkpoint, Position
from trainer_client.errors import Interrupted, RecipeError, RewardRequestError
from trainer_client.model import Policy
from trainer_client.parallel import World, _Failure
from trainer_client.recipe import Loss
from trainer_client.trainer import _check_world

ROOT = Path(__file__).parents[2]


def torchrun(*arguments: str) -> None:
    """Runs a module in two processes."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--standalone",
        "-m",
        *arguments,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False
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


@pytest.mark.parametrize(("resumed", "updates"), [(True, 1), (False, 2)])
def test_what_was_not_shown_for_several_processes_is_refused(tmp_path, resumed, updates):
    checkpoint = Checkpoint(tmp_path, Position("train", 1)) if resumed else None
    recipe = replace(SMALL, loss=Loss(updates_per_batch=updates))
    with pytest.raises(RecipeError):
        _check_world(World(0, 2), recipe, checkpoint)
    _check_world(World(), recipe, checkpoint)
