"""Memory without a control group, and memory that ran out elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import cgroups
from sandbox.cgroups import PREFIX, Group, Hierarchy
from sandbox.errors import JailLost
from sandbox.memory import BY_GROUP, BY_WATCHER, KilledForOthers, Watch
from sandbox.namespaces import Namespaces
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Outcome, Program, RunResult

LIMITS = Limits(cpu_seconds=5, wall_seconds=60, memory_bytes=128 << 20, processes=16)
HOLDERS = """import os, time
for _ in range(4):
    if os.fork() == 0:
        held = b'x' * (60 << 20)
        time.sleep(30)
        os._exit(0)
os.wait()"""
ORPHANS = """import os, time
for _ in range(3):
    if os.fork() == 0:
        if os.fork() == 0:
            while True: pass
        os._exit(0)
    os.wait()
time.sleep(1000)"""
_PR_CAPBSET_DROP, _CAP_SYS_PTRACE = 24, 19  # linux/prctl.h, linux/capability.h


async def _run(box: Sandbox, source: str, limits: Limits = LIMITS) -> RunResult:
    compilation = await box.compile(Program("python", source))
    assert compilation.artefact is not None
    async with box.session(compilation.artefact, limits) as session:
        return await session.run(Case())


@pytest_asyncio.fixture
async def groupless(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    """A sandbox on a host without a writable control group."""
    monkeypatch.setattr(cgroups, "probe", lambda: Hierarchy(0))
    box = Sandbox(SandboxConfig(slots=1, languages=("python",)))
    await box.start()
    yield box
    await box.close()


@pytest.mark.parametrize(
    "source",
    [
        "x = bytearray(10**9)",
        "import mmap\nm = mmap.mmap(-1, 10**9)\nfor i in range(0, 10**9, 4096): m[i] = 1",
        HOLDERS,
        "import os\nfor n in range(4): open(f'x{n}', 'wb').write(bytes(60 << 20))\nimport time; time.sleep(30)",
    ],
    ids=["refused", "shared_mapping", "children_together", "files"],
)
async def test_the_limit_holds_without_a_control_group(source: str, groupless: Sandbox) -> None:
    result = await _run(groupless, source)
    assert result.outcome is Outcome.MEMORY_LIMIT
    assert result.memory_held_by == BY_WATCHER


async def test_memory_below_the_limit_is_no_overrun(groupless: Sandbox) -> None:
    source = "import os\nheld = b'x' * (40 << 20)\nfor _ in range(4):\n    if os.fork() == 0: os._exit(0)\n    os.wait()"
    assert (await _run(groupless, source)).outcome is Outcome.OK


async def test_memory_that_no_process_need_map_cannot_be_had(groupless: Sandbox) -> None:
    source = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "print(libc.memfd_create(b'x', 0), ctypes.get_errno(), libc.shmget(0, 4096, 0o1600), ctypes.get_errno())"
    )
    result = await _run(groupless, source)
    assert result.stdout == f"-1 {errno.ENOSYS} -1 {errno.ENOSYS}\n".encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traceless() -> AsyncIterator[Sandbox]:
    """The same in a container with the documented flags, where root may not trace others."""
    if os.geteuid() != 0:
        pytest.skip("only root has the capability that must be missing")
    libc = ctypes.CDLL(None)
    without = functools.partial(libc.prctl, _PR_CAPBSET_DROP, _CAP_SYS_PTRACE, 0, 0, 0)
    box = Sandbox(SandboxConfig(slots=1, isolation="namespaces", languages=("python",)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cgroups, "probe", lambda: Hierarchy(0))
        patch.setattr(subprocess, "Popen", functools.partial(subprocess.Popen, preexec_fn=without))
        await box.start()
    yield box
    await box.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_children_together_are_seen_by_a_supervisor_that_may_not_trace(traceless: Sandbox) -> None:
    assert (await _run(traceless, HOLDERS)).outcome is Outcome.MEMORY_LIMIT


@pytest.mark.asyncio(loop_scope="module")
async def test_orphans_that_work_are_seen_by_a_supervisor_that_may_not_trace(traceless: Sandbox) -> None:
    result = await _run(traceless, ORPHANS, replace(LIMITS, cpu_seconds=0.5))
    assert result.outcome is Outcome.TIME_LIMIT


@pytest.mark.asyncio(loop_scope="module")
async def test_what_the_supervisor_sees_processes_by_is_not_the_programs(traceless: Sandbox) -> None:
    source = "import os\nprint(os.getgroups(), [name for name in os.listdir('/proc') if name == '1'])"
    assert (await _run(traceless, source)).stdout == b"[] []\n"


@contextlib.contextmanager
def crowded_parent(memory_bytes: int) -> Iterator[Hierarchy]:
    """The real hierarchy, with the jails' memory groups below one that is nearly full."""
    real = cgroups.probe()
    if real.version != 1:
        pytest.skip("needs a writable cgroup v1 memory controller")
    parent = Path(real.directories["memory"], f"crowded-{os.getpid()}")
    parent.mkdir()
    (parent / "memory.limit_in_bytes").write_text(str(memory_bytes))
    try:
        yield Hierarchy(1, {**real.directories, "memory": str(parent)})
    finally:
        parent.rmdir()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="makes a control group: needs root")
async def test_memory_that_ran_out_outside_the_jail_is_a_lost_jail(monkeypatch: pytest.MonkeyPatch) -> None:
    with crowded_parent(96 << 20) as hierarchy:
        monkeypatch.setattr(cgroups, "probe", lambda: hierarchy)
        box = Sandbox(SandboxConfig(slots=1, isolation="namespaces", languages=("python",)))
        await box.start()
        try:
            with pytest.raises(JailLost):
                await _run(box, "x = b'x' * (200 << 20)", Limits(memory_bytes=512 << 20))
            assert (await _run(box, "print(1)")).memory_held_by == BY_GROUP
        finally:
            await box.close()


@pytest.mark.parametrize(("peak", "blamed"), [(99 << 20, False), (50 << 20, True)])
def test_a_kill_is_the_limits_only_if_the_limit_was_reached(tmp_path: Path, peak: int, blamed: bool) -> None:
    group = Group(Hierarchy(2, {"all": str(tmp_path)}), "x-0")
    directory = tmp_path / f"{PREFIX}x-0"
    (directory / "memory.max").write_text(str(100 << 20))
    (directory / "memory.peak").write_text(str(peak))
    (directory / "memory.events").write_text("oom_kill 0\n")
    group.open_files()
    watch = Watch(group, LIMITS, Namespaces(61000), os.getpid(), forked=True)
    (directory / "memory.events").write_text("oom_kill 1\n")
    if blamed:
        with pytest.raises(KilledForOthers):
            watch.was_exceeded(9, 0)
    else:
        assert watch.was_exceeded(9, 0)


async def test_a_program_that_kills_itself_is_at_fault(groupless: Sandbox) -> None:
    result = await _run(groupless, "import os\nos.kill(os.getpid(), 9)")
    assert (result.outcome, result.signal) == (Outcome.RUNTIME_ERROR, 9)


THREADS = """#include <pthread.h>
#include <stdio.h>
void *nothing(void *unused) { return unused; }
int main() {
  pthread_t all[8];
  int failed = 0;
  for (int i = 0; i < 8; i++) failed |= pthread_create(&all[i], 0, nothing, 0);
  puts(failed ? "refused" : "done");
}"""


@pytest.mark.toolchain("gcc")
async def test_threads_start_without_a_control_group(groupless: Sandbox) -> None:
    compilation = await groupless.compile(Program("c", THREADS))
    assert compilation.artefact is not None
    async with groupless.session(compilation.artefact, LIMITS) as session:
        assert (await session.run(Case())).stdout == b"done\n"


async def test_the_time_of_children_that_ended_counts_at_once_without_a_control_group(
    groupless: Sandbox,
) -> None:
    source = "import os\nwhile True:\n    if os.fork() == 0: sum(range(10**5)); os._exit(0)\n    os.wait()"
    result = await _run(groupless, source, Limits(cpu_seconds=0.5, wall_seconds=60))
    assert result.outcome is Outcome.TIME_LIMIT
    assert result.cpu_seconds < 3  # and not what they use until the wall clock ends it


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's programs have its uid")
async def test_without_a_control_group_no_other_servers_programs_have_the_uid(groupless: Sandbox) -> None:
    result = await _run(groupless, "import os\nprint(os.getuid())")
    assert int(result.stdout) >= 1 << 20  # `sandbox.uids`, not the fixed ones that every jail with groups has


class _Scratch(Namespaces):
    """Of which so much is filled."""

    filled_bytes = 0

    def scratch_bytes(self, limits: Limits) -> int:
        return self.filled_bytes


@pytest.mark.parametrize(("left", "over"), [(0, True), (2 << 20, False)])
def test_files_that_leave_nothing_are_the_limit_without_a_control_group(left: int, over: bool) -> None:
    scratch = _Scratch(61000)
    watch = Watch(Group(Hierarchy(0), "x-0"), LIMITS, scratch, os.getpid(), forked=False)
    scratch.filled_bytes = LIMITS.memory_bytes - left  # a tmpfs takes no more: never above the limit
    assert watch.was_exceeded(None, 0) is over
