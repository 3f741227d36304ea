"""A server whose disk is slow on demand: `python -m tests.wire.slow_disk FILE serve ...`.

While FILE exists, whatever the server's process opens on a disk takes a second longer, in whichever thread.
A byte is added to FILE each time. Files of the kernel (/proc, /sys, /dev) are no disk.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

SECONDS = 1.0
_NO_DISK = ("/proc/", "/sys/", "/dev/")


def slow_down(armed: str) -> None:
    """Adds an audit hook (PEP 578), which nothing that opens a file from Python can avoid."""

    def on_event(event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.fsdecode(arguments[0])
        if path != armed and not path.startswith(_NO_DISK) and os.path.exists(armed):
            with open(armed, "a") as tally:
                tally.write(".")
            time.sleep(SECONDS)

    sys.addaudithook(on_event)


def arm(file: Path) -> None:
    """From now on the disk is slow."""
    file.touch()


def disarm(file: Path) -> int:
    """The disk is as it was; how often it was slow."""
    count = file.stat().st_size
    file.unlink()
    return count


if __name__ == "__main__":
    from server.cli import main

    slow_down(sys.argv.pop(1))
    raise SystemExit(main(sys.argv[1:]))
