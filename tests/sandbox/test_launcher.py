"""The launcher: configuration, warm modules, and that it holds nothing worth stealing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from sandbox.launcher import WARM_MODULES, LauncherConfig, read_config
from sandbox.sandbox import Sandbox, SandboxConfig


def test_the_configuration_survives_its_journey() -> None:
    config = LauncherConfig(
        control=7,
        family="1-x",
        isolation="namespaces",
        generation=2,
        slots=3,
        cgroup_version=1,
        cgroup_directories={"memory": "/a"},
        binds=("/b",),
        python_path=("/c",),
        preload="m",
    )
    assert read_config(json.dumps(asdict(config))) == config


def test_no_warm_module_is_named_twice() -> None:
    assert len(WARM_MODULES) == len(set(WARM_MODULES))


async def test_the_launcher_knows_none_of_the_servers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    box = Sandbox(SandboxConfig(slots=1))
    await box.start()
    assert box.launcher is not None
    process = Path(f"/proc/{box.launcher.info.pid}")
    environment = (process / "environ").read_bytes()
    mounts = (process / "mounts").read_text().splitlines()
    descriptors = [os.readlink(process / "fd" / name) for name in os.listdir(process / "fd")]
    await box.close()
    assert b"SECRET_TOKEN" not in environment
    assert all(line.split()[1] != "/old" for line in mounts)
    assert not any(path.startswith(os.getcwd()) for path in descriptors)


async def test_only_modules_that_forks_may_share_are_loaded() -> None:
    """Each of these would make every fork dearer, or start threads in the launcher."""
    box = Sandbox(SandboxConfig(slots=1))
    await box.start()
    assert box.launcher is not None
    pid = box.launcher.info.pid
    mapped = Path(f"/proc/{pid}/maps").read_text()
    threads = len(os.listdir(f"/proc/{pid}/task"))
    await box.close()
    assert threads == 1
    assert not any(library in mapped for library in ("_ssl", "libcrypto", "_asyncio", "numpy"))


def test_a_program_ignores_no_signal_because_its_server_does(repository: Path) -> None:
    asked = (
        "import signal\nprint(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
        "print(signal.getsignal(signal.SIGHUP) == signal.SIG_DFL)"
    )
    program = (
        "import asyncio\nfrom sandbox.sandbox import *\nfrom sandbox.types import *\n"
        "async def main():\n    box = Sandbox(SandboxConfig(slots=1, languages=('python',)))\n    await box.start()\n"
        f"    made = await box.compile(Program('python', {asked!r}))\n"
        "    async with box.session(made.artefact, Limits()) as session:\n"
        "        print((await session.run(Case())).stdout.decode())\n    await box.close()\n"
        "asyncio.run(main())\n"
    )
    command = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", sys.executable, "-c", program]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_a_key_that_interrupts_the_server_interrupts_no_program(repository: Path) -> None:
    program = (
        "import asyncio, os, signal\nfrom sandbox.sandbox import *\nfrom sandbox.types import *\n"
        "signal.signal(signal.SIGINT, lambda *_: None)\n"
        "async def main():\n    box = Sandbox(SandboxConfig(slots=1, languages=('python',)))\n    await box.start()\n"
        "    made = await box.compile(Program('python', 'import time\\ntime.sleep(1)\\nprint(1)'))\n"
        "    async with box.session(made.artefact, Limits()) as session:\n"
        "        asyncio.get_running_loop().call_later(0.5, os.killpg, 0, signal.SIGINT)\n"
        "        print(await session.run_all([Case()], repeat=True))\n    await box.close()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=repository, capture_output=True, text=True, check=True, start_new_session=True
    )
    assert "stdout=b'1\\n'" in done.stdout
