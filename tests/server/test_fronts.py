"""How several fronts share what one server has."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import tempfile
from dataclasses import dataclass, field, fields
from typing import Any, cast

import pytest

from server import cli, fronts
from server.config import Settings, load_settings
from server.errors import StartupError
from server.fronts import flags, parts
from tests.server.conftest import until


def test_every_slot_and_worker_goes_to_one_front() -> None:
    found = parts(Settings(front_processes=3, slots=8, math_workers=4))
    assert [part.slots for part in found] == [3, 3, 2]
    assert [part.math_workers for part in found] == [2, 1, 1]
    assert {(part.front_processes, part.share_ports) for part in found} == {(1, "on")}


def test_budgets_are_divided_and_a_zero_that_means_something_stays() -> None:
    found = parts(Settings(front_processes=2, slots=2, replay_bytes=0, test_sets_bytes=101, run_slots=1))
    assert [part.replay_bytes for part in found] == [0, 0]
    assert [part.test_sets_bytes for part in found] == [51, 50]
    assert [part.run_slots for part in found] == [1, 1]


def test_every_front_has_room_for_the_largest_request() -> None:
    settings = Settings(front_processes=2, slots=2, max_queue_bytes=100, request_bytes_ceiling=80)
    assert [part.max_queue_bytes for part in parts(settings)] == [80, 80]


def test_each_front_has_a_port_of_its_own_where_one_is_asked_for() -> None:
    assert [part.front_port for part in parts(Settings(front_processes=2, slots=2, front_port=9000))] == [
        9000,
        9001,
    ]
    assert [part.front_port for part in parts(Settings(front_processes=2, slots=2))] == [0, 0]


def test_more_fronts_than_slots_are_refused_by_name() -> None:
    with pytest.raises(StartupError, match="front_processes: 3 fronts need as many slots, and there are 2"):
        parts(Settings(front_processes=3, slots=2))


def test_ports_beyond_the_last_are_refused_by_name() -> None:
    with pytest.raises(StartupError, match="front_port: 65535"):
        Settings(front_processes=2, front_port=65535)


def test_a_front_is_given_exactly_its_settings() -> None:
    settings = parts(Settings(front_processes=2, slots=5, ungradable_reward="-1", http="[::1]:80"))[1]
    given = vars(cli.parser().parse_args(["serve", *flags(settings)]))
    names = {item.name for item in fields(Settings)}
    assert load_settings(None, {}, {name: given[name] for name in names}) == settings


@dataclass
class _Told:
    """In place of a front: what it was sent."""

    numbers: list[int] = field(default_factory=list)

    def send(self, number: int) -> None:
        self.numbers.append(number)


@pytest.mark.parametrize(("rereads", "stops"), [(True, False), (False, True)])
async def test_sighup_is_for_the_files_where_there_are_any_and_else_the_end(
    hang_up: None, *, rereads: bool, stops: bool
) -> None:
    told, stop = [_Told(), _Told()], asyncio.Event()
    fronts._pass_signals_on(cast(Any, told), stop, rereads=rereads)
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: all(front.numbers for front in told))
    assert [front.numbers for front in told] == [[signal.SIGHUP]] * 2
    assert stop.is_set() == stops


async def test_sighup_stays_ignored_where_it_was_and_there_is_nothing_to_read_again(hang_up: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    fronts._pass_signals_on([], asyncio.Event(), rereads=False)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


class _Starting:
    """In place of a front's process: ends when it is told to."""

    def __init__(self) -> None:
        self.stdout = asyncio.StreamReader()
        self._ended = asyncio.Event()

    def terminate(self) -> None:
        self.stdout.feed_eof()
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        return -signal.SIGTERM


async def test_a_signal_that_comes_while_a_front_is_being_started_reaches_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = asyncio.Event()

    async def start_process(*_: object, **__: object) -> _Starting:
        stop.set()  # the signal: there is no process yet
        return _Starting()

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_process)
    front = fronts._Front(0, Settings())
    assert await front.start(stop) == -signal.SIGTERM


async def test_without_a_temporary_directory_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(StartupError, match="test_sets_directory: there is no temporary directory"):
        await fronts.serve(Settings(front_processes=2, slots=2, http="127.0.0.1:0", grpc="127.0.0.1:0"))
