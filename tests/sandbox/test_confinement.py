"""Steps that a fork takes before the program."""

from __future__ import annotations

import pytest

from sandbox.confinement import take


def test_steps_are_taken_in_order() -> None:
    taken: list[int] = []
    take([lambda: taken.append(1), lambda: taken.append(2)])
    assert taken == [1, 2]


def test_a_step_that_fails_ends_the_way() -> None:
    taken: list[int] = []
    with pytest.raises(OSError, match="confinement failed"):
        take([lambda: -1, lambda: taken.append(2)])
    assert taken == []
