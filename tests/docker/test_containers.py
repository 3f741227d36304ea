"""The `docker` backend: containers from the server's image, used once, and none left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from protos.reward.v1 import reward_pb2 as pb
from sandbox import backends
from sandbox.containers import LABEL, ContainerConfig
from sandbox.errors import JailLost
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Outcome, Program, RunResult
from server.config import Settings
from server.core import RewardCore
from server.verify.code.verifier import CodeVerifier
from tests.docker.conftest import docker
from tests.sandbox.conftest import LIMITS

pytestmark = [pytest.mark.timeout(1200), pytest.mark.asyncio(loop_scope="module")]


def ours(*filters: str) -> list[str]:
    return docker("ps", "-aq", "--filter", f"label={LABEL}", *filters).split()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box(image: str) -> AsyncIterator[Sandbox]:
    config = SandboxConfig(slots=2, isolation="docker", containers=ContainerConfig(image=image))
    sandbox = Sandbox(config)
    await sandbox.start()
    yield sandbox
    await sandbox.close()
    while ours():  # a killed server's end by themselves
        await asyncio.sleep(0.2)


async def run(box: Sandbox, source: str, limits: Limits = LIMITS, language: str = "python") -> RunResult:
    compilation = await box.compile(Program(language, source))
    assert compilation.artefact is not None, compilation.diagnostics
    async with box.session(compilation.artefact, limits) as session:
        return await session.run(Case(b"21\n"))


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("print(int(input()) * 2)", Outcome.OK),
        ("1/0", Outcome.RUNTIME_ERROR),
        ("while True: pass", Outcome.TIME_LIMIT),
        ("x = bytearray(10**9)", Outcome.MEMORY_LIMIT),
        ("f = open('/dev/shm/x', 'wb')\nwhile True: f.write(bytes(10**6))", Outcome.MEMORY_LIMIT),
        ("import os\nwhile True: os.fork()", Outcome.PROCESS_LIMIT),
        ("while True: print('x' * 9999)", Outcome.OUTPUT_LIMIT),
        ("def f(:", Outcome.COMPILE_ERROR),
    ],
)
async def test_outcomes_are_those_of_the_other_backends(source: str, outcome: Outcome, box: Sandbox) -> None:
    assert (await run(box, source)).outcome is outcome


async def test_files_that_fill_its_memory_come_out(box: Sandbox) -> None:
    source = "n = 0\nwhile True:\n    open(f'f{n}', 'wb').write(bytes(1 << 20))\n    n += 1"
    artefact = (await box.compile(Program("python", source))).artefact
    assert artefact is not None
    async with box.session(artefact, LIMITS) as session:
        assert (await session.run(Case())).outcome is Outcome.MEMORY_LIMIT
        assert len(await session.fetch(["./"], 1 << 20)) > 64


async def test_a_compiled_language(box: Sandbox) -> None:
    source = "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n; }"
    assert (await run(box, source, language="cpp")).stdout == b"42"


async def test_a_harmless_programs_runs_share_a_process(box: Sandbox) -> None:
    compilation = await box.compile(Program("python", "print(int(input()) * 2)"))
    assert compilation.artefact is not None
    cases = [Case(str(number).encode()) for number in range(5)]
    async with box.session(compilation.artefact, LIMITS) as session:
        results = await session.run_all(cases, repeat=True)
    assert [result.stdout.split() for result in results] == [[str(2 * n).encode()] for n in range(5)]
    assert [result.repeated for result in results] == [False, True, True, True, True]


async def test_the_images_pytest_runs_tests(box: Sandbox) -> None:
    files = {"test_f.py": "from solution import f\ndef test_f(): assert f() == 5\n"}
    tests = pb.UnitTests(framework="pytest", files=files)
    request = pb.VerifyRequest(
        completion="def f(): return 5",
        extraction="whole",
        code=pb.CodeTask(language="python", unit_test=tests),
    )
    assert (await CodeVerifier(box).verify(request, request.code, LIMITS)).status == pb.ACCEPTED


async def test_the_verdict_names_it(box: Sandbox) -> None:
    assert box.isolation == "docker"


async def test_the_program_has_no_capability_and_no_new_privileges(box: Sandbox) -> None:
    source = (
        "lines = (line.split() for line in open('/proc/self/status'))\n"
        "names = ('CapPrm:', 'CapEff:', 'CapInh:', 'NoNewPrivs:', 'Seccomp:')\n"
        "print([words[1] for words in lines if words[0] in names])"
    )
    assert (await run(box, source)).stdout.decode() == f"{['0' * 16] * 3 + ['1', '2']}\n"


@pytest.mark.parametrize("path", ["/", "/usr/bin", "/etc", "/box", "/opt/venv"])
async def test_what_is_not_scratch_is_read_only(path: str, box: Sandbox) -> None:
    assert (await run(box, f"open({path!r} + '/x', 'w')")).outcome is Outcome.RUNTIME_ERROR


async def test_the_supervisor_is_out_of_reach(box: Sandbox) -> None:
    source = (
        "import os\nfor path in ('/proc/1/mem', '/proc/1/environ', '/proc/1/maps', '/proc/1/fd/10'):\n"
        "    try: open(path, 'rb').read(1); print(path)\n    except OSError: pass\n"
        "for s in (0, 9, 19):\n    try: os.kill(1, s); print(s)\n    except PermissionError: pass"
    )
    assert (await run(box, source)).stdout == b""


async def test_no_network(box: Sandbox) -> None:
    result = await run(box, "import socket\nsocket.create_connection(('1.1.1.1', 80), 5)")
    assert b"Network is unreachable" in result.stderr


async def test_a_daemon_dies_with_its_run_and_scratch_is_emptied(box: Sandbox) -> None:
    source = (
        "import os, time\nknown = {1, os.getpid(), os.getppid()}\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(600)\n    os._exit(0)\n"
        "os.wait()\nseen = {int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) < os.getpid()}\n"
        "older = sorted(seen - known)\n"
        "print(os.listdir('.'), older)\n"
        "open('left', 'w'); open('/dev/shm/left', 'w')"
    )
    compilation = await box.compile(Program("python", source))
    assert compilation.artefact is not None
    async with box.session(compilation.artefact, LIMITS) as session:
        outputs = [(await session.run(Case())).stdout for _ in range(2)]
    assert outputs == [b"[] []\n"] * 2


async def test_no_two_submissions_share_a_container(box: Sandbox) -> None:
    source = "import socket\nprint(socket.gethostname())"
    names = {(await run(box, source)).stdout for _ in range(3)}
    assert len(names) == 3


async def test_a_removed_container_is_a_lost_jail_and_the_next_one_works(box: Sandbox) -> None:
    task = asyncio.create_task(run(box, "import time\ntime.sleep(60)", Limits(wall_seconds=100)))
    assert box.launcher is not None
    await asyncio.sleep(1)
    for container in await asyncio.to_thread(ours):
        await asyncio.to_thread(docker, "rm", "-f", container, check=False)
    with pytest.raises(JailLost):
        await task
    for _ in range(5):  # those that waited were removed as well, and each is noticed when it is used
        try:
            assert (await run(box, "print(1)")).outcome is Outcome.OK
        except JailLost:
            continue
        return
    pytest.fail("no container came back")


async def test_math_is_judged_in_containers_too(image: str) -> None:
    core = RewardCore(Settings(isolation="docker", docker_image=image, slots=1, math_workers=1))
    await core.start()
    try:
        task = pb.MathTask(gold=["x^2+2x+1"])
        verdict = await core.verify(pb.VerifyRequest(completion=r"\boxed{(x+1)^2}", math=task))
    finally:
        await core.close()
    assert (verdict.reward, verdict.isolation) == (1.0, "docker")


async def test_a_killed_server_leaves_no_container(image: str, repository: Path) -> None:
    before = set(ours())
    program = (
        "import asyncio\nfrom sandbox.sandbox import *\nfrom sandbox.containers import ContainerConfig\n"
        "async def main():\n"
        f"    config = SandboxConfig(slots=1, isolation='docker', containers=ContainerConfig({image!r}))\n"
        "    await Sandbox(config).start()\n    print('up', flush=True)\n    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program], cwd=repository, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert await asyncio.to_thread(server.stdout.readline) == b"up\n"
    assert set(ours()) - before
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    server.stdout.close()
    while set(ours("--filter", "status=running")) - before:
        await asyncio.sleep(0.2)
    while set(ours()) - before:  # one that it had made and not yet started goes with the next start
        await _start_and_close(image)


async def _start_and_close(image: str) -> None:
    containers = ContainerConfig(image=image)
    sandbox = Sandbox(SandboxConfig(slots=1, isolation="docker", languages=(), containers=containers))
    await sandbox.start()
    await sandbox.close()


async def test_a_missing_image_is_named(engine: None) -> None:
    assert "no image 'no-such-image'" in backends.problem("docker", "no-such-image")
