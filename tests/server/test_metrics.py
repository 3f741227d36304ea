"""Metrics that are read from where they are counted."""

from __future__ import annotations

from server.metrics import Metrics

STATISTICS = {"cache.hit": 3, "cache.miss": 2, "cache_bytes": 100, "workers.budget_kill": 1}


def test_what_the_math_checker_counts_is_shown() -> None:
    text = Metrics(lambda: 0, lambda: STATISTICS).render()[0].decode()
    assert 'reward_math_cache_total{result="hit"} 3.0' in text
    assert 'reward_math_cache_total{result="miss"} 2.0' in text
    assert "reward_math_cache_bytes 100.0" in text
    assert 'reward_math_workers_total{event="budget_kill"} 1.0' in text
