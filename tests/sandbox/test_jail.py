"""What a program cannot do in the `namespaces` jail, one property per test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.sandbox import Sandbox
from sandbox.types import Case, Limits, Outcome, Program
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


async def test_sleeping_meets_the_wall_backstop(run: Run) -> None:
    result = await run("import time; time.sleep(60)", limits=Limits(cpu_seconds=1, wall_seconds=0.5))
    assert result.outcome is Outcome.WALL_LIMIT


async def test_a_stopped_process_meets_the_wall_backstop(run: Run) -> None:
    source = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    result = await run(source, limits=Limits(cpu_seconds=1, wall_seconds=0.5))
    assert result.outcome is Outcome.WALL_LIMIT


@pytest.mark.parametrize(
    "source",
    [
        "x = bytearray(10**9)",
        "x = []\nwhile True: x.append(bytes(10**6))",
        "import mmap\nm = mmap.mmap(-1, 10**9)\nfor i in range(0, 10**9, 4096): m[i] = 1",
        "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(bytes(10**6))",
        "f = open('/tmp/x', 'wb')\nwhile True: f.write(bytes(10**6))",
        "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        x = b'x' * 10**8; time.sleep(9)\nos.wait()",
    ],
    ids=["heap", "growing_heap", "mmap", "shared_memory", "tmpfs", "children_together"],
)
async def test_memory_is_a_verdict_of_its_own(source: str, run: Run) -> None:
    result = await run(source)
    assert result.outcome is Outcome.MEMORY_LIMIT


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


async def test_one_file_cannot_fill_the_disk(run: Run) -> None:
    source = "f = open('/tmp/x', 'wb')\nf.truncate(10**12)"
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


async def test_the_hosts_files_are_not_there(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the gold answer")
    secret.chmod(0o644)
    result = await run(f"import os\nprint(os.path.exists({str(secret)!r}), os.path.exists({os.getcwd()!r}))")
    assert result.stdout == b"False False\n"


async def test_no_password_file_of_the_host(run: Run) -> None:
    result = await run(
        "import os\nprint(os.path.exists('/etc/shadow'), len(open('/etc/passwd').readlines()))"
    )
    assert result.stdout == b"False 2\n"


@pytest.mark.parametrize("path", ["/", "/usr", "/usr/bin", "/etc", "/box", "/dev", "/bin", "/run", "/proc"])
async def test_what_is_not_scratch_is_read_only(path: str, run: Run) -> None:
    result = await run(f"open({path!r} + '/x', 'w')")
    assert result.outcome is Outcome.RUNTIME_ERROR


async def test_the_program_file_cannot_be_replaced(run: Run) -> None:
    result = await run("import os\nos.replace('/tmp', '/box/main.py')")
    assert result.outcome is Outcome.RUNTIME_ERROR


async def test_no_network_interface_is_up(run: Run) -> None:
    source = "import socket\ns = socket.socket()\ns.settimeout(5)\ns.connect(('127.0.0.1', 8080))"
    result = await run(source)
    assert b"Network is unreachable" in result.stderr


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
    source = "import os\nprint([n for n in os.listdir('/proc') if n.isdigit() and int(n) != os.getpid()])"
    assert (await run(source)).stdout == b"[]\n"


async def test_a_daemon_dies_with_its_run(sandbox: Sandbox) -> None:
    source = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        time.sleep(0.2); open('/work/alive', 'w'); time.sleep(60)\n    os._exit(0)\nos.wait()"
        "\nprint(os.path.exists('/work/alive'))"
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


async def test_the_next_submission_finds_no_shared_memory(run: Run) -> None:
    leave = "import ctypes\nl = ctypes.CDLL(None)\nprint(l.shmget(4711, 4096, 0o1666) >= 0)"
    look = "import ctypes\nl = ctypes.CDLL(None)\nprint(l.shmget(4711, 4096, 0o666))"
    assert (await run(leave)).stdout == b"True\n"
    assert (await run(look)).stdout == b"-1\n"


async def test_the_next_submission_finds_no_abstract_socket(run: Run) -> None:
    source = "import socket\ns = socket.socket(socket.AF_UNIX); s.bind('\\0name'); print('bound')"
    assert [(await run(source)).stdout for _ in range(2)] == [b"bound\n"] * 2


async def test_a_signal_of_its_own_making_is_a_runtime_error(run: Run) -> None:
    result = await run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert (result.outcome, result.signal) == (Outcome.RUNTIME_ERROR, 9)


async def test_large_input_and_output_do_not_deadlock(run: Run) -> None:
    data = b"line of input\n" * 50_000
    limits = Limits(cpu_seconds=5, wall_seconds=60, output_bytes=4 << 20)
    result = await run("import sys\nsys.stdout.write(sys.stdin.read())", data, limits=limits)
    assert result.stdout == data


async def test_waiting_for_a_core_is_not_held_against_a_program(run: Run) -> None:
    """Eight busy programs on two cores: each needs far more wall time than its limit, and passes."""
    import asyncio

    from sandbox.sandbox import SandboxConfig

    crowded = Sandbox(SandboxConfig(slots=8))
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
