"""The latest verdicts with their requests, in memory, within a byte budget: to find out why one got 0.

Completions are private, so the budget is 0 unless an operator gives one. Nothing
is written to disk.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from server import caller

# What an entry costs beside its messages: the objects that hold it.
ENTRY_BYTES = 1024
_LARGEST_SHARE = 8  # no entry may take more than this part of the budget
_KEPT_CHARACTERS = 16_384  # of the texts of an entry that is too large
_KEPT_CASES = 100
_SHOWN_CHARACTERS = 200
REWARDS: dict[str, Callable[[float | None], bool]] = {
    "zero": lambda reward: reward == 0,
    "one": lambda reward: reward == 1,
    "between": lambda reward: reward is not None and 0 < reward < 1,
    "none": lambda reward: reward is None,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; an empty text wants all. `reward` is a name of REWARDS."""

    run: str = ""
    status: str = ""
    reward: str = ""

    def wants(self, entry: Entry) -> bool:
        """Whether the entry passes."""
        return (
            (not self.run or entry.run == self.run)
            and (not self.status or entry.status == self.status)
            and (not self.reward or REWARDS[self.reward](entry.reward))
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One verdict. `number` counts from 1; `at` is Unix time; the messages are serialized."""

    number: int
    at: float
    id: str
    run: str
    task: str
    language: str
    status: str
    reward: float | None
    message: str
    request: bytes
    verdict: bytes
    shortened: bool

    @property
    def size_bytes(self) -> int:
        """What it counts for in the budget."""
        return len(self.request) + len(self.verdict) + ENTRY_BYTES

    def summary(self) -> dict[str, Any]:
        """Its line in a list, as plain values."""
        names = ("number", "at", "id", "run", "task", "language", "status", "reward", "message", "shortened")
        return {name: getattr(self, name) for name in names}


class RecentVerdicts:
    """A bounded store: the oldest entries go when a new one needs their room."""

    def __init__(self, budget_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self.budget_bytes = budget_bytes
        self.size_bytes = 0
        self._clock = clock
        self._entries: deque[Entry] = deque()
        self._next_number = 1

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, request: pb.VerifyRequest, verdict: pb.Verdict) -> None:
        """Keeps one verdict; does nothing where the budget is too small for any."""
        ceiling = self.budget_bytes // _LARGEST_SHARE - ENTRY_BYTES
        if ceiling <= 0:
            return
        entry = self._entry(request, verdict, ceiling)
        self._next_number += 1
        self._entries.append(entry)
        self.size_bytes += entry.size_bytes
        while self.size_bytes > self.budget_bytes:
            self.size_bytes -= self._entries.popleft().size_bytes

    def find(self, number: int) -> Entry | None:
        """The entry of that number, if it is still here."""
        position = number - self._entries[0].number if self._entries else -1
        return self._entries[position] if 0 <= position < len(self._entries) else None

    def latest(self, wanted: Filter, *, below: int | None, at_most: int) -> list[Entry]:
        """Entries that pass the filter, newest first, numbered below `below`."""
        return list(islice(self._matching(wanted, below), at_most))

    def runs(self, at_most: int) -> list[str]:
        """The names of the runs of kept entries, those with the newest entries first."""
        names = dict.fromkeys(entry.run for entry in reversed(self._entries) if entry.run)
        return list(islice(names, at_most))

    def _matching(self, wanted: Filter, below: int | None) -> Iterator[Entry]:
        for entry in reversed(self._entries):
            if (below is None or entry.number < below) and wanted.wants(entry):
                yield entry

    def _entry(self, request: pb.VerifyRequest, verdict: pb.Verdict, ceiling: int) -> Entry:
        shortened = request.ByteSize() + verdict.ByteSize() > ceiling
        messages = _short_messages(request, verdict, ceiling) if shortened else (request, verdict)
        sent, given = (message.SerializeToString() for message in messages)
        return Entry(
            number=self._next_number,
            at=self._clock(),
            id=request.id[:_SHOWN_CHARACTERS],
            run=caller.run_of(request.run)[:_SHOWN_CHARACTERS],
            task=request.WhichOneof("task") or "",
            language=request.code.language[:_SHOWN_CHARACTERS],
            status=pb.Status.Name(verdict.status),
            reward=verdict.reward if verdict.HasField("reward") else None,
            message=verdict.message[:_SHOWN_CHARACTERS],
            request=sent,
            verdict=given,
            shortened=shortened,
        )


def _short_messages(
    request: pb.VerifyRequest, verdict: pb.Verdict, ceiling: int
) -> tuple[pb.VerifyRequest, pb.Verdict]:
    """Without the tests and the middle of long texts; empty where even that is too large."""
    messages = _short_request(request), _short_verdict(verdict)
    if sum(message.ByteSize() for message in messages) > ceiling:
        message = verdict.message[:_SHOWN_CHARACTERS]
        return pb.VerifyRequest(), pb.Verdict(status=verdict.status, message=message)
    return messages


def _short_request(request: pb.VerifyRequest) -> pb.VerifyRequest:
    short = pb.VerifyRequest(
        id=request.id[:_SHOWN_CHARACTERS],
        run=request.run[:_SHOWN_CHARACTERS],
        completion=request.completion[-_KEPT_CHARACTERS:],  # answers stand at the end
        extraction=request.extraction,
    )
    if request.HasField("math"):
        short.math.gold.extend(gold[:_KEPT_CHARACTERS] for gold in request.math.gold[:_KEPT_CASES])
    if request.HasField("code"):
        code = request.code
        kept = pb.CodeTask(
            language=code.language, scoring=code.scoring, run_all=code.run_all, limits=code.limits
        )
        short.code.CopyFrom(kept)
    return short


def _short_verdict(verdict: pb.Verdict) -> pb.Verdict:
    short = pb.Verdict()
    short.CopyFrom(verdict)
    short.extracted = verdict.extracted[:_KEPT_CHARACTERS]
    short.message = verdict.message[:_KEPT_CHARACTERS]
    del short.code.cases[_KEPT_CASES:]
    for case in short.code.cases:
        case.stderr = case.stderr[-_SHOWN_CHARACTERS:]
    if not verdict.HasField("code"):
        short.ClearField("code")
    return short
