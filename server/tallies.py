"""What is counted for every verdict: plain numbers, made into metrics when somebody scrapes.

`prometheus_client`'s own objects take a lock, and a walk over the buckets, for each of the five phases of
a verdict; beside a verdict that takes microseconds that shows. All of this runs on the event loop.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

T = TypeVar("T")
Labels = tuple[str, ...]


class Later(Generic[T]):
    """Counts what it is given, `AT_ONCE` items together: cheaper than each amid other work.

    Whoever reads what was counted calls `flush` first.
    """

    AT_ONCE = 64

    def __init__(self, count: Callable[[list[T]], None]) -> None:
        self._count = count
        self._items: list[T] = []

    def add(self, item: T) -> None:
        """Counts an item, now or later."""
        self._items.append(item)
        if len(self._items) >= self.AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Counts what is left."""
        items, self._items = self._items, []
        if items:
            self._count(items)


class Tally:
    """A counter with labels: `counts[values]`, in the order of `labels`."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name, self._text, self._labels = name, text, labels
        self.counts: Counter[Labels] = Counter()

    def collect(self) -> Iterator[Metric]:
        """The family."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, count in self.counts.items():
            family.add_metric(values, count)
        yield family


class Distribution:
    """A histogram with labels; `bounds` are the buckets' upper ends, rising, without infinity."""

    def __init__(self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._bounds = tuple(bounds)
        self._ends = [floatToGoString(bound) for bound in (*bounds, math.inf)]
        self._bins: dict[Labels, list[int]] = defaultdict(lambda: [0] * len(self._ends))
        self._sums: dict[Labels, float] = defaultdict(float)

    def observe(self, values: Labels, observed: Sequence[float]) -> None:
        """Counts values under the same labels; a bucket holds its upper end."""
        bins, bounds = self._bins[values], self._bounds
        for value in observed:
            bins[bisect_left(bounds, value)] += 1
        self._sums[values] += sum(observed)

    def collect(self) -> Iterator[Metric]:
        """The family, its buckets cumulative."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, bins in self._bins.items():
            buckets = list(zip(self._ends, accumulate(bins), strict=True))
            family.add_metric(values, buckets, self._sums[values])
        yield family
