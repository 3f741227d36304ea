"""The wall clock as a backstop: what a run that got no core is given."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sandbox import clock
from sandbox.clock import Clock, Waits
from sandbox.types import Limits, Outcome

PID = 4242


def _late(monkeypatch: pytest.MonkeyPatch, thread: Path, state: str, waited_seconds: float) -> Clock:
    """The clock of a run that has used little CPU time and is beyond its wall limit by a second."""
    (thread / "schedstat").write_text(f"1000000 {int(waited_seconds * 1e9)} 7\n")
    (thread / "stat").write_text(f"{PID} (odd ) R name) {state} 1 2 3\n")
    monkeypatch.setattr(clock, "_threads", lambda pid: [str(thread)])
    monkeypatch.setattr(Clock, "_measure", lambda self: 0.001)
    group = SimpleNamespace(cpu_seconds=None, our_processes=1)
    memory = SimpleNamespace(group=group, exceeded=lambda: False, patience_seconds=lambda: math.inf)
    confinement = SimpleNamespace(processes=lambda: [PID], watch_seconds=math.inf)
    limits = Limits(cpu_seconds=1.0, wall_seconds=2.0)
    made = Clock(limits, cast("Any", confinement), None, Waits(), cast("Any", memory))
    monkeypatch.setattr(made, "_started", made._started - 3.0)
    return made


def test_a_run_that_sleeps_beyond_its_wall_limit_is_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _late(monkeypatch, tmp_path, "S", 0.0).exceeded() is Outcome.WALL_LIMIT


def test_what_a_run_has_waited_for_a_core_is_given_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _late(monkeypatch, tmp_path, "S", 60.0).exceeded() is None


@pytest.mark.parametrize("state", ["R", "D"])
def test_a_wait_that_is_not_over_and_so_not_counted_ends_no_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str
) -> None:
    assert _late(monkeypatch, tmp_path, state, 0.0).exceeded() is None


def test_no_wait_makes_a_run_endless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    late = _late(monkeypatch, tmp_path, "R", 60.0)
    monkeypatch.setattr(late, "_started", late._started - 2.0 * clock.STARVATION_FACTOR)
    assert late.exceeded() is Outcome.WALL_LIMIT


class _Group:
    """A group in which the program used nothing, and its template five seconds for earlier runs."""

    our_processes = 1

    def __init__(self) -> None:
        self.cpu_seconds = 0.0


def _with_template(monkeypatch: pytest.MonkeyPatch, group: _Group) -> Clock:
    """The clock of a run whose template's reading is the group's own, as only the template has worked."""
    monkeypatch.setattr(clock.sys_, "process_cpu_seconds", lambda pid: group.cpu_seconds)
    memory = SimpleNamespace(group=group, exceeded=lambda: False, patience_seconds=lambda: math.inf)
    confinement = SimpleNamespace(processes=list, watch_seconds=math.inf)
    return Clock(Limits(cpu_seconds=1.0), cast("Any", confinement), PID, Waits(), cast("Any", memory))


def _gone(pid: int) -> float:
    raise ProcessLookupError


def test_a_template_that_is_gone_leaves_its_time_to_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    group = _Group()
    group.cpu_seconds = 5.0
    made = _with_template(monkeypatch, group)
    monkeypatch.setattr(clock.sys_, "process_cpu_seconds", _gone)
    assert made.group_cpu_seconds() == 0.0


def test_what_it_did_until_it_was_last_read_is_not_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    group = _Group()
    made = _with_template(monkeypatch, group)
    group.cpu_seconds = 2.0
    made.read_template()
    monkeypatch.setattr(clock.sys_, "process_cpu_seconds", _gone)
    assert made.group_cpu_seconds() == 0.0
