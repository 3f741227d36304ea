"""Prints the table of docs/isolation.md: what each backend gives in each place, seen by trying it.

    .venv/bin/python docker/isolation_table.py [IMAGE]

As root, on a machine with a Docker engine and the server's image (default: reward-server). Each row is a
place; the trials are small programs run in it through the sandbox.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CAPABILITIES = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL")
FLAGS = [
    "--cap-drop=ALL", *(f"--cap-add={name}" for name in CAPABILITIES),
    "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined",
]  # fmt: skip
CGROUP = ["-v", "/sys/fs/cgroup:/sys/fs/cgroup"]
NOBODY = 65534

# What is asked, the program, and what its result means.
Reading = Callable[[str, str], str]


def by_output(outcome: str, text: str) -> str:
    return text.strip() or outcome


def by_outcome(outcome: str, text: str) -> str:
    return outcome


TRIALS: dict[str, tuple[str, Reading]] = {
    "uid": ("import os\nprint('server' if os.getuid() == {uid} else 'own')", by_output),
    "one process over the memory limit": ("x = bytearray(10**9)", by_outcome),
    "children over it together": (
        "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        x = b'x' * 10**8\n"
        "        time.sleep(3)\n        os._exit(0)\nfor _ in range(8): os.wait()",
        by_outcome,
    ),
    "files over it": ("f = open('f', 'wb')\nwhile True: f.write(bytes(10**6))", by_outcome),
    "fork bomb": ("import os\nwhile True: os.fork()", by_outcome),
    "loopback": (
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', {port}))\n    print('reached')\n"
        "except OSError: print('no')",
        by_output,
    ),
    "a file outside": (
        "import os\ntry: print(open({secret!r}).read())\n"
        "except OSError: print('name seen' if os.path.exists({secret!r}) else 'no')",
        by_output,
    ),
    "other processes": (
        "import os\ntry: n = len([p for p in os.listdir('/proc') if p.isdigit()])\nexcept OSError: n = 1\n"
        "print('no' if n == 1 else n)",
        by_output,
    ),
}


async def probe(name: str, image: str, runtime: str) -> dict[str, str]:
    """The trials under one backend, here; or why it does not work."""
    from sandbox import backends
    from sandbox.containers import ContainerConfig
    from sandbox.sandbox import Sandbox, SandboxConfig

    if why := backends.problem(name, image):
        return {"why": why}
    box = Sandbox(SandboxConfig(isolation=name, slots=2, containers=ContainerConfig(image, runtime)))
    await box.start()
    try:
        found = {"isolation": box.isolation}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for question, (source, read) in TRIALS.items():
                outcome, text = await run(box, fill(source, listener.getsockname()[1]))
                found[question] = read(outcome, text)
        return found
    finally:
        await box.close()


def fill(source: str, port: int) -> str:
    for key, value in (("{uid}", str(os.getuid())), ("{port}", str(port)), ("{secret!r}", repr(__file__))):
        source = source.replace(key, value)
    return source


async def run(box: Any, source: str) -> tuple[str, str]:
    from sandbox.types import Case, Limits, Program

    limits = Limits(cpu_seconds=2, wall_seconds=20, memory_bytes=128 << 20, processes=16)
    artefact = (await box.compile(Program("python", source))).artefact
    async with box.session(artefact, limits) as session:
        result = await session.run(Case())
    return result.outcome.value, result.stdout.decode()


def run_probe(name: str, image: str = "", runtime: str = "") -> None:
    print(json.dumps(asyncio.run(probe(name, image, runtime))))


def here(name: str, image: str = "", runtime: str = "") -> dict[str, str]:
    return answer([sys.executable, __file__, "--probe", name, image, runtime], {"PYTHONPATH": str(ROOT)})


def as_nobody(name: str) -> dict[str, str]:
    """An ordinary user, with an interpreter and a copy of the package that it can read."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        os.chmod(home, 0o755)  # noqa: S103 - for the other user to read
        shutil.copytree(ROOT / "sandbox", Path(home, "sandbox"), ignore=shutil.ignore_patterns("__pycache__"))
        script = shutil.copy(__file__, home)
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return answer([*command, "/usr/bin/python3", script, "--probe", name], {"PYTHONPATH": home})


def in_container(image: str, name: str, *flags: str) -> dict[str, str]:
    mount = ["-v", f"{__file__}:/isolation_table.py:ro"]
    command = ["docker", "run", "--rm", *flags, *mount, "--entrypoint", "python", image]
    return answer([*command, "/isolation_table.py", "--probe", name], {})


def answer(command: list[str], environment: dict[str, str]) -> dict[str, str]:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", env=os.environ | environment
    )
    if done.returncode:
        return {"why": f"the trial failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    image = sys.argv[1] if len(sys.argv) > 1 else "reward-server"
    rows: list[tuple[str, str, dict[str, str]]] = []
    for name in ("namespaces", "landlock"):
        rows += [
            ("bare machine, root", name, here(name)),
            ("bare machine, ordinary user", name, as_nobody(name)),
            ("container, default flags", name, in_container(image, name)),
            ("container, default flags, `--user`", name, in_container(image, name, f"--user={NOBODY}")),
            ("container, the documented flags", name, in_container(image, name, *FLAGS)),
            ("the same and the control groups", name, in_container(image, name, *FLAGS, *CGROUP)),
        ]
    rows.append(("any, with an engine", "docker", here("docker", image)))
    print_table(rows)


def print_table(rows: list[tuple[str, str, dict[str, str]]]) -> None:
    titles = ["place", "backend", *TRIALS]
    print("| " + " | ".join(titles) + " |")
    print("|" + "---|" * len(titles))
    for place, name, found in rows:
        cells = [found.get(title, "") for title in titles[2:]]
        if "why" in found:
            cells = [f"**no**: {found['why'].replace('|', '/')[:90]}", *cells[1:]]
        print("| " + " | ".join([place, found.get("isolation", name), *cells]) + " |")


if __name__ == "__main__":
    if "--probe" in sys.argv:
        run_probe(*sys.argv[2:])
    else:
        main()
