"""The engine that owns a vLLM server, against a stand-in that speaks its wire."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer_client.errors import RecipeError, SamplerError
from trainer_client.model import Policy
from trainer_client.recipe import VllmSettings
from trainer_client.rollout import vllm_server
from trainer_client.rollout.engine import SamplingSettings, request_seed
from trainer_client.rollout.vllm_server import VllmServerEngine, _own_gpu

# Answers with as many tokens as the prompt's first one says, many sooner than few; 7 as the first token is a
# fault, 8 ends the server, 9 is cut off. Writes down what it was asked. Runs a child, as vLLM does.
STAND_IN = """#!{python}
import http.server, json, os, pathlib, subprocess, sys, time
folder = pathlib.Path({folder!r})
flags = dict(zip(sys.argv[3::2], sys.argv[4::2]))
if (folder / "broken").exists():
    sys.exit("no such device")
child = subprocess.Popen(["sleep", "1000"])
(folder / "pids").write_text(f"{{os.getpid()}} {{child.pid}}")
(folder / "model").write_text(flags["--model"])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self): self.answer(200, {{}})
    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("content-length", 0)))
        with (folder / "asked").open("a") as asked:
            asked.write(self.path + " " + text.decode() + "\\n")
        if self.path != "/v1/completions":
            return self.answer(200, {{}})
        body = json.loads(text)
        first = body["prompt"][0]
        if first == 8:
            os._exit(3)
        if first == 7:
            return self.answer(500, {{"error": "out of cache"}})
        time.sleep(0.2 / (1 + first))
        tokens = list(range(10, 10 + first))
        choice = {{"token_ids": tokens, "logprobs": {{"token_logprobs": [-0.5] * first}}}}
        self.answer(200, {{"choices": [choice | {{"finish_reason": "length" if first == 9 else "stop"}}]}})
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
http.server.ThreadingHTTPServer((flags["--host"], int(flags["--port"])), Handler).serve_forever()
"""
SETTINGS = SamplingSettings(max_tokens=9, temperature=0.7, seed=2**62)


@pytest.fixture
def settings(tmp_path: Path) -> VllmSettings:
    path = tmp_path / "vllm-python"
    path.write_text(STAND_IN.format(python=sys.executable, folder=str(tmp_path)))
    path.chmod(0o755)
    return VllmSettings(python=str(path), start_seconds=120.0)


@pytest.fixture
def engine(policy: Policy, settings: VllmSettings):
    engine = VllmServerEngine(policy, settings)
    yield engine
    engine.close()


def pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def has_ended(pid: int) -> bool:
    """Dead, or a zombie that somebody else has to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


def test_completions_come_as_they_end_and_carry_what_was_sampled(engine, policy):
    found = {one.index: one for one in engine.sample([[2, 1], [9, 1], [3]], SETTINGS)}
    assert found.keys() == {0, 1, 2}
    assert found[2].token_ids == (10, 11, 12)
    assert found[2].logprobs == (-0.5, -0.5, -0.5)
    assert found[2].text == policy.text([10, 11, 12])
    assert [found[index].truncated for index in range(3)] == [False, True, False]


def test_the_server_is_asked_for_the_plain_distribution(engine, tmp_path):
    list(engine.sample([[2, 1]], SETTINGS))
    asked = (tmp_path / "asked").read_text()
    for part in ('"temperature": 0.7', f'"seed": {request_seed(SETTINGS, 0)}', '"prompt": [2, 1]'):
        assert part.replace(": ", ":").replace(", ", ",") in asked.replace(": ", ":").replace(", ", ",")
    assert request_seed(SETTINGS, 0) < 2**63


def test_a_hand_over_writes_the_weights_and_has_them_read(engine, policy, tmp_path):
    weights = {name: weight.detach() + 1 for name, weight in policy.model.named_parameters()}
    engine.sync(weights.items())
    written = load_file(Path((tmp_path / "model").read_text()) / "model.safetensors")
    assert written.keys() == weights.keys()
    assert all(torch.equal(written[name], weights[name]) for name in weights)
    asked = [line.split()[0] for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked == ["/collective_rpc", "/reset_prefix_cache"]


def test_a_fault_of_the_server_is_said(engine):
    with pytest.raises(SamplerError, match=r"500 to /v1/completions: .*out of cache"):
        list(engine.sample([[2], [7], [2]], SETTINGS))


def test_a_server_that_dies_is_said(engine):
    with pytest.raises(SamplerError, match="the vLLM server failed"):
        list(engine.sample([[8]], SETTINGS))


def test_closing_leaves_no_process_and_no_folder(policy, settings, tmp_path):
    engine = VllmServerEngine(policy, settings)
    folder = Path((tmp_path / "model").read_text())
    engine.close()
    while not all(has_ended(pid) for pid in pids(tmp_path)):  # the suite's timeout bounds it
        time.sleep(0.01)
    assert not folder.parent.exists()


def test_a_server_that_does_not_start_is_said_with_its_last_words(policy, settings, tmp_path):
    (tmp_path / "broken").touch()
    with pytest.raises(SamplerError, match=r"ended with status 1(.|\n)*no such device"):
        VllmServerEngine(policy, settings)


def test_an_interpreter_that_is_not_there_is_a_fault_of_the_recipe(policy):
    with pytest.raises(RecipeError, match=r"vllm\.python: /nowhere/python"):
        VllmServerEngine(policy, VllmSettings(python="/nowhere/python"))


def test_the_server_gets_a_signal_when_the_trainer_is_killed(settings, tmp_path):
    """The wrapper asks the kernel for it, so that a SIGKILL of the trainer leaves no server behind."""
    starter = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-I', '-S', '-c', sys.argv[1], "
        "'/bin/sleep', '1000'], stdout=2); import time; time.sleep(1000)"
    )
    command = [sys.executable, "-c", starter, vllm_server._DIE_WITH_PARENT]
    with subprocess.Popen(command) as trainer:
        child = first_child(trainer.pid)
        while b"sleep" not in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]:
            time.sleep(0.01)
        os.kill(trainer.pid, signal.SIGKILL)
    while not has_ended(child):  # the suite's timeout bounds it
        time.sleep(0.01)


def first_child(pid: int) -> int:
    while True:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found:
            return int(found[0])
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"CUDA_VISIBLE_DEVICES": "4,5"}, {}),
        ({"LOCAL_RANK": "1"}, {"CUDA_VISIBLE_DEVICES": "1"}),
        ({"LOCAL_RANK": "1", "CUDA_VISIBLE_DEVICES": "4,5"}, {"CUDA_VISIBLE_DEVICES": "5"}),
    ],
)
def test_each_process_of_torchrun_samples_on_its_own_gpu(environment, wanted):
    assert _own_gpu(environment) == wanted
