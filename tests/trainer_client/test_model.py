"""The home-made policy is an ordinary Hugging Face checkpoint."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainer_client.model import load_policy

TEXTS = [
    "<think>12*3=36, 5+36=41</think>\\boxed{41}",
    "```python\ndef f(xs):\n    return [x + 1 for x in xs if x >= 10]\n```",
    "ünïcode, 漢字, \t tabs\r\n and <think> in <think>",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_encoding(policy, text):
    ids = policy.response_ids(text)
    assert policy.text(ids) == text
    assert ids[-1] == policy.end_id
    assert policy.end_id not in ids[:-1]


def test_special_tokens_are_not_shown_and_think_is(policy):
    text = policy.text([*policy.prompt_ids("hi"), *policy.response_ids("<think></think>")])
    assert text == "hi<think></think>"


def test_the_prompt_is_wrapped_by_the_chat_template(policy):
    tokens = policy.tokenizer.convert_ids_to_tokens(policy.prompt_ids("hi"))
    assert (tokens[0], tokens[-1]) == ("<|user|>", "<|assistant|>")


def test_digits_are_spelled(policy):
    assert len(policy.tokenizer.encode("123456", add_special_tokens=False)) == 6


def test_whoever_loads_it_gets_the_same(policy, tmp_path):
    policy.save(tmp_path)
    ours, tokenizer = load_policy(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert len(tokenizer) == len(policy.tokenizer) == model.config.vocab_size
    for text in TEXTS:
        assert tokenizer.encode(text) == ours.response_ids(text)[:-1] == policy.response_ids(text)[:-1]
        assert ours.prompt_ids(text) == policy.prompt_ids(text)
    assert (ours.end_id, ours.pad_id) == (policy.end_id, policy.pad_id)
    ids = torch.tensor([policy.prompt_ids("Compute 2 + 2.")])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, policy.model(ids).logits)
