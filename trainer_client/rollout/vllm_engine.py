"""vLLM in the trainer's own process: continuous batching, with each completion given out as it ends.

Needs an environment that holds both vLLM and the trainer (docs/engines.md).
Weights are handed over in memory. vLLM packs some of them for its kernels, so
they go through its own `reload_weights`, which packs anew; what it had cached of
prompts is dropped with the old weights.
Contract: vLLM 0.32, `LLM.collective_rpc("reload_weights")`, `LLMEngine.add_request` and `step`.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer_client.errors import RecipeError
from trainer_client.model import Policy
from trainer_client.recipe import VllmSettings
from trainer_client.rollout.engine import Completion, SamplingSettings, request_seed

if TYPE_CHECKING:
    from torch import Tensor

# Read by vLLM when it is imported. One process: the engine's core must be reached with tensors, not bytes.
_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else it takes cores that the trainer and the server use
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}


class VllmEngine:
    """Samples with vLLM beside the policy that is being trained."""

    shares_weights = False

    def __init__(self, policy: Policy, settings: VllmSettings) -> None:
        if importlib.util.find_spec("vllm") is None:
            raise RecipeError(
                "compute.engine: vllm is not installed in this environment "
                "(scripts/run --engine vllm makes one; vllm_server needs it only at vllm.python)"
            )
        self._policy = policy
        self._folder = Path(tempfile.mkdtemp(prefix="vllm-"))
        self._numbers = itertools.count()
        try:
            policy.save(self._folder)
            self._llm = _load(self._folder, policy, settings)
        except BaseException:  # whatever went wrong, the copy of the model must not stay
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def sample(self, prompts: Sequence[Sequence[int]], settings: SamplingSettings) -> Iterator[Completion]:
        """See `RolloutEngine.sample`. A consumer that stops early leaves nothing running."""
        engine = self._llm.llm_engine
        running: dict[str, int] = {}
        try:
            for index, prompt in enumerate(prompts):
                # The number keeps names apart; vLLM gives the name under which it can be aborted.
                name = f"{next(self._numbers)}-{index}"
                parameters = sampling_parameters(settings, index, self._policy.end_id)
                engine.add_request(name, {"prompt_token_ids": list(prompt)}, parameters)
                running[name] = index
            while running:
                for output in engine.step():
                    if output.finished:
                        yield self._completion(running.pop(output.request_id), output.outputs[0])
        finally:
            if running:
                engine.abort_request(list(running))

    def sync(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Hands over the weights and drops what was cached under the old ones."""
        pairs = [(name, weight.detach()) for name, weight in weights]
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(pairs)})
        if not self._llm.reset_prefix_cache():
            raise RuntimeError("vLLM kept its cache of prompts although nothing is being sampled")

    def close(self) -> None:
        """Ends the engine and removes its copy of the model."""
        self._llm.llm_engine.engine_core.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _completion(self, index: int, output: Any) -> Completion:
        tokens = tuple(output.token_ids)
        logprobs = tuple(
            float(choices[token].logprob) for token, choices in zip(tokens, output.logprobs, strict=True)
        )
        return Completion(
            index, tokens, logprobs, self._policy.text(tokens), output.finish_reason == "length"
        )


def sampling_parameters(settings: SamplingSettings, index: int, end_id: int) -> Any:
    """vLLM's `SamplingParams`: the plain distribution at a temperature, and each token's log-probability."""
    from vllm import SamplingParams

    return SamplingParams(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=request_seed(settings, index),
        logprobs=0,
        stop_token_ids=[end_id],
        detokenize=False,
    )


def _load(folder: Path, policy: Policy, settings: VllmSettings) -> Any:
    for name, value in (_ENVIRONMENT | {"VLLM_CPU_KVCACHE_SPACE": str(settings.cache_gigabytes)}).items():
        os.environ.setdefault(name, value)
    from vllm import LLM

    return LLM(
        model=str(folder),
        dtype=settings.dtype,
        max_model_len=policy.model.config.max_position_embeddings,
        max_num_seqs=settings.max_sequences,
        enforce_eager=settings.eager,
        gpu_memory_utilization=settings.gpu_memory_share,
        generation_config="vllm",
        # After the temperature: the distribution that the loss improves.
        logprobs_mode="processed_logprobs",
        disable_log_stats=True,
    )
