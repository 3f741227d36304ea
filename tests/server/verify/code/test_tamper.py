"""Flags: what they say, and what they must not say of honest programs."""

from __future__ import annotations

import pytest

from server.verify.code import observed
from server.verify.code.tamper import FLAGS, flags_of_source, telling_texts

HONEST = """
import sys
def solve(values):
    seen = {}
    for value in values:
        seen[value] = seen.get(value, 0) + 1
    return max(seen.values(), default=0)
print(solve(sys.stdin.read().split()))
"""


@pytest.mark.parametrize(
    ("source", "flag"),
    [
        ("open('/proc/self/maps')", "source_reads_proc"),
        ("import builtins\nbuiltins.len = lambda v: 0", "source_patches_builtins"),
        ("signal.signal(signal.SIGALRM, f)", "source_changes_signal_handlers"),
        ("import socket", "source_uses_network"),
        ("#include <sys/socket.h>", "source_uses_network"),
        ("sys._getframe(1).f_locals", "source_inspects_frames"),
        ("os._exit(0)", "source_exits_at_once"),
        ("class A:\n    def __eq__(self, o): return True", "source_overrides_equality"),
        ("open('/box/main.py', 'w')", "source_names_runner"),
        ("os.write(4, b'done')", "source_writes_descriptors"),
    ],
)
def test_signs_in_the_source(source: str, flag: str) -> None:
    assert flags_of_source(source, ()) == [flag]
    assert flag in FLAGS


def test_an_honest_program_has_no_flags() -> None:
    assert flags_of_source(HONEST, telling_texts([("1 2 3 4 5 6\n", "1\n")] * 3)) == []


def test_a_table_of_tests() -> None:
    telling = telling_texts([(f"{n} {n * 7919} 17\n", f"{n * 104729}\n") for n in range(10, 16)])
    table = "print({'10 79190 17': 1047290, '11 87109 17': 1, '12 95028 17': 2}[input()])"
    assert flags_of_source(table, telling) == ["hard_coded_tests"]
    assert flags_of_source("print({'10 79190 17': 1}[input()])", telling) == []


def test_short_texts_tell_nothing() -> None:
    assert telling_texts([("1 2", "3"), ("4 5", "9")]) == ()


@pytest.mark.parametrize(
    ("record", "split"),
    [
        (None, ((), None)),
        (b"done", ((), b"done")),
        (b"flags:patched_builtins\ndone", (("patched_builtins",), b"done")),
        (b"flags:\ndone", ((), b"done")),
        (b"flags:nonsense,changed_signal_handlers\ndone", (("changed_signal_handlers",), b"done")),
        (b'{"tests":{}}\nflags:\ndone', ((), b'{"tests":{}}\ndone')),
    ],
)
def test_observed_flags_are_taken_out_of_the_record(
    record: bytes | None, split: tuple[tuple[str, ...], bytes | None]
) -> None:
    assert observed.split(record) == split
