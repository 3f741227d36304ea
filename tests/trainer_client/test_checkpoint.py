"""Checkpoints: whole or not there, and everything comes back."""

from __future__ import annotations

import copy

import pytest
import torch

from trainer_client import checkpoint as module
from trainer_client.checkpoint import Position, find_checkpoints, newest_checkpoint, save_checkpoint
from trainer_client.errors import CheckpointError
from trainer_client.model import Policy, load_policy
from trainer_client.tasks.pools import worked_examples
from trainer_client.warm_start import supervised_step


def trained(policy: Policy) -> tuple[Policy, torch.optim.AdamW]:
    mine = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    optimizer = torch.optim.AdamW(mine.model.parameters())
    supervised_step(mine, optimizer, [next(worked_examples("math", 0, 0.5))])
    return mine, optimizer


def test_everything_comes_back(policy, tmp_path):
    mine, optimizer = trained(policy)
    torch.manual_seed(7)
    save_checkpoint(tmp_path, mine, optimizer, Position("train", 3))
    drawn = torch.rand(3)

    found = newest_checkpoint(tmp_path)
    again = load_policy(found.folder)
    restored = torch.optim.AdamW(again.model.parameters())
    found.restore_optimizer(restored)
    assert found.position == Position("train", 3)
    assert torch.equal(torch.rand(3), drawn)
    example = [next(worked_examples("code", 0, 0.5))]
    assert supervised_step(mine, optimizer, example) == supervised_step(again, restored, example)
    for ours, theirs in zip(mine.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    text = "<think>2*3=6</think>\\boxed{6} ünïcode"
    assert mine.response_ids(text) == again.response_ids(text)
    assert again.text(again.response_ids(text)) == text


def test_the_newest_two_are_kept_in_the_order_of_a_run(policy, tmp_path):
    mine, optimizer = trained(policy)
    for position in (Position("warm_start", 200), Position("train", 0), Position("train", 10)):
        save_checkpoint(tmp_path, mine, optimizer, position)
    assert [one.position for one in find_checkpoints(tmp_path)] == [
        Position("train", 0),
        Position("train", 10),
    ]


def test_a_checkpoint_cut_short_is_not_seen(policy, tmp_path, monkeypatch):
    mine, optimizer = trained(policy)
    save_checkpoint(tmp_path, mine, optimizer, Position("train", 1))

    def fail(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_sync_files", fail)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, mine, optimizer, Position("train", 2))
    assert newest_checkpoint(tmp_path).position == Position("train", 1)


def test_a_checkpoint_that_replaces_its_like_is_never_half_of_it(policy, tmp_path, monkeypatch):
    """Removing a tree can be cut short by a kill: what is left of it must not pass for a checkpoint."""
    mine, optimizer = trained(policy)
    save_checkpoint(tmp_path, mine, optimizer, Position("train", 1))

    def cut_short(folder, ignore_errors=False):
        if (folder / "position.json").exists():
            (folder / "model.safetensors").unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr(module.shutil, "rmtree", cut_short)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, mine, optimizer, Position("train", 1))
    assert load_policy(newest_checkpoint(tmp_path).folder)


def test_nothing_to_resume_from(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        newest_checkpoint(tmp_path)
