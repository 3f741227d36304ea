"""The source tree itself: nothing in it belongs to one machine, and its commands can be run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

COMMANDS = ("scripts/run", "scripts/test", "scripts/protos", ".ci/run", "docker/import_base")

# Written in pieces, so that this file does not find itself. A jail has a /work too, but none of these in it.
MACHINE_PATHS = [
    re.compile(rb"(?<![\w.])/" + folder + below)
    for folder, below in [
        (b"wo" + b"rk", rb"/(main|shared|\.library)\b"),
        (b"ro" + b"ot", rb"/[\w.]"),
        (b"ho" + b"me", rb"/[\w.]"),
    ]
]
REGISTRY_HOSTS = [
    re.compile(re.escape(name + domain))
    for name, domain in [
        (b"pypi", b".org"),
        (b"python", b"hosted"),
        (b"deb.debian", b".org"),
        (b"registry", b".npmjs"),
        (b"download.pytorch", b".org"),
    ]
]
BINARY = {".png", ".woff2", ".gz", ".zst", ".parquet", ".safetensors"}


def files_of_the_tree(repository: Path) -> list[Path]:
    """Tracked files and those that would be, as git sees them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=repository, capture_output=True, check=False, timeout=60)
    if done.returncode:
        pytest.skip("not a git work tree: which files belong to it is not known here")
    paths = (repository / os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def lines_with(repository: Path, patterns: list[re.Pattern[bytes]]) -> list[str]:
    found = []
    for path in files_of_the_tree(repository):
        if path.suffix in BINARY or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if any(pattern.search(line) for pattern in patterns):
                found.append(f"{path.relative_to(repository)}:{number}")
    return found


def test_no_file_holds_a_path_of_one_machine(repository: Path) -> None:
    assert lines_with(repository, MACHINE_PATHS) == []


def test_no_file_names_a_package_registry(repository: Path) -> None:
    assert lines_with(repository, REGISTRY_HOSTS) == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=60)
    (tmp_path / "notes").write_bytes(b"fine\nsee /wo" + b"rk/main\n")
    assert lines_with(tmp_path, MACHINE_PATHS) == ["notes:2"]


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_can_be_run(repository: Path, name: str) -> None:
    path = repository / name
    assert os.access(path, os.X_OK)
    assert path.read_bytes().startswith(b"#!/usr/bin/env bash\n")


def test_every_script_parses(repository: Path) -> None:
    for path in [*(repository / "scripts").iterdir(), repository / ".ci" / "run"]:
        if path.is_file() and path.suffix != ".py":
            subprocess.run(["bash", "-n", str(path)], check=True, timeout=60)


def test_license_is_the_one_that_is_declared(repository: Path) -> None:
    text = (repository / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
