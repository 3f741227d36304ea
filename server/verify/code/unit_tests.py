"""Unit-test files: run beside the program, judged from the report and from the proof that the run ended.

pytest and unittest run in the warmed interpreter by `unit_test_runner`; the other frameworks by runners
that are compiled or loaded with the tests (`sandbox.harness`). The report names each test and its outcome.
A pass needs all of: the runner's record that the tests ended; at least one test; no test failed, broken or
skipped; and every expected id among those that passed. Whatever runs in the tests' own process could forge
all of it, so this format is IN_PROCESS.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from protos.reward.v1 import reward_pb2 as pb
from sandbox.harness import golang, javascript, jvm, rust
from sandbox.types import RunResult
from server.verify.code import observed
from server.verify.code.findings import PASSED, Finding
from server.verify.code.unit_test_runner import UNITTEST_FILES


@dataclass(frozen=True, slots=True)
class Framework:
    """A test framework. `languages` are those a task may name; `row` is the one that runs it."""

    languages: tuple[str, ...]
    row: str
    solution: str  # where the program goes if the task does not say
    complaint: Callable[[Mapping[str, str]], str]  # on files that hold no tests
    sources: tuple[str, ...] = ()  # endings of what is compiled or loaded with it; other files are data


_PYTEST_FILES = ("test_*.py", "*_test.py")
# Files that may configure pytest, the first that does so decides, and what one that does so has in it.
_PYTEST_CONFIGURATIONS: Mapping[str, re.Pattern[str]] = {
    "pytest.ini": re.compile(""),
    ".pytest.ini": re.compile(""),
    "pyproject.toml": re.compile(r"^\s*\[tool\.pytest\.ini_options\]", re.MULTILINE),
    "tox.ini": re.compile(r"^\[pytest\]", re.MULTILINE),
    "setup.cfg": re.compile(r"^\[tool:pytest\]", re.MULTILINE),
}


def pytest_configuration(files: Mapping[str, str]) -> str:
    """The file of the task that configures pytest; empty if none does."""
    for path, sign in _PYTEST_CONFIGURATIONS.items():
        if path in files and sign.search(files[path]):
            return path
    return ""


def _pytest_complaint(files: Mapping[str, str]) -> str:
    """Where the task has a say in what pytest collects, any name may do."""
    if pytest_configuration(files) or any(PurePosixPath(path).name == "conftest.py" for path in files):
        return ""
    if any(_is_named(path, pattern) for path in files for pattern in _PYTEST_FILES):
        return ""
    return "no file is named as pytest's tests are: test_*.py or *_test.py"


def _unittest_complaint(files: Mapping[str, str]) -> str:
    named = any(_is_named(path, UNITTEST_FILES) for path in files)
    return "" if named else f"no file is named as unittest's tests are here: {UNITTEST_FILES}"


def _is_named(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(PurePosixPath(path).name, pattern)


FRAMEWORKS: Mapping[str, Framework] = {
    "pytest": Framework(("python",), "python", "solution.py", _pytest_complaint),
    "unittest": Framework(("python",), "python", "solution.py", _unittest_complaint),
    "junit": Framework(("java", "junit"), "junit", "", jvm.junit_complaint, (".java",)),
    "jest": Framework(
        ("javascript", "jest"),
        "jest",
        "solution.js",
        javascript.jest_complaint,
        (".js", ".cjs", ".mjs", ".jsx", ".json", ".snap"),
    ),
    "go": Framework(("go", "go_test"), "go", "solution.go", golang.go_complaint, (".go",)),
    "cargo": Framework(("rust",), "rust", "src/lib.rs", rust.rust_complaint, (".rs", ".toml")),
}
_DONE = b"done"
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class UnitTestJudge:
    """Reads the report of one run."""

    expected: tuple[str, ...]

    def judge(self, result: RunResult) -> Finding:
        """PREMATURE_EXIT without the proof of the end, WRONG_ANSWER for any test that did not pass."""
        flags, record = observed.split(result.record)
        if record is None or not record.endswith(_DONE):
            return Finding(pb.PREMATURE_EXIT, "the program ended before the tests did", flags=flags)
        report = _report(record.removesuffix(_DONE))
        if report is None:
            return Finding(pb.WRONG_ANSWER, "the tests' report cannot be read", flags=flags)
        if isinstance(syntax := report.get("syntax"), str):
            return Finding(pb.COMPILE_ERROR, syntax, flags=flags)
        tests = report.get("tests")
        reason = self._complaint(tests) if isinstance(tests, dict) else "the tests' report is malformed"
        return (
            Finding(pb.WRONG_ANSWER, reason, flags=flags) if reason else Finding(PASSED.status, flags=flags)
        )

    def _complaint(self, tests: Mapping[str, object]) -> str:
        failed = [f"{name} {outcome}" for name, outcome in tests.items() if outcome != "passed"]
        missing = [name for name in self.expected if name not in tests]
        if failed:
            return f"{len(failed)} of {len(tests)} tests did not pass: {_some(failed)}"
        if missing:
            return f"{len(missing)} expected tests did not run: {_some(missing)}"
        return "" if tests else "no test was found"


def _report(line: bytes) -> dict[str, object] | None:
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def _some(names: list[str]) -> str:
    shown = ", ".join(name[:100] for name in names[:_MOST_NAMED])
    return f"{shown}, ..." if len(names) > _MOST_NAMED else shown


def solution_path(tests: pb.UnitTests) -> str:
    """Where the program goes; empty where its own text decides."""
    return tests.solution_path or FRAMEWORKS[tests.framework].solution


def runner_source(tests: pb.UnitTests, packages: str) -> str:
    """What runs in the jail."""
    configuration = pytest_configuration(tests.files) if tests.framework == "pytest" else ""
    arguments = tests.framework, solution_path(tests), packages, configuration
    return f"{_runner_text()}\n\nmain{arguments!r}\n"


@cache
def _runner_text() -> str:
    return Path(__file__).with_name("unit_test_runner.py").read_text(encoding="utf-8")
