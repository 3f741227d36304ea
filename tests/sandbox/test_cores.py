"""Jails are spread over the cores, and each stays on one."""

from __future__ import annotations

import os

import pytest

from sandbox.cores import Cores, stay_on
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Program

ASK = "import os\nprint(*os.sched_getaffinity(0))"


def test_the_quietest_core_is_one_with_the_fewest_jails() -> None:
    cores = Cores([3, 5])
    with cores.quietest() as first, cores.quietest() as second:
        assert {first, second} == {3, 5}
        with cores.quietest() as third, cores.quietest() as fourth:
            assert {third, fourth} == {3, 5}


def test_a_jail_that_ends_leaves_its_place() -> None:
    cores = Cores([0, 1])
    with cores.quietest() as kept:
        for _ in range(20):
            with cores.quietest() as other:
                assert other != kept


def test_a_core_that_is_not_ours_is_left_out() -> None:
    before = os.sched_getaffinity(0)
    stay_on(1023)
    assert os.sched_getaffinity(0) == before


@pytest.mark.asyncio
async def test_open_jails_are_on_cores_of_their_own() -> None:
    box = Sandbox(SandboxConfig(slots=2, languages=("python",)))
    await box.start()
    artefact = (await box.compile(Program("python", ASK))).artefact
    assert artefact is not None
    async with box.session(artefact, Limits()) as one, box.session(artefact, Limits()) as other:
        seen = [(await session.run(Case(b""))).stdout.split() for session in (one, other)]
    await box.close()
    ours = {str(core).encode() for core in os.sched_getaffinity(0)}
    assert all(len(cores) == 1 and set(cores) <= ours for cores in seen)
    assert len(ours) == 1 or seen[0] != seen[1]
