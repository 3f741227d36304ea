"""Ablations compare recipes of like length; false rewards are as frequent as they are said to be."""

from __future__ import annotations

import pytest

from bench.recipe.ablations import ABLATIONS, recipe_of, variants_of
from bench.recipe.noise import Noise, noisy_server
from protos.reward.v1 import reward_pb2 as pb
from trainer_client.client import RewardClient
from trainer_client.recipe import load_recipe, recipe_as_toml


def question(answer: str, request_id: str = "step0/0") -> pb.VerifyRequest:
    return pb.VerifyRequest(id=request_id, completion=f"\\boxed{{{answer}}}", math=pb.MathTask(gold=["42"]))


@pytest.mark.parametrize("name", ABLATIONS)
def test_variants_are_recipes_of_as_many_updates(tmp_path, name):
    variants = variants_of(name, 10)
    assert len(variants) > 1
    for variant in variants:
        path = tmp_path / "recipe.toml"
        path.write_text(recipe_as_toml(recipe_of(variant, 3, "somewhere:1")))
        assert load_recipe(path).total_steps == 10


def test_rewards_are_falsified_as_often_as_said():
    noise = Noise(false_positives=0.1, false_negatives=0.4)
    asked = [question("1", f"step0/{number}") for number in range(4000)]
    assert sum(noise.reward(0.0, one, 0) for one in asked) / 4000 == pytest.approx(0.1, abs=0.02)
    assert sum(noise.reward(1.0, one, 0) for one in asked) / 4000 == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(("answer", "reward"), [("42", 0.0), ("1", 1.0)])
def test_the_proxy_turns_training_rewards_and_leaves_evaluation(server, answer, reward):
    with noisy_server(server.address, Noise(1.0, 1.0), 0) as address, RewardClient(address) as client:
        assert client.verify(question(answer)).reward == reward
        assert client.verify(question(answer, "eval0/math/0")).reward == 1.0 - reward


def test_without_noise_the_server_itself_is_asked(server):
    with noisy_server(server.address, Noise(0.0, 0.0), 0) as address:
        assert address == server.address
