"""The embedded sampler against the plain model."""

from __future__ import annotations

import copy

import pytest
import torch

from trainer_client.grpo.batch import completion_logprobs, token_batch
from trainer_client.model import Policy
from trainer_client.rollout import make_engine
from trainer_client.rollout.engine import Completion, SamplingSettings
from trainer_client.rollout.transformers_engine import draw_tokens, draws_of

PROMPTS = ["Compute 2 + 3 * 4.", "Hi", "Write f(x) that returns x.", "Ann has 3 pens.", "Compute 1."]


def sample(policy: Policy, temperature: float, seed: int = 0, max_tokens: int = 40) -> list[Completion]:
    prompts = [policy.prompt_ids(prompt) for prompt in PROMPTS]
    engine = make_engine("transformers", policy)
    found = list(engine.sample(prompts, SamplingSettings(max_tokens, temperature, seed)))
    assert sorted(one.index for one in found) == list(range(len(PROMPTS)))
    return sorted(found, key=lambda one: one.index)


@pytest.fixture
def ending(policy: Policy) -> Policy:
    """The policy made nearly uniform, with an end token ten times likelier: rows end at different times."""
    model = copy.deepcopy(policy.model)
    with torch.no_grad():
        hidden = (
            model.model(torch.tensor([policy.prompt_ids(" ".join(PROMPTS))])).last_hidden_state[0].mean(0)
        )
        model.lm_head.weight.mul_(0.05)
        model.lm_head.weight[policy.end_id] = 3.0 * hidden / hidden.square().sum()
    return Policy(model, policy.tokenizer)


def test_greedy_is_what_the_plain_model_says(policy):
    for prompt, completion in zip(PROMPTS, sample(policy, temperature=0.0, max_tokens=8), strict=True):
        ids = policy.prompt_ids(prompt)
        for token in completion.token_ids:
            with torch.no_grad():
                assert int(policy.model(torch.tensor([ids])).logits[0, -1].argmax()) == token
            ids.append(token)


@pytest.mark.parametrize("temperature", [0.6, 1.0])
def test_logprobs_are_the_trainers_also_after_rows_were_dropped(ending, temperature):
    completions = sample(ending, temperature, seed=5)
    lengths = {len(one.token_ids) for one in completions}
    assert len(lengths) > 2, "rows are meant to end at different times"
    prompts = [ending.prompt_ids(prompt) for prompt in PROMPTS]
    batch = token_batch(prompts, [one.token_ids for one in completions], ending.pad_id, ending.model.device)
    with torch.no_grad():
        logprobs = completion_logprobs(ending, batch, temperature)
    for row, completion in zip(logprobs, completions, strict=True):
        sampled = torch.tensor(completion.logprobs)
        torch.testing.assert_close(row[: len(sampled)], sampled, rtol=1e-4, atol=1e-4)


def test_a_seed_decides_everything(ending):
    assert sample(ending, 1.0, seed=1) == sample(ending, 1.0, seed=1)
    assert sample(ending, 1.0, seed=1) != sample(ending, 1.0, seed=2)


def test_the_end_token_ends_and_the_limit_truncates(ending):
    for completion in sample(ending, 1.0, seed=5, max_tokens=6):
        ends = [token == ending.end_id for token in completion.token_ids]
        assert not any(ends[:-1])
        assert completion.truncated is not ends[-1]
        assert len(completion.token_ids) == 6 or not completion.truncated
        assert completion.text == ending.text(completion.token_ids)


def test_shorter_completions_come_first(ending):
    prompts = [ending.prompt_ids(prompt) for prompt in PROMPTS]
    engine = make_engine("transformers", ending)
    lengths = [len(one.token_ids) for one in engine.sample(prompts, SamplingSettings(40, 1.0, 5))]
    assert lengths == sorted(lengths)


def test_draws_follow_the_tempered_distribution():
    logits = torch.tensor([[0.0, 1.0, 2.0]]).repeat(20000, 1)
    tokens, logprobs = draw_tokens(logits, 0.5, draws_of(len(logits), SamplingSettings(1, 0.5, seed=0))[:, 0])
    wanted = torch.softmax(torch.tensor([0.0, 2.0, 4.0]), 0)
    shares = torch.bincount(tokens, minlength=3) / len(tokens)
    torch.testing.assert_close(shares, wanted, rtol=0, atol=0.015)
    torch.testing.assert_close(logprobs, wanted.log()[tokens])


def test_a_token_of_share_zero_is_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf]]).repeat(2, 1)
    tokens, _ = draw_tokens(logits, 1.0, torch.tensor([0.0, 1.0 - 2**-53], dtype=torch.float64))
    assert tokens.tolist() == [1, 1]


def test_a_part_of_a_batch_draws_what_the_whole_batch_draws(ending):
    """Whoever samples the last two prompts alone, as another process does, gets the same completions."""
    prompts = [ending.prompt_ids(prompt) for prompt in PROMPTS]
    engine = make_engine("transformers", ending)
    part = engine.sample(prompts[3:], SamplingSettings(40, 1.0, seed=5, first=3))
    whole = sample(ending, 1.0, seed=5)
    for one in part:
        assert one.token_ids == whole[3 + one.index].token_ids
        assert one.logprobs == pytest.approx(whole[3 + one.index].logprobs, abs=1e-5)
