"""Emptying what programs leave: deep, wide, closed and linked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox import trees


def test_a_missing_directory_is_no_error(tmp_path: Path) -> None:
    trees.remove(str(tmp_path / "nothing"))


def test_the_directory_itself_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    trees.empty(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "directory").symlink_to(outside)
    (inside / "file").symlink_to(outside / "kept")
    trees.remove(str(inside))
    assert (outside / "kept").exists()
    assert not inside.exists()


def test_deeper_than_any_path_and_any_recursion(tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 9, dir_fd=here)
        below = os.open("d" * 9, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    trees.remove(str(top))
    assert not top.exists()


def test_many_directories_side_by_side(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / "wide" / str(number) / "below").mkdir(parents=True)
    trees.remove(str(tmp_path / "wide"))
    assert os.listdir(tmp_path) == []


def test_directories_that_their_owner_has_closed(tmp_path: Path) -> None:
    (tmp_path / "closed" / "below").mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    trees.empty(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_what_is_measured_is_bytes_on_disk_and_entries(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(100_000))
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 30)
    total, entries = trees.measure(str(tmp_path), 1 << 40, 1 << 20)
    assert 100_000 <= total < 1 << 20
    assert entries == 3


@pytest.mark.parametrize(
    "enough", [{"enough_bytes": 1, "enough_entries": 1000}, {"enough_bytes": 1 << 40, "enough_entries": 5}]
)
def test_measuring_stops_when_it_is_enough(enough: dict[str, int], tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "file").write_bytes(bytes(5000))
    _, entries = trees.measure(str(tmp_path), **enough)
    assert entries < 100
