"""Seconds of bench/chaos.py: kills and vanishing clients change no verdict, and leave nothing behind."""

from __future__ import annotations

import pytest

from bench.chaos import chaos


@pytest.mark.timeout(600)
async def test_kills_and_vanishing_clients_change_no_verdict(own_server_allowed: None) -> None:
    report = await chaos(seconds=15, every=1.0, size=24, seed=0)
    assert report.wrong == []
    assert report.left == {}
    assert report.verdicts > 0
    assert report.vanished > 0
    assert sum(report.kills.values()) > 0
