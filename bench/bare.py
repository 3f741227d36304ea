"""The other side of `bench.sandbox`: the same programs run by other means, and what that costs.

Every function returns seconds per test or per program, CPU time of all processes unless its name says wall.
CPU time is what the kernel charges to reaped children, so nothing here may leave a process behind.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# -S: without this environment's site-packages, which would cost the other side more than itself.
PYTHON = (os.path.realpath(sys.executable), "-S")
# As near to a jail of ours as bubblewrap's options come; no limits and no filter, which it leaves to others.
_BUBBLEWRAP = (
    *("bwrap", "--ro-bind", "/", "/", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"),
    *("--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--uid", "1000"),
)
_REAPED = Path(__file__).with_name("reaped.py")
_FORKS = Path(__file__).with_name("forks.py")
_PRIME_CODE = """
import contextlib, json, os, sys, types
# Its packages' __init__ files want ray and tensordict, which the scorer itself does not.
for name in ("verl", "verl.utils"):
    module = types.ModuleType(name)
    module.__path__ = [os.path.join(sys.argv[1], *name.split("."))]
    sys.modules[name] = module
from verl.utils.reward_score import prime_code
jobs = json.load(sys.stdin)
accepted = 0
with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
    for source, inputs, outputs in jobs:
        ok, _ = prime_code.compute_score(source, {"inputs": inputs, "outputs": outputs}, continuous=False)
        accepted += bool(ok)
print(accepted)
"""


@dataclass(frozen=True)
class Submission:
    """A Python program and its tests, pairs of input and wanted output."""

    source: str
    tests: tuple[tuple[str, str], ...]


def children_cpu_seconds() -> float:
    """User and system time of every reaped child of this process."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu(commands: Sequence[Sequence[str]], given: Sequence[str], cwd: str = "/") -> float:
    """Of commands one after another, each with its input; raises CalledProcessError if one fails."""
    order = json.dumps([commands, given, cwd])
    done = subprocess.run((*PYTHON, str(_REAPED)), input=order, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def python(submissions: Sequence[Submission], *, wrapped: bool = False) -> float:
    """A process per test, per submission; `wrapped`: each in a bubblewrap of its own."""
    used = 0.0
    for submission in submissions:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:  # bubblewrap gets a /tmp of its own
            script = Path(directory, "main.py")
            script.write_text(submission.source)
            command = (*(_BUBBLEWRAP if wrapped else ()), *PYTHON, str(script))
            given = [stdin for stdin, _ in submission.tests]
            used += cpu([command] * len(given), given)
    return used / len(submissions)


def throughput_wall(submission: Submission, cores: Sequence[int], count: int) -> float:
    """Wall time of a submission where as many at once as there are cores have these cores alone."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        script = Path(directory, "main.py")
        script.write_text(submission.source)
        given = [stdin for stdin, _ in submission.tests] * (count // len(cores))
        order = json.dumps([[(*PYTHON, str(script))] * len(given), given, "/"])
        pinned = ("taskset", "--cpu-list", ",".join(map(str, cores)), *PYTHON, str(_REAPED))
        started = time.perf_counter()
        with ThreadPoolExecutor(len(cores)) as workers:
            list(
                workers.map(
                    lambda _: subprocess.run(pinned, input=order, capture_output=True, text=True, check=True),
                    cores,
                )
            )
        return (time.perf_counter() - started) / (count // len(cores) * len(cores))


def bubblewrap(repeats: int) -> float:
    """A bubblewrap around `true`, which does nothing."""
    return cpu([(*_BUBBLEWRAP, "/bin/true")] * repeats, [""] * repeats) / repeats


def bubblewrap_wall() -> float:
    """Seconds by the clock until a bubblewrap around `true` is over."""
    started = time.perf_counter()
    subprocess.run([*_BUBBLEWRAP, "/bin/true"], check=True)
    return time.perf_counter() - started


def docker_wall(submission: Submission, image: str) -> float:
    """Wall time of a `docker run` per test: most of the work is the engine's, which is no child of ours."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        Path(directory, "main.py").write_text(submission.source)
        mount = ("-v", f"{directory}:/program:ro", "--network=none", "--memory=512m", "--pids-limit=64")
        command = (
            "docker",
            "run",
            "--rm",
            "-i",
            *mount,
            "--entrypoint",
            "python3",
            image,
            "-S",
            "/program/main.py",
        )
        started = time.perf_counter()
        for stdin, _ in submission.tests:
            subprocess.run(command, input=stdin.encode(), stdout=subprocess.PIPE, check=True)
        return (time.perf_counter() - started) / len(submission.tests)


def warmed_fork(source: str, stdin: str, repeats: int) -> float:
    """A plain fork of an interpreter with the launcher's modules, which runs the program and ends."""
    order = json.dumps([source, stdin, repeats])
    done = subprocess.run(
        (*PYTHON, str(_FORKS), str(ROOT)), input=order, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


class Cpp:
    """A program for `g++`, with a precompiled header as it comes, in a directory of its own."""

    def __init__(self, directory: str, source: str) -> None:
        self._directory = directory
        header = Path(directory, "stdc++.h")
        header.write_text("#include <bits/stdc++.h>\n")
        made = Path(directory, "include", "bits", "stdc++.h.gch")
        made.parent.mkdir(parents=True)
        Path(directory, "main.cpp").write_text(source)
        flags = ("-O2", "-std=gnu++20")
        self._plain = ("g++", *flags, "main.cpp", "-o", "main")
        self._fast = ("g++", *flags, f"-I{directory}/include", "main.cpp", "-o", "main")
        precompile = ("g++", *flags, "-x", "c++-header", str(header), "-o", str(made))
        subprocess.run(precompile, check=True)

    def compile(self, *, precompiled: bool) -> float:
        """One compilation."""
        return cpu([self._fast if precompiled else self._plain], [""], self._directory)

    def run(self, stdin: str, tests: int) -> float:
        """A process per test, all of them; compiled before."""
        return cpu([("./main",)] * tests, [stdin] * tests, self._directory)


def prime_code(submissions: Sequence[Submission], packages: Path) -> tuple[float, int]:
    """Verl's scorer, per submission, without its start; and how many it accepted."""
    used, accepted = _prime_code(submissions, packages)
    return (used - _prime_code((), packages)[0]) / len(submissions), accepted


def _prime_code(submissions: Sequence[Submission], packages: Path) -> tuple[float, int]:
    jobs = [
        (item.source, [given for given, _ in item.tests], [wanted for _, wanted in item.tests])
        for item in submissions
    ]
    before = children_cpu_seconds()
    done = subprocess.run(
        (sys.executable, "-c", _PRIME_CODE, str(packages)),
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(packages)},
    )
    return children_cpu_seconds() - before, int(done.stdout.splitlines()[-1])
