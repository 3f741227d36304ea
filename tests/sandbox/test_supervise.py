"""How a run is concluded: in which order its end is looked at."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sandbox.clock import Waits
from sandbox.streams import Streams
from sandbox.supervise import End, Supervisor, Template
from sandbox.types import Limits, Mode, Outcome

LIMITS = Limits(output_bytes=100)


@pytest.fixture
def living() -> Iterator[Template]:
    """Nobody's template."""
    streams = Streams(Mode.SCRIPT, LIMITS.output_bytes, None)
    streams.let_go()
    yield Template(-1, streams, select.poll(), Waits())
    streams.close()


@pytest.fixture
def supervisor() -> Supervisor:
    """One that has no jail; its runs have used nothing."""
    group = SimpleNamespace(peak_bytes=0, refused_processes=0)
    made = Supervisor(
        cast("Any", SimpleNamespace(kind="exec")),
        LIMITS,
        cast("Any", group),
        *[cast("Any", None)] * 2,
        argv=(),
    )
    made._memory = cast(
        "Any", SimpleNamespace(was_exceeded=lambda signal, size: False, held_by="", peak_bytes=0)
    )
    return made


def test_output_that_goes_over_its_cap_with_the_last_read_is_over_it(
    supervisor: Supervisor, living: Template
) -> None:
    os.write(living.streams._outputs[0], bytes(LIMITS.output_bytes + 1))
    run = supervisor._conclude(living, End(status=0), None, 0.0, 0.0)
    assert run.outcome is Outcome.OUTPUT_LIMIT


def test_a_template_is_read_a_last_time_before_it_is_killed(
    supervisor: Supervisor, living: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    clock = SimpleNamespace(
        read_template=lambda: order.append("read"), group_cpu_seconds=lambda: 0.0, wall_seconds=lambda: 0.0
    )
    monkeypatch.setattr(supervisor, "_kill_and_reap", lambda living, end: order.append("kill"))
    monkeypatch.setattr(supervisor, "_forget", lambda living: None)
    supervisor._over(living, cast("Any", clock), Outcome.TIME_LIMIT)
    assert order == ["read", "kill"]
