"""The image under test, built once, and containers that are removed whatever happens."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

IMAGE = "verdict-reward-test"
IMPORTED_BASE = "verdict-reward-base:bookworm"

# What docker/compose.yaml and docs/install.md name, as arguments of `docker run`.
CAPABILITIES = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL")
JAIL_FLAGS = [
    "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", *(f"--cap-add={name}" for name in CAPABILITIES),
    "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined",
]  # fmt: skip

StartContainer = Callable[..., str]


def docker(*arguments: str, check: bool = True, seconds: float = 120) -> str:
    """Runs a docker command and returns its standard output, stripped."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0 or not check, (
        f"docker {arguments[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    )
    return done.stdout.strip()


def logs(container: str) -> str:
    """What the container wrote, both streams."""
    done = subprocess.run(
        ["docker", "logs", container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips where no Docker engine answers."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command on this host (scripts/test installs one where it may)")
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or "ERROR" in done.stdout:
        pytest.skip("no Docker engine answers (scripts/test starts one where it may)")


@pytest.fixture(scope="session")
def base_image(engine: None, repository: Path) -> str:
    """$DOCKER_TEST_BASE, or a Debian that is here, or can be pulled, or is made from Debian's packages."""
    if chosen := os.environ.get("DOCKER_TEST_BASE"):
        return chosen
    for name in (IMPORTED_BASE, "debian:12-slim"):
        if docker("images", "-q", name):
            return name
    if shutil.which("debootstrap") and os.geteuid() == 0:
        # debootstrap mounts a /proc for a while: not where other tests count mounts.
        command = ["unshare", "--mount", str(repository / "docker" / "import_base"), IMPORTED_BASE]
        subprocess.run(command, check=True, timeout=600)
        return IMPORTED_BASE
    docker("pull", "debian:12-slim", check=False, seconds=300)
    if docker("images", "-q", "debian:12-slim"):
        return "debian:12-slim"
    pytest.skip("no base image: none can be pulled, and making one needs root and debootstrap")


@pytest.fixture(scope="session")
def image(base_image: str, repository: Path) -> str:
    """The image of this work tree."""
    docker(
        "build", "-q", "-f", str(repository / "docker" / "Dockerfile"), "--build-arg", f"BASE={base_image}",
        "-t", IMAGE, str(repository), seconds=900,
    )  # fmt: skip
    return IMAGE


@pytest.fixture(scope="module")
def start(image: str) -> Iterator[StartContainer]:
    """Starts a container with the flags given, both ports published, and returns its id.

    They share a cache of precompiled headers, as restarts of one server do.
    """
    started: list[str] = []
    cache = docker("volume", "create")

    def call(*flags: str) -> str:
        ports = ["-p", "127.0.0.1::8080", "-p", "127.0.0.1::50051"]
        volume = ["-v", f"{cache}:/var/cache/reward-server"]
        started.append(docker("run", "-d", *ports, *volume, *flags, image))
        return started[-1]

    yield call
    for container in started:
        docker("rm", "-f", "-v", container, check=False)
    docker("volume", "rm", "-f", cache, check=False)
