"""The generated C++ units, compiled with g++ and run with the two private descriptors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.harness import cpp_asserts_unit, cpp_call_unit, strip_literals
from sandbox.values import decode, encode

ARGUMENTS, RECORD = 3, 4


@dataclass(frozen=True)
class Ended:
    status: int
    record: bytes
    stderr: str


Build = Callable[[str], Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def build(unit: str) -> Path:
        (tmp_path / "unit.cpp").write_text(unit)
        command = ["g++", "-std=gnu++20", "-O0", "unit.cpp", "-o", "unit"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        return tmp_path / "unit"

    return build


def run(program: Path, arguments: bytes) -> Ended:
    """Runs a unit; the shell moves its files to the descriptors that the harness knows."""
    given, record = program.with_name("arguments"), program.with_name("record")
    given.write_bytes(arguments)
    shell = f'exec "$0" {ARGUMENTS}<"$1" {RECORD}>"$2"'
    ended = subprocess.run(
        ["/bin/sh", "-c", shell, program, given, record], capture_output=True, text=True, check=False
    )
    return Ended(ended.returncode, record.read_bytes(), ended.stderr)


def call(program: Path, *arguments: Any) -> Any:
    ended = run(program, encode([*arguments]))
    assert (ended.status, ended.stderr) == (0, "")
    return decode(ended.record)


EVERY_TYPE = r"""
#define NDEBUG
#include <bits/stdc++.h>
#define int long long
#define first second_of_all
using namespace std;
struct Solution {
  tuple<int, double, string, vector<bool>, map<string, vector<int>>, optional<char>, set<short>,
        pair<int, unsigned long>, vector<pair<string, float>>>
  all(vector<vector<int>>& rows, const string& text, double real, bool flag, char letter, const char* raw,
      unordered_map<int, string> names, pair<int, float> both, optional<int> maybe, array<int, 2> two,
      const vector<bool>& flags) const {
    int total = flag ? two[1] : 0;
    for (auto& row : rows) for (auto item : row) total += item;
    rows.clear();
    return {total, real * 2, text + raw + letter + names[1], flags, {{"k", {1, 2}}}, letter, {1, 200},
            {LLONG_MIN, ULONG_MAX}, {{"x", both.second + maybe.value_or(1)}}};
  }
};
signed main() { return 7; }
"""


@pytest.mark.toolchain("g++")
def test_every_type_there_and_back(build: Build) -> None:
    program = build(cpp_call_unit(EVERY_TYPE, "all"))
    text = 'n\u00e9\U0001f600\n"\\\0'
    arguments = [
        [[1, 2], [2**62]],
        text,
        1.5,
        True,
        "q",
        "zz",
        {1: "one"},
        (3, 0.25),
        None,
        [1, 2],
        [True, False],
    ]
    total = 2**62 + 3 + 2
    assert call(program, *arguments) == (
        total,
        3.0,
        f"{text}zzqone",
        [True, False],
        {"k": [1, 2]},
        "q",
        frozenset({1, 200}),
        (-(2**63), 2**64 - 1),
        [("x", 1.25)],
    )


INTEGERS = """
#include <vector>
struct Wide { __int128 wide; };
int narrow(int small, unsigned char byte, unsigned long large) { return small + byte + (large != 0); }
"""


@pytest.mark.toolchain("g++")
def test_arguments_must_fit_their_parameters(build: Build) -> None:
    program = build(cpp_call_unit(INTEGERS, "narrow"))
    assert call(program, 2, 255, 2**64 - 1) == 258
    assert call(program, -(2**31), 0, 0) == -(2**31)
    assert call(program, 2.0, 0, 0) == 2
    for wrong in [
        [2**31, 0, 0],
        [-(2**31) - 1, 0, 0],
        [0, 256, 0],
        [0, 0, 2**64],
        [0, -1, 0],
        [0.5, 0, 0],
        [True, 0, 0],
        ["1", 0, 0],
        [None, 0, 0],
        [1, 2],
        [1, 2, 3, 4],
    ]:
        ended = run(program, encode(wrong))
        assert (ended.status, ended.record) == (3, b""), wrong
        assert ended.stderr.startswith("call: ")


EXITS = """
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <cstdio>
void act(std::string what) {
  if (what == "exit") std::exit(0);
  if (what == "throw") throw std::runtime_error("no");
  std::puts("printed");
}
"""


@pytest.mark.toolchain("g++")
def test_only_a_return_hands_a_value_over(build: Build) -> None:
    program = build(cpp_call_unit(EXITS, "act"))
    assert call(program, "return") is None
    assert run(program, encode(["exit"])).record == b""
    thrown = run(program, encode(["throw"]))
    assert (thrown.status < 0 or thrown.status > 128, thrown.record) == (True, b"")


DISARMED = """
#include <vector>
#define NDEBUG
#define assert(condition)
#defin\\
e int long
using namespace std;
vector<long> f(long x) { return {x + 1}; }
signed main() { return f(1)[0]; }
"""


@pytest.mark.toolchain("g++")
@pytest.mark.parametrize(("expected", "record"), [(2, b"done"), (3, b"")])
def test_asserts_hold_whatever_the_program_defines(build: Build, expected: int, record: bytes) -> None:
    tests = f"int main() {{ vector<long> seen = f(1); assert(seen[0] == {expected}); }}"
    ended = run(build(cpp_asserts_unit(DISARMED, "", tests)), b"")
    assert ended.record == record
    assert (ended.status == 0) is (record == b"done")


@pytest.mark.toolchain("g++")
def test_a_main_that_fails_is_not_done(build: Build) -> None:
    ended = run(build(cpp_asserts_unit("", "#define THREE 3", "int main() { return THREE; }")), b"")
    assert (ended.status, ended.record) == (3, b"")


@pytest.mark.toolchain("g++")
def test_diagnostics_keep_the_programs_lines(build: Build) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        build(cpp_call_unit("int f() {\n  return nowhere;\n}\n", "f"))
    assert "solution.cpp:2:10: error" in failed.value.stderr


@pytest.mark.parametrize("name", ["", "f g", "f)", "1f", "Solution.", "Other.f"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="not a function name"):
        cpp_call_unit("int f();", name)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("int f(int x) {}", "&::f"),
        ("class Solution { public: int f(int x) {} };", "&Solution::f"),
        ("struct Solution final : Base { int g() { return 1; } int f (int x) {} };", "&Solution::f"),
        ("class Solution { int g() {} }; int f(int x) {}", "&::f"),
        ("// class Solution { int f(); }\nint f(int x) {}", "&::f"),
        ('auto t = "class Solution { int f(); }"; int f(int x) {}', "&::f"),
        ("class Solution;\nint f(int x) {}", "&::f"),
    ],
)
def test_finds_the_target(source: str, target: str) -> None:
    assert f"verdict_harness::serve({target})" in cpp_call_unit(source, "f")


def test_renames_only_the_main_of_the_code() -> None:
    unit = cpp_call_unit('// main()\nauto s = "main()"; int domain(); int main (){}', "f")
    assert '// main()\nauto s = "main()"; int domain(); int verdict_program_main (){}' in unit


def test_strip_literals() -> None:
    source = 'a = 1\'000; /* x */ b = \'x\'; c = "\\"y"; d = R"m(z")m"; // w'
    assert strip_literals(source).split() == ["a", "=", "1'000;", "b", "=", ";", "c", "=", ";", "d", "=", ";"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece",
    ["/*", 'R"x(', '\\"', "'", "class Solution ", "main ", "#define ", " ", "{", "\\\n", "//", "1'"],
)
def test_no_source_is_slow_to_assemble(piece: str) -> None:
    # Quadratic scanning of a megabyte would take hours.
    source = '"' + piece * (1_000_000 // len(piece))
    assert source[1:20] in cpp_call_unit(source, "f")
    assert source[1:20] in cpp_call_unit(source[1:], "f")
