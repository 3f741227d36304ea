"""The Linux calls that Python's `os` lacks, as thin typed functions.

Each raises OSError with the kernel's errno. Numbers and constants are those of
the kernel's uapi headers; where a call's number differs by machine it is looked
up for the running one.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from collections.abc import Callable
from functools import partial

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPABILITY_HEADER = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
_NO_CAPABILITIES = bytes(24)

# What a reaper writes: wait status; user and system time in seconds and microseconds; peak resident KiB.
REAPED = struct.Struct("@i5l")
_USAGE_OFFSET = struct.calcsize("@i0l")
_USAGE_BYTES = 256  # of struct rusage, generously

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Moves this process (for CLONE_NEWPID: its next children) into new namespaces."""
    _checked(_libc.unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def setns(descriptor: int, kind: int) -> None:
    """Joins the namespace behind an open descriptor."""
    _checked(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()
    )
    _checked(result, f"mount {kind or source} on {target}")


def unmount(target: str) -> None:
    """Detaches a mount at once, even a busy one."""
    _checked(_libc.umount2(target.encode(), ctypes.c_int(MNT_DETACH)), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Makes `new_root` the root of this mount namespace."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root: unknown machine {os.uname().machine}")
    _checked(_libc.syscall(ctypes.c_long(number), new_root.encode(), put_old.encode()), "pivot_root")


def prctl(option: int, argument: int) -> None:
    """prctl(2) with one integer argument."""
    _checked(_libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0), f"prctl({option})")


# What runs in every fork goes by this: a call through `_libc` reads errno as well, and touches 20 pages more.
_in_place = ctypes.PyDLL(None)
fork_in_place: Callable[[], int] = _in_place.fork  # returns -1 if it fails


def becoming_dumpable() -> Callable[[], int]:
    """PR_SET_DUMPABLE 1, to be called in a fork; returns -1 if it fails."""
    return partial(_in_place.prctl, PR_SET_DUMPABLE, 1)  # an int passes as a C int, as it is


def install_seccomp(program: bytes) -> None:
    """Installs a BPF program for this process and its children; needs no_new_privs.

    `program` is an array of `struct sock_filter` (8 bytes each).
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(header, len(header))
    result = _libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), pointer, 0, 0)
    _checked(result, "prctl(PR_SET_SECCOMP)")


def drop_capabilities() -> None:
    """Empties the permitted, effective and inheritable sets; with no_new_privs they stay empty."""
    _checked(_libc.capset(_CAPABILITY_HEADER, _NO_CAPABILITIES), "capset")


def fork_plainly() -> int:
    """fork(2) of a single-threaded interpreter without Python's at-fork hooks.

    The hooks put locks and other threads' state in order, of which there is
    nothing here, and cost a third of the whole fork in pages that they touch.
    What they also do and this does not: the `random` module is not seeded anew.
    """
    return _checked(fork_in_place(), "fork")


def move_up(descriptor: int, lowest: int) -> int:
    """Moves a descriptor to the first free number from `lowest` on, closed on exec; returns it."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
    finally:
        os.close(descriptor)


class Reaper:
    """wait4(2) for any child, into a buffer of its own: `os.wait4` makes twenty objects of what it finds."""

    def __init__(self) -> None:
        buffer = ctypes.create_string_buffer(_USAGE_OFFSET + _USAGE_BYTES)
        status = ctypes.byref(buffer)
        self.reap: Callable[[], int] = partial(
            _in_place.wait4, -1, status, 0, ctypes.byref(buffer, _USAGE_OFFSET)
        )
        self.report = memoryview(buffer)[: REAPED.size]  # as the last call left it


def give_back_free_heap() -> None:
    """malloc_trim(3), where the C library has it: pages that hold nothing need not be copied by forks."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)


def set_thread_stack_bytes(size: int) -> None:
    """Sets glibc's default stack size of new threads; a no-op on other C libraries."""
    setter = getattr(_libc, "pthread_setattr_default_np", None)
    if setter is None:
        return
    attributes = ctypes.create_string_buffer(256)
    _libc.pthread_attr_init(attributes)
    _libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(size))
    setter(attributes)


def process_cpu_seconds(pid: int) -> float:
    """CPU time of a living process with all its threads; raises OSError once it is gone.

    Reads the process' CPU clock (the id is made as clock_getcpuclockid(3) makes
    it), which costs one call and has nanosecond resolution.
    """
    import time

    return time.clock_gettime(((~pid) << 3) | 2)
