"""Flags: what they say, and what they must not say of honest programs."""

from __future__ import annotations

import pytest

from server.verify.code import observed
from server.verify.code.tamper import (
    FLAGS,
    flags_of_failure,
    flags_of_output,
    flags_of_source,
    names_of_tests,
    telling_outputs,
    telling_texts,
)

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
        ("try: 1 / 0\nexcept Exception as e: e.__traceback__.tb_frame", "source_inspects_frames"),
        ("sys._current_frames()", "source_inspects_frames"),
        ("sys.settrace(f)", "source_inspects_frames"),
        ("os._exit(0)", "source_exits_at_once"),
        ("class A:\n    def __eq__(self, o): return True", "source_overrides_equality"),
        ("macro_rules! vec { ($($t:tt)*) => { Vec::new() } }", "source_patches_asserts"),
        ("#[derive(PartialEq)]\nstruct String;", "source_patches_asserts"),
        ("JSON.stringify = () => '';", "source_patches_asserts"),
        ("Module._load = f;", "source_patches_asserts"),
        ("Object.assign(a, { deepEqual() {} });", "source_patches_asserts"),
        ("Object.defineProperty(console, 'assert', { value() {} });", "source_patches_asserts"),
        ("process.on('unhandledRejection', () => {});", "source_patches_asserts"),
        ("process.emit = () => true;", "source_patches_asserts"),
        ("require('node:domain').create().enter();", "source_patches_asserts"),
        ("ini_set('zend.assertions', '0');", "source_patches_asserts"),
        ("assert_options(ASSERT_EXCEPTION, 0);", "source_patches_asserts"),
        ("module Test::Unit::Assertions\nend", "source_patches_asserts"),
        ("def raise(*a) end", "source_patches_asserts"),
        ("def assert_equal(a, b)\nend", "source_patches_asserts"),
        ("BEGIN { *CORE::GLOBAL::die = sub {} }", "source_patches_asserts"),
        ("*Test::More::ok = sub {};", "source_patches_asserts"),
        ("open('/box/main.py', 'w')", "source_names_runner"),
        ("os.write(4, b'done')", "source_writes_descriptors"),
    ],
)
def test_signs_in_the_source(source: str, flag: str) -> None:
    assert flags_of_source(source, ()) == [flag]
    assert flag in FLAGS


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("test_f.py", "open('test_f.py')"),
        ("test_f.py", "from test_f import WANTED"),
        ("tests/score.rs", 'include_str!("../tests/score.rs")'),
        ("ScoreTest.java", "new File(ScoreTest.class)"),
        ("solution.test.js", "readFileSync(__dirname + '/solution.test.js')"),
    ],
)
def test_a_program_that_names_its_tests(path: str, source: str) -> None:
    assert flags_of_source(source, (), names_of_tests([path])) == ["source_names_runner"]


@pytest.mark.parametrize("path", ["helpers.py", "data/words.json", "src/lib.rs"])
def test_what_holds_no_tests_may_be_named(path: str) -> None:
    assert names_of_tests([path]) == ()


@pytest.mark.parametrize("source", ["def assert_valid(board):\n    pass", "def f():\n    raise ValueError"])
def test_assertions_of_a_programs_own_are_no_sign(source: str) -> None:
    assert flags_of_source(source, ()) == []


def test_an_honest_program_has_no_flags() -> None:
    assert flags_of_source(HONEST, telling_texts([("1 2 3 4 5 6\n", "1\n")] * 3)) == []


def test_a_table_of_tests() -> None:
    telling = telling_texts([(f"{n} {n * 7919} 17\n", f"{n * 104729}\n") for n in range(10, 16)])
    table = "print({'10 79190 17': 1047290, '11 87109 17': 1, '12 95028 17': 2}[input()])"
    assert flags_of_source(table, telling) == ["hard_coded_tests"]
    assert flags_of_source("print({'10 79190 17': 1}[input()])", telling) == []


def test_words_that_several_tests_share_make_no_table() -> None:
    answers = ["POSSIBLE", "IMPOSSIBLE"] * 4
    telling = telling_texts((f"{number}\n", answer) for number, answer in enumerate(answers))
    assert flags_of_source("print('POSSIBLE' if f() else 'IMPOSSIBLE')", telling) == []


@pytest.mark.parametrize("aside", ['"""{}"""', "# {}", "// {}", "/* {} */", "/* {}"])
def test_examples_in_docstrings_and_comments_make_no_table(aside: str) -> None:
    examples = ["f(12345678) == 1", "f(23456789) == 2", "f(34567890) == 3"]
    telling = telling_texts((text[2:10], "") for text in examples)
    assert flags_of_source(f"def f(n):\n    {aside.format(' '.join(examples))}", telling) == []
    assert flags_of_source(f"table = {examples}", telling) == ["hard_coded_tests"]


def test_a_source_of_open_comments_is_read_in_linear_time() -> None:
    telling = telling_texts([("12345678", ""), ("23456789", "")])
    assert flags_of_source(f"12345678 23456789{'/*' * 100_000}", telling) == ["hard_coded_tests"]


def test_an_output_that_lists_the_tests() -> None:
    wanted = [f"{number * 104729}" for number in range(100, 106)]
    outputs = telling_outputs(wanted)
    assert flags_of_output("\n".join(wanted[:3]).encode(), outputs) == ("output_lists_tests",)
    assert flags_of_output("\n".join(wanted[:2]).encode(), outputs) == ()
    assert flags_of_output(b"\xff" * 100, outputs) == ()


def test_outputs_that_hold_one_another_count_once() -> None:
    assert telling_outputs(["POSSIBLE", "IMPOSSIBLE", "IMPOSSIBLE", "1 2 3 4 5 6 7 8", "12345678 9"]) == (
        "POSSIBLE",
        "123456789",
    )


@pytest.mark.parametrize(
    ("stderr", "flags"),
    [
        (b"PermissionError: [Errno 13] Permission denied: '/proc/1/mem'", ("opened_proc",)),
        (b"Error: EACCES: permission denied, open '/proc/1/mem'", ("opened_proc",)),
        (b"panic: open /proc/1/mem: permission denied", ("opened_proc",)),
        (b"OSError: [Errno 101] Network is unreachable", ("tried_network",)),
        (b"java.net.UnknownHostException: example.com", ("tried_network",)),
        (b"OSError: [Errno 30] Read-only file system: '/box/main.py'", ("touched_runner_files",)),
        (b"FileNotFoundError: [Errno 2] No such file or directory: 'input.txt'", ()),
        (b"  File \"/box/main.py\", line 3\nPermissionError: [Errno 13] Permission denied: 'x'", ()),
        (b"IndexError: list index out of range", ()),
    ],
)
def test_refusals_in_the_last_words_of_a_program(stderr: bytes, flags: tuple[str, ...]) -> None:
    assert flags_of_failure(stderr) == flags
    assert set(flags) <= set(FLAGS)


@pytest.mark.parametrize("source", [HONEST, "import sys, copy\nclass A:\n    def __init__(self): pass"])
def test_a_program_without_means_runs_without_a_hook(source: str) -> None:
    assert observed.before(source) == observed.BEFORE


@pytest.mark.parametrize("source", ["open(x)", "import os", "getattr(a, b)", "__builtins__", "eval(x)"])
def test_a_program_with_means_is_watched(source: str) -> None:
    setup = observed.before(source, observed.Files(("tests/test_x.py",)))
    assert "addaudithook" in setup
    assert "'test_x.py'" in setup


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
        (b"flags:opened_proc\n", (("opened_proc",), None)),
        (
            b"flags:opened_proc\nflags:tried_network\nflags:patched_builtins\ndone",
            (("patched_builtins", "opened_proc", "tried_network"), b"done"),
        ),
        (b'{"tests":{}}\nflags:\ndone', ((), b'{"tests":{}}\ndone')),
    ],
)
def test_observed_flags_are_taken_out_of_the_record(
    record: bytes | None, split: tuple[tuple[str, ...], bytes | None]
) -> None:
    assert observed.split(record) == split
