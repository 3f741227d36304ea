"""The calls that a template makes in place."""

from __future__ import annotations

import subprocess
import sys

_REAP = """
import os, time
from sandbox.syscalls import REAPED, Reaper, fork_in_place
reaper = Reaper()
for wanted in (7, 9):
    if fork_in_place() == 0:
        held = bytearray(64 << 20)
        while time.process_time() < 0.05: pass
        os._exit(wanted)
    assert reaper.reap() > 0
    status, user, user_us, system, system_us, resident_kib = REAPED.unpack(reaper.report)
    assert os.waitstatus_to_exitcode(status) == wanted, status
    assert 0.04 < user + system + (user_us + system_us) / 1e6 < 60
    assert (64 << 10) < resident_kib < (1 << 20), resident_kib
assert reaper.reap() == -1
"""


def test_a_reaper_reports_status_time_and_peak_of_each_child_and_then_that_there_is_none() -> None:
    """In an interpreter of its own: it waits for any child."""
    subprocess.run([sys.executable, "-c", _REAP], check=True)
