"""Low-rank adapters beside the weights of a checkpoint, which stay as they are.

Source: LoRA (arXiv 2106.09685): y = W x + (alpha / r) B A x, with A [r, in] random and B [out, r] zero at the
start, so that training begins at the checkpoint's own policy. A sampler gets W + (alpha / r) B A: to it the
model has no adapters. The scale of A is that of the paper's code, Kaiming's uniform with a = sqrt(5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from trainer_client.errors import CheckpointError, RecipeError
from trainer_client.recipe import ModelSettings

Model = TypeVar("Model", bound=nn.Module)

_PARTS = ("lora_a", "lora_b")
# Where a linear map of a layer stands, by the names that Llama, Qwen and their kin share.
_PLACES: dict[str, Callable[[str], bool]] = {
    "all": lambda name: True,
    "attention": lambda name: "attn" in name,
    "feed_forward": lambda name: "mlp" in name,
}


class LoraLinear(nn.Linear):
    """A linear map whose weight and bias are frozen and keep their names, with an adapter beside it."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(base.in_features, base.out_features, base.bias is not None, device="meta")
        self.weight, self.bias = base.weight, base.bias
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.lora_b = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, input: Tensor) -> Tensor:
        """The map of the checkpoint, and that of the adapter."""
        beside = nn.functional.linear(nn.functional.linear(input, self.lora_a), self.lora_b)
        return super().forward(input) + self.scale * beside


def add_adapters(model: nn.Module, layers: list[nn.Module], settings: ModelSettings, seed: int) -> None:
    """Freezes the model and gives the linear maps in its layers adapters, as `model.lora_*` of a recipe says.

    Before the model is sharded and its optimizer made. Raises RecipeError where no linear map is found.
    """
    model.requires_grad_(requires_grad=False)
    is_wanted, found = _PLACES[settings.lora_targets], 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for parent, name, base in _linear_maps(layers, is_wanted):
            setattr(parent, name, LoraLinear(base, settings.lora_rank, settings.lora_alpha))
            found += 1
    if not found:
        raise RecipeError(f"model.lora_targets: no linear map of {settings.lora_targets!r} in this model")


def _linear_maps(
    layers: list[nn.Module], is_wanted: Callable[[str], bool]
) -> list[tuple[nn.Module, str, nn.Linear]]:
    """Parent, name in it, and the map itself."""
    return [
        (parent, name, child)
        for layer in layers
        for path, parent in layer.named_modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear and is_wanted(f"{path}.{name}")
    ]


def adapter_weights(
    model: nn.Module, whole: Callable[[Tensor], Tensor] = lambda one: one
) -> dict[str, Tensor]:
    """The adapters' tensors by name, each passed through `whole`; empty for a model without."""
    return {
        name: whole(parameter.detach())
        for name, parameter in model.named_parameters()
        if name.rpartition(".")[2] in _PARTS
    }


def load_adapters(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Takes over what `adapter_weights` gave. Raises CheckpointError where names or shapes differ."""
    mine = adapter_weights(model)
    shapes = {name: tuple(one.shape) for name, one in weights.items()}
    if shapes != {name: tuple(one.shape) for name, one in mine.items()}:
        raise CheckpointError("the adapters of the checkpoint are not those of the recipe's model.lora_*")
    for name, one in mine.items():
        one.copy_(weights[name])


def merged_weights(model: nn.Module, whole: Callable[[Tensor], Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Names and weights of the model without adapters, theirs added in; each tensor goes through `whole`."""
    adapted = {name: one for name, one in model.named_modules() if isinstance(one, LoraLinear)}
    for name, parameter in model.named_parameters():
        module, _, part = name.rpartition(".")
        if part in _PARTS:
            continue
        weight = whole(parameter)
        if module in adapted and part == "weight":
            one = adapted[module]
            weight = weight.detach() + one.scale * (whole(one.lora_b.detach()) @ whole(one.lora_a.detach()))
        yield name, weight


def without_adapters(model: Model) -> Model:
    """The model itself, with every adapter added to its weight and taken away."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LoraLinear):
                setattr(parent, name, _plain(child))
    return model


def _plain(adapted: LoraLinear) -> nn.Linear:
    plain = nn.Linear(adapted.in_features, adapted.out_features, adapted.bias is not None, device="meta")
    delta = adapted.scale * (adapted.lora_b.detach() @ adapted.lora_a.detach())
    plain.weight = nn.Parameter(adapted.weight.detach() + delta, requires_grad=False)
    plain.bias = adapted.bias
    return plain
