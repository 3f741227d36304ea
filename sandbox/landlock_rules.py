"""Landlock rulesets: the kernel's interface (its uapi header `linux/landlock.h`) as a small typed class.

A ruleset names everything it handles and then allows it below single paths; what is
handled and not allowed is denied. Rulesets that a process enforces one after another
only ever take rights away.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

from sandbox import syscalls

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every machine
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
_REMOVE_DIR = 1 << 4
_REMOVE_FILE = 1 << 5
_MAKE_CHARACTER_DEVICE = 1 << 6
_MAKE_DIR = 1 << 7
_MAKE_REGULAR = 1 << 8
_MAKE_SOCKET = 1 << 9
_MAKE_FIFO = 1 << 10
_MAKE_BLOCK_DEVICE = 1 << 11
_MAKE_SYMLINK = 1 << 12
_REFER = 1 << 13  # link or rename from one directory to another
_TRUNCATE = 1 << 14
_IOCTL_DEVICE = 1 << 15

READ = EXECUTE | READ_FILE | READ_DIR
# No sockets in the file system and no device nodes, not even in scratch directories.
SCRATCH = (
    READ
    | WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REGULAR
    | _MAKE_FIFO
    | _MAKE_SYMLINK
    | _REFER
    | _TRUNCATE
)
_OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEVICE

SCOPE_ABSTRACT_SOCKETS = 1 << 0
SCOPE_SIGNALS = 1 << 1
# By ABI version: which file rights, network rights and scopes the kernel knows.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK_ABI, _SCOPE_ABI = 4, 6

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The version of Landlock in the running kernel; 0 where it is missing, switched off or forbidden."""
    version = _libc.syscall(
        ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)
    )
    return max(0, int(version))


class Ruleset:
    """A ruleset that handles every right of the file system and of TCP; scopes where they are asked for."""

    def __init__(self, *, scoped: bool) -> None:
        """Raises OSError where the kernel has no Landlock. `scoped` takes effect from ABI 6 on."""
        version = abi()
        if version == 0:
            raise OSError(errno.EOPNOTSUPP, "this kernel gives no Landlock")
        self._handled = (1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1
        attributes = struct.pack("Q", self._handled)
        if version >= _NETWORK_ABI:
            attributes += struct.pack("Q", 0b11)  # bind and connect of TCP
        if version >= _SCOPE_ABI:
            attributes += struct.pack("Q", SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS if scoped else 0)
        self.descriptor = _call(
            _CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)
        )

    def allow(self, path: str, rights: int) -> None:
        """Allows `rights` at and below `path`; raises OSError if there is no such path."""
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            self.allow_at(place, rights)
        finally:
            os.close(place)

    def allow_at(self, place: int, rights: int) -> None:
        """Allows `rights` at and below what the descriptor `place` points to."""
        rights &= self._handled
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_A_FILE
        rule = struct.pack("=Qi", rights, place)
        _call(
            _ADD_RULE,
            ctypes.c_int(self.descriptor),
            ctypes.c_int(_PATH_BENEATH),
            rule,
            ctypes.c_uint32(0),
        )

    def enforce(self) -> None:
        """Restricts this process and its later children, for ever; needs no_new_privs."""
        _call(_RESTRICT_SELF, ctypes.c_int(self.descriptor), ctypes.c_uint32(0))

    def move(self, lowest: int) -> None:
        """Moves the descriptor to `lowest` or above."""
        self.descriptor = syscalls.move_up(self.descriptor, lowest)

    def close(self) -> None:
        """Closes the descriptor; what is enforced stays so."""
        os.close(self.descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock call {number}: {os.strerror(error)}")
    return result
