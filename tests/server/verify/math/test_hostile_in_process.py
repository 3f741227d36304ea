"""The hostile suite without a jail: the server's own half is quick, and no text becomes code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.server.verify.math.hostile import CANARY, HOSTILE

_ROOT = Path(__file__).parents[4]

# The kernel ends the child at five seconds of CPU time for one input: a megabyte read in linear time takes
# about one. The last line of its output then names the input.
_SERVERS_HALF = """
import resource, signal
from server.verify.extraction import POLICIES, extract
from server.verify.math.quick import judge_quickly
from tests.server.verify.math.hostile import COMPLETIONS, HOSTILE

resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
for name, text in [*HOSTILE.items(), *COMPLETIONS.items()]:
    print(name, flush=True)
    signal.setitimer(signal.ITIMER_PROF, 5.0)
    short = text[:1999]
    judge_quickly(text, text + "x")
    for gold, answer in (("42", text), (text, "17"), ("42", short), (short, "17")):
        judgement = judge_quickly(gold, answer)
        assert judgement is None or judgement.status != "correct", (gold, answer)
    for policy in POLICIES:
        signal.setitimer(signal.ITIMER_PROF, 5.0)
        extract(text, policy)
signal.setitimer(signal.ITIMER_PROF, 0)
print("done")
"""

# An audit hook sees what is made into code, and which files and processes are opened.
_AUDITED = """
import json, sys
from server.verify.math import worker
from tests.server.verify.math.hostile import CODE

watched = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect"}
seen = []

def hook(event, arguments):
    if event in watched or (event in {"open", "compile"} and "canary" in repr(arguments[0])):
        seen.append(event)

def judged(text):
    for gold, answer in ((text, "17"), ("42", text)):
        worker.handle(json.dumps({"gold": [gold], "answer": answer}).encode())

def evaluated(text):
    eval(repr(text))

worker.warm_up()
sys.addaudithook(hook)
for text in CODE.values():
    CHECK(text)
print(seen)
"""


def child(program: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(_ROOT), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_suite_is_of_the_size_it_claims() -> None:
    assert len(HOSTILE) >= 250


def test_the_server_s_own_half_takes_little_time_and_memory() -> None:
    ran = child(_SERVERS_HALF)
    assert ran.stdout.splitlines()[-1:] == ["done"], ran.stderr


def test_nothing_is_executed() -> None:
    Path(CANARY).unlink(missing_ok=True)
    ran = child(_AUDITED.replace("CHECK", "judged"))
    assert ran.stdout == "[]\n", ran.stderr
    assert not Path(CANARY).exists()


def test_the_hook_would_have_seen_an_evaluator() -> None:
    assert "compile" in child(_AUDITED.replace("CHECK", "evaluated")).stdout
