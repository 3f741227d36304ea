"""Uids for programs, apart from those of every other server on this host.

The kernel counts processes per uid over all containers, and kills by uid over a whole pid namespace,
so neither a fixed number nor one per container is enough.
"""

from __future__ import annotations

import os

BLOCK = 1024  # uids of one launcher
_BLOCKS, _FIRST = 1 << 21, 1 << 20
_FEW_FIRST = 1000
_SPREAD = 0x9E3779B1  # odd, so that distinct pid namespaces and pids stay distinct modulo a power of two


def first_uid(pid: int) -> int:
    """The first of `BLOCK` uids for the process `pid` of this pid namespace.

    Where only few uids are mapped (a container with user namespaces), two processes may meet.
    """
    with open("/proc/self/uid_map") as file:
        most = max(int(line.split()[0]) + int(line.split()[2]) for line in file)
    key = pid_namespace() * _SPREAD + pid
    if most > _FIRST + BLOCK * _BLOCKS:
        return _FIRST + key % _BLOCKS * BLOCK
    return _FEW_FIRST + key % max(1, (most - _FEW_FIRST) // BLOCK) * BLOCK


def pid_namespace() -> int:
    """A number for this pid namespace; no other living one of this host has it."""
    return os.stat("/proc/self/ns/pid").st_ino
