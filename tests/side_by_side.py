"""How `pytest -n 2` deals the tests out to two processes: by file, but for what must not meet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from xdist.scheduler import LoadScopeScheduling

# Tests that count what this machine holds, or hold what those count: mounts, files of landlock's users.
_COUNTS_THE_MACHINE = (
    "tests/sandbox/",
    "tests/abuse/",
    "tests/server/test_shell.py",
    "tests/wire/test_load.py",
)
_USES_THE_ENGINE = ("tests/docker/",)
_SHARES_ONE_SERVER = ("tests/wire/dialects/", "tests/wire/test_refusals.py", "tests/wire/test_verdicts.py")
_GROUPS = {
    "machine": _COUNTS_THE_MACHINE,
    "engine": _USES_THE_ENGINE,
    "server": _SHARES_ONE_SERVER,
}
# Files that take long: begun last, one of them would keep one process waiting for the other.
_LONG = (
    "tests/deploy/test_ray.py",
    "tests/trainer_client/test_parallel.py",
    "tests/trainer_client/test_real_server.py",
    "tests/trainer_client/test_kill.py",
    "tests/clients/test_published_clients.py",
    "tests/datasets/",
    "tests/wire/",
    "tests/hacks/",
    "tests/trainer_client/rollout/test_vllm.py",  # which is being installed while the others run
)


def group_of(path: str) -> str:
    """The name of what runs in one process, one test after the other; `path` is below the repository."""
    for name, parts in _GROUPS.items():
        if path.startswith(parts):
            return name
    return path


def turn_of(path: str) -> tuple[int, str]:
    """Sorts files: the groups first, then what takes long."""
    group = group_of(path)
    if group in _GROUPS:
        return list(_GROUPS).index(group), path
    long = [place for place, start in enumerate(_LONG) if path.startswith(start)]
    return len(_GROUPS) + (long[0] if long else len(_LONG)), path


def sort(items: list[pytest.Item], root: Path) -> None:
    """Puts the tests into the order in which they are dealt out; those of a file keep theirs."""
    items.sort(key=lambda item: turn_of(item.path.relative_to(root).as_posix()))


def scheduler() -> type[LoadScopeScheduling]:
    """pytest-xdist's scheduler of whole files, which keeps a group's files together as well."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid.partition("::")[0])

    return ByGroup
