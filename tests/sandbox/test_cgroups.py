"""Control groups: the real ones of this machine, and the v2 dialect on plain files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import cgroups, uids
from sandbox.cgroups import PREFIX, Group, Hierarchy

REAL = cgroups.probe()
GONE = 5_000_000  # above the largest pid that Linux gives
FAMILY = f"{os.getpid()}-test"
V2_FILES = {
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.current": "4096",
    "memory.peak": "8192",
    "memory.events": "low 0\noom 3\noom_kill 2\n",
    "pids.max": "max",
    "pids.events": "max 5\n",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
}


@pytest.fixture
def fake_v2(tmp_path: Path) -> Group:
    """A group whose files are plain ones, named and filled as cgroup v2 has them."""
    group = Group(Hierarchy(2, {"all": str(tmp_path)}), "x-0")
    for name, text in V2_FILES.items():
        (tmp_path / f"{PREFIX}x-0" / name).write_text(text)
    group.open_files()
    return group


def test_v2_is_read_in_its_own_words(fake_v2: Group) -> None:
    assert (fake_v2.memory_bytes, fake_v2.peak_bytes) == (4096, 8192)
    assert (fake_v2.out_of_memory_kills, fake_v2.refused_processes) == (2, 5)
    assert fake_v2.cpu_seconds == 1.5


def test_v2_limits_are_written_without_swap(fake_v2: Group, tmp_path: Path) -> None:
    assert fake_v2.limit_memory(123456)
    assert fake_v2.limit_processes(7)
    directory = tmp_path / f"{PREFIX}x-0"
    assert (directory / "memory.max").read_text().startswith("123456")
    assert (directory / "memory.swap.max").read_text().startswith("0")
    assert (directory / "pids.max").read_text().startswith("7")


def test_v2_counts_only_where_the_controllers_are_enabled(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory pids")
    (tmp_path / "cgroup.subtree_control").write_text("cpu")
    assert cgroups.probe(str(tmp_path)).version == 0
    (tmp_path / "cgroup.subtree_control").write_text("memory pids")
    assert cgroups.probe(str(tmp_path)) == Hierarchy(2, {"all": str(tmp_path)})


@pytest.mark.parametrize(
    ("version", "options", "at_once"), [(2, "rw", False), (2, "rw,favordynmods", True), (1, "rw", True)]
)
def test_moves_wait_in_v2_unless_it_is_told_otherwise(
    tmp_path: Path, version: int, options: str, *, at_once: bool
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"proc /proc proc rw 0 0\ncgroup2 /groups cgroup2 {options} 0 0\n")
    assert cgroups.moves_at_once(Hierarchy(version, {"all": "/groups"}), str(mounts)) == at_once


def test_a_hierarchy_held_open_is_found_where_its_path_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    held = Hierarchy(2, {"all": str(tmp_path / "before")}).held_open()
    (tmp_path / "before").rename(tmp_path / "after")
    group = Group(held, "x-0")
    assert [path.name for path in (tmp_path / "after").iterdir()] == [f"{PREFIX}x-0"]
    group.remove()
    assert not list((tmp_path / "after").iterdir())
    group.let_go()


def test_no_hierarchy_is_no_group(tmp_path: Path) -> None:
    assert cgroups.probe(str(tmp_path)).version == 0
    group = Group(Hierarchy(0), "none")
    group.open_files()
    group.join()
    assert not group.active
    assert (group.memory_bytes, group.cpu_seconds, group.out_of_memory_kills) == (None, None, 0)
    assert not group.limit_memory(1)
    group.remove()


@pytest.mark.skipif(REAL.version == 0, reason="no control group can be made on this machine")
def test_a_real_group_comes_and_goes() -> None:
    group = Group(REAL, cgroups.group_name(FAMILY, 0, 1))
    group.open_files()
    assert group.limit_memory(64 << 20)
    assert group.memory_bytes == 0
    group.remove()
    assert [n for d in REAL.directories.values() for n in os.listdir(d) if FAMILY in n] == []


@pytest.mark.skipif(REAL.version == 0, reason="no control group can be made on this machine")
def test_groups_of_a_server_that_is_gone_are_removed_and_a_living_ones_kept() -> None:
    Group(REAL, f"{GONE}-{uids.pid_namespace():x}-programs0-1")
    family = cgroups.family_name("test")
    living = Group(REAL, cgroups.group_name(family, 0, 2))
    cgroups.remove_orphaned(REAL)
    names = [n for d in REAL.directories.values() for n in os.listdir(d)]
    assert not any(f"{GONE}-{uids.pid_namespace():x}-" in name for name in names)
    assert any(family in name for name in names)
    living.remove()


@pytest.mark.skipif(REAL.version == 0, reason="no control group can be made on this machine")
def test_groups_of_servers_in_other_containers_are_kept_though_their_pids_are_not_here() -> None:
    other = Group(REAL, f"{GONE}-{uids.pid_namespace() + 1:x}-programs0-1")
    cgroups.remove_orphaned(REAL)
    names = [n for d in REAL.directories.values() for n in os.listdir(d)]
    other.remove()
    assert any(f"{GONE}-{uids.pid_namespace() + 1:x}-" in name for name in names)


@pytest.mark.skipif(REAL.version == 0, reason="no control group can be made on this machine")
def test_what_a_killed_launcher_left_is_removed_and_nothing_else() -> None:
    Group(REAL, cgroups.group_name(FAMILY, 0, 1))
    other = Group(REAL, f"{os.getpid()}-other0-1")
    assert cgroups.remove_stale(REAL, FAMILY)
    names = [n for d in REAL.directories.values() for n in os.listdir(d)]
    assert not any(FAMILY in name for name in names)
    assert any(f"{os.getpid()}-other" in name for name in names)
    other.remove()


@pytest.fixture
def real_v2(tmp_path: Path) -> Iterator[Hierarchy]:
    """A mounted v2 hierarchy, which has no memory and pids controllers where v1 holds them."""
    command = ["mount", "-t", "cgroup2", "none", tmp_path]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("cannot mount a v2 hierarchy: needs root and a kernel that has one")
    yield Hierarchy(2, {"all": str(tmp_path)})
    subprocess.run(["umount", tmp_path], check=True)


def test_a_real_v2_group_counts_what_joins_it(real_v2: Hierarchy) -> None:
    group = Group(real_v2, f"{os.getpid()}-real")
    group.open_files()
    assert group.cpu_seconds == 0.0
    pid = os.fork()
    if pid == 0:
        group.join_programs()
        while (group.cpu_seconds or 0.0) < 0.02:
            sum(range(10_000))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (group.cpu_seconds or 0.0) >= 0.02
    for descriptor in group._files.values():  # a jail's own end with it
        os.close(descriptor)
    group.remove()
    assert not list(Path(real_v2.directories["all"]).glob(f"{PREFIX}{os.getpid()}-*"))
