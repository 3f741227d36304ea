"""Every abuse program, under every backend of this host: its verdict, and that nothing comes of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from sandbox import backends
from sandbox.containers import ContainerConfig
from sandbox.sandbox import Sandbox, SandboxConfig
from server.locations import user_cache
from tests.abuse import bait as baits
from tests.abuse import trial
from tests.abuse.bait import Bait
from tests.abuse.corpus import Abuse, read
from tests.leaks import Holdings, holdings

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Containers take a second each: the suite runs in them where an image is named.
IMAGE = os.environ.get("REWARD_ABUSE_IMAGE", "")
BACKENDS = ["namespaces", "landlock", *(["docker"] if IMAGE else [])]
CORPUS = read()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BACKENDS)
async def box(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    if why := backends.problem(request.param, IMAGE):
        pytest.skip(f"{request.param}: {why}")
    config = SandboxConfig(
        isolation=request.param,
        slots=2,
        cache_directory=str(user_cache()),
        containers=ContainerConfig(image=IMAGE) if IMAGE else ContainerConfig(),
    )
    box = Sandbox(config)
    await box.start()
    assert await trial.next_submission_is_unaffected(box)
    while (
        box.launcher is not None and box.launcher.living_jails
    ):  # or the next count would have the dying in it
        await asyncio.sleep(0.01)
    yield box
    await box.close()


@pytest.fixture(scope="module")
def bait() -> Iterator[Bait]:
    with baits.planted() as bait:
        yield bait


@pytest.fixture(scope="module")
def before(box: Sandbox, bait: Bait) -> Holdings:
    """What there is while the sandbox waits."""
    return holdings()


def cases() -> list[object]:
    return [
        pytest.param(
            abuse, id=f"{abuse.language}-{abuse.name}", marks=pytest.mark.toolchain(*abuse.tool.split())
        )
        for abuse in CORPUS
    ]


@pytest.mark.parametrize("abuse", cases())
async def test_abuse(box: Sandbox, bait: Bait, before: Holdings, abuse: Abuse) -> None:
    backend = box.isolation.partition("/")[0]
    if not abuse.meant_for(backend):
        pytest.skip(f"has no meaning under {backend}")
    launchers = box.launchers_started
    ending = await trial.run(box, abuse, bait)
    wrong = trial.complaints(abuse, backend, ending, bait)
    assert not wrong, f"{'; '.join(wrong)}\n{ending.everything[-1500:].decode(errors='replace')}"
    assert await trial.next_submission_is_unaffected(box)
    assert box.launchers_started == launchers
    assert await trial.left_over(before) == ""
