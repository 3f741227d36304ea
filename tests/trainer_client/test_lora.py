"""Adapters: the checkpoint's weights stay, the merged model is the adapted one, a run goes on from them."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer_client.grpo.test_update import STAGE, judged
from tests.trainer_client.test_trainer import (  # noqa: F401 - fixtures
    SMALL,
    Killed,
    _quick,
    curve,
    ruled,
    run,
    with_engine,
)
from trainer_client import trainer
from trainer_client.checkpoint import newest_checkpoint
from trainer_client.errors import CheckpointError, RecipeError
from trainer_client.grpo.batch import completion_logprobs, token_batch
from trainer_client.grpo.update import training_rows, update_policy
from trainer_client.lora import adapter_weights, add_adapters, load_adapters, without_adapters
from trainer_client.model import Policy, load_policy
from trainer_client.parallel import layers_of, whole_weights
from trainer_client.recipe import Compute, ModelSettings, Recipe, WarmStart
from trainer_client.rollout.transformers_engine import ReplicaEngine

LORA = ModelSettings(lora_rank=4, lora_alpha=8.0)


def adapted(policy: Policy, settings: ModelSettings = LORA) -> Policy:
    """In float64, so that what is equal is equal to many digits."""
    mine = Policy(copy.deepcopy(policy.model).double(), policy.tokenizer)
    add_adapters(mine.model, layers_of(mine.model), settings, seed=0)
    return mine


def logprobs(policy: Policy) -> torch.Tensor:
    prompts = [policy.prompt_ids("Compute 2 + 3."), policy.prompt_ids("Hi")]
    batch = token_batch(prompts, [[5, 6, 7], [8, 9]], policy.pad_id, policy.model.device)
    with torch.no_grad():
        return completion_logprobs(policy, batch, 1.0) * batch.mask


def trained(policy: Policy, settings: ModelSettings = LORA) -> Policy:
    """After two updates that moved it."""
    mine = adapted(policy, settings)
    optimizer = torch.optim.AdamW([one for one in mine.model.parameters() if one.requires_grad], lr=0.0)
    rows = training_rows(judged(policy, [1.0, 0.0, 0.0, 1.0]), 4)
    stage = replace(STAGE, learning_rate=1e-2)
    for _ in range(2):
        update_policy(mine, optimizer, rows, stage, Compute(logprob_tolerance=1e9))
    return mine


def test_training_begins_at_the_checkpoints_own_policy(policy):
    plain = Policy(copy.deepcopy(policy.model).double(), policy.tokenizer)
    assert torch.equal(logprobs(adapted(policy)), logprobs(plain))


def test_only_adapters_move(policy):
    before = {name: one.double() for name, one in policy.model.named_parameters()}
    mine = trained(policy)
    moved = {
        name for name, one in mine.model.named_parameters() if not torch.equal(one, before.get(name, one * 0))
    }
    assert moved == set(adapter_weights(mine.model))
    assert not torch.allclose(logprobs(mine), logprobs(adapted(policy)), atol=1e-4)


def test_the_merged_model_is_the_adapted_one(policy):
    mine = trained(policy)
    merged = Policy(copy.deepcopy(policy.model).double(), policy.tokenizer)
    merged.model.load_state_dict(dict(whole_weights(mine.model)))
    alone = Policy(without_adapters(copy.deepcopy(mine.model)), policy.tokenizer)
    for one in (merged, alone):
        assert not adapter_weights(one.model)
        torch.testing.assert_close(logprobs(one), logprobs(mine), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("targets", "there"), [("attention", "attn"), ("feed_forward", "mlp")])
def test_targets_are_what_they_are_called(policy, targets, there):
    names = list(adapter_weights(adapted(policy, replace(LORA, lora_targets=targets)).model))
    assert names
    assert all(there in name for name in names)


def test_a_model_without_linear_maps_is_refused():
    with pytest.raises(RecipeError, match=r"model\.lora_targets"):
        add_adapters(torch.nn.Embedding(3, 3), [], LORA, seed=0)


def test_adapters_of_another_rank_are_refused(policy):
    other = adapter_weights(adapted(policy, replace(LORA, lora_rank=2)).model)
    with pytest.raises(CheckpointError, match="lora"):
        load_adapters(adapted(policy).model, other)


@pytest.fixture
def recipe(policy: Policy, tmp_path: Path) -> Recipe:
    policy.save(tmp_path / "policy")
    model = replace(SMALL.model, path=str(tmp_path / "policy"), lora_rank=4, lora_alpha=8.0)
    stage = replace(SMALL.stage[0], learning_rate=1e-2)
    return replace(SMALL, model=model, stage=(stage,), warm_start=WarmStart(steps=0))


def test_a_killed_run_goes_on_from_its_adapters(ruled, recipe, tmp_path, monkeypatch, policy):  # noqa: F811
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(ruled, whole, recipe=recipe) == 0

    def killing(*args: Any, **kwargs: Any) -> Any:
        if kwargs["label"] == "step2":
            raise Killed
        return roll_out(*args, **kwargs)

    roll_out = trainer.roll_out
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "roll_out", killing)
        with pytest.raises(Killed):
            run(ruled, killed, recipe=recipe)
    folder = newest_checkpoint(killed).folder
    assert {path.name for path in folder.iterdir()} == {"adapters.safetensors", "trainer.pt", "position.json"}
    assert run(ruled, killed, "--resume", recipe=recipe) == 0
    assert curve(killed) == curve(whole)
    last = dict(load_policy(killed / "model").model.named_parameters())
    changed = {name for name, one in policy.model.named_parameters() if not torch.equal(one, last[name])}
    assert changed == {name for name in last if name.endswith("_proj.weight")}


def test_a_sampler_of_its_own_gets_the_merged_weights(ruled, recipe, tmp_path, monkeypatch):  # noqa: F811
    assert run(ruled, tmp_path / "shared", recipe=recipe) == 0
    with_engine(monkeypatch, ReplicaEngine)
    assert run(ruled, tmp_path / "copied", recipe=recipe) == 0
    shared, copied = (
        [line for line in curve(tmp_path / name) if line["kind"] == "train"] for name in ("shared", "copied")
    )
    assert any(line["gradient_norm"] > 0 for line in copied)
    assert max(line["sync_gap"] for line in copied) < 1e-4
    assert [line["reward"] for line in copied] == [line["reward"] for line in shared]
