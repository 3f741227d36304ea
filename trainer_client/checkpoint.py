"""Checkpoints from which a run goes on as if it had never stopped.

    checkpoints/train-000040/
        model.safetensors, config.json, tokenizer.json, ...   a Hugging Face checkpoint, or with LoRA
        adapters.safetensors                                  the adapters alone
        trainer.pt                                            optimizer and torch's random state
        position.json                                         where in the run this is

Data order and sampling seeds are functions of recipe and step (see
`schedule`), so the position stands for them. A checkpoint is written beside
its place and renamed: it is there as a whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer_client.errors import CheckpointError
from trainer_client.model import Policy

if TYPE_CHECKING:
    import torch

    from trainer_client.parallel import World

KEPT = 2
ADAPTERS = "adapters.safetensors"


@dataclass(frozen=True)
class Position:
    """Where a run is: `step` steps of `phase` ("warm_start" or "train") are done."""

    phase: str
    step: int

    @property
    def order(self) -> tuple[bool, int]:
        """Sorts positions as a run passes them."""
        return self.phase == "train", self.step


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's folder and its position."""

    folder: Path
    position: Position

    def restore_adapters(self, policy: Policy) -> None:
        """Loads the adapters. Raises CheckpointError where they are not those of the policy."""
        from safetensors.torch import load_file

        from trainer_client.lora import load_adapters

        load_adapters(policy.model, load_file(self.folder / ADAPTERS))

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Loads the optimizer's state, and torch's random state with it."""
        import torch

        from trainer_client.parallel import load_optimizer_state

        state = torch.load(self.folder / "trainer.pt", weights_only=True)
        load_optimizer_state(optimizer, state["optimizer"])
        torch.set_rng_state(state["torch_rng"])


def save_checkpoint(
    run: Path,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    position: Position,
    world: World | None = None,
) -> Path:
    """Writes a checkpoint and removes all but the newest `KEPT`; returns its folder.

    With several processes all must call it; the first one gathers the shards in its memory and writes.
    What is written does not depend on their number: a run can go on with another.
    """
    from trainer_client.lora import adapter_weights
    from trainer_client.parallel import World, whole, whole_optimizer_state

    world = world or World()
    folder = run / "checkpoints" / f"{position.phase}-{position.step:06d}"
    adapters = adapter_weights(policy.model, lambda one: whole(one).cpu())
    weights = None if adapters else gathered_weights(policy, world)
    state = whole_optimizer_state(optimizer)

    def save_policy(draft: Path) -> None:
        if adapters:
            _save_adapters(draft, adapters)
        else:
            policy.save(draft, weights)

    if world.is_first:
        _write(folder, save_policy, state, position)
    world.gathered(None)  # none goes on before it is there
    return folder


def gathered_weights(policy: Policy, world: World) -> dict[str, Any] | None:
    """A sharded policy's weights on the CPU, in the first process; None where nothing has to be gathered."""
    from trainer_client.parallel import whole_weights

    if world.size == 1:
        return None
    weights = {}
    for name, weight in whole_weights(policy.model):
        if world.is_first:
            weights[name] = weight.detach().cpu()
    return weights


def _save_adapters(draft: Path, adapters: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file(adapters, draft / ADAPTERS)


def _write(
    folder: Path, save_policy: Callable[[Path], None], state: dict[str, Any], position: Position
) -> None:
    import torch

    draft, replaced = folder.parent / "draft", folder.parent / "replaced"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_policy(draft)
    torch.save({"optimizer": state, "torch_rng": torch.get_rng_state()}, draft / "trainer.pt")
    (draft / "position.json").write_text(json.dumps(asdict(position)))
    _sync_files(draft)
    # What it replaces is moved away whole: half of it, left by a kill, would pass for a checkpoint.
    shutil.rmtree(replaced, ignore_errors=True)
    if folder.exists():
        os.replace(folder, replaced)
    os.replace(draft, folder)
    shutil.rmtree(replaced, ignore_errors=True)
    for old in find_checkpoints(folder.parents[1])[:-KEPT]:
        shutil.rmtree(old.folder)


def find_checkpoints(run: Path) -> list[Checkpoint]:
    """A run's checkpoints, oldest first."""
    found = []
    for path in (run / "checkpoints").glob("*-*/position.json"):
        values: dict[str, Any] = json.loads(path.read_text())
        found.append(Checkpoint(path.parent, Position(**values)))
    return sorted(found, key=lambda checkpoint: checkpoint.position.order)


def newest_checkpoint(run: Path) -> Checkpoint:
    """The checkpoint to go on from. Raises CheckpointError when there is none."""
    found = find_checkpoints(run)
    if not found:
        raise CheckpointError(f"{run}: no checkpoint to resume from")
    return found[-1]


def _sync_files(folder: Path) -> None:
    """Has the files on disk before the rename makes them visible."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
