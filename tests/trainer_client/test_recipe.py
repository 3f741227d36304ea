"""Recipes: what is accepted, and that a mistake is named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trainer_client.errors import RecipeError
from trainer_client.recipe import Stage, load_recipe, recipe_as_toml, shipped_recipes
from trainer_client.tasks.pools import problem_pool
from trainer_client.tasks.problem import DOMAINS

STAGE = '[[stage]]\nname = "m"\ndomain = "math"\nsteps = 3\nmax_response_tokens = 16\n'
GOOD = f'name = "x"\n{STAGE}'


def load(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return load_recipe(path)


def test_defaults_fill_in(tmp_path):
    recipe = load(tmp_path, GOOD)
    assert recipe.stage[0].group_size == 8
    assert recipe.total_steps == 3


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_load_and_survive_writing(tmp_path, name):
    recipe = load_recipe(name)
    assert load(tmp_path, recipe_as_toml(recipe)) == recipe


def test_response_lengths_of_the_default_recipe_never_shrink_within_math():
    lengths = [stage.max_response_tokens for stage in load_recipe().stage if stage.domain == "math"]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 1


def test_the_learning_rate_falls_to_its_last_value():
    stage = Stage("s", "math", 5, 8, learning_rate=1.0, final_learning_rate=0.2)
    assert [stage.learning_rate_at(step) for step in range(5)] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize(
    "stage", [Stage("s", "math", 5, 8), Stage("s", "math", 1, 8, final_learning_rate=1.0)]
)
def test_without_a_last_value_or_a_second_step_the_learning_rate_stays(stage):
    assert {stage.learning_rate_at(step) for step in range(stage.steps)} == {stage.learning_rate}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f'name = "x"\ncolour = 1\n{STAGE}', r"^colour: unknown"),
        (f"{GOOD}lenght = 1\n", r"^stage\[0\]\.lenght: unknown"),
        (f'name = "x"\n[model]\nlayer = 2\n{STAGE}', r"^model\.layer: unknown"),
        (STAGE, r"^name: missing"),
        ('name = "x"\n', r"^stage: missing"),
        ('name = "x"\nstage = []\n', r"^stage: at least one"),
        ('name = "x"\n[[stage]]\nname = "m"\n', r"^stage\[0\]\.domain: missing"),
        (GOOD.replace('"math"', '"chess"'), r"^stage\[0\]\.domain: 'chess'"),
        (GOOD.replace("steps = 3", 'steps = "3"'), r"^stage\[0\]\.steps: int"),
        (GOOD.replace("steps = 3", "steps = true"), r"^stage\[0\]\.steps: int"),
        (GOOD.replace("steps = 3", "steps = 0"), r"^stage\[0\]\.steps: must be above 0"),
        (f"{GOOD}group_size = 1\n", r"^stage\[0\]\.group_size: must be at least 2"),
        (f"{GOOD}temperature = 0\n", r"^stage\[0\]\.temperature: must be above 0"),
        (f"{GOOD}final_learning_rate = -1.0\n", r"^stage\[0\]\.final_learning_rate: must not be below 0"),
        (f"{GOOD}problems = 1036\n", r"^stage\[0\]\.problems: only 1035 different math problems"),
        (f"{GOOD}problems = 464\nmin_level = 2\n", r"^stage\[0\]\.problems: only 463 different math"),
        (
            f'name = "x"\n[evaluation]\nproblems = 243\n{STAGE}',
            r"^evaluation\.problems: only 242 different held-out math",
        ),
        (f'name = "x"\n[rewards]\nattempt_seconds = -1.0\n{STAGE}', r"^rewards\.attempt_seconds: must not"),
        (f"{GOOD}problems = 3\n", r"^stage\[0\]\.problems: fewer than prompts_per_step"),
        (f'name = "x"\n[warm_start]\nslip_rate = 1.5\n{STAGE}', r"^warm_start\.slip_rate: must lie"),
        (f'name = "x"\n[compute]\nengine = "abacus"\n{STAGE}', r"^compute\.engine: must be one of"),
        (f'name = "x"\nmodel = 3\n{STAGE}', r"^model: a table"),
        ('name = "x"\nstage = 3\n', r"^stage: an array of tables"),
        (GOOD + STAGE, r"^stage: names must differ"),
        (f'{GOOD}stop_metric = "luck"\n', r"^stage\[0\]\.stop_metric: must be one of accuracy, reward"),
        (f"{GOOD}stop_at = 1.5\n", r"^stage\[0\]\.stop_at: must lie between 0 and 1"),
        (f"{GOOD}stop_after_flat = -1\n", r"^stage\[0\]\.stop_after_flat: must not be below 0"),
        (f'name = "x"\n[model]\nlora_rank = 4\n{STAGE}', r"^model\.lora_rank: needs a checkpoint"),
        (f'name = "x"\n[model]\nlora_targets = "norms"\n{STAGE}', r"^model\.lora_targets: must be one of"),
        ("name = ", r"not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, key):
    with pytest.raises(RecipeError, match=key):
        load(tmp_path, text)


@pytest.mark.parametrize("domain", DOMAINS)
def test_as_many_problems_as_the_default_says_can_be_generated(tmp_path, domain):
    (stage,) = load(tmp_path, GOOD.replace('"math"', f'"{domain}"')).stage
    assert len(problem_pool(domain, stage.problems, seed=0)) == stage.problems


def test_a_file_may_hold_more_problems_than_can_be_generated(tmp_path):
    assert load(tmp_path, f'{GOOD}data = "x.jsonl"\nproblems = 5000\n').stage[0].problems == 5000


def test_a_missing_file_says_which_recipes_ship(tmp_path):
    with pytest.raises(RecipeError, match="tiny"):
        load_recipe(tmp_path / "none.toml")


def test_client_recipe_and_help_need_no_torch():
    code = (
        "import sys, trainer_client.client, trainer_client.cli, trainer_client.recipe\n"
        "trainer_client.cli.main(['run', '--dry-run'])\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'rich', 'numpy'} & set(sys.modules)\n"
        "sys.exit(','.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "completions to sample" in done.stdout
