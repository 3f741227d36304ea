"""The seam between the trainer and whatever samples from the policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SamplingSettings:
    """How to sample. `temperature` 0 takes the likeliest token; `seed` decides every draw of one call.

    `first` is the place of the call's first prompt among all that are sampled under this seed: where several
    processes share a batch, each draws what one process would have drawn for its part.
    """

    max_tokens: int
    temperature: float
    seed: int
    first: int = 0


@dataclass(frozen=True)
class Completion:
    """A sampled response.

    `index` is the prompt's place in the call; `token_ids` include the end token unless `truncated`;
    `logprobs` are the sampled tokens' under the distribution drawn from (after the temperature).
    """

    index: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    truncated: bool


def request_seed(settings: SamplingSettings, index: int) -> int:
    """The seed of one completion, where a sampler draws for each on its own; below 2**63."""
    return (settings.seed * 1_000_003 + settings.first + index) % 2**63


class RolloutEngine(Protocol):
    """Samples completions; each is yielded as it ends, so that it can be judged while others go on.

    `shares_weights` is true where the sampler is the trained model itself and cannot be behind it.
    """

    shares_weights: bool

    def sample(self, prompts: Sequence[Sequence[int]], settings: SamplingSettings) -> Iterator[Completion]:
        """One completion for each prompt (token ids), in the order in which they end."""
        ...

    def sync(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Takes over the trainer's weights; called after every update."""
        ...

    def close(self) -> None:
        """Gives back what the engine holds."""
        ...
