"""A vLLM server of the trainer's own: started with it, asked over HTTP, and ended with it.

vLLM stays in an environment of its own (`vllm.python`), so its pins meet none of
the trainer's. Weights go over as a checkpoint in a folder that both see (in memory
where there is room), and the server reads them with `reload_weights`; that works on
every device that vLLM runs on. Each completion is a request of its own and is given
out when it ends.
Contract: vLLM 0.32, /v1/completions with `return_token_ids`, and with VLLM_SERVER_DEV_MODE
/collective_rpc and /reset_prefix_cache; the server listens on 127.0.0.1 only.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from trainer_client.errors import RecipeError, SamplerError
from trainer_client.model import Policy
from trainer_client.recipe import VllmSettings
from trainer_client.rollout.engine import Completion, SamplingSettings, request_seed

if TYPE_CHECKING:
    from torch import Tensor

_REQUEST_SECONDS = 3600.0  # of one completion, however long the queue
_STOP_SECONDS = 20.0
# Becomes the command that follows, which then gets SIGTERM when the trainer dies, even by SIGKILL (Linux).
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, <linux/prctl.h>
os.execv(sys.argv[1], sys.argv[1:])
"""
# torchrun's, which describe the trainer's processes and not vLLM's.
_TORCHRUN = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "GROUP_RANK",
    "ROLE_RANK",
)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it, with a random name


class VllmServerEngine:
    """Samples from a server process; see the module."""

    shares_weights = False

    def __init__(self, policy: Policy, settings: VllmSettings) -> None:
        self._policy, self._settings = policy, settings
        shared = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="vllm-", dir=shared))
        self._model = self._folder / "model"
        self._log = self._folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            policy.save(self._model)
            self._url = f"http://127.0.0.1:{_free_port()}"
            self._http = httpx.Client(base_url=self._url, timeout=_REQUEST_SECONDS, trust_env=False)
            self._process = self._start()
            self._wait_until_healthy(self._process)
        except BaseException:  # also Ctrl-C while it starts: neither process nor folder may stay
            self.close()
            raise

    def sample(self, prompts: Sequence[Sequence[int]], settings: SamplingSettings) -> Iterator[Completion]:
        """See `RolloutEngine.sample`. Raises SamplerError when the server fails or dies."""
        ended: queue.SimpleQueue[Completion | Exception] = queue.SimpleQueue()
        stop = threading.Event()

        def ask(index: int, prompt: Sequence[int]) -> None:
            if not stop.is_set():
                ended.put(self._outcome(index, prompt, settings))

        pool = ThreadPoolExecutor(min(len(prompts), self._settings.max_sequences), "vllm")
        try:
            for index, prompt in enumerate(prompts):
                pool.submit(ask, index, prompt)
            for _ in prompts:
                outcome = ended.get()
                if isinstance(outcome, Exception):
                    raise self._failure(outcome) from outcome
                yield outcome
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def sync(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Writes the weights and has the server read them; what it cached under the old ones is dropped."""
        from safetensors.torch import save_file

        draft = self._model / "draft"
        save_file({name: weight.detach().cpu().contiguous() for name, weight in weights}, draft)
        os.replace(draft, self._model / "model.safetensors")
        arguments = {"weights_path": str(self._model)}
        self._post("/collective_rpc", {"method": "reload_weights", "kwargs": arguments})
        self._post("/reset_prefix_cache", None)

    def close(self) -> None:
        """Ends the server and all its processes, and removes its folder."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if hasattr(self, "_http"):
            self._http.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _outcome(
        self, index: int, prompt: Sequence[int], settings: SamplingSettings
    ) -> Completion | Exception:
        try:
            answer = self._post("/v1/completions", _request(index, prompt, settings, self._policy.end_id))
            choice = answer.json()["choices"][0]
            return _completion(index, choice, self._policy)
        except Exception as error:  # noqa: BLE001  raised again in the thread that asked
            return error

    def _post(self, path: str, body: Any) -> httpx.Response:
        answer = self._http.post(path, json=body)
        if answer.is_error:
            raise SamplerError(f"vLLM answered {answer.status_code} to {path}: {answer.text[:500]}")
        return answer

    def _failure(self, error: Exception) -> SamplerError:
        if isinstance(error, SamplerError):
            return error
        status = self._process.poll() if self._process else None
        state = "" if status is None else f"; its process ended with status {status}:\n{self._log_end()}"
        return SamplerError(f"the vLLM server failed: {error or type(error).__name__}{state}")

    def _start(self) -> subprocess.Popen[bytes]:
        python = shutil.which(self._settings.python or sys.executable)
        if python is None:
            raise RecipeError(f"vllm.python: {self._settings.python} cannot be run")
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, python]
        command += ["-m", "vllm.entrypoints.openai.api_server"]
        with self._log.open("wb") as output:
            return subprocess.Popen(
                command + _flags(self._url, self._model, self._policy, self._settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(self._settings),
                start_new_session=True,  # its workers end with it, and a Ctrl-C reaches only the trainer
            )

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._settings.start_seconds
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if self._http.get("/health", timeout=5.0).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.3)
        state = (
            f"is not healthy after {self._settings.start_seconds:g} s (vllm.start_seconds)"
            if process.returncode is None
            else f"ended with status {process.returncode}"
        )
        raise SamplerError(f"the vLLM server {state}. The end of its log:\n{self._log_end()}")

    def _log_end(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


def _flags(url: str, model: Path, policy: Policy, settings: VllmSettings) -> list[str]:
    flags = {
        "--host": "127.0.0.1",
        "--port": url.rpartition(":")[2],
        "--model": str(model),
        "--served-model-name": "policy",
        "--dtype": settings.dtype,
        "--max-model-len": str(policy.model.config.max_position_embeddings),
        "--max-num-seqs": str(settings.max_sequences),
        "--gpu-memory-utilization": str(settings.gpu_memory_share),
        "--generation-config": "vllm",
        "--logprobs-mode": "processed_logprobs",
    }
    switches = ["--disable-log-stats", *(["--enforce-eager"] if settings.eager else [])]
    return [part for pair in flags.items() for part in pair] + switches


def _environment(settings: VllmSettings) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _TORCHRUN}
    return (
        inherited
        | _own_gpu(os.environ)
        | {
            "VLLM_SERVER_DEV_MODE": "1",  # for the routes that take over weights
            "VLLM_CPU_KVCACHE_SPACE": str(settings.cache_gigabytes),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_LOGGING_LEVEL": "WARNING",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        }
    )


def _own_gpu(environment: Mapping[str, str]) -> dict[str, str]:
    """Under torchrun the GPU of this process among those that are visible; else nothing is said."""
    local, visible = environment.get("LOCAL_RANK"), environment.get("CUDA_VISIBLE_DEVICES")
    if local is None:
        return {}
    devices = visible.split(",") if visible else []
    return {"CUDA_VISIBLE_DEVICES": devices[int(local)] if int(local) < len(devices) else local}


def _request(index: int, prompt: Sequence[int], settings: SamplingSettings, end_id: int) -> dict[str, Any]:
    return {
        "model": "policy",
        "prompt": list(prompt),
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "seed": request_seed(settings, index),
        "logprobs": 0,
        "stop_token_ids": [end_id],
        "return_token_ids": True,
        "skip_special_tokens": False,
    }


def _completion(index: int, choice: dict[str, Any], policy: Policy) -> Completion:
    tokens = tuple(choice["token_ids"])
    logprobs = tuple(float(value) for value in choice["logprobs"]["token_logprobs"])
    if len(logprobs) != len(tokens):
        raise SamplerError(f"vLLM gave {len(logprobs)} log-probabilities for {len(tokens)} tokens")
    return Completion(index, tokens, logprobs, policy.text(tokens), choice["finish_reason"] == "length")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # The whole session: its engine and workers are processes of their own.
        _kill_group(process.pid)
        process.wait()


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
