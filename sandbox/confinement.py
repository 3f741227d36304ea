"""What a backend that isolates on this host's kernel gives to the launcher and its jails.

`namespaces` and `landlock` are its siblings. Supervision, the runner and the
frames are the same whichever made the jail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sandbox.types import Limits

# From this number on a backend keeps descriptors of its own until `confine`, which closes them;
# a forked run closes everything between the program's and these. Below RLIMIT_NOFILE.
KEPT_DESCRIPTORS = 900

# One thing a forked run does; what it returns, if it is neither None nor 0, says that it failed.
Step = Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a jail's directories are, as its program sees them."""

    work: str  # working directory and home, the program's own
    temporary: str
    box: str  # the program's text or executable, read-only to it

    @property
    def executable(self) -> str:
        """The compiled program."""
        return f"{self.box}/main"

    @property
    def script(self) -> str:
        """The Python program's text."""
        return f"{self.box}/main.py"


class Confinement(Protocol):
    """One isolation backend, from the launcher's start to a program's first instruction."""

    name: str
    watch_seconds: float  # how often `scratch_bytes` must be looked at while a program runs
    templates_confined: bool  # whether `confining` may be gone through once for all programs that are exec'd

    # In the launcher.
    def enter(self, binds: Sequence[str]) -> None:
        """Once, before any jail. Raises OSError."""

    def leave(self) -> None:
        """Once, after the last jail: removes what `enter` made."""

    def fork_init(self) -> int:
        """Forks a jail's first process; returns as fork(2) does."""

    def uid_of(self, slot: int) -> int:
        """Whose uid the slot's programs run under."""

    def sweep(self, slot: int) -> None:
        """After the death of a jail's first process: nothing of the slot's jail may live on."""

    # In a jail's first process.
    def isolate(self, slot: int) -> Places:
        """Cuts it off from the host, before it hears of its job."""

    def mount_scratch(self, limits: Limits) -> None:
        """Makes the writable places, empty."""

    def renew_scratch(self, limits: Limits) -> bool:
        """Empties the writable places if the last run left anything; `box` stays.

        Returns whether `work` is another directory than before, so that whoever stands in it must go there.
        """

    def scratch_bytes(self, limits: Limits) -> int:
        """What lies in the writable places and is not counted as memory by the kernel; 0 if all of it is."""

    def restrict_all_runs(self, limits: Limits) -> None:
        """Once: what every run inherits and what does not hinder the supervisor."""

    def processes(self) -> list[int]:
        """Every living process of the present run."""

    def kill_all(self) -> None:
        """Kills every process of the present run, none may escape by forking."""

    # In a forked run.
    def confining(self, limits: Limits, *, has_memory_group: bool, has_process_group: bool) -> Sequence[Step]:
        """What it does last before the program: its limits, and no privilege left.

        Bound ahead, outside of the fork, which has to copy every page whose objects it touches.
        """


def take(steps: Sequence[Step]) -> None:
    """Goes through all of them; raises OSError."""
    for step in steps:
        if step():
            raise OSError(f"a step of the confinement failed: {step}")
