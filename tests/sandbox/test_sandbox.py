"""The sandbox as a whole: many at once, killed in the middle, nothing left over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.cgroups import PREFIX, probe
from sandbox.errors import JailLost, LauncherLost, SandboxError, UnknownLanguage
from sandbox.launcher_process import LauncherProcess
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Mode, Outcome, Program
from sandbox.values import decode, encode
from tests.leaks import descendants, holdings
from tests.sandbox.conftest import LIMITS, Run

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIX = {
    "print(input())": Outcome.OK,
    "1/0": Outcome.RUNTIME_ERROR,
    "while True: pass": Outcome.TIME_LIMIT,
    "x = bytearray(10**9)": Outcome.MEMORY_LIMIT,
    "import os\nwhile True: os.fork()": Outcome.PROCESS_LIMIT,
    "while True: print('x' * 9999)": Outcome.OUTPUT_LIMIT,
    "def f(:": Outcome.COMPILE_ERROR,
}


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def buried(sandbox: Sandbox) -> None:
    """What the test before let go of is no part of what this one finds."""
    while sandbox.unburied_jails:
        await asyncio.sleep(0.01)


async def _one(box: Sandbox, source: str, limits: Limits = LIMITS) -> Outcome:
    compilation = await box.compile(Program("python", source))
    assert compilation.artefact is not None
    async with box.session(compilation.artefact, limits) as session:
        return (await session.run(Case(b"in\n"))).outcome


async def test_a_mixed_load_gets_its_outcomes_and_leaves_nothing() -> None:
    before = holdings()
    box = Sandbox(SandboxConfig(slots=4))
    await box.start()
    work = [(source, outcome) for source, outcome in MIX.items() for _ in range(8)]
    outcomes = await asyncio.gather(*(_one(box, source, _limits(outcome)) for source, outcome in work))
    assert list(outcomes) == [outcome for _, outcome in work]
    await box.close()
    assert holdings() == before


def _limits(wanted: Outcome) -> Limits:
    """Little time for what ends by it, plenty for what reaches another limit first on a slow machine too."""
    cpu_seconds = 0.2 if wanted is Outcome.TIME_LIMIT else 10.0
    return Limits(
        cpu_seconds=cpu_seconds, wall_seconds=60, memory_bytes=64 << 20, output_bytes=1 << 18, processes=8
    )


async def test_a_cancelled_run_takes_its_processes_with_it() -> None:
    box = Sandbox(SandboxConfig(slots=1))
    await box.start()
    launcher = box.launcher
    assert launcher is not None
    task = asyncio.create_task(_one(box, "while True: pass", Limits(cpu_seconds=60, wall_seconds=60)))
    while not _grandchildren(launcher.info.pid):
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    while _grandchildren(launcher.info.pid):
        await asyncio.sleep(0.01)
    while launcher.living_jails:
        await asyncio.sleep(0.01)
    assert await _one(box, "print(1)") is Outcome.OK
    await box.close()


def _grandchildren(pid: int) -> list[int]:
    return [g for child in descendants(pid) for g in descendants(child)]


async def test_a_killed_jail_is_a_lost_jail_and_the_next_one_works(sandbox: Sandbox) -> None:
    launcher = sandbox.launcher
    assert launcher is not None
    task = asyncio.create_task(_one(sandbox, "while True: pass", Limits(cpu_seconds=60, wall_seconds=60)))
    while not _grandchildren(launcher.info.pid):
        await asyncio.sleep(0.01)
    await _kill_all(descendants(launcher.info.pid))
    with pytest.raises(JailLost):
        await task
    assert await _one(sandbox, "print(1)") is Outcome.OK


async def test_a_jail_that_is_killed_before_it_has_a_submission_is_nobodys_loss(sandbox: Sandbox) -> None:
    launcher = sandbox.launcher
    assert launcher is not None
    while not (ready := descendants(launcher.info.pid)):
        await asyncio.sleep(0.01)
    await _kill_all(ready)
    assert await _one(sandbox, "print(1)") is Outcome.OK


async def test_nobody_waits_for_jails_that_a_launcher_has_no_room_for(sandbox: Sandbox) -> None:
    launcher = sandbox.launcher
    assert launcher is not None
    channels = [launcher.spawn() for _ in range(40)]
    while not channels[-1].ended:
        await asyncio.sleep(0.01)
    for channel in channels:
        channel.close()
    while launcher.living_jails:
        await asyncio.sleep(0.01)
    assert await _one(sandbox, "print(1)") is Outcome.OK


async def _kill_all(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it died with the one before
            os.kill(pid, signal.SIGKILL)
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        await asyncio.sleep(0.01)


async def test_a_killed_launcher_is_replaced_and_its_jails_die() -> None:
    before = holdings()
    box = Sandbox(SandboxConfig(slots=2))
    await box.start()
    assert box.launcher is not None
    pid = box.launcher.info.pid
    task = asyncio.create_task(_one(box, "while True: pass", Limits(cpu_seconds=60, wall_seconds=60)))
    while not _grandchildren(pid):
        await asyncio.sleep(0.01)
    jails = descendants(pid)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises((JailLost, LauncherLost)):
        await task
    assert await _one(box, "print(1)") is Outcome.OK
    assert box.launchers_started == 2
    for jail in jails:
        while Path(f"/proc/{jail}/stat").exists() and " Z " not in Path(f"/proc/{jail}/stat").read_text():
            await asyncio.sleep(0.01)
    await box.close()
    assert holdings() == before


async def test_a_launcher_that_has_ended_is_replaced_before_its_socket_says_so() -> None:
    box = Sandbox(SandboxConfig(slots=1))
    await box.start()
    launcher = box.launcher
    assert isinstance(launcher, LauncherProcess)
    assert launcher._control is not None
    asyncio.get_running_loop().remove_reader(launcher._control.fileno())
    os.kill(launcher.info.pid, signal.SIGKILL)
    os.waitid(os.P_PID, launcher.info.pid, os.WEXITED | os.WNOWAIT)
    assert await _one(box, "print(1)") is Outcome.OK
    assert box.launchers_started == 2
    await box.close()


async def test_callers_that_leave_while_a_launcher_starts_leave_no_launcher_behind() -> None:
    before, others = holdings(), _children()
    box = Sandbox(SandboxConfig(slots=4))
    await box.start()
    assert box.launcher is not None
    os.kill(box.launcher.info.pid, signal.SIGKILL)
    while not box.launcher.lost:
        await asyncio.sleep(0.01)
    for _ in range(4):
        leaver = asyncio.create_task(_one(box, "print(2)"))
        await asyncio.sleep(0.01)
        leaver.cancel()
        await asyncio.gather(leaver, return_exceptions=True)
    assert await _one(box, "print(1)") is Outcome.OK
    assert box.launchers_started == 2
    assert _children() - others == {box.launcher.info.pid}
    await box.close()
    assert holdings() == before


async def test_a_sandbox_closed_while_its_launcher_starts_leaves_none() -> None:
    before = holdings()
    box = Sandbox(SandboxConfig(slots=1))
    starting = asyncio.create_task(box.start())
    while holdings() == before:
        await asyncio.sleep(0.005)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await box.close()
    assert holdings() == before


def _children() -> set[int]:
    own = Path(f"/proc/{os.getpid()}/task")
    return {int(pid) for task in own.iterdir() for pid in (task / "children").read_text().split()}


async def test_the_launcher_and_its_jails_end_with_the_server() -> None:
    program = (
        "import asyncio\nfrom sandbox.sandbox import *\nfrom sandbox.types import *\n"
        "async def main():\n    box = Sandbox(SandboxConfig(slots=1)); await box.start()\n"
        "    a = (await box.compile(Program('python', 'while True: pass'))).artefact\n"
        "    async with box.session(a, Limits(cpu_seconds=60, wall_seconds=60)) as s:\n"
        "        print('running', flush=True); await s.run(Case())\n"
        "asyncio.run(main())\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    await asyncio.sleep(0.2)
    children = descendants(server.pid)
    assert len(children) >= 2
    server.kill()
    server.wait()
    server.stdout.close()
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        await asyncio.sleep(0.01)
    assert [
        name
        for d in probe().directories.values()
        for name in os.listdir(d)
        if f"{PREFIX}{server.pid}-" in name
    ] == []


async def test_compile_errors_carry_their_diagnostics(sandbox: Sandbox) -> None:
    compilation = await sandbox.compile(Program("cpp", "int main() { retrun 0; }"))
    assert compilation.artefact is None
    assert compilation.outcome is Outcome.COMPILE_ERROR
    assert "retrun" in compilation.diagnostics


async def test_identical_programs_compile_once(sandbox: Sandbox) -> None:
    program = Program("cpp", '#include <cstdio>\nint main() { std::puts("one"); } // identical')
    first, second = await asyncio.gather(sandbox.compile(program), sandbox.compile(program))
    third = await sandbox.compile(program)
    assert first.artefact == second.artefact == third.artefact
    assert third.cached
    assert not first.cached


async def test_a_compile_time_bomb_ends_at_its_limit(sandbox: Sandbox) -> None:
    source = 'template<int N> struct F { F<N-1> a; F<N-2> b; int v = a.v + b.v; };\n#include "/dev/zero"\nint main() {}'
    limits = Limits(cpu_seconds=1, wall_seconds=60, memory_bytes=512 << 20, processes=16)
    compilation = await sandbox.compile(Program("cpp", source), limits)
    assert compilation.artefact is None
    assert compilation.outcome in (Outcome.TIME_LIMIT, Outcome.MEMORY_LIMIT, Outcome.COMPILE_ERROR)


async def test_cpp_reads_stdin_and_writes_stdout(run: Run) -> None:
    source = "#include <bits/stdc++.h>\nint main() { int n; std::cin >> n; std::cout << n * 2 << std::endl; }"
    result = await run(source, b"21\n", language="cpp")
    assert (result.outcome, result.stdout) == (Outcome.OK, b"42\n")


async def test_deep_recursion_in_cpp_has_the_memory_for_a_stack(run: Run) -> None:
    source = (
        "#include <cstdio>\nint deep(int n) { volatile char pad[64]; pad[0] = n; return n ? deep(n - 1) + pad[0] * 0 + 1 : 0; }\n"
        'int main() { std::printf("%d\\n", deep(500000)); }'
    )
    result = await run(source, language="cpp", limits=Limits(cpu_seconds=5, memory_bytes=256 << 20))
    assert result.stdout == b"500000\n"


async def test_a_crash_in_cpp_is_a_runtime_error(run: Run) -> None:
    result = await run("int main() { volatile int *p = nullptr; *p = 1; }", language="cpp")
    assert (result.outcome, result.signal) == (Outcome.RUNTIME_ERROR, signal.SIGSEGV)


async def test_call_returns_typed_values(run: Run) -> None:
    source = "def f(a, b):\n    print('noise')\n    return (a + b, {'k': [1.5, None]}, 2**70)"
    result = await run(source, mode=Mode.CALL, function="f", case=Case(call=encode([1, 2])))
    assert result.record is not None
    assert decode(result.record) == (3, {"k": [1.5, None]}, 2**70)


async def test_call_finds_a_method_of_solution(run: Run) -> None:
    source = "class Solution:\n    def twice(self, x): return 2 * x"
    result = await run(source, mode=Mode.CALL, function="twice", case=Case(call=encode([4])))
    assert result.record == b"8"


async def test_a_method_of_solution_comes_before_what_was_imported(run: Run) -> None:
    source = "from heapq import *\nclass Solution:\n    def merge(self, a, b): return a + b"
    result = await run(source, mode=Mode.CALL, function="merge", case=Case(call=encode([[2], [1]])))
    assert result.record == b"[2,1]"


async def test_the_programs_own_function_comes_before_a_method_of_solution(run: Run) -> None:
    source = "def f(x): return Solution().f(x) + 1\nclass Solution:\n    def f(self, x): return 2 * x"
    result = await run(source, mode=Mode.CALL, function="f", case=Case(call=encode([4])))
    assert result.record == b"9"


async def test_call_does_not_run_the_main_guard(run: Run) -> None:
    source = "def f(): return 1\nif __name__ == '__main__': raise SystemExit(3)"
    result = await run(source, mode=Mode.CALL, function="f", case=Case(call=encode([])))
    assert (result.outcome, result.record) == (Outcome.OK, b"1")


@pytest.mark.parametrize(
    "body",
    ["import sys; sys.exit(0)", "import os; os._exit(0)", "raise SystemExit"],
    ids=["exit", "_exit", "raise"],
)
async def test_a_call_that_ends_early_leaves_no_record(body: str, run: Run) -> None:
    result = await run(f"def f():\n    {body}", mode=Mode.CALL, function="f", case=Case(call=encode([])))
    assert result.record is None
    assert result.exit_code == 0


async def test_a_value_outside_the_closed_set_is_named(run: Run) -> None:
    source = "class Equal(int):\n    def __eq__(self, other): return True\ndef f(x): return Equal(x)"
    for number, record in ((1, b"!1Equal"), (0, b"!0Equal")):
        result = await run(source, mode=Mode.CALL, function="f", case=Case(call=encode([number])))
        assert result.record == record


async def test_a_value_without_truth_is_named(run: Run) -> None:
    source = "class Odd:\n    def __bool__(self): raise ValueError\ndef f(): return Odd()"
    result = await run(source, mode=Mode.CALL, function="f", case=Case(call=encode([])))
    assert result.record == b"!?Odd"


async def test_asserts_run_their_own_main_guard_and_not_the_programs(run: Run) -> None:
    source = "class A: pass\nif __name__ == '__main__': raise SystemExit(3)"
    tests = "import pickle\nassert pickle.loads(pickle.dumps(A()))\nif __name__ == '__main__': assert {}"
    results = [await run(source, mode=Mode.ASSERTS, tests=tests.format(truth)) for truth in (True, False)]
    assert [result.record for result in results] == [b"done", None]


async def test_asserts_prove_that_they_ended(run: Run) -> None:
    source = "def f(x): return x + 1"
    good = await run(source, mode=Mode.ASSERTS, tests="assert f(1) == 2")
    bad = await run(source, mode=Mode.ASSERTS, tests="assert f(1) == 3")
    early = await run(source + "\nraise SystemExit(0)", mode=Mode.ASSERTS, tests="assert f(1) == 3")
    assert (good.record, bad.record, early.record) == (b"done", None, None)


async def test_unknown_languages_are_named(sandbox: Sandbox) -> None:
    with pytest.raises(UnknownLanguage, match="cobol"):
        await sandbox.compile(Program("cobol", ""))


async def test_files_go_in_and_come_out(sandbox: Sandbox) -> None:
    source = "import os\nos.makedirs('out'); open('out/b', 'w').write(open('in/a').read().upper())\nos.symlink('/etc/passwd', 'link')"
    compilation = await sandbox.compile(Program("python", source))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        await session.put({"in/a": b"text"})
        await session.run(Case(), keep_files=True)
        assert await session.fetch(["out/b", "link", "missing", "out"], 1 << 20) == {"out/b": b"TEXT"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try the rootless jail")
async def test_an_ordinary_user_gets_a_jail_through_a_user_namespace(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\nsys.path.insert(0, '/srv/rootless')\n"
        "from sandbox.sandbox import *\nfrom sandbox.types import *\n"
        "async def main():\n    box = Sandbox(SandboxConfig(slots=1)); await box.start()\n"
        "    a = (await box.compile(Program('python', 'import os; print(os.path.exists(\"/etc/shadow\"), input())'))).artefact\n"
        "    async with box.session(a, Limits()) as s: r = await s.run(Case(b'hi'))\n"
        "    print(box.launcher.info.rootless, r.outcome.value, r.stdout.decode().strip()); await box.close()\n"
        "asyncio.run(main())\n"
    )
    result = await asyncio.to_thread(_as_nobody, program)
    assert result.stdout.strip() == "True ok False hi", result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try the rootless jail")
async def test_an_ordinary_users_program_cannot_write_its_own_text() -> None:
    program = (
        "import asyncio, sys\nsys.path.insert(0, '/srv/rootless')\n"
        "from sandbox.sandbox import *\nfrom sandbox.types import *\n"
        "async def main():\n    box = Sandbox(SandboxConfig(slots=1)); await box.start()\n"
        "    a = (await box.compile(Program('python', 'open(__file__, \"a\")'))).artefact\n"
        "    async with box.session(a, Limits()) as s: r = await s.run(Case(b''))\n"
        "    print(box.launcher.info.rootless, r.stderr.decode().splitlines()[-1]); await box.close()\n"
        "asyncio.run(main())\n"
    )
    result = await asyncio.to_thread(_as_nobody, program)
    assert result.stdout.strip() == "True OSError: [Errno 30] Read-only file system: '/box/main.py'", (
        result.stderr
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try the rootless jail")
async def test_an_ordinary_users_executable_cannot_look_into_what_started_it() -> None:
    source = (
        "#include <fcntl.h>\n#include <stdio.h>\n#include <unistd.h>\n"
        "int main() { char path[64]; int opened = 0; for (int pid = 1; pid < 400; pid++) if (pid != getpid()) {\n"
        '  sprintf(path, "/proc/%d/mem", pid); opened += open(path, O_RDWR) >= 0; }\n'
        '  printf("%d opened\\n", opened); }\n'
    )
    program = (
        "import asyncio, sys\nsys.path.insert(0, '/srv/rootless')\n"
        "from sandbox.sandbox import *\nfrom sandbox.types import *\n"
        "async def main():\n    box = Sandbox(SandboxConfig(slots=1, languages=('c',))); await box.start()\n"
        f"    a = (await box.compile(Program('c', {source!r}))).artefact\n"
        "    async with box.session(a, Limits()) as s: r = await s.run(Case(b''))\n"
        "    print(box.launcher.info.rootless, r.stdout.decode()); await box.close()\n"
        "asyncio.run(main())\n"
    )
    result = await asyncio.to_thread(_as_nobody, program)
    assert result.stdout.strip() == "True 0 opened", result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try the rootless jail")
async def test_without_a_control_group_runs_that_share_a_process_are_measured_apart() -> None:
    program = (
        "import asyncio, sys\nsys.path.insert(0, '/srv/rootless')\n"
        "from sandbox.sandbox import *\nfrom sandbox.types import *\n"
        "SOURCE = 'import time\\nend = time.process_time() + float(input())\\nwhile time.process_time() < end: pass'\n"
        "async def main():\n    box = Sandbox(SandboxConfig(slots=1)); await box.start()\n"
        "    a = (await box.compile(Program('python', SOURCE))).artefact\n"
        "    cases = [Case(text) for text in (b'0', b'0', b'0.03', b'0', b'0')]\n"
        "    async with box.session(a, Limits()) as s: runs = await s.run_all(cases, repeat=True)\n"
        "    print([r.repeated for r in runs], [r.cpu_seconds >= 0.03 for r in runs]); await box.close()\n"
        "asyncio.run(main())\n"
    )
    result = await asyncio.to_thread(_as_nobody, program)
    repeated, long = [False, True, True, True, True], [False, False, True, False, False]
    assert result.stdout.strip() == f"{repeated} {long}", result.stderr


def _as_nobody(program: str) -> subprocess.CompletedProcess[str]:
    """Runs with an interpreter and a copy of the package that an ordinary user can read."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        os.chmod(home, 0o755)
        package = Path(__file__).parents[2] / "sandbox"
        shutil.copytree(package, Path(home, "sandbox"), ignore=shutil.ignore_patterns("__pycache__"))
        interpreter = "/usr/bin/python3"
        return subprocess.run(
            [interpreter, "-c", program.replace("/srv/rootless", home)],
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        )


@pytest.mark.parametrize(
    "includes", ["bits/stdc++.h", "bits/stdc++.h bits/stdc++.h", "iostream bits/stdc++.h"]
)
async def test_a_precompiled_header_changes_no_verdict(includes: str, sandbox: Sandbox) -> None:
    plain = Sandbox(SandboxConfig(slots=1))
    await plain.start()
    lines = "".join(f"#include <{header}>\n" for header in includes.split())
    program = Program("cpp", f"{lines}int main() {{ std::cout << std::gcd(4, 6); }}")
    outputs = []
    for box in (sandbox, plain):
        compilation = await box.compile(program)
        assert compilation.artefact is not None, compilation.diagnostics
        async with box.session(compilation.artefact, LIMITS) as session:
            outputs.append((await session.run(Case())).stdout)
    await plain.close()
    assert outputs == [b"2", b"2"]


async def test_a_closed_sandbox_refuses() -> None:
    box = Sandbox(SandboxConfig(slots=1))
    await box.start()
    await box.close()
    with pytest.raises(SandboxError):
        await _one(box, "print(1)")
