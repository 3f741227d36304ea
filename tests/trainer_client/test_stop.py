"""Signals: noted once, then as ever."""

from __future__ import annotations

import signal

import pytest

from trainer_client.errors import Interrupted
from trainer_client.stop import StopSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_raised_at_the_next_check(number):
    with StopSignal() as stop:
        stop.check()
        signal.raise_signal(number)
        with pytest.raises(Interrupted) as caught:
            stop.check()
    assert caught.value.signal_number == number


@pytest.fixture
def usual_interrupt():
    """Python's own handler, which is not there in what a shell's `&` started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_interrupt")
def test_the_second_one_acts_at_once():
    with StopSignal():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_afterwards_everything_is_as_before():
    before = signal.getsignal(signal.SIGINT)
    with StopSignal():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
