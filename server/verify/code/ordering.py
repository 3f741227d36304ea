"""Which tests to run first: those that find a failure at the least cost, as far as is known.

Under all-pass scoring a program is wrong if any test fails, whatever the order, so
the reward does not depend on it; the time to find a failure does. To try tests by falling
p / c, the chance to fail over the cost, is the cheapest order for independent tests
(Smith's rule for sequential search); both are learned from the programs seen so far.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_SETS = 5_000
MOST_TESTS_OF_A_SET = 64  # those behind them run last, as they stand
# A test that was never run counts as one that failed so often in so many runs.
_PRIOR_FAILURES, _PRIOR_RUNS = 0.2, 2.0
_FADING = 0.98  # of what is older, at each new run: models change, and with them what they get wrong
_RUN_SECONDS = 0.002  # what the emptiest run costs


@dataclass(frozen=True, slots=True)
class Observation:
    """One test that ran: whether it failed, and its CPU time."""

    index: int
    failed: bool
    cpu_seconds: float


@dataclass(slots=True)
class _Learned:
    """Fading sums per test."""

    runs: array[float] = field(default_factory=lambda: array("f"))
    failures: array[float] = field(default_factory=lambda: array("f"))
    seconds: array[float] = field(default_factory=lambda: array("f"))

    def grow(self, count: int) -> None:
        missing = count - len(self.runs)
        for sums in (self.runs, self.failures, self.seconds):
            sums.extend([0.0] * missing)

    def note(self, seen: Observation) -> None:
        index = seen.index
        self.runs[index] = self.runs[index] * _FADING + 1.0
        self.failures[index] = self.failures[index] * _FADING + seen.failed
        self.seconds[index] = self.seconds[index] * _FADING + seen.cpu_seconds

    def usual_seconds(self) -> float:
        """The mean cost of the tests that were run: what one that never was is taken to cost."""
        return sum(self.seconds) / (sum(self.runs) or 1.0)

    def worth(self, index: int, usual_seconds: float) -> float:
        """Chance to fail over cost."""
        runs = self.runs[index]
        chance = (self.failures[index] + _PRIOR_FAILURES) / (runs + _PRIOR_RUNS)
        return chance / (_RUN_SECONDS + (self.seconds[index] / runs if runs else usual_seconds))


class TestOrder:
    """Learned per test set, in bounded memory: some sets, and the first tests of each."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    def __init__(self, most_sets: int = MOST_SETS) -> None:
        self._most_sets = most_sets
        self._sets: OrderedDict[bytes, _Learned] = OrderedDict()

    def observe(self, key: bytes, count: int, seen: Iterable[Observation]) -> None:
        """Learns from the tests that one program ran, of `count` tests in all."""
        learned = self._sets.setdefault(key, _Learned())
        self._sets.move_to_end(key)
        learned.grow(min(count, MOST_TESTS_OF_A_SET))
        for observation in seen:
            if observation.index < len(learned.runs):
                learned.note(observation)
        if len(self._sets) > self._most_sets:
            self._sets.popitem(last=False)

    def order(self, key: bytes, count: int) -> list[int]:
        """All indices below `count`, each once; as they stand where nothing is known."""
        learned = self._sets.get(key)
        if learned is None:
            return list(range(count))
        known = range(min(count, len(learned.runs)))
        usual_seconds = learned.usual_seconds()
        best_first = sorted(
            known, key=lambda index: -learned.worth(index, usual_seconds)
        )  # ties as they stand
        return [*best_first, *range(len(known), count)]
