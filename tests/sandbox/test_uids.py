"""Uids of programs: no two launchers of one host meet, and few mapped uids are enough."""

from __future__ import annotations

import io
import itertools
import os

import pytest

from sandbox import uids


def mapped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(uids, "open", lambda path: io.StringIO(text), raising=False)


def test_no_two_processes_of_a_pid_namespace_share_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped(monkeypatch, "0 0 4294967295\n")
    firsts = sorted(uids.first_uid(pid) for pid in range(1, 4000))
    assert all(later - earlier >= uids.BLOCK for earlier, later in itertools.pairwise(firsts))


def test_two_containers_with_the_same_pids_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped(monkeypatch, "0 0 4294967295\n")
    found = set()
    for namespace in range(4026531836, 4026532836):
        monkeypatch.setattr(uids, "pid_namespace", lambda number=namespace: number)
        found.add(uids.first_uid(7))
    assert len(found) == 1000


def test_uids_stay_within_what_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped(monkeypatch, "0 100000 65536\n")
    for pid in range(1, 2000):
        assert uids.first_uid(pid) >= 1000
        assert uids.first_uid(pid) + uids.BLOCK <= 65536


def test_uids_are_those_of_no_person() -> None:
    assert uids.first_uid(os.getpid()) >= 1000
