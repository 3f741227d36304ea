"""Counts by the second, on a clock that the test moves."""

from __future__ import annotations

import math

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.page.timeline import WINDOW_SECONDS, Timeline, bin_of, quantile


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timeline(clock: Clock) -> Timeline:
    return Timeline(clock)


def verdict(status: pb.Status, seconds: float = 0.0) -> pb.Verdict:
    return pb.Verdict(status=status, timing=pb.Timing(total_seconds=seconds))


def test_nothing_yet(timeline: Timeline) -> None:
    now = timeline.snapshot()
    assert now["idle_seconds"] is None
    assert now["statuses"] == []
    assert now["per_second"]["accepted"] == [0] * WINDOW_SECONDS


def test_the_newest_second_stands_last(timeline: Timeline, clock: Clock) -> None:
    timeline.add_verdict("math", verdict(pb.ACCEPTED))
    clock.now += 3
    timeline.add_verdict("math", verdict(pb.ACCEPTED))
    timeline.add_verdict("math", verdict(pb.ACCEPTED))
    assert timeline.snapshot()["per_second"]["accepted"][-5:] == [0, 1, 0, 0, 2]


def test_verdicts_made_at_once_stand_in_the_seconds_in_which_they_came(
    timeline: Timeline, clock: Clock
) -> None:
    timeline.add_easy("math", verdict(pb.ACCEPTED))
    clock.now += 2
    timeline.add_verdict("code", verdict(pb.ACCEPTED))
    timeline.add_easy("math", verdict(pb.WRONG_ANSWER))
    clock.now += 1
    now = timeline.snapshot()
    assert now["per_second"]["accepted"][-4:] == [1, 0, 1, 0]
    assert now["per_second"]["rejected"][-4:] == [0, 0, 1, 0]
    assert now["idle_seconds"] == 1


def test_what_is_older_than_the_window_is_forgotten_but_stays_in_the_totals(
    timeline: Timeline, clock: Clock
) -> None:
    timeline.add_verdict("math", verdict(pb.ACCEPTED))
    clock.now += WINDOW_SECONDS
    now = timeline.snapshot()
    assert now["statuses"] == []
    assert sum(now["per_second"]["accepted"]) == 0
    assert now["totals"]["verdicts"] == 1
    assert now["idle_seconds"] == WINDOW_SECONDS


def test_the_oldest_second_of_the_window_is_still_there(timeline: Timeline, clock: Clock) -> None:
    timeline.add_verdict("math", verdict(pb.ACCEPTED))
    clock.now += WINDOW_SECONDS - 1
    assert timeline.snapshot()["per_second"]["accepted"][0] == 1


@pytest.mark.parametrize(
    ("status", "series"),
    [
        (pb.ACCEPTED, "accepted"),
        (pb.PARTIAL, "rejected"),
        (pb.NO_ANSWER, "rejected"),
        (pb.FORBIDDEN, "rejected"),
        (pb.UNGRADABLE, "unjudged"),
        (pb.INTERNAL_ERROR, "unjudged"),
    ],
)
def test_each_status_has_its_series(timeline: Timeline, status: pb.Status, series: str) -> None:
    timeline.add_verdict("math", verdict(status))
    counted = {name: sum(values) for name, values in timeline.snapshot()["per_second"].items()}
    assert counted == {"accepted": 0, "rejected": 0, "unjudged": 0, "executed": 0, series: 1}


def test_statuses_by_task_most_frequent_first(timeline: Timeline) -> None:
    timeline.add_verdict("code", verdict(pb.ACCEPTED))
    for _ in range(2):
        timeline.add_verdict("math", verdict(pb.ACCEPTED))
    rows = timeline.snapshot()["statuses"]
    assert [(row["task"], row["count"]) for row in rows] == [("math", 2), ("code", 1)]


def test_refusals_and_executions_are_counted_apart(timeline: Timeline) -> None:
    timeline.add_refusal("QUEUE_FULL")
    timeline.add_execution(pb.ExecuteResult())
    now = timeline.snapshot()
    assert now["refusals"] == {"QUEUE_FULL": 1}
    assert now["totals"] == {"verdicts": 0, "executions": 1, "refusals": 1}


def test_latency_is_of_the_phase_and_task(timeline: Timeline) -> None:
    for _ in range(99):
        timeline.add_verdict("code", verdict(pb.ACCEPTED, 0.1))
    timeline.add_verdict("code", verdict(pb.ACCEPTED, 9.0))
    rows = {(row["task"], row["phase"]): row for row in timeline.snapshot()["latency"]}
    assert rows["code", "total"]["p50_seconds"] == pytest.approx(0.1, rel=0.05)
    assert rows["code", "total"]["p99_seconds"] == pytest.approx(0.1, rel=0.05)
    assert rows["code", "queue"]["p50_seconds"] == 0.0


@pytest.mark.parametrize("seconds", [1e-4, 0.0123, 1.0, 59.0, 600.0])
def test_a_quantile_is_exact_within_five_percent(seconds: float) -> None:
    assert quantile({bin_of(seconds): 7}, 0.5) == pytest.approx(seconds, rel=0.05)


def test_a_quantile_is_the_value_that_so_many_do_not_exceed() -> None:
    bins = {bin_of(0.1): 50, bin_of(10.0): 50}
    assert quantile(bins, 0.5) == pytest.approx(0.1, rel=0.05)
    assert quantile(bins, 0.51) == pytest.approx(10.0, rel=0.05)


def test_the_window_holds_no_more_bins_than_seconds(timeline: Timeline, clock: Clock) -> None:
    for _ in range(3 * WINDOW_SECONDS):
        timeline.add_verdict("math", verdict(pb.ACCEPTED))
        clock.now += 1
    assert len(timeline._seconds) <= WINDOW_SECONDS
    assert math.isclose(timeline.snapshot()["uptime_seconds"], 3 * WINDOW_SECONDS)
