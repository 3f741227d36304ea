"""What a supervisor sees of a process that has ended: silence, never an error of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.streams import Streams
from sandbox.types import Mode


@pytest.fixture
def streams() -> Iterator[Streams]:
    """Those of a process that ends before it reads anything."""
    made = Streams(Mode.SCRIPT, 100, None)
    yield made
    made.close()


def test_an_order_that_was_never_read_is_answered_by_silence(streams: Streams) -> None:
    streams.order(b"1")
    streams.let_go()  # the far ends' only holder ends
    assert streams.heard(1) == b""


@pytest.mark.parametrize("ended_before", [True, False])
def test_that_an_order_was_never_read_is_known(streams: Streams, *, ended_before: bool) -> None:
    if ended_before:
        streams.let_go()
    streams.order(b"1")
    if not ended_before:
        streams.let_go()
    streams.heard(1)
    assert streams.unread


def test_an_end_after_the_order_was_read_is_none_of_those(streams: Streams) -> None:
    streams.order(b"1")
    streams._template_orders.recv(1)
    streams.let_go()
    assert streams.heard(1) == b""
    assert not streams.unread


def test_an_order_to_a_process_that_has_ended_is_answered_by_silence(streams: Streams) -> None:
    streams.let_go()
    streams.order(b"1")
    assert streams.heard(1) == b""
