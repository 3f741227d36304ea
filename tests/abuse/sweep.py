"""The abuse corpus here, under one backend: a line of JSON for each program as it ends.

    python -m tests.abuse.sweep BACKEND [--image IMAGE] [--runtime NAME] [--only REGEX] [--share 1/2]

tests/abuse/matrix.py runs this in one place after another. It needs `sandbox` and `tests` and nothing
that is not Python's own (for the docker backend, the engine's client).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from sandbox import backends
from sandbox.cgroups import probe
from sandbox.containers import ContainerConfig
from sandbox.errors import SandboxError
from sandbox.sandbox import Sandbox, SandboxConfig
from tests.abuse import bait as baits
from tests.abuse import trial
from tests.abuse.bait import Bait
from tests.abuse.corpus import Abuse, read
from tests.leaks import holdings

# A program that is not judged after so long has hung its jail, on a crowded machine too.
STUCK_SECONDS = 300.0
MOST_PIDS_OF_A_JAIL = 8192


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one program."""

    name: str  # language and name, parted by a blank
    kind: str  # held, not_covered, wrong or absent
    detail: str = ""


def conditions(backend: str) -> frozenset[str]:
    """What of this place decides how much is covered, in the words of the corpus."""
    user = {"user"} if os.geteuid() != 0 else set()
    grouped = backend == "docker" or probe().version
    return frozenset({backend, *user, *(() if grouped else ("no_groups",))})


async def sweep(box: Sandbox, programs: list[Abuse], bait: Bait) -> AsyncIterator[Finding]:
    """Each program's finding, one after the other."""
    assert await trial.next_submission_is_unaffected(box)
    await _buried(box)
    here = conditions(box.isolation.partition("/")[0])
    for abuse in programs:
        yield await _finding(box, abuse, bait, here)


async def _finding(box: Sandbox, abuse: Abuse, bait: Bait, here: frozenset[str]) -> Finding:
    name = f"{abuse.language} {abuse.name}"
    backend = box.isolation.partition("/")[0]
    if not abuse.meant_for(backend):
        return Finding(name, "absent", f"no meaning under {backend}")
    missing = [tool for tool in abuse.tool.split() if backend != "docker" and not shutil.which(tool)]
    if missing:
        return Finding(name, "absent", f"no {' '.join(missing)} here")
    try:
        async with asyncio.timeout(STUCK_SECONDS):
            return await _tried(box, abuse, bait, here)
    except TimeoutError:
        return Finding(name, "wrong", "stuck")
    except SandboxError as error:
        return Finding(name, "wrong", repr(error))


async def _tried(box: Sandbox, abuse: Abuse, bait: Bait, here: frozenset[str]) -> Finding:
    name = f"{abuse.language} {abuse.name}"
    await _buried(box)
    launchers, before = box.launchers_started, holdings()
    ending = await trial.run(box, abuse, bait)
    backend, excuse = box.isolation.partition("/")[0], ""
    wrong = trial.complaints(abuse, backend, ending, bait)
    if wrong and (excuse := abuse.not_covered(ending.outcome, here)):
        wrong = trial.complaints(abuse, backend, ending, bait, excused=True)
    if not await trial.next_submission_is_unaffected(box):
        wrong.append("the next submission was affected")
    if box.launchers_started != launchers:
        wrong.append("the launcher was lost")
    if left := await trial.left_over(before):
        wrong.append(f"left over: {left}")
    if wrong:
        said = ending.everything[-300:].decode(errors="replace")
        return Finding(name, "wrong", f"{'; '.join(wrong)} | {said}")
    return Finding(name, "not_covered" if excuse else "held", excuse)


async def _buried(box: Sandbox) -> None:
    """Returns once the jails before are gone, or the next count would have the dying in it."""
    while box.launcher is not None and box.launcher.living_jails:
        await asyncio.sleep(0.01)


async def _main() -> None:
    asked = _asked()
    if why := backends.problem(asked.backend, asked.image):
        print(json.dumps({"why": why}))
        return
    containers = ContainerConfig(asked.image or ContainerConfig.image, asked.runtime)
    box = Sandbox(SandboxConfig(isolation=asked.backend, slots=2, containers=containers))
    await box.start()
    try:
        with baits.planted() as bait:
            async for finding in sweep(box, _chosen(asked), bait):
                print(json.dumps(asdict(finding)), flush=True)
    finally:
        await box.close()


def _leave_small_pids() -> None:
    """In a young pid namespace: bait and server must have pids that no process of a jail has.

    Uses the small ones up on threads, and goes on in a child; this process ends as the child does.
    """
    if os.getpid() >= MOST_PIDS_OF_A_JAIL:
        return
    seen: list[int] = []
    while not seen or seen.pop() < MOST_PIDS_OF_A_JAIL:
        thread = threading.Thread(target=lambda: seen.append(threading.get_native_id()))
        thread.start()
        thread.join()
    pid = os.fork()
    if pid != 0:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backend", choices=tuple(backends.STRENGTH))
    parser.add_argument("--image", default="")
    parser.add_argument("--runtime", default="")
    parser.add_argument("--only", default="", help="programs whose language and name match this")
    parser.add_argument("--names", default="", help="only these, with commas between")
    parser.add_argument("--share", default="1/1", help="1/3: every third program, from the first on")
    return parser.parse_args()


def _chosen(asked: argparse.Namespace) -> list[Abuse]:
    number, of = map(int, asked.share.split("/"))
    names = set(filter(None, asked.names.split(",")))
    found = [
        abuse
        for abuse in read()
        if re.search(asked.only, name := f"{abuse.language} {abuse.name}") and (not names or name in names)
    ]
    return found[number - 1 :: of]


if __name__ == "__main__":
    _leave_small_pids()
    asyncio.run(_main())
