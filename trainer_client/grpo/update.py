"""The policy update from one batch of judged rollouts: one step, or as an ablation several.

With one step the policy at the batch's start is the policy itself, and its
log-probabilities need no pass of their own.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer_client.errors import StaleSamplerError
from trainer_client.grpo.advantage import group_advantages
from trainer_client.grpo.batch import TokenBatch, completion_logprobs, packed_logprobs, token_batch
from trainer_client.grpo.losses import LOSSES
from trainer_client.grpo.losses.ratio import Clip, Rows, Totals, sampler_weights
from trainer_client.model import Policy
from trainer_client.parallel import World, whole
from trainer_client.recipe import Compute, Loss, Stage
from trainer_client.rewards import Judged


@dataclass(frozen=True)
class Row:
    """A completion with its advantage: what the loss sees."""

    judged: Judged
    advantage: float


@dataclass(frozen=True)
class UpdateResult:
    """What an update did. `logprob_gap` is the largest |sampler - trainer| of a token's log-probability.

    With several updates for a batch, `gradient_norm` is the last one's and `clipped` the share of tokens
    whose ratio left the clipping range; `old_logprob_seconds` is the pass that they need before the first.
    """

    gradient_norm: float
    logprob_gap: float
    trained_rows: int
    denominator_tokens: int
    clipped: float = 0.0
    old_logprob_seconds: float = 0.0


def training_rows(
    judged: Sequence[Judged], group_size: int, *, mask_truncated: bool = False, scale: bool = True
) -> list[Row]:
    """Rows for the loss from completions that lie group after group.

    Completions without a reward are left out of their group's statistics and of the rows. With
    `mask_truncated`, completions that hit the length limit count in the statistics but are no rows.
    """
    rows = []
    for start in range(0, len(judged), group_size):
        group = judged[start : start + group_size]
        advantages = group_advantages([one.verdict.reward for one in group], scale=scale)
        for one, advantage in zip(group, advantages, strict=True):
            if advantage is not None and not (mask_truncated and one.completion.truncated):
                rows.append(Row(one, advantage))
    return rows


def update_policy(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    rows: Sequence[Row],
    stage: Stage,
    compute: Compute,
    *,
    loss: Loss | None = None,
    world: World | None = None,
) -> UpdateResult:
    """The gradient steps of a batch, each in micro-batches whose losses add up.

    With several processes each has all `rows` and takes its share of the micro-batches; the results are the
    whole batch's on every one.
    Rows of advantage zero (groups of equal reward) have no gradient and are not run through the model, but
    count in the denominator. Raises StaleSamplerError, before any change, when sampler and trainer
    disagree on a token's log-probability by more than `compute.logprob_tolerance` nats.
    """
    return _Update(policy, optimizer, stage, compute, loss or Loss(), world=world or World()).run(rows)


class _Update:
    def __init__(
        self,
        policy: Policy,
        optimizer: torch.optim.Optimizer,
        stage: Stage,
        compute: Compute,
        loss: Loss,
        *,
        world: World,
    ) -> None:
        self._policy, self._optimizer, self._world = policy, optimizer, world
        self._stage, self._compute, self._settings = stage, compute, loss
        self._loss = LOSSES[loss.kind]
        self._clip = Clip(loss.clip_low, loss.clip_high)
        self._gap = 0.0
        self._clipped_tokens = 0.0

    def run(self, rows: Sequence[Row]) -> UpdateResult:
        parts = _split(rows, self._settings.updates_per_batch)
        began = time.perf_counter()
        old = self._before(rows) if len(parts) > 1 else {}
        before_seconds = time.perf_counter() - began
        norm = 0.0
        for part in parts:
            norm = self._step(part, old)
        telling = [row for row in rows if row.advantage != 0.0]
        trained = sum(map(_length, telling))
        return UpdateResult(
            gradient_norm=norm,
            logprob_gap=self._gap,
            trained_rows=len(telling),
            denominator_tokens=sum(map(_length, rows)),
            clipped=self._world.total(self._clipped_tokens) / trained if trained else 0.0,
            old_logprob_seconds=before_seconds,
        )

    def _before(self, rows: Sequence[Row]) -> dict[int, Tensor]:
        """Log-probabilities of every telling row before the first update, by the row's identity."""
        places = {id(row): place for place, row in enumerate(rows)}
        found: dict[int, Tensor] = {}
        with torch.no_grad():
            for part, is_mine in self._my_parts(rows):
                batch, logprobs = self._logprobs(part)
                if is_mine:
                    self._compare(part, logprobs, batch)
                    found |= {
                        places[id(row)]: values.cpu() for row, values in zip(part, logprobs, strict=True)
                    }
        self._check_gap()
        shares = self._world.gathered(found)
        return {id(rows[place]): values for share in shares for place, values in share.items()}

    def _step(self, rows: Sequence[Row], old: dict[int, Tensor]) -> float:
        longest = self._settings.pinned_length or self._stage.max_response_tokens
        totals = Totals(sum(map(_length, rows)), len(rows), longest)
        self._optimizer.zero_grad(set_to_none=True)
        any_telling = False
        for part, is_mine in self._my_parts(rows):
            self._backward(part, old, totals, is_mine=is_mine)
            any_telling = True
        self._check_gap()
        if not any_telling:
            return 0.0
        return _step(self._policy, self._optimizer, self._stage.learning_rate, self._compute.gradient_clip)

    def _my_parts(self, rows: Sequence[Row]) -> Iterator[tuple[list[Row], bool]]:
        """This process's micro-batches. False marks a stand-in, whose gradient must not count.

        A sharded model is run by all processes at once: who has no part left runs along with another's.
        """
        parts = micro_batches([row for row in rows if row.advantage != 0.0], self._compute)
        for part in self._world.mine(parts):
            yield (parts[0], False) if part is None else (part, True)

    def _backward(
        self, rows: Sequence[Row], old: dict[int, Tensor], totals: Totals, *, is_mine: bool
    ) -> None:
        batch, logprobs = self._logprobs(rows)
        if old:
            before = _stacked([old[id(row)] for row in rows], batch.width).to(logprobs.device)
        else:
            before = logprobs.detach()
        advantages = torch.tensor([row.advantage for row in rows], device=logprobs.device)
        sampled = _sampled(rows, batch)
        weights = sampler_weights(before, sampled, self._settings.sampler_weight_cap) * batch.mask
        loss = self._loss(Rows(logprobs, before, advantages, weights), totals, self._clip)
        # Sharded gradients are averaged over the processes, and the losses are meant to add up.
        loss = loss * (self._world.size if is_mine else 0)
        loss.backward()  # type: ignore[no-untyped-call]
        if is_mine:
            if not old:
                self._compare(rows, before, batch)
            self._count_clipped(logprobs.detach() - before, batch)

    def _logprobs(self, rows: Sequence[Row]) -> tuple[TokenBatch, Tensor]:
        policy, temperature = self._policy, self._stage.temperature
        prompts = [policy.prompt_ids(row.judged.problem.prompt) for row in rows]
        completions = [row.judged.completion.token_ids for row in rows]
        batch = token_batch(prompts, completions, policy.pad_id, policy.model.device)
        half = self._compute.precision == "bfloat16" and self._world.size == 1  # else the shards see to it
        with torch.autocast(policy.model.device.type, torch.bfloat16, enabled=half):
            if self._compute.packing:
                return batch, packed_logprobs(policy, prompts, completions, temperature)
            return batch, completion_logprobs(policy, batch, temperature)

    def _compare(self, rows: Sequence[Row], logprobs: Tensor, batch: TokenBatch) -> None:
        gaps = (logprobs - _sampled(rows, batch)).abs() * batch.mask
        # max() of Python would drop a gap that is no number.
        largest = float(gaps.max())
        self._gap = largest if not largest <= self._gap else self._gap

    def _check_gap(self) -> None:
        self._gap = self._world.largest(self._gap)
        # Written so that a gap that is no number fails too.
        if not self._gap <= self._compute.logprob_tolerance:
            raise StaleSamplerError(
                f"sampler and trainer disagree by {self._gap:.3g} nats on a sampled token "
                f"(compute.logprob_tolerance is {self._compute.logprob_tolerance:g})"
            )

    def _count_clipped(self, log_ratio: Tensor, batch: TokenBatch) -> None:
        ratio = log_ratio.exp()
        outside = (ratio < 1 - self._clip.low) | (ratio > 1 + self._clip.high)
        self._clipped_tokens += float((outside * batch.mask).sum())


def micro_batches(rows: Sequence[Row], compute: Compute) -> list[list[Row]]:
    """Rows of like length together, at most `micro_batch_size` and, if set, `micro_batch_tokens` in each.

    Tokens are counted as the layout has them: with padding to the longest, or packed. A row that is longer
    than the limit is a micro-batch of its own.
    """
    parts: list[list[Row]] = []
    for row in sorted(rows, key=_length):
        if parts and _has_room([*parts[-1], row], compute):
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def _has_room(rows: Sequence[Row], compute: Compute) -> bool:
    lengths = [_length(row) for row in rows]
    tokens = sum(lengths) if compute.packing else len(rows) * max(lengths)
    limit = compute.micro_batch_tokens
    return len(rows) <= compute.micro_batch_size and (limit == 0 or tokens <= limit)


def _split(rows: Sequence[Row], parts: int) -> list[Sequence[Row]]:
    """The rows in `parts` runs of nearly equal length, none empty."""
    bounds = [round(index * len(rows) / parts) for index in range(parts + 1)]
    found = [rows[start:end] for start, end in itertools.pairwise(bounds) if end > start]
    return found or [rows]


def _length(row: Row) -> int:
    return len(row.judged.completion.token_ids)


def _sampled(rows: Sequence[Row], batch: TokenBatch) -> Tensor:
    """The sampler's log-probabilities, [rows, tokens], 0 in the padding."""
    values = [torch.tensor(row.judged.completion.logprobs) for row in rows]
    return _stacked(values, batch.width).to(batch.ids.device)


def _stacked(values: Sequence[Tensor], width: int) -> Tensor:
    """Rows of different lengths as one tensor, cut or filled with 0 to `width`."""
    return torch.stack(
        [torch.nn.functional.pad(row[:width], (0, max(0, width - len(row)))) for row in values]
    )


def _step(policy: Policy, optimizer: torch.optim.Optimizer, learning_rate: float, clip: float) -> float:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    norm = float(whole(torch.nn.utils.clip_grad_norm_(policy.model.parameters(), clip)))
    if not math.isfinite(norm):
        raise FloatingPointError(f"the gradient's norm is {norm}")
    optimizer.step()
    return norm
