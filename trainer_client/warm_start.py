"""Supervised steps on worked examples: how a model made from nothing gets to a middling start."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from trainer_client.model import Policy
from trainer_client.recipe import WarmStart
from trainer_client.tasks.pools import worked_examples
from trainer_client.tasks.problem import DOMAINS, WorkedExample

CORPUS_EXAMPLES = 2000  # of each domain, for the tokenizer
IGNORED = -100  # a label that the loss leaves out


def corpus(seed: int, slip_rate: float) -> Iterator[str]:
    """Texts that the tokenizer is learned from: prompts and responses of both domains."""
    for domain in DOMAINS:
        for example in itertools.islice(worked_examples(domain, seed, slip_rate), CORPUS_EXAMPLES):
            yield example.problem.prompt
            yield example.response


def example_batches(settings: WarmStart, seed: int) -> Iterator[list[WorkedExample]]:
    """Endless batches: of any four examples three are of math, which is the harder to learn here."""
    math_examples, code_examples = (worked_examples(domain, seed, settings.slip_rate) for domain in DOMAINS)
    mixed = itertools.chain.from_iterable(zip(*[math_examples] * 3, code_examples, strict=True))
    while True:
        yield list(itertools.islice(mixed, settings.batch_size))


def learning_rate_at(step: int, settings: WarmStart) -> float:
    """A linear rise over the first tenth of the steps, then half a cosine down to a tenth of the peak."""
    rise = max(1, settings.steps // 10)
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    done = (step - rise) / max(1, settings.steps - rise)
    return settings.learning_rate * (0.55 + 0.45 * math.cos(math.pi * done))


def supervised_step(policy: Policy, optimizer: torch.optim.Optimizer, examples: list[WorkedExample]) -> float:
    """One update towards the responses; returns the mean negative log-likelihood of a token, in nats."""
    loss = _response_loss(policy, examples)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _response_loss(policy: Policy, examples: list[WorkedExample]) -> Tensor:
    """Mean negative log-likelihood of the responses' tokens; the prompts' are not learned."""
    prompts = [policy.prompt_ids(example.problem.prompt) for example in examples]
    rows = [
        ids + policy.response_ids(example.response) for ids, example in zip(prompts, examples, strict=True)
    ]
    width = max(len(row) for row in rows)
    ids = torch.tensor(
        [row + [policy.pad_id] * (width - len(row)) for row in rows], device=policy.model.device
    )
    columns = torch.arange(width, device=ids.device)
    first = torch.tensor([[len(prompt)] for prompt in prompts], device=ids.device)
    after = torch.tensor([[len(row)] for row in rows], device=ids.device)
    labels = ids.masked_fill((columns < first) | (columns >= after), IGNORED)
    # Padding stands on the right, where no real token looks: causal attention needs no mask here.
    logits = policy.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED
    )
