"""One abuse program in a sandbox, and everything that must hold afterwards."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from sandbox.sandbox import Sandbox
from sandbox.types import Case, Outcome, Program
from tests.abuse.bait import Bait
from tests.abuse.corpus import Abuse
from tests.leaks import Holdings, holdings

ESCAPED = b"ESCAPED"
SETTLING_SECONDS = 20.0
_HELLO = Program("python", "print(input()[::-1])")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended, from its compilation or its last run."""

    outcome: Outcome
    stdout: bytes
    everything: bytes  # all that came out of the jails, diagnostics included


async def run(box: Sandbox, abuse: Abuse, bait: Bait) -> Ending:
    """The program's submissions one after the other, each in a jail of its own."""
    everything, ending = b"", None
    for source in abuse.sources:
        program = Program(abuse.language, bait.fill(source))
        compilation = await box.compile(program, abuse.compile_limits)
        everything += compilation.diagnostics.encode()
        if compilation.artefact is None:
            return Ending(compilation.outcome, b"", everything)
        async with box.session(compilation.artefact, abuse.limits) as session:
            result = await session.run(Case())
            everything += b"\n".join((result.stdout, result.stderr, result.record or b""))
            left = await session.fetch(["./", "link", "hard", "x"], 1 << 20)
        everything += b"".join(left.values())
        ending = Ending(result.outcome, result.stdout, everything)
    assert ending is not None
    return ending


def complaints(abuse: Abuse, backend: str, ending: Ending, bait: Bait, *, excused: bool = False) -> list[str]:
    """What is wrong with an ending; empty if nothing. One `excused` may do all but touch the bait."""
    found = bait.touched()
    wanted = abuse.outcomes(backend)
    if ending.outcome not in wanted and not excused:
        found.append(f"{ending.outcome} instead of {' or '.join(sorted(o.value for o in wanted))}")
    if ending.outcome is Outcome.OK and not excused and ending.stdout.strip() != abuse.stdout:
        found.append(f"stdout is not {abuse.stdout!r}")
    if ESCAPED in ending.everything and not excused:
        found.append("it escaped")
    if bait.secret.encode() in ending.everything:
        found.append("the planted secret came out")
    return found


async def next_submission_is_unaffected(box: Sandbox) -> bool:
    """An ordinary program, judged as ever."""
    artefact = (await box.compile(_HELLO)).artefact
    assert artefact is not None
    async with box.session(artefact, Abuse("", "", {}, ()).limits) as session:
        result = await session.run(Case(b"live\n"))
    return (result.outcome, result.stdout) == (Outcome.OK, b"evil\n")


async def left_over(before: Holdings) -> str:
    """What there is more than before once the dead are buried; empty if nothing is."""
    deadline = time.monotonic() + SETTLING_SECONDS
    while (now := holdings()) != before:
        if time.monotonic() > deadline:
            return f"{now}, before: {before}"
        await asyncio.sleep(0.01)
    return ""
