"""Test sets are kept under what they contain, within a budget of bytes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError, StartupError
from server.testsets import TestSetFiles, TestSets, content_hash


def make_set(*outputs: str) -> pb.TestSet:
    return pb.TestSet(stdio=pb.StdioTests(cases=[pb.StdioCase(output=output) for output in outputs]))


def test_put_and_get() -> None:
    sets = TestSets(1000)
    reference = sets.put(make_set("1", "2"))
    assert re.fullmatch("sha256:[0-9a-f]{64}", reference.hash)
    assert (reference.cases, reference.bytes) == (2, make_set("1", "2").ByteSize())
    assert sets.get(reference.hash) == make_set("1", "2")
    assert sets.get("sha256:00") is None


def test_equal_sets_share_an_entry() -> None:
    sets = TestSets(1000)
    first, second = sets.put(make_set("1")), sets.put(make_set("1"))
    assert first == second
    assert sets.held_bytes == first.bytes
    assert sets.put(make_set("2")).hash != first.hash


def test_the_least_recently_used_leaves_first() -> None:
    one, two, three = (make_set(letter * 30) for letter in "abc")
    sets = TestSets(one.ByteSize() * 2)
    first, second = sets.put(one), sets.put(two)
    assert sets.get(first.hash) is not None
    third = sets.put(three)
    assert sets.get(second.hash) is None
    assert sets.get(first.hash) == one
    assert sets.get(third.hash) == three
    assert sets.held_bytes == one.ByteSize() * 2


def test_a_set_above_the_budget_is_refused() -> None:
    sets = TestSets(50)
    kept = sets.put(make_set("1"))
    with pytest.raises(RequestError) as refused:
        sets.put(make_set("x" * 100))
    assert refused.value.code is ErrorCode.TOO_LARGE
    assert sets.get(kept.hash) is not None


def test_a_kept_set_is_a_copy() -> None:
    sets, tests = TestSets(1000), make_set("1")
    reference = sets.put(tests)
    tests.stdio.cases[0].output = "2"
    assert sets.get(reference.hash) == make_set("1")


def test_a_malformed_set_is_refused() -> None:
    with pytest.raises(RequestError, match="is required"):
        TestSets(1000).put(pb.TestSet())


def test_the_hash_does_not_depend_on_the_order_of_a_map() -> None:
    names = [str(number) for number in range(20)]
    hashes = set()
    for order in (names, names[::-1]):
        tests = pb.TestSet(unit_test=pb.UnitTests(files={name: "x" for name in order}))
        hashes.add(content_hash(tests))
    assert len(hashes) == 1


def files(directory: Path, budget_bytes: int = 1 << 20) -> TestSetFiles:
    return TestSetFiles(directory, budget_bytes)


async def test_a_set_outlives_the_process(tmp_path: Path) -> None:
    tests = pb.TestSet(stdio=pb.StdioTests(cases=[pb.StdioCase(input="1", output="2")]))
    kept = await TestSets(1 << 20, files(tmp_path)).keep(tests)
    again = TestSets(1 << 20, files(tmp_path))
    assert again.get(kept.hash) is None
    assert await again.find(kept.hash) == tests
    assert again.get(kept.hash) == tests


async def test_a_damaged_file_is_not_believed(tmp_path: Path) -> None:
    tests = pb.TestSet(stdio=pb.StdioTests(cases=[pb.StdioCase(input="1", output="2")]))
    kept = await TestSets(1 << 20, files(tmp_path)).keep(tests)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace(b"2", b"3"))
    assert await TestSets(1 << 20, files(tmp_path)).find(kept.hash) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["sha256:../../etc/passwd", "sha256:" + "0" * 64, "", "x"])
def test_names_that_are_no_hashes_read_nothing(tmp_path: Path, name: str) -> None:
    assert files(tmp_path / "sets").read(name) is None


def test_the_disk_budget_holds(tmp_path: Path) -> None:
    store = files(tmp_path, 1000)
    names = [f"sha256:{number:064x}" for number in range(5)]
    for age, name in enumerate(names):
        store.write(name, b"x" * 300)
        os.utime(tmp_path / name.removeprefix("sha256:"), (age, age))
    store.write(f"sha256:{9:064x}", b"x" * 1001)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [name.removeprefix("sha256:") for name in names[2:]]


def named(number: int) -> str:
    return f"sha256:{number:064x}"


def test_what_another_server_removes_while_room_is_made_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = files(tmp_path, 1000)
    for number in range(3):
        store.write(named(number), b"x" * 300)
    scan = os.scandir

    @contextlib.contextmanager
    def evicted_by_another(directory: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scan(directory) as entries:
            found = list(entries)
        for entry in found:
            os.unlink(entry.path)
        yield iter(found)

    monkeypatch.setattr(os, "scandir", evicted_by_another)
    store.write(named(9), b"x" * 300)
    assert [path.name for path in tmp_path.iterdir()] == [named(9).removeprefix("sha256:")]


@pytest.fixture
def removed_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server removes a file just before its time of use is set."""
    utime = os.utime

    def remove(path: Path) -> None:
        path.unlink(missing_ok=True)
        utime(path)

    monkeypatch.setattr(os, "utime", remove)


def test_a_set_that_another_server_has_just_removed_is_written_again(
    tmp_path: Path, removed_when_used: None
) -> None:
    for _ in range(2):
        files(tmp_path).write(named(1), b"x")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"x"]


async def test_a_set_that_is_removed_once_it_is_read_is_found(
    tmp_path: Path, removed_when_used: None
) -> None:
    kept = await TestSets(1000, files(tmp_path)).keep(make_set("1"))
    assert await TestSets(1000, files(tmp_path)).find(kept.hash) == make_set("1")


async def test_many_at_once_stay_within_the_disk_budget(tmp_path: Path) -> None:
    sets = TestSets(1 << 20, files(tmp_path, 2000))
    await asyncio.gather(*(sets.keep(make_set(f"{number}" * 50)) for number in range(100)))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000


def test_the_directory_is_not_read_for_every_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda directory: looks.append(directory) or scan(directory))
    store = files(tmp_path, 100_000)
    for number in range(100):
        store.write(named(number), b"x" * 10)
    assert len(looks) == 1


@pytest.mark.parametrize("place", ["a file", "a file/below it"])
def test_a_directory_that_cannot_be_used_stops_the_start_by_its_settings_name(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StartupError, match="test_sets_directory: "):
        files(tmp_path / place)
