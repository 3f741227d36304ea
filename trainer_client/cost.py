"""What a recipe amounts to before it is run: tokens, verdicts, memory and hours, under stated assumptions."""

from __future__ import annotations

from dataclasses import dataclass

from trainer_client.pages import text_table
from trainer_client.recipe import ModelSettings, Recipe, Stage

# Worker-seconds a completion on the paper's pool of 64: 3.9 s and 552.4 s for 1,024 (arXiv 2505.16400).
WORKER_SECONDS = {"math": 64 * 3.9 / 1024, "code": 64 * 552.4 / 1024}
# Weights and gradients in float32, and AdamW's two moments, spread over all devices.
TRAINING_BYTES = 16
# With LoRA the frozen weights alone; what the adapters take is left out.
FROZEN_BYTES = 4
# The sampler's own copy in bfloat16, on every device.
SAMPLING_BYTES = 2
_GIB = 1 << 30
_HEADERS = ("stage", "updates", "completions", "tokens at most", "tokens assumed", "hours", "worker hours")


@dataclass(frozen=True)
class StageCost:
    """One stage. `hours` are of all devices together at work; `worker_hours` are of the verifier's cores."""

    name: str
    updates: int
    completions: int
    tokens_at_most: int
    tokens: float
    hours: float
    worker_hours: float

    def row(self) -> tuple[str, ...]:
        """For a table."""
        counts = (self.updates, self.completions, self.tokens_at_most, round(self.tokens))
        return (
            self.name,
            *(f"{count:,}" for count in counts),
            f"{self.hours:.1f}",
            f"{self.worker_hours:.1f}",
        )


def stage_cost(recipe: Recipe, stage: Stage) -> StageCost:
    """A stage's cost: hours are the sampling of the assumed tokens, over its share of the time."""
    cost = recipe.cost
    completions = stage.steps * stage.prompts_per_step * stage.group_size
    at_most = completions * stage.max_response_tokens
    tokens = at_most * cost.response_share
    sampling_hours = tokens / (cost.tokens_per_second * cost.devices) / 3600
    worker_hours = completions * WORKER_SECONDS[stage.domain] / 3600
    return StageCost(
        stage.name,
        stage.steps,
        completions,
        at_most,
        tokens,
        sampling_hours / cost.sampling_share,
        worker_hours,
    )


def parameters_of(model: ModelSettings) -> int:
    """Parameters of a Qwen2 of these sizes: embedding and head, in each layer seven matrices, the biases of
    query, key and value and two norms, and a last norm."""
    hidden, feed_forward = model.hidden_size, model.feed_forward_size
    key_value = hidden // model.heads * model.key_value_heads
    attention = 2 * hidden * hidden + 2 * hidden * key_value + hidden + 2 * key_value
    layer = attention + 3 * hidden * feed_forward + 2 * hidden
    return 2 * model.vocabulary_size * hidden + model.layers * layer + hidden


def memory_bytes(recipe: Recipe) -> tuple[float, float] | None:
    """Training state and the sampler's weights on each device; None for a checkpoint of unknown size."""
    parameters = recipe.cost.parameters or (0 if recipe.model.path else parameters_of(recipe.model))
    if not parameters:
        return None
    return parameters * _training_bytes(recipe) / recipe.cost.devices, parameters * SAMPLING_BYTES


def _training_bytes(recipe: Recipe) -> int:
    return FROZEN_BYTES if recipe.model.lora_rank else TRAINING_BYTES


def estimate(recipe: Recipe) -> str:
    """The estimate for a person."""
    stages = [stage_cost(recipe, stage) for stage in recipe.stage]
    cost = recipe.cost
    hours, workers = sum(one.hours for one in stages), sum(one.worker_hours for one in stages)
    programs = sum(
        one.completions for one, stage in zip(stages, recipe.stage, strict=True) if stage.domain == "code"
    )
    return "\n".join(
        [
            text_table(_HEADERS, [one.row() for one in stages]),
            f"{sum(one.completions for one in stages):,} completions to sample and judge, {programs:,} of "
            f"them programs; at most {sum(one.tokens_at_most for one in stages):,} tokens",
            f"{hours:.1f} hours on {cost.devices} devices that sample {cost.tokens_per_second:g} tokens a "
            f"second each, responses at {cost.response_share:.0%} of the limit, {cost.sampling_share:.0%} of "
            "the time sampling (assumed, not measured)",
            f"{workers:.1f} hours of a verifier's core at the paper's cost of a verdict: "
            f"{workers / cost.verifier_workers:.1f} hours on {cost.verifier_workers} cores",
            _memory_text(recipe),
        ]
    )


def _memory_text(recipe: Recipe) -> str:
    found = memory_bytes(recipe)
    if found is None:
        return "memory: unknown, cost.parameters is not given"
    training, sampling = found
    each = _training_bytes(recipe)
    return (
        f"memory a device: {training / _GIB:.2f} GiB of training state ({each} bytes a parameter "
        f"over {recipe.cost.devices} devices), {sampling / _GIB:.2f} GiB of the sampler's weights; without "
        "activations and the sampler's cache"
    )
