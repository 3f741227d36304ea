"""The filter, run by a small interpreter of BPF over every call number."""

from __future__ import annotations

import errno
import struct

import pytest

from sandbox import seccomp

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS, EAFNOSUPPORT = (0x50000 | e for e in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT))
CLONE = {"x86_64": 56, "aarch64": 220}
SOCKET = {"x86_64": 41, "aarch64": 198}


def run(program: bytes, arch: int, number: int, argument: int = 0) -> int:
    data = {0: number, 4: arch, 16: argument}
    accumulator, position = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("HBBI", program, 8 * position)
        position += 1
        if code == 0x20:
            accumulator = data[value]
        elif code == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            position += if_true if holds[code] else if_false


@pytest.mark.parametrize("machine", ARCH)
def test_exactly_the_listed_calls_are_denied(machine: str) -> None:
    program = seccomp.build_filter(machine)
    listed = {call.x86_64 if machine == "x86_64" else call.aarch64 for call in seccomp.DENIED}
    special = {435, CLONE[machine], SOCKET[machine]}
    for number in set(range(600)) - special:
        expected = EPERM if number in listed else ALLOW
        assert run(program, ARCH[machine], number) == expected, number


@pytest.mark.parametrize("machine", ARCH)
def test_without_a_memory_group_exactly_what_nobody_maps_is_absent(machine: str) -> None:
    program = seccomp.build_countable_filter(machine)
    calls = seccomp.DENIED_WITHOUT_A_MEMORY_GROUP
    listed = {call.x86_64 if machine == "x86_64" else call.aarch64 for call in calls}
    for number in range(600):
        assert run(program, ARCH[machine], number) == (ENOSYS if number in listed else ALLOW), number


@pytest.mark.parametrize("machine", ARCH)
def test_clone_makes_threads_and_processes_but_no_namespaces(machine: str) -> None:
    program, clone = seccomp.build_filter(machine), CLONE[machine]
    assert run(program, ARCH[machine], clone, 17) == ALLOW
    for bit in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert run(program, ARCH[machine], clone, 17 | bit) == EPERM


@pytest.mark.parametrize("machine", ARCH)
def test_clone3_is_answered_as_if_the_kernel_had_none(machine: str) -> None:
    assert run(seccomp.build_filter(machine), ARCH[machine], 435) == ENOSYS


@pytest.mark.parametrize("machine", ARCH)
def test_sockets_of_three_families_only(machine: str) -> None:
    program = seccomp.build_filter(machine)
    answers = {family: run(program, ARCH[machine], SOCKET[machine], family) for family in range(50)}
    assert {family for family, answer in answers.items() if answer == ALLOW} == {1, 2, 10}
    assert set(answers.values()) == {ALLOW, EAFNOSUPPORT}


def test_foreign_call_tables_are_fatal_and_x32_is_absent() -> None:
    program = seccomp.build_filter("x86_64")
    assert run(program, 0x40000003, 1) == KILL
    assert run(program, ARCH["x86_64"], 0x40000001) == ENOSYS


def test_every_denied_call_has_a_reason() -> None:
    assert all(call.why for call in seccomp.DENIED)


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(OSError, match="vax"):
        seccomp.build_filter("vax")
