"""The `landlock` backend beyond what test_jail.py asks of every backend: deaths, leftovers, an ordinary user."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import backends, landlock, landlock_rules, reach
from sandbox.errors import JailLost
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Outcome, Program
from tests.leaks import holdings
from tests.sandbox.conftest import LIMITS

DAEMON = (
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
    "        print(os.getpid(), flush=True); time.sleep(600)\n    os._exit(0)\nos.wait()\ntime.sleep(600)"
)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each jail a uid of its own")


@pytest_asyncio.fixture
async def box() -> AsyncIterator[Sandbox]:
    if why := backends.problem("landlock"):
        pytest.skip(why)
    sandbox = Sandbox(SandboxConfig(slots=2, isolation="landlock"))
    await sandbox.start()
    yield sandbox
    await sandbox.close()


async def output(box: Sandbox, source: str) -> str:
    compilation = await box.compile(Program("python", source))
    assert compilation.artefact is not None
    async with box.session(compilation.artefact, LIMITS) as session:
        result = await session.run(Case())
    assert result.outcome is Outcome.OK, result.stderr
    return result.stdout.decode().strip()


def with_uids(uids: set[int]) -> list[int]:
    """Living processes under any of the uids."""
    return [
        int(name)
        for name in os.listdir("/proc")
        if name.isdigit() and landlock._uid(int(name)) in uids and not _is_zombie(name)
    ]


def _is_zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


def uids_of(box: Sandbox) -> set[int]:
    assert box.launcher is not None
    first = landlock.uids.first_uid(box.launcher.info.pid)
    return set(range(first, first + landlock._SLOTS))


async def leave_a_daemon(box: Sandbox) -> asyncio.Task[None]:
    """A run with a daemon, in the middle."""

    async def run() -> None:
        compilation = await box.compile(Program("python", DAEMON))
        assert compilation.artefact is not None
        async with box.session(compilation.artefact, Limits(cpu_seconds=5, wall_seconds=600)) as session:
            await session.run(Case())

    task = asyncio.create_task(run())
    await until(lambda: len(with_uids(uids_of(box))) >= 2)
    return task


@as_root
async def test_a_daemon_dies_with_a_cancelled_submission(box: Sandbox) -> None:
    task = await leave_a_daemon(box)
    task.cancel()
    await until(lambda: not with_uids(uids_of(box)))


@as_root
async def test_a_daemon_dies_with_a_killed_supervisor(box: Sandbox) -> None:
    task = await leave_a_daemon(box)
    program = min(with_uids(uids_of(box)))
    supervisor = int(Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    await until(lambda: not with_uids(uids_of(box)))
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], Exception)
    assert await output(box, "print(1)") == "1"


@as_root
async def test_a_daemon_and_the_scratch_go_with_a_killed_launcher(box: Sandbox) -> None:
    task = await leave_a_daemon(box)
    assert box.launcher is not None
    uids, pid = uids_of(box), box.launcher.info.pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not with_uids(uids) and not scratch_of(pid))
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], Exception)
    assert await output(box, "print(1)") == "1"


def scratch_of(pid: int) -> list[Path]:
    return list(Path("/tmp").glob(f"{landlock.SCRATCH_PREFIX}*-{pid}"))


async def test_nothing_is_left_after_a_close() -> None:
    if why := backends.problem("landlock"):
        pytest.skip(why)
    before = holdings()
    sandbox = Sandbox(SandboxConfig(slots=2, isolation="landlock"))
    await sandbox.start()
    await output(sandbox, "import os\nos.mkdir('d')\nopen('d/f', 'w')\nprint(1)")
    assert sandbox.launcher is not None
    pid = sandbox.launcher.info.pid
    assert scratch_of(pid)
    await sandbox.close()
    assert holdings() == before
    assert not scratch_of(pid)


@as_root
async def test_each_jail_at_work_has_a_uid_of_its_own(box: Sandbox) -> None:
    source = "import os, time\nprint(os.getuid())\ntime.sleep(0.3)"
    found = set(await asyncio.gather(output(box, source), output(box, source)))
    assert len(found) == 2
    assert {int(uid) for uid in found} <= uids_of(box)


async def test_a_link_out_of_scratch_leads_the_supervisor_nowhere(box: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    compilation = await box.compile(Program("python", f"import os\nos.symlink({str(target)!r}, 'out')"))
    assert compilation.artefact is not None
    async with box.session(compilation.artefact, LIMITS) as session:
        await session.run(Case(), keep_files=True)
        with pytest.raises(JailLost):
            await session.put({"out/planted": b"x"})
    assert list(target.iterdir()) == []


def printed_in_a_pid_namespace(script: str) -> str:
    """What a script prints where a mistaken kill(-1) would end only what is inside."""
    if os.geteuid() != 0 or backends.problem("namespaces"):
        pytest.skip("needs root, and namespaces to be safe in")
    python = Path(".venv/bin/python").absolute()
    shell = ("sh", "-c", f'{python} -c "$1"; exit $?', "sh", script)
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *shell]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or done.stderr


def test_killing_by_uid_reaches_that_uid_and_nobody_else() -> None:
    script = (
        "import subprocess, time\nfrom sandbox.landlock import _kill_all_of\n"
        "sleepers = {uid: subprocess.Popen(['sleep', '600'], user=uid) for uid in (0, 70001, 70002)}\n"
        "_kill_all_of(70001)\nsleepers[70001].wait()\n"
        "print([uid for uid, sleeper in sleepers.items() if sleeper.poll() is None])"
    )
    assert printed_in_a_pid_namespace(script) == "[0, 70002]"


def test_killing_by_uid_does_not_reach_who_kills_by_another() -> None:
    script = (
        "import os, signal\nfrom sandbox import landlock\n"
        "real, order, answer = os.kill, os.pipe(), os.pipe()\n"
        "def stay(pid, number):\n"  # in the midst of its own killing, under the uids lent for it
        "    if pid == -1:\n        os.write(answer[1], b'inside ')\n        os.read(order[0], 1)\n"
        "        os.write(answer[1], b'alive')\n        os._exit(0)\n"
        "    real(pid, number)\n"
        "killer = os.fork()\n"
        "if killer == 0:\n    os.kill = stay\n    landlock._kill_all_of(70001)\n"
        "os.close(answer[1])\nheard = os.read(answer[0], 7)\n"
        "landlock._kill_all_of(70002)\nos.write(order[1], b'x')\n"
        "print(heard + os.read(answer[0], 7))"
    )
    assert printed_in_a_pid_namespace(script) == "b'inside alive'"


def test_a_kernel_without_landlock_is_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock_rules, "abi", lambda: 0)
    assert "no Landlock" in landlock.unfit()


def test_an_ordinary_user_needs_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock_rules, "abi", lambda: 5)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs 6" in landlock.unfit()


def test_a_closed_directory_on_the_way_is_named() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as closed:  # made with mode 0700
        inner = Path(closed, "inner")
        inner.mkdir()
        assert reach.blocked_by(str(inner)) == closed


def test_what_everybody_may_enter_is_not_blocked() -> None:
    assert reach.blocked_by("/usr/bin") == ""
