"""Batched sampling with a key-value cache on the trainer's own model: the embedded default.

Prompts are padded on the left, so that all rows write their next token into
the same column. Ended rows are dropped from the batch (and from the cache)
once they are half of it: the stragglers of a batch then cost what they weigh.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from trainer_client.lora import without_adapters
from trainer_client.model import Policy
from trainer_client.rollout.engine import Completion, SamplingSettings

if TYPE_CHECKING:
    from torch import Tensor


class TransformersEngine:
    """Samples from the policy that is being trained; there is nothing to synchronise."""

    shares_weights = True

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def sample(self, prompts: Sequence[Sequence[int]], settings: SamplingSettings) -> Iterator[Completion]:
        """See `RolloutEngine.sample`."""
        batch = _Batch(self._policy, prompts, settings)
        for _ in range(settings.max_tokens):
            yield from batch.step()
            if not batch.rows:
                return
        yield from batch.rest()

    def sync(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Nothing to do: the weights are the trainer's own."""

    def close(self) -> None:
        """Nothing is held."""


class ReplicaEngine(TransformersEngine):
    """Samples from a copy of the policy: where the trained model is sharded over processes."""

    shares_weights = False

    def __init__(self, policy: Policy) -> None:
        super().__init__(Policy(without_adapters(copy.deepcopy(policy.model)), policy.tokenizer))
        self._policy.model.requires_grad_(requires_grad=False)

    def sync(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Copies the weights. Raises KeyError for a name that the model does not have."""
        mine = dict(self._policy.model.named_parameters())
        for name, weight in weights:
            mine[name].data.copy_(weight.detach())


class _Batch:
    """The rows that are still being sampled: their tokens here, their keys and values in the cache."""

    def __init__(self, policy: Policy, prompts: Sequence[Sequence[int]], settings: SamplingSettings) -> None:
        from transformers import DynamicCache

        self._policy = policy
        self._settings = settings
        self._draws = draws_of(len(prompts), settings)
        self._cache = DynamicCache(config=policy.model.config)
        self._inputs, self._mask = pad_left(prompts, policy.pad_id, policy.model.device)
        self._positions = positions_of(self._mask)
        self._tokens: list[list[int]] = [[] for _ in prompts]
        self._logprobs: list[list[float]] = [[] for _ in prompts]
        self._running = torch.ones(len(prompts), dtype=torch.bool, device=policy.model.device)
        self._columns = list(range(len(prompts)))  # which completion each row of the tensors is
        self._taken = 0  # tokens that every running row has

    @property
    def rows(self) -> int:
        """How many completions have not ended."""
        return int(self._running.sum())

    @torch.inference_mode()
    def step(self) -> list[Completion]:
        """Samples one token for every row; returns the completions that it ended."""
        logits = self._forward()
        draws = self._draws[self._columns, self._taken].to(logits.device)
        self._taken += 1
        tokens, logprobs = draw_tokens(logits, self._settings.temperature, draws)
        ended = self._record(tokens.tolist(), logprobs.tolist(), self._running.tolist())
        self._running &= tokens != self._policy.end_id
        self._advance(tokens)
        return ended

    def rest(self) -> list[Completion]:
        """The completions that the length limit cut off."""
        running = self._running.tolist()
        return [
            self._completion(index, truncated=True)
            for index, on in zip(self._columns, running, strict=True)
            if on
        ]

    def _forward(self) -> Tensor:
        output: Any = self._policy.model(
            input_ids=self._inputs,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def _record(self, tokens: list[int], logprobs: list[float], running: list[bool]) -> list[Completion]:
        ended = []
        for index, token, logprob, is_running in zip(self._columns, tokens, logprobs, running, strict=True):
            if is_running:
                self._tokens[index].append(token)
                self._logprobs[index].append(logprob)
                if token == self._policy.end_id:
                    ended.append(self._completion(index, truncated=False))
        return ended

    def _completion(self, index: int, *, truncated: bool) -> Completion:
        tokens = tuple(self._tokens[index])
        return Completion(index, tokens, tuple(self._logprobs[index]), self._policy.text(tokens), truncated)

    def _advance(self, tokens: Tensor) -> None:
        self._inputs = tokens[:, None]
        self._mask = torch.cat([self._mask, torch.ones_like(self._inputs)], dim=1)
        self._positions = self._positions[:, -1:] + 1
        if 2 * self.rows <= len(self._columns):
            self._drop_ended()

    def _drop_ended(self) -> None:
        keep = self._running.nonzero().flatten()
        self._columns = [self._columns[row] for row in keep.tolist()]
        self._inputs, self._mask, self._positions = (
            self._inputs[keep],
            self._mask[keep],
            self._positions[keep],
        )
        self._running = self._running[keep]
        self._cache.batch_select_indices(keep)


def draws_of(rows: int, settings: SamplingSettings) -> Tensor:
    """The random numbers of a call, uniform in [0, 1): [rows, tokens], float64, on the CPU.

    A row's are its own: they depend on the seed and on its place among all rows of that seed, neither on
    which rows stand beside it nor on the device.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (settings.first + rows, settings.max_tokens)
    return torch.rand(shape, generator=generator, dtype=torch.float64)[settings.first :]


def draw_tokens(logits: Tensor, temperature: float, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Draws a token for each row of `logits` [rows, vocabulary]; returns tokens and their log-probabilities.

    `draws` [rows], uniform in [0, 1), are turned into tokens by the inverse of the distribution function.
    At temperature 0 the likeliest token is taken; its log-probability is then the untempered one.
    """
    logprobs = torch.log_softmax(logits.float() / (temperature or 1.0), dim=-1)
    if temperature == 0:
        tokens = logprobs.argmax(dim=-1)
    else:
        tokens = _inverse(logprobs.double().exp().cumsum(dim=-1), draws)
    return tokens, logprobs.gather(1, tokens[:, None])[:, 0]


def _inverse(shares: Tensor, draws: Tensor) -> Tensor:
    """The first place where `shares` [rows, places], summed up, lie above the draw: never one of share 0."""
    aims = draws[:, None] * shares[:, -1:]
    return torch.searchsorted(shares, aims, right=True)[:, 0].clamp(max=shares.shape[1] - 1)


def pad_left(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of token ids as one tensor [rows, longest], padded on the left, with its attention mask."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad_id] * (width - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def positions_of(mask: Tensor) -> Tensor:
    """Position of each token in its own row: padding on the left does not count."""
    return (mask.cumsum(dim=1) - 1).clamp(min=0)
