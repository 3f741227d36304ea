"""Metrics that are read from where they are counted."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from protos.reward.v1 import reward_pb2 as pb
from server.metrics import Measured, Metrics
from server.tallies import Distribution, Later
from tests.server.stub_core import StubCore

STATISTICS = {"cache.hit": 3, "cache.miss": 2, "cache_bytes": 100, "workers.budget_kill": 1}


def test_what_the_math_checker_counts_is_shown() -> None:
    text = Metrics(lambda: 0, lambda: STATISTICS).render()[0].decode()
    assert 'reward_math_cache_total{result="hit"} 3.0' in text
    assert 'reward_math_cache_total{result="miss"} 2.0' in text
    assert "reward_math_cache_bytes 100.0" in text
    assert 'reward_math_workers_total{event="budget_kill"} 1.0' in text


def test_what_the_core_counts_is_shown() -> None:
    text = Metrics(lambda: 3, statistics=StubCore().statistics, replays=lambda: {"hit": 2, "size_bytes": 9})
    shown = text.render()[0].decode()
    for line in (
        "reward_queue_depth 3.0",
        "reward_queue_cost 7.0",
        'reward_slots_busy{lane="programs"} 2.0',
        'reward_slots{lane="programs"} 4.0',
        "reward_jails_open 1.0",
        "reward_jails_unburied 0.0",
        "reward_launchers_total 1.0",
        'reward_replays_total{result="hit"} 2.0',
    ):
        assert f"\n{line}\n" in shown
    assert "size_bytes" not in shown


class Answering(StubCore):
    """Answers every request with the same verdict."""

    def __init__(self, verdict: pb.Verdict) -> None:
        super().__init__()
        self.verdict = verdict

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        return self.verdict


async def shown_after(verdict: pb.Verdict) -> str:
    metrics = Metrics(lambda: 0)
    await Measured(Answering(verdict), metrics).verify(pb.VerifyRequest(code=pb.CodeTask(language="cpp")))
    return metrics.render()[0].decode()


async def test_a_code_verdict_is_counted_by_limit_cache_and_phase() -> None:
    code = pb.CodeDetail(
        compile=pb.CompileDetail(ok=True, cached=True),
        cases=[pb.CaseDetail(status=pb.ACCEPTED), pb.CaseDetail(status=pb.TIME_LIMIT)],
    )
    timing = pb.Timing(queue_seconds=1, compile_seconds=2, run_seconds=3, total_seconds=6.5)
    text = await shown_after(pb.Verdict(status=pb.TIME_LIMIT, reward=0.0, code=code, timing=timing))
    for line in (
        'reward_verdicts_total{language="cpp",status="TIME_LIMIT",task="code"} 1.0',
        'reward_limit_kills_total{limit="time"} 1.0',
        'reward_code_cache_total{cache="verdict",result="miss"} 1.0',
        'reward_code_cache_total{cache="artefact",result="hit"} 1.0',
        'reward_phase_seconds_sum{phase="queue",task="code"} 1.0',
        'reward_phase_seconds_sum{phase="check",task="code"} 0.5',
    ):
        assert f"\n{line}\n" in text


async def test_a_verdict_from_the_cache_is_no_second_kill() -> None:
    code = pb.CodeDetail(cases=[pb.CaseDetail(status=pb.MEMORY_LIMIT)])
    text = await shown_after(pb.Verdict(status=pb.MEMORY_LIMIT, reward=0.0, code=code, cached=True))
    assert 'reward_code_cache_total{cache="verdict",result="hit"} 1.0' in text
    assert "reward_limit_kills_total{" not in text


@pytest.mark.parametrize("status", [pb.TIME_LIMIT, pb.MEMORY_LIMIT, pb.OUTPUT_LIMIT, pb.PROCESS_LIMIT])
async def test_every_limit_has_a_name(status: pb.Status) -> None:
    code = pb.CodeDetail(cases=[pb.CaseDetail(status=status)])
    assert "reward_limit_kills_total{" in await shown_after(pb.Verdict(status=status, reward=0.0, code=code))


def test_a_distribution_has_cumulative_buckets_that_hold_their_upper_end() -> None:
    registry = CollectorRegistry()
    seconds = Distribution("wait_seconds", "Time", ["phase"], (0.1, 1.0))
    registry.register(seconds)
    for values in ([0.1, 0.5], [7.0]):
        seconds.observe(("queue",), values)
    lines = generate_latest(registry).decode().splitlines()
    for line in (
        'wait_seconds_bucket{le="0.1",phase="queue"} 1.0',
        'wait_seconds_bucket{le="1.0",phase="queue"} 2.0',
        'wait_seconds_bucket{le="+Inf",phase="queue"} 3.0',
        'wait_seconds_count{phase="queue"} 3.0',
        'wait_seconds_sum{phase="queue"} 7.6',
    ):
        assert line in lines


def test_what_is_counted_later_is_kept_at_most_so_long() -> None:
    counted: list[int] = []
    later = Later(counted.extend)
    for item in range(Later.AT_ONCE + 1):
        later.add(item)
    assert counted == list(range(Later.AT_ONCE))
    later.flush()
    later.flush()
    assert counted == list(range(Later.AT_ONCE + 1))


@pytest.mark.parametrize(
    "line",
    [
        'reward_refusals_total{code="QUEUE_FULL",rpc="verify"} 0.0',
        'reward_refusals_total{code="DRAINING",rpc="execute"} 0.0',
        'reward_flags_total{flag="opened_proc"} 0.0',
        'reward_flags_total{flag="hard_coded_tests"} 0.0',
    ],
)
def test_what_alerts_look_for_begins_at_zero(line: str) -> None:
    assert f"\n{line}\n" in Metrics(lambda: 0).render()[0].decode()


@pytest.mark.parametrize(
    ("written", "shown"),
    [("javascript", "javascript"), ("JavaScript", "javascript"), ("py", "python"), ("x", "")],
)
async def test_a_language_is_counted_by_its_name_however_it_was_spelt(written: str, shown: str) -> None:
    metrics = Metrics(lambda: 0)
    answering = Measured(Answering(pb.Verdict(status=pb.ACCEPTED)), metrics)
    await answering.verify(pb.VerifyRequest(code=pb.CodeTask(language=written)))
    assert list(metrics.verdicts.counts) == [("code", "ACCEPTED", shown)]


class AtOnce(Answering):
    """Answers without waiting."""

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        return self.verdict


def test_a_verdict_made_at_once_is_counted_like_any_other() -> None:
    metrics = Metrics(lambda: 0)
    timing = pb.Timing(run_seconds=2, total_seconds=2)
    verdict = pb.Verdict(status=pb.ACCEPTED, reward=1.0, timing=timing)
    Measured(AtOnce(verdict), metrics).verify_now(pb.VerifyRequest(math=pb.MathTask(gold=["1"])))
    text = metrics.render()[0].decode()
    assert '\nreward_verdicts_total{language="",status="ACCEPTED",task="math"} 1.0\n' in text
    assert '\nreward_phase_seconds_sum{phase="run",task="math"} 2.0\n' in text
