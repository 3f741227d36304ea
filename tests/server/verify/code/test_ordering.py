"""The order of tests: what finds failures cheaply comes first, every test comes once, memory is bounded."""

from __future__ import annotations

import pytest

from server.verify.code.ordering import MOST_TESTS_OF_A_SET, Observation, TestOrder


def ran(*failed: bool, cpu_seconds: float = 0.01) -> list[Observation]:
    return [Observation(index, fails, cpu_seconds) for index, fails in enumerate(failed)]


def test_unknown_sets_keep_their_order() -> None:
    assert TestOrder().order(b"x", 4) == [0, 1, 2, 3]


def test_the_most_telling_tests_come_first() -> None:
    order = TestOrder()
    for _ in range(3):
        order.observe(b"x", 5, ran(False, False, False, True))
    assert order.order(b"x", 5) == [3, 4, 0, 1, 2]
    assert order.order(b"y", 2) == [0, 1]


def test_a_dear_test_comes_after_cheap_ones_that_fail_less_often() -> None:
    order = TestOrder()
    for _ in range(10):
        order.observe(b"x", 2, [Observation(0, True, 2.0)])
        order.observe(b"x", 2, [Observation(1, False, 0.001)])
    order.observe(b"x", 2, [Observation(1, True, 0.001)])
    assert order.order(b"x", 2) == [1, 0]


def test_older_failures_fade() -> None:
    order = TestOrder()
    for _ in range(20):
        order.observe(b"x", 2, ran(True, False))
    assert order.order(b"x", 2) == [0, 1]
    for _ in range(100):
        order.observe(b"x", 2, ran(False, True))
    assert order.order(b"x", 2) == [1, 0]


@pytest.mark.parametrize("count", [1, 50, MOST_TESTS_OF_A_SET, 200])
def test_every_test_is_in_every_order_once(count: int) -> None:
    order = TestOrder()
    for index in range(100):
        order.observe(b"x", 100, [Observation(index, index % 3 == 0, index / 10)])
    assert sorted(order.order(b"x", count)) == list(range(count))


def test_memory_is_bounded() -> None:
    order = TestOrder(most_sets=3)
    for number in range(10):
        order.observe(b"%d" % number, 10_000, ran(False, True))
    assert [order.order(b"%d" % number, 2) for number in (0, 9)] == [[0, 1], [1, 0]]
    assert len(order._sets) == 3
    assert len(order._sets[b"9"].runs) == MOST_TESTS_OF_A_SET
