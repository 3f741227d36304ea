"""A recipe: everything that decides a run, as typed values read from a TOML file.

Nothing here needs torch, so that a laptop can check a recipe for a cluster.
Unknown keys and values out of range are errors that name the key.
"""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from trainer_client.errors import RecipeError
from trainer_client.tasks.pools import pool_limit
from trainer_client.tasks.problem import DOMAINS, Domain

DEFAULT_RECIPE = "tiny"
ENGINES = ("transformers", "vllm", "vllm_server")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")
STOP_METRICS = ("accuracy", "reward")
ADAPTED = ("all", "attention", "feed_forward")
LOSSES = ("token_mean", "sequence_mean", "dr_grpo", "gspo", "cispo")


@dataclass(frozen=True)
class ModelSettings:
    """The policy: a Hugging Face checkpoint (`path`), or with an empty path a small Qwen2 of these sizes.

    With a `lora_rank` the checkpoint's weights stay as they are, and adapters of that rank, weighted by
    `lora_alpha / lora_rank`, are trained beside the linear maps of the layers that `lora_targets` names.
    """

    path: str = ""
    vocabulary_size: int = 512
    hidden_size: int = 128
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 2
    feed_forward_size: int = 384
    max_positions: int = 512
    lora_rank: int = 0
    lora_alpha: float = 32.0
    lora_targets: str = "all"


@dataclass(frozen=True)
class WarmStart:
    """Supervised steps before the first reward; `steps = 0` leaves the model as it is.

    `slip_rate` is the share of worked examples that carry a typical mistake.
    """

    steps: int = 0
    batch_size: int = 64
    learning_rate: float = 2e-3
    slip_rate: float = 0.5


@dataclass(frozen=True)
class Compute:
    """How the work is spread. `threads` are torch's; one leaves the other core to the reward server.

    `micro_batch_tokens` bounds the completions' tokens in a backward pass as well as their number; 0: it
    does not. None of `micro_batch_size`, `micro_batch_tokens`, `packing` and `activation_checkpointing`
    changes the gradient.
    """

    engine: str = "transformers"
    threads: int = 1
    micro_batch_size: int = 32
    gradient_clip: float = 1.0
    logprob_tolerance: float = 1e-2
    device: str = "cpu"
    precision: str = "float32"
    micro_batch_tokens: int = 0
    packing: bool = False
    activation_checkpointing: bool = False


@dataclass(frozen=True)
class VllmSettings:
    """vLLM as the sampler, in process (`vllm`) or as a server that the trainer owns (`vllm_server`).

    `python` is the interpreter of an environment that holds vLLM, for the server; empty: the trainer's own.
    `cache_gigabytes` (GiB) holds keys and values on a CPU, `gpu_memory_share` is what vLLM may take of a GPU.
    """

    python: str = ""
    dtype: str = "float32"
    cache_gigabytes: int = 1
    gpu_memory_share: float = 0.5
    max_sequences: int = 256
    eager: bool = True
    start_seconds: float = 600.0


@dataclass(frozen=True)
class Loss:
    """The policy loss; the defaults are the paper's: token mean, one update for each batch of rollouts.

    `updates_per_batch` above 1 is the paper's ablation: a batch is split into as many parts, each an
    update. `sampler_weight_cap` 0 leaves truncated importance weights off. `pinned_length` 0 lets
    `dr_grpo` divide by the stage's own response limit.
    """

    kind: str = "token_mean"
    clip_low: float = 0.2
    clip_high: float = 0.2
    updates_per_batch: int = 1
    scale_advantages: bool = True
    sampler_weight_cap: float = 0.0
    pinned_length: int = 0


@dataclass(frozen=True)
class Evaluation:
    """Held-out accuracy: every `every_steps` steps and at the ends, one completion for each problem.

    `data` is a file of problems of any domain; empty: problems are generated.
    """

    problems: int = 128
    every_steps: int = 20
    temperature: float = 0.6
    max_response_tokens: int = 96
    data: str = ""


@dataclass(frozen=True)
class Rewards:
    """The reward server, and the patience with it: in all, and with an attempt (0: as long as in all)."""

    server: str = "127.0.0.1:50051"
    deadline_seconds: float = 300.0
    attempt_seconds: float = 0.0
    max_in_flight: int = 256


@dataclass(frozen=True)
class Logging:
    """Where metrics go beside `metrics.jsonl`. `wandb` is the project at Weights & Biases; empty: none."""

    tensorboard: bool = True
    wandb: str = ""


@dataclass(frozen=True)
class Cost:
    """What the estimate of `--dry-run` assumes; decides nothing about the run.

    `parameters` 0 counts those of `model`'s sizes. `tokens_per_second` is what one device samples in all its
    sequences together, `response_share` a mean response's share of the limit, `sampling_share` the share of
    the time that is spent sampling (arXiv 2505.16400: about 80 %), `verifier_workers` the server's cores.
    """

    parameters: float = 0.0
    devices: int = 1
    tokens_per_second: float = 1000.0
    response_share: float = 0.5
    sampling_share: float = 0.8
    verifier_workers: int = 64


@dataclass(frozen=True)
class Stage:
    """One stage of the schedule: a domain, a response length and how to sample and step in it.

    `data` is a file of problems (docs/evaluation.md has its fields), as seen from where the run is started;
    empty: problems are generated. `problems` bounds their number, the levels their difficulty.
    The learning rate falls linearly to `final_learning_rate` at the stage's last step; 0: it stays.
    The stage ends before its `steps` at an evaluation where `stop_metric` has reached `stop_at`, or has not
    risen above its best for `stop_after_flat` evaluations; 0 is no such rule.
    """

    name: str
    domain: Domain
    steps: int
    max_response_tokens: int
    group_size: int = 8
    prompts_per_step: int = 16
    temperature: float = 1.0
    learning_rate: float = 1e-6
    final_learning_rate: float = 0.0
    data: str = ""
    problems: int = 900
    min_level: int = 0
    max_level: int = 99
    mask_truncated: bool = False
    stop_metric: str = "accuracy"
    stop_at: float = 0.0
    stop_after_flat: int = 0

    def learning_rate_at(self, stage_step: int) -> float:
        """The learning rate of the stage's update number `stage_step`, from 0."""
        if not self.final_learning_rate or self.steps == 1:
            return self.learning_rate
        done = stage_step / (self.steps - 1)
        return self.learning_rate + done * (self.final_learning_rate - self.learning_rate)


@dataclass(frozen=True)
class Recipe:
    """A whole run. Stages are trained in the order of the file."""

    name: str
    stage: tuple[Stage, ...]
    seed: int = 0
    checkpoint_every_steps: int = 10
    model: ModelSettings = field(default_factory=ModelSettings)
    warm_start: WarmStart = field(default_factory=WarmStart)
    compute: Compute = field(default_factory=Compute)
    vllm: VllmSettings = field(default_factory=VllmSettings)
    loss: Loss = field(default_factory=Loss)
    evaluation: Evaluation = field(default_factory=Evaluation)
    rewards: Rewards = field(default_factory=Rewards)
    logging: Logging = field(default_factory=Logging)
    cost: Cost = field(default_factory=Cost)

    @property
    def total_steps(self) -> int:
        """Policy updates of all stages together; at most, where a stage has a rule to end sooner."""
        return sum(stage.steps for stage in self.stage)


def load_recipe(source: str | Path = DEFAULT_RECIPE) -> Recipe:
    """Reads and validates a recipe: a path, or the name of one that ships with the package.

    Raises RecipeError, naming the key at fault.
    """
    recipe = typing.cast(Recipe, build_settings(Recipe, _recipe_text(source), str(source)))
    _validate(recipe)
    return recipe


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("trainer_client") / "recipes"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def _recipe_text(source: str | Path) -> str:
    if str(source) in shipped_recipes():
        return (resources.files("trainer_client") / "recipes" / f"{source}.toml").read_text()
    try:
        return Path(source).read_text()
    except OSError as error:
        names = ", ".join(shipped_recipes())
        raise RecipeError(
            f"{source}: cannot be read ({error.strerror}); recipes that ship: {names}"
        ) from error


def build_settings(kind: type[Any], text: str, source: str) -> Any:
    """A dataclass of settings from TOML. Raises RecipeError, naming the key at fault, also an unknown one."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: not TOML: {error}") from error
    return _build(kind, table, "")


def _build(kind: type[Any], table: Mapping[str, Any], path: str) -> Any:
    hints = typing.get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind)}
    for key in table:
        if key not in fields:
            raise RecipeError(f"{path}{key}: unknown key; known here: {', '.join(sorted(fields))}")
    for name, item in fields.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in table:
            raise RecipeError(f"{path}{name}: missing")
    return kind(**{key: _value(hints[key], value, f"{path}{key}") for key, value in table.items()})


def _value(hint: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise RecipeError(f"{path}: a table is wanted, not {value!r}")
        return _build(typing.cast(type[Any], hint), value, f"{path}.")
    if typing.get_origin(hint) is tuple and typing.get_args(hint)[0] is str:
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise RecipeError(f"{path}: an array of strings is wanted, not {value!r}")
        return tuple(value)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise RecipeError(f"{path}: an array of tables is wanted, not {value!r}")
        kind = typing.get_args(hint)[0]
        return tuple(_build(kind, entry, f"{path}[{index}].") for index, entry in enumerate(value))
    return _scalar(hint, value, path)


def _scalar(hint: Any, value: Any, path: str) -> Any:
    if typing.get_origin(hint) is typing.Literal:
        if value not in typing.get_args(hint):
            raise RecipeError(f"{path}: {value!r} is none of {', '.join(typing.get_args(hint))}")
        return value
    assert isinstance(hint, type)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise RecipeError(f"{path}: {hint.__name__} is wanted, not {value!r}")
    return value


# Value rules by field name: a name means the same everywhere in a recipe.
_Rule = tuple[Callable[[Any], bool], str]
_POSITIVE: _Rule = (lambda value: value > 0, "must be above 0")
_NOT_NEGATIVE: _Rule = (lambda value: value >= 0, "must not be below 0")
_SHARE: _Rule = (lambda value: 0 <= value <= 1, "must lie between 0 and 1")
_GROUP: _Rule = (
    lambda value: value >= 2,
    "must be at least 2: one completion has no group to be compared with",
)
_RULES: dict[str, _Rule] = {
    "group_size": _GROUP,
    "slip_rate": _SHARE,
    "response_share": _SHARE,
    "sampling_share": (lambda value: 0 < value <= 1, "must lie above 0 and not above 1"),
    "parameters": _NOT_NEGATIVE,
    "min_level": _NOT_NEGATIVE,
    "final_learning_rate": _NOT_NEGATIVE,
    "gpu_memory_share": _SHARE,
    "seed": _NOT_NEGATIVE,
    "kind": (lambda value: value in LOSSES, f"must be one of {', '.join(LOSSES)}"),
    "sampler_weight_cap": _NOT_NEGATIVE,
    "device": (lambda value: value in DEVICES, f"must be one of {', '.join(DEVICES)}"),
    "precision": (lambda value: value in PRECISIONS, f"must be one of {', '.join(PRECISIONS)}"),
    "micro_batch_tokens": _NOT_NEGATIVE,
    "pinned_length": _NOT_NEGATIVE,
    "attempt_seconds": _NOT_NEGATIVE,
    "lora_rank": _NOT_NEGATIVE,
    "lora_targets": (lambda value: value in ADAPTED, f"must be one of {', '.join(ADAPTED)}"),
    "stop_metric": (lambda value: value in STOP_METRICS, f"must be one of {', '.join(STOP_METRICS)}"),
    "stop_at": _SHARE,
    "stop_after_flat": _NOT_NEGATIVE,
    "engine": (lambda value: value in ENGINES, f"must be one of {', '.join(ENGINES)}"),
}


def _validate(recipe: Recipe) -> None:
    if not recipe.stage:
        raise RecipeError("stage: at least one is needed")
    _check_values(recipe, "")
    if recipe.model.lora_rank and (not recipe.model.path or recipe.warm_start.steps):
        raise RecipeError("model.lora_rank: needs a checkpoint in model.path, and no warm start")
    names = [stage.name for stage in recipe.stage]
    if len(set(names)) != len(names):
        raise RecipeError("stage: names must differ")
    for index, stage in enumerate(recipe.stage):
        if stage.min_level > stage.max_level:
            raise RecipeError(f"stage[{index}].min_level: above max_level ({stage.max_level})")
        if stage.problems < stage.prompts_per_step:
            raise RecipeError(
                f"stage[{index}].problems: fewer than prompts_per_step ({stage.prompts_per_step})"
            )
    _check_generated(recipe)


def _check_generated(recipe: Recipe) -> None:
    """Whether as many problems as are asked for can be generated, where no file has them."""
    for index, stage in enumerate(recipe.stage):
        if not stage.data:
            low, high = stage.min_level, stage.max_level
            limit = pool_limit(stage.domain, min_level=low, max_level=high)
            _check_limit(f"stage[{index}].problems", stage.problems, limit, f"{stage.domain} problems")
    if not recipe.evaluation.data:
        for domain in held_domains(recipe):
            limit = pool_limit(domain, held_out=True)
            _check_limit(
                "evaluation.problems", recipe.evaluation.problems, limit, f"held-out {domain} problems"
            )


def _check_limit(where: str, asked: int, limit: int, kind: str) -> None:
    if asked > limit:
        raise RecipeError(f"{where}: only {limit} different {kind} can be generated, it is {asked}")


def _check_values(node: Any, path: str) -> None:
    for item in dataclasses.fields(node):
        value, where = getattr(node, item.name), f"{path}{item.name}"
        if dataclasses.is_dataclass(value):
            _check_values(value, f"{where}.")
        elif isinstance(value, tuple):
            for index, entry in enumerate(value):
                _check_values(entry, f"{where}[{index}].")
        else:
            _check_value(item.name, value, where, is_warm_start=isinstance(node, WarmStart))


def _check_value(name: str, value: Any, where: str, *, is_warm_start: bool) -> None:
    rule = _RULES.get(name)
    if rule is None and isinstance(value, int | float) and not isinstance(value, bool):
        rule = _NOT_NEGATIVE if is_warm_start else _POSITIVE
    if rule is not None and not rule[0](value):
        raise RecipeError(f"{where}: {rule[1]}, it is {value!r}")


def held_domains(recipe: Recipe) -> list[Domain]:
    """The domains that the recipe trains, in a fixed order."""
    return [domain for domain in DOMAINS if any(stage.domain == domain for stage in recipe.stage)]


def recipe_as_toml(recipe: Any) -> str:
    """Resolved settings, every default written out; reading it back gives an equal recipe (or plan)."""
    top, tables = [], []
    for item in dataclasses.fields(recipe):
        value = getattr(recipe, item.name)
        if isinstance(value, tuple) and all(map(dataclasses.is_dataclass, value)):
            tables += [_toml_table(f"[[{item.name}]]", entry) for entry in value]
        elif dataclasses.is_dataclass(value):
            tables.append(_toml_table(f"[{item.name}]", value))
        else:
            top.append(f"{item.name} = {_toml_scalar(value)}")
    return "\n".join(top) + "\n\n" + "\n".join(tables)


def _toml_table(header: str, node: Any) -> str:
    lines = [f"{item.name} = {_toml_scalar(getattr(node, item.name))}" for item in dataclasses.fields(node)]
    return "\n".join([header, *lines]) + "\n"


def _toml_scalar(value: str | bool | int | float | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml_scalar, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return repr(value)
