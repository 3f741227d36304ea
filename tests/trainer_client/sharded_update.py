"""A program for test_parallel.py, run by every process: one update of a sharded policy.

Arguments: a folder with `policy` and `batch.pickle`, and the name of what to do in it. The first process
writes what came out as `NAME.pt`.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import torch

from trainer_client.checkpoint import Position, newest_checkpoint, save_checkpoint
from trainer_client.grpo.update import training_rows, update_policy
from trainer_client.lora import adapter_weights, add_adapters
from trainer_client.model import load_policy
from trainer_client.parallel import join_world, layers_of, leave_world, place_model, whole, whole_weights
from trainer_client.recipe import Compute, Loss, ModelSettings, Stage

STAGE = Stage("m", "math", 1, 12, group_size=4, prompts_per_step=2, learning_rate=1e-2)


LORA = ModelSettings(lora_rank=4)


def update_adapters(folder: Path, name: str) -> None:
    """One update of adapters beside the policy's weights; what a sampler would get is written."""
    torch.set_num_threads(1)
    compute = Compute(gradient_clip=0.5, micro_batch_size=2, logprob_tolerance=1e9)
    world = join_world("cpu")
    policy = load_policy(folder / "policy")
    add_adapters(policy.model, layers_of(policy.model), LORA, seed=0)
    place_model(policy.model, world, compute)
    optimizer = torch.optim.AdamW([one for one in policy.model.parameters() if one.requires_grad], lr=0.0)
    rows = training_rows(pickle.loads((folder / "batch.pickle").read_bytes()), 4)
    update_policy(policy, optimizer, rows, STAGE, compute, world=world)
    weights = {key: value.detach().clone() for key, value in whole_weights(policy.model)}
    adapters = adapter_weights(policy.model, whole)
    if world.is_first:
        torch.save({"weights": weights, "adapters": adapters}, folder / f"{name}.pt")


def update(folder: Path, name: str, *, resume: bool = False, updates: int = 1) -> None:
    """One update from the batch, then a checkpoint; with `resume` it goes on from the one that is there."""
    torch.set_num_threads(1)
    compute = Compute(gradient_clip=0.5, micro_batch_size=2)
    world = join_world("cpu")
    found = newest_checkpoint(folder) if resume else None
    policy = load_policy(found.folder if found else folder / "policy")
    place_model(policy.model, world, compute)
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=0.0)
    if found:
        found.restore_optimizer(optimizer)
    rows = training_rows(pickle.loads((folder / "batch.pickle").read_bytes()), 4)
    loss = Loss(updates_per_batch=updates)
    compute = Compute(gradient_clip=0.5, micro_batch_size=2, logprob_tolerance=1e9)
    result = update_policy(policy, optimizer, rows, STAGE, compute, loss=loss, world=world)
    gradients = {
        key: whole(value.grad) for key, value in policy.model.named_parameters() if value.grad is not None
    }
    weights = {key: value.detach().clone() for key, value in whole_weights(policy.model)}
    if not resume:
        save_checkpoint(folder, policy, optimizer, Position("train", 1), world)
    if world.is_first:
        torch.save(
            {"gradients": gradients, "weights": weights, "result": vars(result)}, folder / f"{name}.pt"
        )


if __name__ == "__main__":
    update(
        Path(sys.argv[1]),
        sys.argv[2],
        resume="resumed" in sys.argv[2],
        updates=2 if "twice" in sys.argv[2] else 1,
    )
    update_adapters(Path(sys.argv[1]), f"{sys.argv[2]}-adapters")
    leave_world()
