"""The estimate: counted by hand, and the paper's recipes as the paper has them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trainer_client.cost import WORKER_SECONDS, estimate, memory_bytes, parameters_of, stage_cost
from trainer_client.model import Policy
from trainer_client.recipe import Cost, ModelSettings, Recipe, Stage, load_recipe

STAGE = Stage("c", "code", steps=10, max_response_tokens=1000, group_size=8, prompts_per_step=4)
COST = Cost(devices=2, tokens_per_second=100.0, response_share=0.25, sampling_share=0.5, verifier_workers=8)


def test_a_stage_by_hand():
    found = stage_cost(Recipe("r", (STAGE,), cost=COST), STAGE)
    assert (found.completions, found.tokens_at_most, found.tokens) == (320, 320_000, 80_000)
    assert found.hours == pytest.approx(80_000 / 200 / 3600 / 0.5)
    assert found.worker_hours == pytest.approx(320 * 34.525 / 3600)


def test_worker_seconds_are_the_papers():
    assert WORKER_SECONDS["code"] == pytest.approx(34.5, abs=0.05)


def test_parameters_are_those_of_the_model(policy: Policy):
    from tests.trainer_client.conftest import TINY_MODEL

    counted = sum(weight.numel() for weight in policy.model.parameters())
    assert parameters_of(TINY_MODEL) == counted


def test_memory_of_a_checkpoint_of_unknown_size_is_not_guessed():
    recipe = Recipe("r", (STAGE,), model=ModelSettings(path="x"))
    assert memory_bytes(recipe) is None
    assert "memory: unknown" in estimate(recipe)


@pytest.mark.parametrize(("name", "code_level"), [("acereason-7b", 5), ("acereason-14b", 7)])
def test_the_papers_schedule(name, code_level):
    stages = {stage.name: stage for stage in load_recipe(name).stage}
    assert list(stages) == ["math-1", "math-2", "math-3", "code-1", "code-2a", "code-2b", "math-4"]
    lengths = [stage.max_response_tokens for stage in stages.values()]
    assert lengths == [8192, 16384, 24576, 24000, 32768, 32768, 32768]
    assert [stage.group_size for stage in stages.values()] == [8, 16, 16, 8, 8, 16, 16]
    assert {stage.prompts_per_step for stage in stages.values()} == {128}
    assert {(stage.domain, stage.learning_rate) for stage in stages.values()} == {
        ("math", 1e-6),
        ("code", 5e-6),
    }
    assert stages["code-1"].max_level == code_level
    # A pass rate of at most 6 of 16 is at least 5 failures of 8.
    assert stages["math-3"].min_level == 5
    assert load_recipe(name).loss.updates_per_batch == 1


def test_the_plan_of_a_paper_recipe_needs_no_torch_no_data_and_no_server():
    code = (
        "import sys, trainer_client.cli\n"
        "assert trainer_client.cli.main(['run', 'acereason-14b', '--dry-run']) == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for part in ("programs", "hours on 128 devices", "worker hours", "GiB of the sampler's weights"):
        assert part in done.stdout
