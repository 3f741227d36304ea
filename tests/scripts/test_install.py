"""scripts/run and scripts/test: what they install, when they install nothing, and what they say."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
COMMANDS = ("python", "pip", "reward-server", "trainer_client", "ruff", "mypy", "lint-imports")

# Stands in for every command of .venv, and writes down how it was called. Asked whether torch is
# there (`-c`), it says no; asked for a CPU build of torch, it has none when the test says so.
STAND_IN = """#!/bin/sh
echo $(basename "$0") $* >>calls
[ "$1" = "-c" ] && exit 1
case "$*" in *+cpu*) [ ! -e no_cpu_build ] ;; esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the scripts read, without a .venv."""
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    return tmp_path


@pytest.fixture
def with_venv(checkout: Path) -> Path:
    """The copy, with a .venv of stand-ins."""
    folder = checkout / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in COMMANDS:
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    return checkout


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script of the copy on a PATH without a GPU's tools and without a Docker engine."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in (
        "basename",
        "bash",
        "cat",
        "cut",
        "dirname",
        "head",
        "id",
        "mkdir",
        "mktemp",
        "rm",
        "sed",
        "sha256sum",
        "sh",
    ):
        (tools / name).symlink_to(str(shutil.which(name)))

    def call(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env={"PATH": str(tools), **environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return call


def calls(checkout: Path) -> list[str]:
    """How the stand-ins were called since the last time this was asked."""
    path = checkout / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def pip_calls(checkout: Path) -> list[str]:
    return [line for line in calls(checkout) if " -u -m pip " in line]


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_the_first_run_installs_the_pins_and_hands_over(with_venv: Path, run: Callable) -> None:
    assert run("scripts/run", "--", "my.toml", "--resume").returncode == 0
    lines = calls(with_venv)
    assert any("-c constraints.txt" in line and line.endswith("-e .[server,trainer]") for line in lines)
    assert lines[-1] == "python scripts/local_run.py my.toml --resume"


def test_the_second_run_installs_nothing(with_venv: Path, run: Callable) -> None:
    run("scripts/run")
    assert pip_calls(with_venv)
    run("scripts/run")
    assert pip_calls(with_venv) == []


def test_changed_pins_are_installed(with_venv: Path, run: Callable) -> None:
    run("scripts/run")
    calls(with_venv)
    with (with_venv / "constraints.txt").open("a") as pins:
        pins.write("six==1.17.0\n")
    run("scripts/run")
    assert pip_calls(with_venv)


def test_what_the_tests_installed_is_enough_to_run(with_venv: Path, run: Callable) -> None:
    run("scripts/test", "--no-docker")
    assert any(line.endswith("-e .[dev]") for line in pip_calls(with_venv))
    run("scripts/run")
    assert pip_calls(with_venv) == []


def test_without_a_gpu_torch_is_the_cpu_build(with_venv: Path, run: Callable) -> None:
    run("scripts/run", TORCH_INDEX_URL="https://example.invalid/cpu")
    torch_call = pip_calls(with_venv)[0]
    assert "--extra-index-url https://example.invalid/cpu torch==" in torch_call
    assert torch_call.endswith("+cpu")


def test_without_a_cpu_build_the_default_is_taken_and_said(with_venv: Path, run: Callable) -> None:
    (with_venv / "no_cpu_build").touch()
    done = run("scripts/run")
    assert "TORCH_INDEX_URL" in done.stdout
    assert [line.rpartition("torch==")[2].endswith("+cpu") for line in pip_calls(with_venv)[:2]] == [
        True,
        False,
    ]


@pytest.mark.parametrize("script", ["scripts/run", "scripts/test"])
def test_no_install_touches_nothing_and_names_the_command(checkout: Path, run: Callable, script: str) -> None:
    before = tree(checkout)
    done = run(script, "--no-install")
    assert done.returncode == 1
    assert ".venv/bin/python is missing" in done.stderr
    assert f"run: {script}" in done.stderr
    assert tree(checkout) == before


def test_no_install_uses_a_venv_that_is_there(with_venv: Path, run: Callable) -> None:
    assert run("scripts/run", "--no-install").returncode == 0
    assert calls(with_venv) == ["python scripts/local_run.py"]


def test_without_python_and_apt_the_command_is_named(checkout: Path, run: Callable) -> None:
    done = run("scripts/run")
    assert done.returncode == 1
    assert "Python 3.11 or newer is missing" in done.stderr
    assert "apt-get install -y --no-install-recommends python3.11 python3.11-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_failed_pip_names_the_way_without_a_network(with_venv: Path, run: Callable) -> None:
    (with_venv / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    done = run("scripts/run")
    assert done.returncode == 1
    assert "PIP_NO_INDEX=1" in done.stderr
    assert not list((with_venv / ".venv").glob(".installed-*"))


def test_a_failed_check_fails_the_tests_but_hides_none(with_venv: Path, run: Callable) -> None:
    (with_venv / ".venv" / "bin" / "ruff").write_text("#!/bin/sh\nexit 1\n")
    done = run("scripts/test", "--no-docker", "-k", "nothing")
    assert done.returncode == 1
    assert "failed so far: lint format" in done.stdout
    assert calls(with_venv)[-1] == "python -m pytest -k nothing"


def test_the_whole_of_the_tests_is_run_by_two_processes(with_venv: Path, run: Callable) -> None:
    run("scripts/test", "--no-docker")
    assert calls(with_venv)[-1].startswith("python -m pytest -n 2")


def test_missing_tools_are_named_and_the_checks_go_on(with_venv: Path, run: Callable) -> None:
    done = run("scripts/test")
    assert (
        "apt-get install -y --no-install-recommends g++ git openssl docker.io iptables debootstrap"
        in done.stdout
    )
    assert "no Docker engine answers" in done.stdout
    assert done.returncode == 0


def test_without_npm_debian_s_jest_is_named(with_venv: Path, run: Callable) -> None:
    done = run("scripts/test", "--no-docker")
    assert "missing: jest; run: " in done.stdout


def test_without_toolchains_jest_is_not_wanted(with_venv: Path, run: Callable) -> None:
    done = run("scripts/test", "--no-docker", "--no-toolchains")
    assert "jest" not in done.stdout


@pytest.mark.parametrize("script", ["scripts/run", "scripts/test"])
def test_help_shows_the_usage_and_does_nothing(checkout: Path, run: Callable, script: str) -> None:
    before = tree(checkout)
    done = run(script, "--help")
    assert (done.returncode, done.stdout.count(f"Usage: {script}")) == (0, 1)
    assert "set -euo" not in done.stdout
    assert tree(checkout) == before


def test_run_refuses_an_argument_it_does_not_know(checkout: Path, run: Callable) -> None:
    assert "come after --" in run("scripts/run", "--resume").stderr
