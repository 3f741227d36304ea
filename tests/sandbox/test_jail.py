"""What a program cannot do in a jail, one property per test, in each backend of this host's kernel."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import artefacts, backends, trees
from sandbox.artefacts import Content
from sandbox.errors import FilesTooLarge
from sandbox.jail import regular_files
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Artefact, Case, Limits, Outcome, Program
from tests.sandbox.conftest import LIMITS, Run

pytestmark = pytest.mark.asyncio(loop_scope="module")

DENIED_CALLS = {  # x86_64 numbers: what the filter answers even before the kernel looks at arguments
    "io_uring_setup": 425,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "ptrace": 101,
    "process_vm_readv": 310,
    "keyctl": 250,
    "unshare": 272,
    "setns": 308,
    "open_by_handle_at": 304,
    "pidfd_getfd": 438,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["namespaces", "landlock"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """In place of the one in conftest.py: every test of this module, under each backend."""
    if why := backends.problem(request.param):
        pytest.skip(f"{request.param}: {why}")
    box = Sandbox(SandboxConfig(slots=2, isolation=request.param))
    await box.start()
    yield box
    await box.close()


@pytest.fixture
def namespaces(sandbox: Sandbox) -> bool:
    """Whether the jail has namespaces of its own, and so more freedom inside them."""
    return sandbox.isolation == "namespaces"


async def test_cpu_time_is_the_limit(run: Run) -> None:
    result = await run("while True: pass", limits=Limits(cpu_seconds=0.3, wall_seconds=30))
    assert result.outcome is Outcome.TIME_LIMIT
    assert result.cpu_seconds > 0.3


async def test_cpu_time_of_children_counts(run: Run) -> None:
    source = "import os\nfor _ in range(3):\n    if os.fork() == 0:\n        while True: pass\nos.wait()"
    result = await run(source, limits=Limits(cpu_seconds=0.5, wall_seconds=30))
    assert result.outcome is Outcome.TIME_LIMIT


async def test_cpu_time_of_children_nobody_waits_for_counts(run: Run) -> None:
    source = (
        "import os, signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "for _ in range(50):\n    if os.fork() == 0:\n"
        "        for _ in range(10**6): pass\n        os._exit(0)\n    try: os.wait()\n    except OSError: pass"
    )
    result = await run(source, limits=Limits(cpu_seconds=0.3, wall_seconds=60))
    assert result.outcome is Outcome.TIME_LIMIT


async def test_the_kernels_own_clock_of_ticks_ends_no_program_before_ours(run: Run) -> None:
    source = "import resource; print(*resource.getrlimit(resource.RLIMIT_CPU))"
    result = await run(source, limits=Limits(cpu_seconds=3, wall_seconds=30))
    soft, hard = map(int, result.stdout.split())
    assert soft >= 10 * 3  # on a crowded machine a process pays for ticks that others used
    assert hard > soft  # or the kernel would send SIGKILL, which says nothing of why


async def test_sleeping_meets_the_wall_backstop(run: Run) -> None:
    result = await run("import time; time.sleep(60)", limits=Limits(cpu_seconds=1, wall_seconds=0.5))
    assert result.outcome is Outcome.WALL_LIMIT


async def test_a_stopped_process_meets_the_wall_backstop(run: Run) -> None:
    source = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    result = await run(source, limits=Limits(cpu_seconds=1, wall_seconds=0.5))
    assert result.outcome is Outcome.WALL_LIMIT


BUSY = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nprint(1)\n"
BUSY_SHELL = "for ((n = 0; n < 50000; n++)); do :; done; echo 1"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(("language", "source"), [("python", BUSY), ("bash", BUSY_SHELL)])
async def test_a_program_that_somebody_outside_kills_is_run_again(
    sandbox: Sandbox, run: Run, number: signal.Signals, language: str, source: str
) -> None:
    task = asyncio.create_task(run(source, language=language))
    os.kill((await _generations(sandbox))[2][0], number)
    result = await task
    assert (result.outcome, result.stdout) == (Outcome.OK, b"1\n")


async def test_what_kills_itself_has_done_it(run: Run) -> None:
    result = await run("import os\nprint(1, flush=True)\nos.kill(os.getpid(), 9)")
    assert (result.outcome, result.signal, result.stdout) == (Outcome.RUNTIME_ERROR, 9, b"1\n")


async def test_the_files_of_a_killed_run_are_gone_when_it_is_run_again(run: Run) -> None:
    result = await run("import os\nopen('x', 'x').close()\nos.kill(os.getpid(), 9)")
    assert (result.signal, result.stderr) == (9, b"")


async def test_time_in_which_a_whole_jail_stood_still_is_not_the_programs(sandbox: Sandbox, run: Run) -> None:
    task = asyncio.create_task(run(BUSY, limits=Limits(cpu_seconds=1, wall_seconds=1)))
    inside = [pid for pids in await _generations(sandbox) for pid in pids]
    for pid in inside:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(2)
    for pid in reversed(inside):
        os.kill(pid, signal.SIGCONT)
    assert (await task).outcome is Outcome.OK


async def _generations(sandbox: Sandbox) -> list[list[int]]:
    """The jail's first process, those that it started, and their children, once a program is there."""
    assert sandbox.launcher is not None
    found: list[list[int]] = []
    while len(found) < 3 or not found[2]:
        await asyncio.sleep(0.01)
        found = [[sandbox.launcher.info.pid]]
        for _ in range(3):
            found.append([child for pid in found[-1] for child in _children(pid)])
        found = found[1:]
    return found


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []  # it ended while we looked


@pytest.mark.parametrize(
    "source",
    [
        "x = bytearray(10**9)",
        "x = []\nwhile True: x.append(bytes(10**6))",
        "import mmap\nm = mmap.mmap(-1, 10**9)\nfor i in range(0, 10**9, 4096): m[i] = 1",
        "f = open('x', 'wb')\nwhile True: f.write(bytes(10**6))",
        "import os\nf = open(os.environ['TMPDIR'] + '/x', 'wb')\nwhile True: f.write(bytes(10**6))",
        "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        x = b'x' * 10**8; time.sleep(9)\nos.wait()",
    ],
    ids=["heap", "growing_heap", "mmap", "work", "temporary", "children_together"],
)
async def test_memory_is_a_verdict_of_its_own(source: str, run: Run) -> None:
    result = await run(source)
    assert result.outcome is Outcome.MEMORY_LIMIT


async def test_shared_memory_is_the_jails_own_or_none(run: Run, namespaces: bool) -> None:
    result = await run("f = open('/dev/shm/x', 'wb')\nwhile True: f.write(bytes(10**6))")
    assert result.outcome is (Outcome.MEMORY_LIMIT if namespaces else Outcome.RUNTIME_ERROR)


async def test_a_fork_bomb_meets_the_process_limit(run: Run) -> None:
    result = await run("import os\nwhile True: os.fork()")
    assert result.outcome is Outcome.PROCESS_LIMIT


async def test_a_thread_bomb_meets_the_process_limit(run: Run) -> None:
    source = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    result = await run(source)
    assert result.outcome is Outcome.PROCESS_LIMIT


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_endless_output_is_a_verdict_of_its_own(stream: str, run: Run) -> None:
    result = await run(f"import sys\nwhile True: sys.{stream}.write('x' * 65536)")
    assert result.outcome is Outcome.OUTPUT_LIMIT
    assert len(result.stdout) <= LIMITS.output_bytes


async def test_output_up_to_the_limit_arrives_whole(run: Run) -> None:
    result = await run(f"print('x' * {LIMITS.output_bytes - 1})")
    assert result.outcome is Outcome.OK
    assert len(result.stdout) == LIMITS.output_bytes


async def test_input_larger_than_the_memory_limit_is_not_the_programs_memory(run: Run) -> None:
    limits = Limits(memory_bytes=32 << 20)
    result = await run("import sys\nprint(len(sys.stdin.buffer.read(9)))", b"x" * (64 << 20), limits=limits)
    assert (result.outcome, result.stdout) == (Outcome.OK, b"9\n")


async def test_files_that_fill_the_limit_do_not_end_the_jail(sandbox: Sandbox) -> None:
    source = "import os\nf = os.open('x', os.O_CREAT | os.O_WRONLY)\nwhile True: os.write(f, bytes(4096))"
    artefact = (await sandbox.compile(Program("python", source))).artefact
    assert artefact is not None
    async with sandbox.session(artefact, Limits(cpu_seconds=20, memory_bytes=24 << 20)) as session:
        outcomes = [(await session.run(Case())).outcome for _ in range(5)]
    assert outcomes == [Outcome.MEMORY_LIMIT] * 5


async def test_files_that_do_not_fit_are_refused_by_size(sandbox: Sandbox, namespaces: bool) -> None:
    artefact = (await sandbox.compile(Program("python", "print(1)"))).artefact
    assert artefact is not None
    async with sandbox.session(artefact, Limits(memory_bytes=32 << 20)) as session:
        if namespaces:
            with pytest.raises(FilesTooLarge, match="83886080 bytes"):
                await session.put({"a": bytes(80 << 20)})
        else:  # scratch is on disk there, and watched while programs run
            await session.put({"a": bytes(80 << 20)})
        assert (await session.run(Case())).outcome is Outcome.OK


async def test_a_program_larger_than_its_memory_limit_is_run_all_the_same(sandbox: Sandbox) -> None:
    blob = artefacts.pack(Content({"main.sh": b"echo 1", "beside": bytes(80 << 20)}, {}))
    artefact = Artefact(Program("bash", ""), "", blob)
    async with sandbox.session(artefact, Limits(memory_bytes=32 << 20)) as session:
        result = await session.run(Case())
    assert (result.outcome, result.stdout) == (Outcome.OK, b"1\n")


async def test_one_file_cannot_fill_the_disk(run: Run) -> None:
    source = "f = open('x', 'wb')\nf.truncate(10**12)"
    result = await run(source)
    assert result.outcome in (Outcome.RUNTIME_ERROR, Outcome.OUTPUT_LIMIT)


async def test_descriptors_are_limited(run: Run) -> None:
    source = "x = []\ntry:\n    while True: x.append(open('/dev/null'))\nexcept OSError as e: print(len(x) < 1100, e.errno)"
    assert (await run(source)).stdout == b"True 24\n"


async def test_only_three_descriptors_are_open(run: Run) -> None:
    source = "import os\nprint(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1])"
    assert (await run(source)).stdout == b"[0, 1, 2]\n"


async def test_stdin_cannot_be_written(run: Run) -> None:
    source = "import os\ntry: os.write(0, b'x')\nexcept OSError as e: print(e.errno)\ntry: open('/proc/self/fd/0', 'wb')\nexcept OSError as e: print('denied')"
    assert (await run(source, b"input")).stdout == b"9\ndenied\n"


async def test_no_capability_and_no_new_privileges(run: Run) -> None:
    source = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith(('CapPrm', 'CapEff', 'CapInh', 'CapAmb', 'NoNewPrivs', 'Seccomp:'))])"
    zero = "0000000000000000"
    assert (await run(source)).stdout.decode() == f"{[zero] * 3 + [zero, '1', '2']}\n"


async def test_the_environment_is_clean(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    result = await run("import os\nprint(sorted(os.environ))")
    assert b"SECRET_TOKEN" not in result.stdout
    assert b"HOME" in result.stdout


async def test_the_hosts_files_cannot_be_read(run: Run) -> None:
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as secret:
        secret.write(b"the gold answer")
        secret.flush()
        os.chmod(secret.name, 0o644)
        result = await run(f"print(open({secret.name!r}).read())")
    assert result.outcome is Outcome.RUNTIME_ERROR
    assert b"gold" not in result.stdout + result.stderr


async def test_the_hosts_directories_cannot_be_listed(run: Run) -> None:
    result = await run(f"import os\nos.listdir({os.getcwd()!r})")
    assert result.outcome is Outcome.RUNTIME_ERROR


async def test_what_is_outside_is_not_even_there(run: Run, namespaces: bool) -> None:
    result = await run(f"import os\nprint(os.path.exists('/etc/shadow'), os.path.exists({os.getcwd()!r}))")
    assert (result.stdout == b"False False\n") is namespaces


async def test_no_password_file_of_the_host(run: Run) -> None:
    source = (
        "try: print({line.split(':')[0] for line in open('/etc/passwd')} - {'root', 'sandbox'})\n"
        "except OSError: print(set())"
    )
    assert (await run(source)).stdout == b"set()\n"


async def test_every_slots_program_has_a_name_where_there_is_a_password_file(
    sandbox: Sandbox, namespaces: bool
) -> None:
    source = "import getpass, grp, os\nprint(getpass.getuser(), grp.getgrgid(os.getgid())[0])"
    artefact = (await sandbox.compile(Program("python", source))).artefact
    assert artefact is not None
    async with sandbox.session(artefact, LIMITS) as one, sandbox.session(artefact, LIMITS) as other:
        names = [(await jail.run(Case())).stdout.split() for jail in (one, other)]
    assert names == [[b"sandbox", b"sandbox"] if namespaces else []] * 2


@pytest.mark.parametrize("path", ["/", "/usr", "/usr/bin", "/etc", "/box", "/dev", "/bin", "/run", "/proc"])
async def test_what_is_not_scratch_is_read_only(path: str, run: Run) -> None:
    result = await run(f"open({path!r} + '/x', 'w')")
    assert result.outcome is Outcome.RUNTIME_ERROR


async def test_the_program_file_cannot_be_replaced(run: Run) -> None:
    result = await run("import os\nopen('x', 'w')\nos.replace('x', __file__)")
    assert result.outcome is Outcome.RUNTIME_ERROR
    assert (await run("open(__file__, 'a')")).outcome is Outcome.RUNTIME_ERROR


async def test_no_listener_of_this_host_is_reached(run: Run, namespaces: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        source = f"import socket\ns = socket.socket()\ns.settimeout(5)\ns.connect(('127.0.0.1', {port}))"
        result = await run(source)
    why = b"Network is unreachable" if namespaces else b"Address family not supported"
    assert why in result.stderr


async def test_a_pair_of_streams_is_left_to_programs(run: Run) -> None:
    source = "import socket\na, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(1))"
    assert (await run(source)).stdout == b"b'x'\n"


async def test_a_pair_of_datagram_sockets_reaches_nobody_else(run: Run) -> None:
    name = f"\0test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        source = (
            "import socket\ntry:\n    a, b = socket.socketpair(type=socket.SOCK_DGRAM)\n"
            f"    a.sendto(b'x', {name!r})\n    print('reached')\nexcept OSError: pass"
        )
        assert (await run(source)).stdout == b""


@pytest.mark.parametrize("family", ["AF_NETLINK", "AF_PACKET", "AF_ALG", "AF_VSOCK"])
async def test_socket_families_are_few(family: str, run: Run) -> None:
    source = f"import socket\ntry: socket.socket(socket.{family}, socket.SOCK_DGRAM)\nexcept OSError as e: print(e.errno)"
    assert (await run(source)).stdout == b"97\n"


@pytest.mark.parametrize("name", DENIED_CALLS)
async def test_dangerous_calls_are_denied(name: str, run: Run) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers in this test are those of x86_64")
    source = f"import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nr = l.syscall({DENIED_CALLS[name]}, 0, 0, 0, 0, 0)\nprint(r, ctypes.get_errno())"
    assert (await run(source)).stdout == b"-1 1\n"


@pytest.mark.parametrize(
    "call", ["mount(b'x', b'/tmp', b'tmpfs', 0, 0)", "umount2(b'/tmp', 2)", "chroot(b'/tmp')"]
)
async def test_the_mount_tree_cannot_be_changed(call: str, run: Run) -> None:
    source = f"import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nprint(l.{call}, ctypes.get_errno())"
    assert (await run(source)).stdout == b"-1 1\n"


async def test_a_namespace_cannot_be_made_through_clone(run: Run) -> None:
    source = "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nprint(l.syscall(56, 0x10000011, 0, 0, 0, 0), ctypes.get_errno())"
    assert (await run(source)).stdout == b"-1 1\n"


async def test_the_supervisor_cannot_be_signalled(run: Run) -> None:
    source = "import os, signal\nfor s in (9, 15, 19, 11):\n    try: os.kill(1, s)\n    except OSError as e: print(e.errno)\nprint('still judged')"
    result = await run(source)
    assert result.outcome is Outcome.OK
    assert result.stdout.endswith(b"still judged\n")


async def test_signals_to_everything_hit_only_the_program(run: Run) -> None:
    result = await run("import os\nos.kill(-1, 9)\nprint('alone')")
    assert result.outcome in (Outcome.OK, Outcome.RUNTIME_ERROR)


async def test_the_supervisors_memory_and_files_are_out_of_reach(run: Run) -> None:
    source = (
        "import os\nfor name in ('mem', 'environ', 'maps', 'fd', 'cwd', 'root', 'exe'):\n"
        "    try:\n        p = '/proc/1/' + name\n"
        "        (os.listdir if name == 'fd' else os.readlink if name in ('cwd', 'root', 'exe') else open)(p)\n"
        "        print('reached', p)\n    except OSError: pass"
    )
    assert (await run(source)).stdout == b""


async def test_only_its_own_processes_are_visible(run: Run) -> None:
    source = (
        "import os\ntry: print([n for n in os.listdir('/proc') if n.isdigit() and int(n) != os.getpid()])\n"
        "except PermissionError: print([])"
    )
    assert (await run(source)).stdout == b"[]\n"


@pytest.mark.parametrize("name", ["cmdline", "environ", "status", "stat", "maps", "mem", "fd/0", "cwd/x"])
async def test_nothing_of_the_servers_process_can_be_read(name: str, run: Run) -> None:
    result = await run(f"open('/proc/{os.getpid()}/{name}', 'rb').read(1)")
    assert result.outcome is Outcome.RUNTIME_ERROR


async def test_the_server_cannot_be_signalled(run: Run) -> None:
    source = f"import os\nfor s in (0, 9, 19):\n    try: os.kill({os.getpid()}, s); print('reached')\n    except OSError: pass"
    assert (await run(source)).stdout == b""


async def test_its_own_process_can_be_read(run: Run) -> None:
    source = "import os\nprint(all(open('/proc/self/' + n, 'rb').read(1) for n in ('maps', 'status', 'stat')), len(open('/dev/stdin').read()))"
    assert (await run(source, b"four")).stdout == b"True 4\n"


async def test_a_daemon_dies_with_its_run(sandbox: Sandbox) -> None:
    source = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        time.sleep(0.2); open('alive', 'w'); time.sleep(60)\n    os._exit(0)\nos.wait()"
        "\nprint(os.path.exists('alive'))"
    )
    compilation = await sandbox.compile(Program("python", source))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        for _ in range(2):
            result = await session.run(Case())
            assert (result.outcome, result.stdout) == (Outcome.OK, b"False\n")


async def test_a_daemon_holding_stdout_does_not_delay_the_result(run: Run) -> None:
    source = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(60)\nprint('done')"
    result = await run(source, limits=Limits(cpu_seconds=1, wall_seconds=30))
    assert (result.outcome, result.stdout) == (Outcome.OK, b"done\n")


async def test_setuid_programs_gain_nothing(run: Run) -> None:
    source = "import subprocess\nprint(subprocess.run(['/usr/bin/su', '-c', 'id'], capture_output=True).returncode != 0)"
    assert (await run(source)).stdout == b"True\n"


async def test_no_core_is_dumped(run: Run) -> None:
    result = await run("import os\nif os.fork() == 0: os.abort()\nos.wait()\nprint(os.listdir('.'))")
    assert result.stdout == b"[]\n"


async def test_nothing_is_left_in_scratch_for_the_next_run(sandbox: Sandbox) -> None:
    source = (
        "import os\nfor top in (os.getcwd(), os.environ['TMPDIR']):\n    print(os.listdir(top))\n"
        "    os.chdir(top)\n    open('.hidden', 'w'); os.symlink('/etc', 'link'); os.mkfifo('pipe')\n"
        "    for _ in range(1500): os.mkdir('d' * 9); os.chdir('d' * 9)\n"
        "    os.mkdir('closed'); os.chmod('closed', 0)"
    )
    compilation = await sandbox.compile(Program("python", source))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        for _ in range(2):
            result = await session.run(Case())
            assert (result.outcome, result.stdout) == (Outcome.OK, b"[]\n[]\n"), result.stderr


async def test_the_next_submission_finds_no_shared_memory(run: Run, namespaces: bool) -> None:
    leave = "import ctypes\nl = ctypes.CDLL(None)\nprint(l.shmget(4711, 4096, 0o1666) >= 0)"
    look = "import ctypes\nl = ctypes.CDLL(None)\nprint(l.shmget(4711, 4096, 0o666))"
    assert ((await run(leave)).stdout == b"True\n") is namespaces
    assert (await run(look)).stdout == b"-1\n"


async def test_the_next_submission_finds_no_abstract_socket(run: Run, namespaces: bool) -> None:
    source = "import socket\ns = socket.socket(socket.AF_UNIX); s.bind('\\0name'); print('bound')"
    assert [(await run(source)).stdout for _ in range(2)] == [b"bound\n" if namespaces else b""] * 2


async def test_a_signal_of_its_own_making_is_a_runtime_error(run: Run) -> None:
    result = await run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert (result.outcome, result.signal) == (Outcome.RUNTIME_ERROR, 9)


async def test_large_input_and_output_do_not_deadlock(run: Run) -> None:
    data = b"line of input\n" * 50_000
    limits = Limits(cpu_seconds=5, wall_seconds=60, output_bytes=4 << 20)
    result = await run("import sys\nsys.stdout.write(sys.stdin.read())", data, limits=limits)
    assert result.stdout == data


async def test_waiting_for_a_core_is_not_held_against_a_program(sandbox: Sandbox) -> None:
    """Eight busy programs on two cores: each needs far more wall time than its limit, and passes."""
    crowded = Sandbox(SandboxConfig(slots=8, isolation=sandbox.isolation))
    await crowded.start()
    source = "import time\nwhile time.process_time() < 0.6: pass\nprint('done')"
    compilation = await crowded.compile(Program("python", source))
    assert compilation.artefact is not None

    async def one() -> Outcome:
        async with crowded.session(compilation.artefact, Limits(cpu_seconds=5, wall_seconds=1.0)) as session:
            return (await session.run(Case())).outcome

    outcomes = await asyncio.gather(*(one() for _ in range(8)))
    await crowded.close()
    assert outcomes == [Outcome.OK] * 8


async def test_files_that_fill_the_memory_limit_come_out_whole(sandbox: Sandbox) -> None:
    limits = Limits(cpu_seconds=5, wall_seconds=60, memory_bytes=64 << 20)
    source = "n = 0\nwhile True:\n    open(f'f{n}', 'wb').write(bytes([n]) * (1 << 20))\n    n += 1"
    artefact = (await sandbox.compile(Program("python", source))).artefact
    assert artefact is not None
    async with sandbox.session(artefact, limits) as session:
        assert (await session.run(Case())).outcome is Outcome.MEMORY_LIMIT
        found = await session.fetch(["./"], 1 << 20)
    whole = [name for name, content in found.items() if content == bytes([int(name[1:])]) * (1 << 20)]
    assert len(whole) > 32


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    """A directory that may be filled to any depth: pytest's own removal is recursive."""
    yield tmp_path
    trees.remove(str(tmp_path))


def _made_deep(top: Path, levels: int, name: str) -> str:
    """A path below `top`, made step by step: no call takes the whole of a long one."""
    descriptor = os.open(top, os.O_PATH)
    for _ in range(levels):
        os.mkdir(name, dir_fd=descriptor)
        inside = os.open(name, os.O_PATH, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inside
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    return f"{name}/" * levels + "file"


@pytest.mark.parametrize(("levels", "name"), [(1200, "a"), (64, "a"), (9, "a" * 250)])
async def test_files_too_deep_for_any_other_place_are_left_out(top: Path, levels: int, name: str) -> None:
    _made_deep(top, levels, name)
    Path(top, "near").touch()
    assert list(regular_files(str(top), ["./"], 1000)) == ["near"]


async def test_files_in_directories_are_fetched(top: Path) -> None:
    path = _made_deep(top, 63, "a")
    assert list(regular_files(str(top), ["a/"], 1000)) == [path]


@pytest.mark.parametrize("path", ["a/" * 1200 + "file", "a/./file"], ids=["deep", "with a dot"])
async def test_a_path_is_made_whatever_it_looks_like(sandbox: Sandbox, path: str) -> None:
    artefact = (await sandbox.compile(Program("python", "print(open(input()).read())"))).artefact
    assert artefact is not None
    async with sandbox.session(artefact, LIMITS) as session:
        await session.put({path: b"found"})
        result = await session.run(Case(path.encode()), keep_files=True)
    assert result.stdout == b"found\n"


async def test_files_with_holes_are_fetched_as_far_as_an_answer_holds_them(tmp_path: Path) -> None:
    for n in range(9):
        with open(tmp_path / f"f{n}", "wb") as file:
            file.truncate(100 + n)
    assert regular_files(str(tmp_path), ["./"], 1000, room_bytes=304) == {"f0": 100, "f1": 101, "f2": 102}
