"""The layers hold: by imports, by what is installed, and by what a command loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "verdict-reward"
TRAINER_ONLY = {"torch", "transformers", "tokenizers", "safetensors", "tensorboard", "matplotlib"}
SERVER_ONLY = {"fastapi", "starlette", "uvicorn", "uvloop", "sympy", "math_verify", "docker", "structlog"}
# What another trainer uses of ours, and what a laptop needs to check a recipe.
CLIENT = ["trainer_client.client", "trainer_client.errors", "trainer_client.recipe", "trainer_client.tasks"]

# Imports the modules named and every module below them, with the forbidden packages out of reach, and prints
# those that failed. A test process has long loaded everything, so this runs in a fresh one.
IMPORT_ALL = """
import importlib, json, pkgutil, sys
wanted, forbidden = json.loads(sys.argv[1])
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in forbidden:
            raise ModuleNotFoundError(f"No module named {name!r} (forbidden here)", name=name)
sys.meta_path.insert(0, Forbid())
modules, failed = [], {}
def visit(name):
    modules.append(name)
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
        return
    for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
        if found.name != "__main__":
            visit(f"{name}.{found.name}")
for name in wanted:
    visit(name)
print(json.dumps({"modules": modules, "failed": failed}))
"""

# Runs a command's --help and prints the top-level packages that it loaded.
LOADED_BY_HELP = """
import contextlib, importlib, io, json, sys
main = importlib.import_module(sys.argv[1]).main
with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
    sys.argv = ["command", "--help"]
    main()
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"help": shown.getvalue(), "loaded": loaded}))
"""


def in_fresh_interpreter(code: str, *arguments: str, cwd: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def closure(*extras: str) -> set[str]:
    """Names of all that `pip install verdict-reward[extras]` brings, read from installed metadata."""
    seen: set[tuple[str, str]] = set()
    waiting = [(PROJECT, extra) for extra in ("", *extras)]
    while waiting:
        name, extra = key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                found = canonicalize_name(requirement.name)
                waiting += [(found, part) for part in ("", *requirement.extras)]
    return {name for name, _ in seen} - {PROJECT}


def pinned(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def test_import_linter_keeps_every_contract(repository: Path) -> None:
    command = [str(Path(sys.executable).parent / "lint-imports")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout)


# Classes of another's own package: each can only be imported beside it.
INSIDE_OTHERS = {f"trainer_client.adapters.{name}" for name in ("nemo_gym", "openenv", "skyrl", "verifiers")}
INSIDE_OTHERS |= {"server.ray_app"}


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (["protos", "sandbox", "server"], TRAINER_ONLY | {"trainer_client", "rich"}),
        (["protos", "trainer_client"], SERVER_ONLY | {"server", "sandbox"}),
        (["protos", *CLIENT], TRAINER_ONLY | SERVER_ONLY | {"server", "sandbox", "rich", "numpy"}),
    ],
    ids=["the server without torch", "the trainer without the server", "the client without either"],
)
def test_imports_without_the_other_extra(repository: Path, modules: list[str], forbidden: set[str]) -> None:
    answer = in_fresh_interpreter(IMPORT_ALL, json.dumps([modules, sorted(forbidden)]), cwd=repository)
    assert set(answer["failed"]) <= INSIDE_OTHERS
    assert set(modules) <= set(answer["modules"])


def test_what_a_bare_install_brings() -> None:
    """The client of another trainer: the wire and nothing else."""
    assert closure() == {
        "googleapis-common-protos", "grpcio", "grpcio-status", "protobuf", "typing-extensions"
    }  # fmt: skip


def test_server_installs_without_torch() -> None:
    assert closure("server") & {"torch", "transformers", "tokenizers", "numpy", "matplotlib"} == set()
    assert {"fastapi", "math-verify"} <= closure("server")


def test_trainer_installs_without_the_server() -> None:
    assert closure("trainer") & {"fastapi", "uvicorn", "starlette", "math-verify", "docker"} == set()
    assert {"torch", "transformers"} <= closure("trainer")


@pytest.mark.parametrize("extra", ["", "server", "trainer", "dev"])
def test_everything_that_is_installed_is_pinned(repository: Path, extra: str) -> None:
    # A vendor's CUDA packages hang on torch's default build, which a machine without a GPU never takes.
    wanted = {
        name for name in closure(extra) if not name.startswith(("nvidia-", "cuda-")) and name != "triton"
    }
    assert wanted - pinned(repository).keys() - {"setuptools"} == set()


# vllm is for GPU machines, where its own image pins it; a cluster and an account bring their own versions.
BROUGHT_BY_THE_USER = ("vllm", "ray", "wandb")


def test_pins_satisfy_the_ranges_of_the_project(repository: Path) -> None:
    versions = pinned(repository)
    for text in metadata.requires(PROJECT) or []:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name not in (PROJECT, *BROUGHT_BY_THE_USER):
            assert requirement.specifier.contains(versions[name]), text


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("server.cli", TRAINER_ONLY | SERVER_ONLY | {"grpc", "numpy", "pydantic"}),
        ("trainer_client.cli", TRAINER_ONLY | SERVER_ONLY | {"grpc", "numpy", "rich"}),
    ],
)
def test_help_loads_nothing_heavy(repository: Path, module: str, heavy: set[str]) -> None:
    answer = in_fresh_interpreter(LOADED_BY_HELP, module, cwd=repository)
    assert "usage" in answer["help"].lower()
    assert heavy & set(answer["loaded"]) == set()
