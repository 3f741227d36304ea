"""What must not run beside other tests is kept in one process, whatever file it comes in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.side_by_side import group_of, turn_of

COUNTING = re.compile(r"from tests\.leaks import .*\b(holdings|mounts|shared_objects)\b")


def test_every_count_of_the_machine_is_in_one_group(repository: Path) -> None:
    counting = [path for path in (repository / "tests").rglob("*.py") if COUNTING.search(path.read_text())]
    assert len(counting) > 3
    paths = [path.relative_to(repository).as_posix() for path in counting]
    assert {path: group_of(path) for path in paths} == dict.fromkeys(paths, "machine")


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("tests/docker/test_image.py", "engine"),
        ("tests/sandbox/harness/test_units.py", "machine"),
        ("tests/server/test_config.py", "tests/server/test_config.py"),
    ],
)
def test_other_files_are_groups_of_their_own(path: str, group: str) -> None:
    assert group_of(path) == group


def test_groups_come_first_and_stay_together() -> None:
    paths = ["tests/abuse/a.py", "tests/a.py", "tests/wire/a.py", "tests/docker/a.py", "tests/sandbox/a.py"]
    assert sorted(paths, key=turn_of) == [
        "tests/abuse/a.py",
        "tests/sandbox/a.py",
        "tests/docker/a.py",
        "tests/wire/a.py",
        "tests/a.py",
    ]
