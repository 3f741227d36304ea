"""Jails for as long as the server lives, over launchers that may die.

Starting a launcher belongs to nobody who waits for it: a caller may leave in the middle,
and the others wait on. Were the start the caller's own, each that left would have begun another.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.launcher_process import Jails

# Makes the launcher number so and so, not yet started.
Make = Callable[[int], Jails]


class LastingJails:
    """The present launcher, or a new one in place of a dead one."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._present: Jails | None = None
        self._replacing: asyncio.Task[Jails] | None = None
        self._closed = False
        self.started = 0

    @property
    def present(self) -> Jails | None:
        """The launcher in use, be it alive or not."""
        return self._present

    async def get(self) -> Jails:
        """A living launcher, started if need be; raises SandboxUnavailable."""
        if self._closed:
            raise SandboxUnavailable("the sandbox is closed")
        if self._present is not None and not self._present.lost:
            return self._present
        if self._replacing is None:
            self._replacing = asyncio.create_task(self._replace())
            self._replacing.add_done_callback(self._replaced)
        return await asyncio.shield(self._replacing)

    async def close(self) -> None:
        """Ends the launcher, also one that is being started, and every jail."""
        self._closed = True
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)
        if self._present is not None:
            await self._present.close()

    async def _replace(self) -> Jails:
        if self._present is not None:
            with contextlib.suppress(SandboxError):  # it is dead already
                await self._present.close()
        made = self._make(self.started)
        await made.start()
        self._present = made
        self.started += 1
        return made

    def _replaced(self, task: asyncio.Task[Jails]) -> None:
        self._replacing = None
        if not task.cancelled():
            task.exception()  # whoever still waits has it; nobody need be left
