"""The order of the data is a function of the step."""

from __future__ import annotations

from dataclasses import replace

from trainer_client.recipe import Recipe, Stage
from trainer_client.schedule import StageProblems, sampling_seed, stage_at, stage_starts, turns

FIRST = Stage("a", "math", steps=3, max_response_tokens=8, prompts_per_step=4, problems=8)
SECOND = Stage("b", "code", steps=2, max_response_tokens=16, prompts_per_step=4, problems=8)
RECIPE = Recipe("r", (FIRST, SECOND))


def test_stages_follow_one_another():
    seen = [(turn.step, turn.stage.name, turn.stage_step) for turn in turns(RECIPE)]
    assert seen == [(0, "a", 0), (1, "a", 1), (2, "a", 2), (3, "b", 0), (4, "b", 1)]
    assert stage_starts(RECIPE) == [("a", 0), ("b", 3)]
    assert [stage_at(RECIPE, step)[1] for step in range(5)] == [0, 0, 0, 3, 3]


def test_a_later_start_gives_the_rest():
    whole = list(turns(RECIPE))
    for start in range(6):
        assert list(turns(RECIPE, start)) == whole[start:]


def test_an_epoch_takes_every_problem_once():
    problems = StageProblems(FIRST, seed=0)
    first, second = (
        [problem.key for step in steps for problem in problems.at(step)] for steps in ((0, 1), (2, 3))
    )
    assert sorted(first) == sorted(second) == sorted(problem.key for problem in problems.pool)
    assert first != second


def test_sampling_seeds_differ():
    seeds = {
        sampling_seed(seed, step, use)
        for seed in range(3)
        for step in range(3)
        for use in ("train", "evaluation")
    }
    assert len(seeds) == 18


def test_a_stage_can_take_its_problems_from_a_file(tmp_path):
    path = tmp_path / "math.jsonl"
    rows = [f'{{"id": {n}, "prompt": "p{n}", "gold": "{n}", "difficulty": {n}}}' for n in range(8)]
    path.write_text("\n".join(rows))
    stage = replace(FIRST, data=str(path), max_level=5)
    keys = [problem.key for step in range(3) for problem in StageProblems(stage, seed=0).at(step)]
    assert set(keys) == {"0", "1", "2", "3", "4", "5"}
