"""Several processes with one policy: FSDP2 (`fully_shard`) under torchrun.

    torchrun --nproc-per-node 8 -m trainer_client run my_recipe.toml --out runs/mine

Every process samples its share of a batch with an engine of its own and asks for its
rewards; the completions are gathered, and every process computes its share of the
update on its shard of the weights. The first one writes. A single process takes none
of these ways: `World()` changes nothing.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from trainer_client.errors import Interrupted, RecipeError, TrainerError
from trainer_client.lora import merged_weights

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

    from trainer_client.recipe import Compute

T = TypeVar("T")

# Who has sampled its share waits for the others' in a collective.
_PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class World:
    """Which of how many processes this is, and the device that it computes on."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def mine(self, parts: Sequence[T]) -> list[T | None]:
        """This process's share of `parts`, dealt round; None where another one has a part more.

        As long on every process: each must pass through the sharded model as often as the others.
        """
        rounds = -(-len(parts) // self.size)
        places = range(self.rank, rounds * self.size, self.size)
        return [parts[place] if place < len(parts) else None for place in places]

    def share(self, count: int) -> slice:
        """This process's run of `count` things, as long as the others' or one different; may be empty."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def largest(self, value: float) -> float:
        """The largest of all processes' values; NaN where one has NaN."""
        return max(self.gathered(value), key=lambda one: (math.isnan(one), one))

    def total(self, value: float) -> float:
        """The sum of all processes' values."""
        return sum(self.gathered(value))

    def gathered(self, value: T) -> list[T]:
        """Every process's value, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

    def from_each(self, work: Callable[[], T]) -> list[T]:
        """What `work` gives in every process, in the order of their ranks; a TrainerError of one is all's."""
        if self.size == 1:
            return [work()]
        outcome: T | _Failure
        failed: TrainerError | None = None
        try:
            outcome = work()
        except TrainerError as error:
            failed, outcome = error, _Failure.of(error)
        results: list[T] = []
        for one in self.gathered(outcome):
            if isinstance(one, _Failure):
                raise failed or one.as_error()
            results.append(one)
        return results

    def from_first(self, work: Callable[[], T]) -> T:
        """What `work` gives in the first process, on all of them; a TrainerError of it is raised on all."""
        if self.size == 1:
            return work()
        outcome: list[Any] = [None]
        failed: TrainerError | None = None
        if self.is_first:
            try:
                outcome = [work()]
            except TrainerError as error:
                failed, outcome = error, [_Failure.of(error)]
        torch.distributed.broadcast_object_list(outcome, src=0)
        if isinstance(outcome[0], _Failure):
            raise failed or outcome[0].as_error()
        result: T = outcome[0]
        return result


@dataclass(frozen=True)
class _Failure:
    """A TrainerError on its way to another process, which only needs to know how to end."""

    message: str
    signal_number: int | None

    @classmethod
    def of(cls, error: TrainerError) -> _Failure:
        return cls(str(error), error.signal_number if isinstance(error, Interrupted) else None)

    def as_error(self) -> TrainerError:
        return TrainerError(self.message) if self.signal_number is None else Interrupted(self.signal_number)


def join_world(device: str) -> World:
    """The world that torchrun's environment describes; one process without it.

    `device` is `auto` (a GPU where there is one), `cpu` or `cuda`. Raises RecipeError where there is no GPU.
    """
    size, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if on_gpu and not torch.cuda.is_available():
        raise RecipeError("compute.device: this machine has no GPU that torch can use")
    place = torch.device("cuda", local) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(place)
    if size > 1 and not torch.distributed.is_initialized():
        # Objects travel over gloo, so that waiting for them keeps no GPU busy.
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    return World(int(os.environ.get("RANK", "0")), size, place)


def leave_world() -> None:
    """Ends the process group, if there is one."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def place_model(model: Any, world: World, compute: Compute) -> None:
    """Puts a Hugging Face model on its device and, with several processes, shards it, layer by layer.

    Master weights stay in float32; `compute.precision` says in what the layers compute, and gradients are
    reduced in float32. The optimizer has to be made from the parameters afterwards.
    """
    model.to(world.device)
    if compute.activation_checkpointing:
        checkpoint_layers(model)
    if world.size == 1:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(world.device.type, (world.size,))
    half = compute.precision == "bfloat16"
    precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16 if half else None, reduce_dtype=torch.float32)
    for layer in layers_of(model):
        fully_shard(layer, mesh=mesh, mp_policy=precision)
    fully_shard(model, mesh=mesh, mp_policy=precision)


def layers_of(model: Any) -> list[torch.nn.Module]:
    """A Hugging Face model's repeated layers."""
    names = set(model._no_split_modules or ())
    return [module for module in model.modules() if type(module).__name__ in names]


def checkpoint_layers(model: Any) -> None:
    """Has each layer compute its activations again in the backward pass instead of keeping them."""
    for layer in layers_of(model):
        layer.forward = functools.partial(checkpoint, layer.forward, use_reentrant=False)


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor gathered on every process; any other as it is. All processes must take part."""
    sharded = _sharded(tensor)
    return tensor if sharded is None else sharded.full_tensor()


def _sharded(tensor: Any) -> DTensor | None:
    """The tensor if it is a sharded one. Where none can be, torch's module for them is not loaded."""
    if not torch.distributed.is_initialized():
        return None
    from torch.distributed.tensor import DTensor

    return tensor if isinstance(tensor, DTensor) else None


def whole_weights(model: torch.nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Names and gathered weights, one at a time, adapters added in. All processes must go through all."""
    return merged_weights(model, whole)


def whole_optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """`optimizer.state_dict()` with every tensor gathered on the CPU, for any number of processes."""
    state = optimizer.state_dict()
    gathered = {
        index: {key: whole(value).cpu() if isinstance(value, Tensor) else value for key, value in one.items()}
        for index, one in state["state"].items()
    }
    return {**state, "state": gathered}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Loads what `whole_optimizer_state` gave, sharded as the parameters are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    laid_out = {
        index: {key: _like(parameters[index], value) for key, value in one.items()}
        for index, one in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": laid_out})


def _like(parameter: Tensor, value: Any) -> Any:
    sharded = _sharded(parameter)
    if sharded is None or not isinstance(value, Tensor) or value.dim() == 0:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(sharded.device), sharded.device_mesh, sharded.placements)
