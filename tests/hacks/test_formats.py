"""Every test format on real jails: what is right passes, what is wrong does not, and who is at fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox import backends
from tests.hacks.conftest import Judge, judging

pytestmark = pytest.mark.asyncio(loop_scope="package")

PYTHON_VALIDATOR = """
import sys
with open(sys.argv[1]) as given, open(sys.argv[2]) as answer:
    number, least = int(given.read()), int(answer.read())
words = sys.stdin.read().split()
if words == ["crash"]:
    raise RuntimeError("broken checker")
if words == ["loop"]:
    while True:
        pass
with open(sys.argv[3] + "judgemessage.txt", "w") as message:
    message.write(f"{words} for {number}")
if words == ["half"]:
    with open(sys.argv[3] + "score.txt", "w") as score:
        score.write("0.5")
    sys.exit(42)
sys.exit(42 if len(words) == 2 and sum(map(int, words)) == number and int(words[0]) >= least else 43)
"""
CPP_TESTLIB = """
#include "testlib.h"
int main(int argc, char** argv) {
    int number = read_int(argv[1]), got = read_int(argv[2]), wanted = read_int(argv[3]);
    if (got == 77) quit_with(7, "points 0.25 a quarter");
    if (got == 3) quit_with(3, "FAIL the answer is broken");
    if (got == 2) quit_with(2, "wrong output format");
    quit_with(got + number == wanted ? 0 : 1, "compared");
}
"""
TINY_TESTLIB = """
#pragma once
#include <cstdio>
#include <cstdlib>
inline int read_int(const char* path) {
    int value = 0;
    if (FILE* file = std::fopen(path, "r")) { if (std::fscanf(file, "%d", &value) != 1) value = -1; }
    return value;
}
[[noreturn]] inline void quit_with(int code, const char* text) { std::fputs(text, stderr); std::exit(code); }
"""
GUESSING = """
import sys
with open(sys.argv[1]) as given:
    secret = int(given.read())
for turn in range(20):
    guess = int(input())
    print("right" if guess == secret else "higher" if guess < secret else "lower", flush=True)
    if guess == secret:
        sys.exit(42)
sys.exit(43)
"""
BISECTING = """
low, high = 1, 1000
while True:
    middle = (low + high) // 2
    print(middle, flush=True)
    said = input()
    if said == "right":
        break
    low, high = (middle + 1, high) if said == "higher" else (low, middle - 1)
"""
BISECTING_CPP = """
#include <iostream>
int main() {
    int low = 1, high = 1000;
    for (std::string said; said != "right";) {
        int middle = (low + high) / 2;
        std::cout << middle << std::endl;
        std::cin >> said;
        if (said == "higher") low = middle + 1; else high = middle - 1;
    }
}
"""


def checked(protocol: str, language: str, source: str, **more: Any) -> pb.CodeTask:
    """Two numbers whose sum is the input; the answer file holds the least that the first may be."""
    program = pb.CheckerProgram(language=language, source=source, protocol=protocol, **more)
    cases = [pb.StdioCase(input="7\n", output="2\n"), pb.StdioCase(input="9\n", output="3\n")]
    return pb.CodeTask(
        language="python", stdio=pb.StdioTests(cases=cases), checker=pb.Checker(program=program)
    )


def conversation(interactor: str = GUESSING, **more: Any) -> pb.CodeTask:
    cases = [pb.InteractiveCase(input="637"), pb.InteractiveCase(input="1")]
    program = pb.Program(language="python", source=interactor)
    return pb.CodeTask(
        **{"language": "python", "interactive": pb.InteractiveTests(interactor=program, cases=cases), **more}
    )


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("print(3, int(input()) - 3)", pb.ACCEPTED),
        ("n = int(input()); print(n - 1, 1)", pb.ACCEPTED),
        ("print(1, int(input()) - 1)", pb.WRONG_ANSWER),
        ("print(3, 4)", pb.WRONG_ANSWER),
        ("print()", pb.WRONG_ANSWER),
        ("1 / 0", pb.RUNTIME_ERROR),
        ("while True: pass", pb.TIME_LIMIT),
        ("print('half')", pb.ACCEPTED),
    ],
)
async def test_output_validator(judge: Judge, source: str, status: pb.Status) -> None:
    verdict = await judge(source, checked("kattis", "python", PYTHON_VALIDATOR))
    assert (verdict.status, verdict.HasField("reward")) == (status, True)
    assert (verdict.trust, verdict.code.checker) == (pb.OUTSIDE, "kattis checker")


async def test_validator_says_why(judge: Judge) -> None:
    verdict = await judge("print(3, 4)", checked("kattis", "python", PYTHON_VALIDATOR))
    assert verdict.message == "test 2 of 2: wrong answer: ['3', '4'] for 9"
    assert verdict.code.cases[-1].difference == "['3', '4'] for 9"


async def test_a_broken_checker_is_no_wrong_answer(judge: Judge) -> None:
    verdict = await judge("print('crash')", checked("kattis", "python", PYTHON_VALIDATOR))
    assert (verdict.status, verdict.HasField("reward")) == (pb.UNGRADABLE, False)
    assert "broken checker" in verdict.message


async def test_a_checker_that_does_not_compile_is_no_wrong_answer(judge: Judge) -> None:
    verdict = await judge("print(1)", checked("kattis", "cpp", "int main() { return x; }"))
    assert (verdict.status, verdict.HasField("reward")) == (pb.UNGRADABLE, False)
    assert "does not compile" in verdict.message


async def test_points_count_where_the_full_score_is_told(judge: Judge) -> None:
    task = checked("kattis", "python", PYTHON_VALIDATOR, most_points=1)
    task.scoring = "fraction"
    verdict = await judge("print('half')", task)
    assert (verdict.status, verdict.reward, verdict.code.cases[0].score) == (pb.PARTIAL, 0.5, 0.5)
    task.scoring = "all"
    verdict = await judge("print('half')", task)
    assert (verdict.status, verdict.reward) == (pb.WRONG_ANSWER, 0.0)


@pytest.mark.toolchain("g++")
@pytest.mark.parametrize(
    ("source", "scoring", "status", "reward"),
    [
        ("n = int(input()); print({7: -5, 9: -6}[n])", "all", pb.ACCEPTED, 1.0),
        ("print(-5)", "all", pb.WRONG_ANSWER, 0.0),
        ("print(-5)", "fraction", pb.PARTIAL, 0.5),
        ("print(2)", "all", pb.WRONG_ANSWER, 0.0),
        ("print(77)", "fraction", pb.PARTIAL, 0.25),
        ("print(77)", "all", pb.WRONG_ANSWER, 0.0),
        ("print(3)", "all", pb.UNGRADABLE, None),
    ],
)
async def test_testlib_exit_codes(
    judge: Judge, source: str, scoring: str, status: pb.Status, reward: float | None
) -> None:
    task = checked("testlib", "cpp", CPP_TESTLIB, files={"testlib.h": TINY_TESTLIB})
    task.scoring = scoring
    verdict = await judge(source, task)
    assert verdict.status == status, verdict.message
    assert (verdict.reward if verdict.HasField("reward") else None) == reward


async def test_a_python_checker_brings_its_modules(judge: Judge) -> None:
    source = "import sys, rules\nsys.exit(rules.verdict(sys.argv))\n"
    rules = "def verdict(argv):\n    return 42 if argv[4:] == ['strict'] else 43\n"
    task = checked("kattis", "python", source, files={"rules.py": rules}, arguments=["strict"])
    assert (await judge("print(1)", task)).status == pb.ACCEPTED


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (BISECTING, pb.ACCEPTED),
        (BISECTING + "print('and more')\n", pb.ACCEPTED),
        ("for n in range(1, 50): print(n, flush=True); input()", pb.WRONG_ANSWER),
        ("print(5)", pb.WRONG_ANSWER),
        ("pass", pb.WRONG_ANSWER),
        ("raise ValueError", pb.RUNTIME_ERROR),
        (BISECTING + "raise SystemExit(3)", pb.RUNTIME_ERROR),
        ("print(1, flush=True)\nwhile True: pass", pb.TIME_LIMIT),
        (BISECTING + "while True: pass", pb.TIME_LIMIT),
    ],
)
async def test_conversation(judge: Judge, source: str, status: pb.Status) -> None:
    verdict = await judge(source, conversation())
    assert (verdict.status, verdict.HasField("reward")) == (status, True), verdict.message
    assert verdict.code.checker == "kattis interactor"


@pytest.mark.toolchain("g++")
async def test_conversation_with_a_compiled_program(judge: Judge) -> None:
    assert (await judge(BISECTING_CPP, conversation(language="cpp"))).status == pb.ACCEPTED


async def test_waiting_for_each_other_is_the_programs_time_limit(judge: Judge) -> None:
    task = conversation()
    verdict = await judge("input()", task)
    assert (verdict.status, verdict.reward) == (pb.TIME_LIMIT, 0.0)
    assert "wall clock" in verdict.message


@pytest.mark.parametrize("broken", ["raise ValueError('broken')", "import sys; sys.exit(0)"])
async def test_a_broken_interactor_is_no_wrong_answer(judge: Judge, broken: str) -> None:
    verdict = await judge("print(1)\nprint(2)", conversation(broken))
    assert (verdict.status, verdict.HasField("reward")) == (pb.UNGRADABLE, False)


TEST_FILE = """
from solution import double
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_double(n):
    assert double(n) == 2 * n

def test_text():
    assert double("a") == "aa"
"""
UNITTEST_FILE = """
import unittest
import solution

class TestDouble(unittest.TestCase):
    def test_number(self):
        self.assertEqual(solution.double(4), 8)
"""
RIGHT = "def double(x):\n    return x * 2\n"


def unit_tests(framework: str = "pytest", **more: Any) -> pb.CodeTask:
    file = TEST_FILE if framework == "pytest" else UNITTEST_FILE
    tests = pb.UnitTests(framework=framework, files={"test_double.py": file}, **more)
    return pb.CodeTask(language="python", unit_test=tests)


@pytest.mark.parametrize("framework", ["pytest", "unittest"])
@pytest.mark.parametrize(
    ("source", "status"),
    [
        (RIGHT, pb.ACCEPTED),
        ("def double(x):\n    return x + 2\n", pb.WRONG_ANSWER),
        ("def triple(x):\n    return x * 3\n", pb.WRONG_ANSWER),
        ("def double(x) return", pb.COMPILE_ERROR),
        ("import os\nos._exit(0)", pb.PREMATURE_EXIT),
        (f"{RIGHT}while True: pass", pb.TIME_LIMIT),
    ],
)
async def test_unit_tests(judge: Judge, framework: str, source: str, status: pb.Status) -> None:
    verdict = await judge(source, unit_tests(framework))
    assert (verdict.status, verdict.HasField("reward")) == (status, True), verdict.message
    assert verdict.trust == pb.IN_PROCESS


@pytest.mark.parametrize("framework", ["pytest", "unittest"])
async def test_unit_tests_below_directories_that_cannot_be_listed(framework: str) -> None:
    if why := backends.problem("landlock"):
        pytest.skip(f"landlock: {why}")
    async with judging("landlock") as judge:
        verdict = await judge(RIGHT, unit_tests(framework))
    assert verdict.status == pb.ACCEPTED, verdict.message


@pytest.mark.parametrize(
    ("framework", "expected", "status"),
    [
        ("pytest", ["test_double.py::test_double[2]", "test_double.py::test_text"], pb.ACCEPTED),
        ("pytest", ["test_double.py::test_other"], pb.WRONG_ANSWER),
        ("unittest", ["test_double.TestDouble.test_number"], pb.ACCEPTED),
        ("unittest", ["test_double.TestDouble.test_other"], pb.WRONG_ANSWER),
    ],
)
async def test_expected_tests(judge: Judge, framework: str, expected: list[str], status: pb.Status) -> None:
    verdict = await judge(RIGHT, unit_tests(framework, expected_tests=expected))
    assert verdict.status == status, verdict.message


UNITTEST_IMPORTS = f"from .helper import WANTED\n{UNITTEST_FILE}"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"tests/test_double.py": UNITTEST_FILE}, "tests.test_double"),
        ({"test/unit/test_double.py": UNITTEST_FILE, "test/__init__.py": ""}, "test.unit.test_double"),
        ({"test/unit/test_double.py": UNITTEST_FILE}, "test.unit.test_double"),
        ({"unit-tests/test_double.py": UNITTEST_FILE}, "unit-tests.test_double"),
        ({"tests/test_double.py": UNITTEST_IMPORTS, "tests/helper.py": "WANTED = 8"}, "tests.test_double"),
    ],
)
async def test_unittest_needs_no_packages(judge: Judge, files: dict[str, str], name: str) -> None:
    expected = [f"{name}.TestDouble.test_number"]
    tests = pb.UnitTests(framework="unittest", files=files, expected_tests=expected)
    verdict = await judge(RIGHT, pb.CodeTask(language="python", unit_test=tests))
    assert verdict.status == pb.ACCEPTED, verdict.message


@pytest.mark.parametrize("raised", ["ImportError", "SystemExit", "__import__('unittest').SkipTest"])
async def test_a_unittest_module_that_does_not_load_did_not_pass(judge: Judge, raised: str) -> None:
    task = unit_tests("unittest")
    task.unit_test.files["tests/test_other.py"] = f"raise {raised}(0)"
    verdict = await judge(RIGHT, task)
    assert verdict.status == pb.WRONG_ANSWER
    assert "tests.test_other" in verdict.message


CONFIGURATION = "[tool.pytest.ini_options]\npythonpath = ['src']\n"
ASKS_FOR_PLUGINS = "addopts = '--cov'\nrequired_plugins = ['pytest-cov']\nminversion = '99'\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", CONFIGURATION),
        ("pyproject.toml", f"{CONFIGURATION}{ASKS_FOR_PLUGINS}"),
        ("pyproject.toml", f"{CONFIGURATION}filterwarnings = ['error']\nasyncio_mode = 'auto'\n"),
        ("setup.cfg", "[tool:pytest]\npythonpath = src\n"),
        ("tox.ini", "[pytest]\npythonpath = src\n"),
    ],
)
async def test_a_tasks_configuration_of_pytest_holds(judge: Judge, path: str, text: str) -> None:
    files = {"tests/test_double.py": TEST_FILE, path: text}
    tests = pb.UnitTests(framework="pytest", files=files, solution_path="src/solution.py")
    verdict = await judge(RIGHT, pb.CodeTask(language="python", unit_test=tests))
    assert verdict.status == pb.ACCEPTED, verdict.message


@pytest.mark.parametrize("path", ["pyproject.toml", "pytest.ini"])
async def test_a_configuration_that_pytest_cannot_read_is_none(judge: Judge, path: str) -> None:
    task = unit_tests()
    task.unit_test.files[path] = f"{CONFIGURATION}]]"
    verdict = await judge(RIGHT, task)
    assert verdict.status == pb.ACCEPTED, verdict.message


async def test_a_program_cannot_bring_a_configuration_of_pytest(judge: Judge) -> None:
    configuration = "[pytest]\npython_functions = none_*\n"
    source = f"open('pytest.ini', 'w').write({configuration!r})\ndef double(x): return 0\n"
    verdict = await judge(source, unit_tests())
    assert verdict.status == pb.WRONG_ANSWER
    assert "3 of 3 tests" in verdict.message


async def test_an_output_may_be_as_large_as_what_is_expected(judge: Judge) -> None:
    case = pb.StdioCase(output="x" * (2 << 20))
    task = pb.CodeTask(language="python", stdio=pb.StdioTests(cases=[case]))
    verdict = await judge("print('x' * (2 << 20))", task)
    assert verdict.status == pb.ACCEPTED, verdict.message
    assert verdict.code.limits.output_bytes > 2 << 20


async def test_a_set_in_an_assert_is_one_that_can_change(judge: Judge) -> None:
    tests = pb.AssertTests(tests=["assert f([{1, 2}]) == [{1, 2, 9}]"])
    source = "def f(s):\n    s[0].add(9)\n    return s\n"
    verdict = await judge(source, pb.CodeTask(language="python", asserts=tests))
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.OUTSIDE), verdict.message


def call(function: str, *pairs: tuple[list[Any], Any], **more: Any) -> pb.CodeTask:
    cases = [pb.CallCase(args=json.dumps(args), expected=json.dumps(value)) for args, value in pairs]
    return pb.CodeTask(language="python", call=pb.CallTests(function=function, cases=cases, **more))


REVERSE = """
class Solution:
    def reverse(self, head: Optional[ListNode]) -> Optional[ListNode]:
        before = None
        while head:
            head.next, before, head = before, head, head.next
        return before
"""
INVERT = """
class Solution:
    def invert(self, root: 'TreeNode') -> 'TreeNode':
        if root:
            root.left, root.right = self.invert(root.right), self.invert(root.left)
        return root
"""
MERGE = """
class Solution:
    def merge(self, lists: List[Optional[ListNode]]) -> Optional[ListNode]:
        values = []
        for node in lists:
            while node:
                values.append(node.val)
                node = node.next
        head = None
        for value in sorted(values, reverse=True):
            head = ListNode(value, head)
        return head
"""
OWN_NODE = """
class ListNode:
    def __init__(self, x):
        self.val = x
        self.next = None
class Solution:
    def same(self, head: ListNode) -> ListNode:
        return head
"""


@pytest.mark.parametrize(
    ("source", "task"),
    [
        (REVERSE, call("reverse", ([[1, 2, 3]], [3, 2, 1]), ([[]], []))),
        (INVERT, call("invert", ([[4, 2, 7, 1, None, 6]], [4, 7, 2, None, 6, None, 1]), ([[]], []))),
        (MERGE, call("merge", ([[[1, 4], [2], []]], [1, 2, 4]))),
        (OWN_NODE, call("same", ([[1, 2]], [1, 2]))),
        ("def total(xs: List[int]) -> int:\n    return sum(xs)", call("total", ([[1, 2]], 3))),
        ("def pair(a, b):\n    return b, a", call("pair", ([1, 2], [2, 1]))),
        (f"from heapq import *\n{MERGE}", call("merge", ([[[1, 4], [2], []]], [1, 2, 4]))),
        (
            "def fill(xs):\n    xs.sort()\n    xs.append(0)",
            call("fill", ([[2, 1]], [[1, 2, 0]]), compared="arguments"),
        ),
    ],
    ids=["list", "tree", "lists", "own node", "typing", "several values", "import", "in place"],
)
async def test_calls_as_on_leetcode(judge: Judge, source: str, task: pb.CodeTask) -> None:
    verdict = await judge(source, task)
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.OUTSIDE), verdict.message


@pytest.mark.parametrize(
    ("returned", "numbers", "status"),
    [
        ("1.0", "equal", pb.ACCEPTED),
        ("1.0", "typed", pb.WRONG_ANSWER),
        ("1", "typed", pb.ACCEPTED),
        ("True", "equal", pb.WRONG_ANSWER),
    ],
)
async def test_numbers(judge: Judge, returned: str, numbers: str, status: pb.Status) -> None:
    verdict = await judge(f"def f():\n    return {returned}", call("f", ([], 1), numbers=numbers))
    assert verdict.status == status


@pytest.mark.parametrize(("nan_equal", "status"), [(True, pb.ACCEPTED), (False, pb.WRONG_ANSWER)])
async def test_nan_only_where_asked(judge: Judge, nan_equal: bool, status: pb.Status) -> None:
    wanted = float("nan") if nan_equal else 0.0
    task = call("f", ([], wanted), nan_equal=nan_equal)
    assert (await judge("def f():\n    return float('nan')", task)).status == status
