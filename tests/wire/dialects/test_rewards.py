"""OpenRLHF, slime and NeMo Gym: a label in, a number out, and never 0 for what was not judged."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

STDIO = json.dumps({"inputs": ["3\n"], "outputs": ["6\n"]})
DOUBLE = "```python\nprint(int(input()) * 2)\n```"
EMPTY_GOLD = json.dumps({"math": {"gold": []}})


def openrlhf(web: httpx.Client, response: str, label: str, prompt: str = "Q ") -> httpx.Response:
    return web.post("/openrlhf", json={"query": [prompt + response], "prompts": [prompt], "labels": [label]})


def slime(web: httpx.Client, response: str, label: str) -> httpx.Response:
    return web.post("/slime", json={"prompt": "Q", "response": response, "label": label})


def nemo(web: httpx.Client, response: str, **row: Any) -> httpx.Response:
    content = [{"type": "output_text", "text": response}]
    output = [{"type": "reasoning"}, {"type": "message", "content": content}]
    return web.post("/nemo_gym/verify", json={**row, "response": {"output": output}})


def test_openrlhf_scores_each_query(web: httpx.Client) -> None:
    body = {"query": ["a \\boxed{42}", "b \\boxed{1}"], "prompts": ["a ", "b "], "labels": ["42", "42"]}
    answer = web.post("/openrlhf", json=body).json()
    assert answer["rewards"] == answer["scores"] == [1.0, 0.0]
    assert answer["extra_logs"] == {"judged": [1.0, 1.0], "answered": [1.0, 1.0], "flagged": [0.0, 0.0]}


def test_openrlhf_does_not_read_the_prompts_box(web: httpx.Client) -> None:
    prompt = "Put the answer into \\boxed{42}. "
    assert openrlhf(web, "I do not know", "42", prompt).json()["rewards"] == [0.0]


def test_openrlhf_runs_programs(web: httpx.Client) -> None:
    assert openrlhf(web, DOUBLE, STDIO).json()["rewards"] == [1.0]


@pytest.mark.parametrize(
    "end", ["<|im_end|>", "</s>", "<｜end▁of▁sentence｜>", "<|endoftext|><|endoftext|>\n"]
)
def test_openrlhf_reads_past_the_end_token(web: httpx.Client, end: str) -> None:
    assert openrlhf(web, DOUBLE + end, STDIO).json()["rewards"] == [1.0]


def test_openrlhf_logs_are_numbers(web: httpx.Client) -> None:
    logs = openrlhf(web, "\\boxed{1}", "1").json()["extra_logs"]
    assert all(isinstance(value, float) for values in logs.values() for value in values)


def test_openrlhf_refuses_lists_of_different_lengths(web: httpx.Client) -> None:
    assert web.post("/openrlhf", json={"query": ["a"], "labels": []}).status_code == 422


@pytest.mark.parametrize("call", [openrlhf, slime])
def test_a_task_at_fault_has_no_number(web: httpx.Client, call: Any) -> None:
    answer = call(web, "\\boxed{1}", EMPTY_GOLD)
    assert answer.status_code == 400
    assert "UNGRADABLE" in answer.json()["detail"]


def test_slime_answers_with_a_bare_number(web: httpx.Client) -> None:
    assert slime(web, "\\boxed{42}", "42").json() == 1.0
    assert slime(web, "\\boxed{41}", "42").json() == 0.0


def test_slime_explains_itself_when_asked(web: httpx.Client) -> None:
    body = {"prompt": [], "response": DOUBLE, "label": STDIO}
    answer = web.post("/slime?format=dict", json=body).json()
    assert (answer["reward"], answer["status"]) == (1.0, "ACCEPTED")


def test_nemo_gym_gives_the_row_back(web: httpx.Client) -> None:
    answer = nemo(web, "\\boxed{7}", expected_answer="7", question="?").json()
    assert (answer["reward"], answer["question"], answer["expected_answer"]) == (1.0, "?", "7")
    assert "mask_sample" not in answer


def test_nemo_gym_runs_unit_tests(web: httpx.Client) -> None:
    tests = {"inputs": ["3\n"], "outputs": ["6\n"], "fn_name": None}
    assert nemo(web, DOUBLE, verifier_metadata={"unit_tests": tests}).json()["reward"] == 1.0


def test_nemo_gym_masks_what_cannot_be_judged(web: httpx.Client) -> None:
    answer = nemo(web, "\\boxed{1}", reward_task=EMPTY_GOLD, instance_config={"kept": 1}).json()
    assert answer["mask_sample"] is True
    assert answer["instance_config"] == {"kept": 1, "mask_sample": True}  # what NeMo-RL reads
    assert answer["failure_kind"] == "ungradable"


def test_nemo_gym_names_what_is_missing(web: httpx.Client) -> None:
    answer = nemo(web, "x")
    assert answer.status_code == 400
    assert "verifier_metadata.unit_tests" in answer.json()["detail"]


def test_nemo_gym_seeds_a_session(web: httpx.Client) -> None:
    assert web.post("/nemo_gym/seed_session", json={}).json() == {}
