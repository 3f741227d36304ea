"""The seccomp filter every program runs under: a deny list, each entry with its reason.

A deny list, because forty languages' runtimes use calls that no allow list here
would foresee, and because the filter is the second wall: namespaces, uid and
read-only root are the first. Denied calls fail with an errno as if the kernel
were built without them; nothing is killed, so a runtime that only probes goes on.

A jail's supervisor installs the filter once and every run inherits it, because to
install it costs a quarter of a millisecond. So mount(2) and umount(2), which the
supervisor uses between runs, are not in the list: a program has no capability
for them, and no way to a user namespace that would give it one.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple


class Denied(NamedTuple):
    """A call by its numbers on x86_64 and aarch64 (None: it has none there), and why."""

    name: str
    x86_64: int | None
    aarch64: int | None
    why: str


_KERNEL = "reaches much kernel code that no test program needs"
_PROCESS = "touches other processes' memory or state"
_NAMESPACE = "makes or enters namespaces and mounts"
_HOST = "changes the machine, not the program"
_KEYS = "keyrings are not namespaced"

DENIED = (
    Denied("io_uring_setup", 425, 425, _KERNEL),
    Denied("io_uring_enter", 426, 426, _KERNEL),
    Denied("io_uring_register", 427, 427, _KERNEL),
    Denied("bpf", 321, 280, _KERNEL),
    Denied("perf_event_open", 298, 241, _KERNEL),
    Denied("userfaultfd", 323, 282, _KERNEL),
    Denied("fanotify_init", 300, 262, _KERNEL),
    Denied("vmsplice", 316, 75, _KERNEL),
    Denied("modify_ldt", 154, None, _KERNEL),
    Denied("name_to_handle_at", 303, 264, "file handles reach around the mount tree"),
    Denied("open_by_handle_at", 304, 265, "file handles reach around the mount tree"),
    Denied("add_key", 248, 217, _KEYS),
    Denied("request_key", 249, 218, _KEYS),
    Denied("keyctl", 250, 219, _KEYS),
    Denied("ptrace", 101, 117, _PROCESS),
    Denied("process_vm_readv", 310, 270, _PROCESS),
    Denied("process_vm_writev", 311, 271, _PROCESS),
    Denied("process_madvise", 440, 440, _PROCESS),
    Denied("pidfd_getfd", 438, 438, _PROCESS),
    Denied("kcmp", 312, 272, _PROCESS),
    Denied("unshare", 272, 97, _NAMESPACE),
    Denied("setns", 308, 268, _NAMESPACE),
    Denied("pivot_root", 155, 41, _NAMESPACE),
    Denied("chroot", 161, 51, _NAMESPACE),
    Denied("fsopen", 430, 430, _NAMESPACE),
    Denied("fsconfig", 431, 431, _NAMESPACE),
    Denied("fsmount", 432, 432, _NAMESPACE),
    Denied("fspick", 433, 433, _NAMESPACE),
    Denied("move_mount", 429, 429, _NAMESPACE),
    Denied("open_tree", 428, 428, _NAMESPACE),
    Denied("mount_setattr", 442, 442, _NAMESPACE),
    Denied("reboot", 169, 142, _HOST),
    Denied("kexec_load", 246, 104, _HOST),
    Denied("kexec_file_load", 320, 294, _HOST),
    Denied("init_module", 175, 105, _HOST),
    Denied("finit_module", 313, 273, _HOST),
    Denied("delete_module", 176, 106, _HOST),
    Denied("swapon", 167, 224, _HOST),
    Denied("swapoff", 168, 225, _HOST),
    Denied("acct", 163, 89, _HOST),
    Denied("syslog", 103, 116, _HOST),
    Denied("quotactl", 179, 60, _HOST),
    Denied("sethostname", 170, 161, _HOST),
    Denied("setdomainname", 171, 162, _HOST),
    Denied("settimeofday", 164, 170, _HOST),
    Denied("clock_settime", 227, 112, _HOST),
    Denied("clock_adjtime", 305, 266, _HOST),
    Denied("adjtimex", 159, 171, _HOST),
    Denied("iopl", 172, None, _HOST),
    Denied("ioperm", 173, None, _HOST),
)

_SHARED = "the `landlock` jail shares this with the host"
_UNMEDIATED = "Landlock does not mediate it, and files outside may be writable for everybody"

# Besides, where the jail lives in the host's own ipc, network and mount namespaces.
DENIED_WITHOUT_NAMESPACES = (
    Denied("shmget", 29, 194, _SHARED),
    Denied("shmat", 30, 196, _SHARED),
    Denied("shmctl", 31, 195, _SHARED),
    Denied("semget", 64, 190, _SHARED),
    Denied("semop", 65, 193, _SHARED),
    Denied("semctl", 66, 191, _SHARED),
    Denied("semtimedop", 220, 192, _SHARED),
    Denied("msgget", 68, 186, _SHARED),
    Denied("msgsnd", 69, 189, _SHARED),
    Denied("msgrcv", 70, 188, _SHARED),
    Denied("msgctl", 71, 187, _SHARED),
    Denied("mq_open", 240, 180, _SHARED),
    Denied("mq_unlink", 241, 181, _SHARED),
    Denied("connect", 42, 203, _SHARED),
    Denied("bind", 49, 200, _SHARED),
    Denied("mount", 165, 40, _NAMESPACE),
    Denied("umount2", 166, 39, _NAMESPACE),
    Denied("setxattr", 188, 5, _UNMEDIATED),
    Denied("lsetxattr", 189, 6, _UNMEDIATED),
    Denied("fsetxattr", 190, 7, _UNMEDIATED),
    Denied("removexattr", 197, 14, _UNMEDIATED),
    Denied("lremovexattr", 198, 15, _UNMEDIATED),
    Denied("fremovexattr", 199, 16, _UNMEDIATED),
    Denied("setxattrat", 463, 463, _UNMEDIATED),
    Denied("removexattrat", 466, 466, _UNMEDIATED),
    Denied("file_setattr", 469, 469, _UNMEDIATED),
)

# Besides, where programs run under the server's own uid, which owns files and processes outside.
_SAME_USER = "Landlock does not mediate it, and the uid is the server's own"
DENIED_TO_THE_SAME_USER = (
    Denied("chown", 92, None, _SAME_USER),
    Denied("lchown", 94, None, _SAME_USER),
    Denied("fchown", 93, 55, _SAME_USER),
    Denied("fchownat", 260, 54, _SAME_USER),
    Denied("utime", 132, None, _SAME_USER),
    Denied("utimes", 235, None, _SAME_USER),
    Denied("futimesat", 261, None, _SAME_USER),
    Denied("utimensat", 280, 88, _SAME_USER),
    Denied("inotify_add_watch", 254, 27, _SAME_USER),
    Denied("setpriority", 141, 140, _SAME_USER),
    Denied("ioprio_set", 251, 30, _SAME_USER),
)
# The same, but linkers and package tools give up if it fails: nothing happens, and the call says that it did.
IGNORED_FOR_THE_SAME_USER = (
    Denied("chmod", 90, None, _SAME_USER),
    Denied("fchmod", 91, 52, _SAME_USER),
    Denied("fchmodat", 268, 53, _SAME_USER),
    Denied("fchmodat2", 452, 452, _SAME_USER),
)
# The same, where the first argument names another process than the caller (0).
OWN_PROCESS_ONLY = (
    Denied("prlimit64", 302, 261, _SAME_USER),
    Denied("sched_setparam", 142, 118, _SAME_USER),
    Denied("sched_setscheduler", 144, 119, _SAME_USER),
    Denied("sched_setaffinity", 203, 122, _SAME_USER),
    Denied("sched_setattr", 314, 274, _SAME_USER),
)

# Besides, where no control group counts memory: what no process need map, a watcher cannot add up.
_UNCOUNTED = "what it holds is nobody's resident memory"
DENIED_WITHOUT_A_MEMORY_GROUP = (
    Denied("memfd_create", 319, 279, _UNCOUNTED),
    Denied("memfd_secret", 447, 447, _UNCOUNTED),
    Denied("shmget", 29, 194, _UNCOUNTED),
    Denied("msgget", 68, 186, _UNCOUNTED),
    Denied("semget", 64, 190, _UNCOUNTED),
)

# clone3 passes its flags in memory, where a filter cannot look: "not built in" makes C libraries use clone.
_CLONE3 = 435
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
# CLONE_NEWTIME | NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_NAMESPACE_FLAGS = 0x7E020080
_ALLOWED_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6; all live in the jail's own network namespace

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AND = 0x54
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NR_OFFSET, _ARCH_OFFSET, _ARG0_OFFSET, _ARG1_OFFSET = 0, 4, 16, 24
_SOCKET_TYPE_MASK, _SOCK_STREAM, _SOCK_SEQPACKET = 0xF, 1, 5
_ACTIONS = {
    "allow": _ALLOW,
    "deny": _ERRNO | errno.EPERM,
    "ignore": _ERRNO | 0,
    "absent": _ERRNO | errno.ENOSYS,
    "no family": _ERRNO | errno.EAFNOSUPPORT,
    "kill": _KILL_PROCESS,
}


_LEAF = 4  # calls compared one by one at the bottom of the search tree


class _Assembler:
    """Instructions with named jump targets; offsets are counted at the end."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, str, str]] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        """Names the next instruction."""
        self._labels[name] = len(self._code)

    def load(self, offset: int) -> None:
        """Loads 32 bits of the call's description."""
        self._code.append((_LOAD, offset, "", ""))

    def jump(self, code: int, value: int, if_true: str = "", if_false: str = "") -> None:
        """Compares and jumps; an empty label is the next instruction."""
        self._code.append((code, value, if_true, if_false))

    def finish(self, name: str, action: int) -> None:
        """A named return."""
        self.label(name)
        self._code.append((_RETURN, action, "", ""))

    def assemble(self) -> bytes:
        """The program as an array of `struct sock_filter`."""
        packed = []
        for position, (code, value, *targets) in enumerate(self._code):
            offsets = [self._labels[name] - position - 1 if name else 0 for name in targets]
            packed.append(struct.pack("HBBI", code, *offsets, value))
        return b"".join(packed)


def build_filter(machine: str = "", *, namespaces: bool = True) -> bytes:
    """The filter as BPF for `machine` (default: this one); raises OSError for an unknown machine.

    Without `namespaces` there are no sockets but pairs of connected streams, because what they could
    reach is the host's, and no System V or POSIX message queues, semaphores and shared memory.
    """
    machine = machine or os.uname().machine
    targets = _targets(DENIED, machine, "deny")
    targets |= {_CLONE3: "absent", _CLONE[machine]: "clone", _SOCKET[machine]: "socket"}
    if not namespaces:
        targets |= _targets(DENIED_WITHOUT_NAMESPACES, machine, "deny")
        targets |= {_SOCKET[machine]: "no family", _SOCKETPAIR[machine]: "pair"}
    return _assemble(machine, targets)


def build_same_user_filter(machine: str = "") -> bytes:
    """A second filter, for programs under the server's own uid; raises OSError for an unknown machine."""
    machine = machine or os.uname().machine
    targets = _targets(DENIED_TO_THE_SAME_USER, machine, "deny")
    targets |= _targets(IGNORED_FOR_THE_SAME_USER, machine, "ignore")
    targets |= _targets(OWN_PROCESS_ONLY, machine, "self")
    return _assemble(machine, targets)


def build_countable_filter(machine: str = "") -> bytes:
    """A further one, for programs whose memory only a watcher holds; raises OSError for an unknown machine.

    As if the kernel were built without them: runtimes that would rather have a memfd go on without.
    """
    machine = machine or os.uname().machine
    return _assemble(machine, _targets(DENIED_WITHOUT_A_MEMORY_GROUP, machine, "absent"))


def _targets(calls: Sequence[Denied], machine: str, action: str) -> dict[int, str]:
    if machine not in _AUDIT_ARCH:
        raise OSError(f"no seccomp filter for machine {machine}")
    numbers = [call.x86_64 if machine == "x86_64" else call.aarch64 for call in calls]
    return {number: action for number in numbers if number is not None}


def _assemble(machine: str, targets: dict[int, str]) -> bytes:
    """A search tree over the call numbers: the kernel walks the program once per
    call number when it is installed, which a plain chain makes slow.
    """
    assembler = _Assembler()
    assembler.load(_ARCH_OFFSET)
    # A 32-bit or foreign call table would give every number another meaning.
    assembler.jump(_JUMP_EQUAL, _AUDIT_ARCH[machine], "", "kill")
    assembler.load(_NR_OFFSET)
    assembler.jump(_JUMP_GREATER_EQUAL, _X32_BIT, "absent")
    _search(assembler, sorted(targets.items()))
    _guards(assembler)
    for name, action in _ACTIONS.items():
        assembler.finish(name, action)
    return assembler.assemble()


def _search(assembler: _Assembler, calls: list[tuple[int, str]]) -> None:
    if len(calls) <= _LEAF:
        for position, (number, target) in enumerate(calls):
            last = position == len(calls) - 1
            assembler.jump(_JUMP_EQUAL, number, target, "allow" if last else "")
        return
    middle = len(calls) // 2
    upper = f"from {calls[middle][0]}"
    assembler.jump(_JUMP_GREATER_EQUAL, calls[middle][0], upper)
    _search(assembler, calls[:middle])
    assembler.label(upper)
    _search(assembler, calls[middle:])


def _guards(assembler: _Assembler) -> None:
    assembler.label("clone")
    assembler.load(_ARG0_OFFSET)
    assembler.jump(_JUMP_SET, _NAMESPACE_FLAGS, "deny", "allow")
    assembler.label("socket")
    assembler.load(_ARG0_OFFSET)
    for family in _ALLOWED_FAMILIES[:-1]:
        assembler.jump(_JUMP_EQUAL, family, "allow")
    assembler.jump(_JUMP_EQUAL, _ALLOWED_FAMILIES[-1], "allow", "no family")
    assembler.label("pair")  # an end of a pair of datagram sockets can send to any address
    assembler.load(_ARG1_OFFSET)
    assembler.jump(_AND, _SOCKET_TYPE_MASK)
    assembler.jump(_JUMP_EQUAL, _SOCK_STREAM, "allow")
    assembler.jump(_JUMP_EQUAL, _SOCK_SEQPACKET, "allow", "deny")
    assembler.label("self")
    assembler.load(_ARG0_OFFSET)
    assembler.jump(_JUMP_EQUAL, 0, "allow", "deny")
