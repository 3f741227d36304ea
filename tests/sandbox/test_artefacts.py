"""One compilation per distinct input, shared by those who wait, within a byte budget."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sandbox.artefacts import ArtefactCache, Content, digest, pack, unpack
from sandbox.errors import JailLost
from sandbox.types import Artefact, Compilation, Mode, Outcome, Program

PROGRAM = Program("cpp", "int main() {}")


def compiled(blob: bytes) -> Compilation:
    return Compilation(Artefact(PROGRAM, "", blob), "", Outcome.OK, 0.1, 0.1)


class Counted:
    def __init__(self, result: Compilation | Exception) -> None:
        self.runs = 0
        self.result = result

    async def __call__(self) -> Compilation:
        self.runs += 1
        await asyncio.sleep(0.01)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def test_concurrent_requests_share_one_run() -> None:
    cache, compile_ = ArtefactCache(1 << 20), Counted(compiled(b"x"))
    results = await asyncio.gather(*(cache.get("key", compile_) for _ in range(20)))
    assert compile_.runs == 1
    assert {result.artefact.blob for result in results if result.artefact} == {b"x"}


async def test_a_later_request_is_marked_as_cached() -> None:
    cache, compile_ = ArtefactCache(1 << 20), Counted(compiled(b"x"))
    assert not (await cache.get("key", compile_)).cached
    assert (await cache.get("key", compile_)).cached


async def test_one_impatient_waiter_does_not_take_it_from_the_others() -> None:
    cache, compile_ = ArtefactCache(1 << 20), Counted(compiled(b"x"))
    first, second = (asyncio.create_task(cache.get("key", compile_)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).artefact is not None


async def test_a_fault_reaches_every_waiter_and_is_not_kept() -> None:
    cache = ArtefactCache(1 << 20)
    failing = Counted(JailLost("gone"))
    results = await asyncio.gather(*(cache.get("key", failing) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, JailLost) for result in results)
    assert (await cache.get("key", Counted(compiled(b"x")))).artefact is not None


async def test_the_least_recently_used_goes_first() -> None:
    cache = ArtefactCache(3000)
    for key in ("a", "b"):
        await cache.get(key, Counted(compiled(b"x" * 600)))
    await cache.get("a", Counted(compiled(b"")))
    await cache.get("c", Counted(compiled(b"x" * 600)))
    again = {key: Counted(compiled(b"y")) for key in ("a", "b")}
    for key, compile_ in again.items():
        await cache.get(key, compile_)
    assert (again["a"].runs, again["b"].runs) == (0, 1)
    assert cache.size_bytes <= 3000


@pytest.mark.parametrize(
    "other",
    [
        replace(PROGRAM, source="int main() { }"),
        replace(PROGRAM, language="c"),
        replace(PROGRAM, mode=Mode.CALL),
        replace(PROGRAM, function="f"),
        replace(PROGRAM, setup="x"),
        replace(PROGRAM, tests="x"),
    ],
)
def test_everything_that_matters_is_in_the_digest(other: Program) -> None:
    assert digest(other, "12") != digest(PROGRAM, "12")


def test_the_toolchain_and_the_borders_between_fields_are_in_the_digest() -> None:
    assert digest(PROGRAM, "12") != digest(PROGRAM, "13")
    left, right = replace(PROGRAM, setup="ab", source="c"), replace(PROGRAM, setup="a", source="bc")
    assert digest(left, "") != digest(right, "")


def test_files_and_words_survive_packing() -> None:
    content = Content({"a/B.class": b"\xca\xfe", "empty": b""}, {"main": ("B",), "none": ()})
    assert unpack(pack(content)) == content
