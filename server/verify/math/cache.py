"""Decided pairs, kept: the rollouts of a group repeat their answers.

A key holds everything that decides within one process: the task as it came
(golds, policies) and the extracted answer. What was undecided, and every fault,
is forgotten at once. Identical checks in flight share one run.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from server.verify.math.judge import Judgement

Key = tuple[bytes, str]

_ENTRY_BYTES = 250  # measured: what the objects of an entry take besides their texts


@dataclass(slots=True)
class CacheCounts:
    """What became of the questions put to the cache."""

    hits: int = 0
    misses: int = 0
    shared: int = 0  # found the same check in flight and waited for it


@dataclass(slots=True)
class _Run:
    task: asyncio.Task[Judgement]
    waiting: int = 0


class JudgementCache:
    """Judgements, least recently used out first, within a budget of bytes; 0 bytes keep nothing."""

    def __init__(self, capacity_bytes: int = 64 << 20) -> None:
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[Key, Judgement] = OrderedDict()
        self._running: dict[Key, _Run] = {}
        self.size_bytes = 0
        self.counts = CacheCounts()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Judgement | None:
        """The judgement kept under `key`, or None; counts a hit or a miss."""
        judgement = self.find(key)
        self.counts.misses += judgement is None
        return judgement

    def find(self, key: Key) -> Judgement | None:
        """As `get`, but whoever finds nothing counts the miss, once it has decided by itself."""
        judgement = self._kept.get(key)
        if judgement is not None:
            self._kept.move_to_end(key)
            self.counts.hits += 1
        return judgement

    def put(self, key: Key, judgement: Judgement) -> None:
        """Keeps a judgement, unless it is "undecided", and lets go of the oldest that no longer fit."""
        if judgement.status == "undecided" or key in self._kept:
            return
        self._kept[key] = judgement
        self.size_bytes += _size(key, judgement)
        while self.size_bytes > self._capacity_bytes:
            self.size_bytes -= _size(*self._kept.popitem(last=False))

    async def make(self, key: Key, judge: Callable[[], Awaitable[Judgement]]) -> Judgement:
        """The judgement that `judge` makes, or that a run in flight for the same key is making.

        Whatever `judge` raises reaches every waiter. The run ends early only when all have left.
        """
        run = self._running.get(key)
        if run is None:
            run = _Run(asyncio.ensure_future(self._make(key, judge)))
            self._running[key] = run
        else:
            self.counts.shared += 1
        run.waiting += 1
        try:
            return await asyncio.shield(run.task)
        finally:
            run.waiting -= 1
            if run.waiting == 0:
                self._leave(key, run)

    async def _make(self, key: Key, judge: Callable[[], Awaitable[Judgement]]) -> Judgement:
        judgement = await judge()
        self.put(key, judgement)
        return judgement

    def _leave(self, key: Key, run: _Run) -> None:
        if not run.task.done():
            run.task.cancel()
        elif not run.task.cancelled():
            run.task.exception()  # marks it as seen: its last waiter may have left without looking
        if self._running.get(key) is run:
            del self._running[key]


def _size(key: Key, judgement: Judgement) -> int:
    """Bytes of an entry, about: its texts and its objects."""
    texts = key[1].__sizeof__() + judgement.gold_parsed.__sizeof__() + judgement.answer_parsed.__sizeof__()
    return _ENTRY_BYTES + len(key[0]) + texts + judgement.rule.__sizeof__()
