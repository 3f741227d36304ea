"""Checkpoints from which a run goes on as if it had never stopped.

    checkpoints/train-000040/
        model.safetensors, config.json, tokenizer.json, ...   a Hugging Face checkpoint
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer_client.errors import CheckpointError
from trainer_client.model import Policy

if TYPE_CHECKING:
    import torch

KEPT = 2


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

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Loads the optimizer's state, and torch's random state with it."""
        import torch

        state = torch.load(self.folder / "trainer.pt", weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch_rng"])


def save_checkpoint(run: Path, policy: Policy, optimizer: torch.optim.Optimizer, position: Position) -> Path:
    """Writes a checkpoint and removes all but the newest `KEPT`; returns its folder."""
    import torch

    root = run / "checkpoints"
    folder, draft = root / f"{position.phase}-{position.step:06d}", root / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    policy.save(draft)
    torch.save(
        {"optimizer": optimizer.state_dict(), "torch_rng": torch.get_rng_state()}, draft / "trainer.pt"
    )
    (draft / "position.json").write_text(json.dumps(asdict(position)))
    _sync_files(draft)
    # What it replaces is moved away whole: half of it, left by a kill, would pass for a checkpoint.
    replaced = root / "replaced"
    shutil.rmtree(replaced, ignore_errors=True)
    if folder.exists():
        os.replace(folder, replaced)
    os.replace(draft, folder)
    shutil.rmtree(replaced, ignore_errors=True)
    for old in find_checkpoints(run)[:-KEPT]:
        shutil.rmtree(old.folder)
    return folder


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
