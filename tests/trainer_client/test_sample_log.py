"""Which completions of a step are kept for a person to read."""

from __future__ import annotations

from protos.reward.v1 import reward_pb2 as pb
from tests.trainer_client.fake_server import verdict
from trainer_client.client import Verdict
from trainer_client.recipe import Stage
from trainer_client.rewards import Judged
from trainer_client.rollout.engine import Completion
from trainer_client.sample_log import log_samples, read_samples
from trainer_client.schedule import Turn
from trainer_client.tasks.problem import Problem

STAGE = Stage("m", "math", steps=1, max_response_tokens=8, group_size=3, prompts_per_step=2)


def judged(place: int) -> Judged:
    problem = Problem(f"k{place // 3}", "math", 1, "1+1", pb.MathTask(gold=["2"]))
    answer = verdict("UNGRADABLE", message="why") if place else verdict("ACCEPTED", 1.0)
    completion = Completion(place, (1,), (-0.1,), f"text {place}", truncated=False)
    return Judged(problem, completion, Verdict.of(answer, 1))


def test_the_first_completions_of_the_first_problems_are_kept(tmp_path):
    log_samples(tmp_path, Turn(7, STAGE, 0, []), [judged(place) for place in range(6)])
    found = read_samples(tmp_path)
    assert [(one["problem"], one["completion"]) for one in found] == [
        ("k0", "text 0"),
        ("k0", "text 1"),
        ("k1", "text 3"),
        ("k1", "text 4"),
    ]
    assert {one["step"] for one in found} == {7}


def test_a_missing_reward_stays_missing(tmp_path):
    log_samples(tmp_path, Turn(0, STAGE, 0, []), [judged(place) for place in range(6)])
    assert [one["reward"] for one in read_samples(tmp_path)] == [1.0, None, None, None]


def test_a_step_of_one_problem_is_enough(tmp_path):
    log_samples(tmp_path, Turn(0, STAGE, 0, []), [judged(place) for place in range(3)])
    assert len(read_samples(tmp_path)) == 2


def test_behind_a_line_that_was_cut_off_later_samples_are_read(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"completion": "\xe2\x82')
    log_samples(tmp_path, Turn(0, STAGE, 0, []), [judged(place) for place in range(6)])
    assert len(read_samples(tmp_path)) == 4
