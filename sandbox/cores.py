"""Which core a jail's processes are kept on.

A jail's supervisor, its template and each run's fork work in turns, one waiting for the other. Left to itself
the kernel gives every new fork the idlest core, where nothing of the shared memory is in the
caches and from where each change of a page must be told to the others: `bench/LOG.md` has what that costs.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterable, Iterator


class Cores:
    """The cores that this process may use, and how many open jails each has."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._jails = dict.fromkeys(numbers, 0)

    @contextlib.contextmanager
    def quietest(self) -> Iterator[int]:
        """One of those with the fewest jails, which has one more until the block ends."""
        fewest = min(self._jails.values())
        # By lot: another server on this machine counts for itself.
        core = random.choice([number for number, jails in self._jails.items() if jails == fewest])  # noqa: S311
        self._jails[core] += 1
        try:
            yield core
        finally:
            self._jails[core] -= 1


def stay_on(core: int) -> None:
    """Keeps this process and its future children there, as long as the machine lets us."""
    with contextlib.suppress(OSError):  # no longer among ours: slower, and nothing else
        os.sched_setaffinity(0, {core})
