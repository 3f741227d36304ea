"""Where jails find pytest, whose own interpreter starts without site-packages.

On this host it is a copy of what the server has installed, below the directory that jails see. An image of
jails has its copy at IN_IMAGE, put there as docker/Dockerfile builds it:

    python -m server.verify.code.pytest_copy DIRECTORY
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

from sandbox.types import Case, Limits, Outcome, Program
from server.verify.code.running import CodeSandbox

IN_IMAGE = "/usr/share/reward-server/pytest"
_PARTS = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
_PROBE = f"import sys\nsys.path.append({IN_IMAGE!r})\nimport pytest\n"


class PytestCopy:
    """Finds it; where that takes a jail, until it was found once."""

    def __init__(self, sandbox: CodeSandbox, cache_directory: str) -> None:
        self._sandbox = sandbox
        self._cache_directory = cache_directory
        self._in_image = ""

    async def directory(self) -> str:
        """Its path in jails; empty if there is none. Raises SandboxError."""
        if self._sandbox.isolation.partition("/")[0] != "docker":
            return below(self._cache_directory)
        if not self._in_image and await self._imports():
            self._in_image = IN_IMAGE
        return self._in_image

    async def _imports(self) -> bool:
        artefact = (await self._sandbox.compile(Program("python", _PROBE))).artefact
        assert artefact is not None, "Python programs compile as they run"
        async with self._sandbox.session(artefact, Limits()) as session:
            return (await session.run(Case())).outcome is Outcome.OK


def below(cache_directory: str) -> str:
    """The copy for jails on this host, made if need be; empty if there is no directory or no pytest."""
    if not cache_directory or importlib.util.find_spec("pytest") is None:
        return ""
    target = Path(os.path.realpath(cache_directory), f"pytest-{metadata.version('pytest')}")
    if not target.exists():
        _copy(target)
    return str(target)


def _copy(target: Path) -> None:
    """Whole or not at all: another server may do the same at the same time."""
    staged = target.with_name(f"{target.name}.{os.getpid()}")
    staged.mkdir(parents=True)
    for name in _PARTS:
        _copy_module(name, staged)
    try:
        staged.rename(target)
    except OSError:
        shutil.rmtree(staged)  # another server was faster


def _copy_module(name: str, target: Path) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return  # an optional part that is not installed
    if not spec.submodule_search_locations:
        shutil.copy(spec.origin, target)
        return
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(Path(spec.origin).parent, target / name, ignore=ignored)


if __name__ == "__main__":
    _copy(Path(sys.argv[1]))
