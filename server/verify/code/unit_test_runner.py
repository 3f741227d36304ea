"""Runs unit tests beside a program: this text goes into the jail, and imports nothing of ours.

    argv of `main`: framework, the solution's path, where pytest is (or empty)

Hands over one JSON line on the runner's private descriptor: {"tests": {id: outcome}},
with outcomes passed, failed, error and skipped; {"syntax": message} if the program
does not parse. The runner's own "done" follows only if this came to its end.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

RECORD_DESCRIPTOR = 4


def main(framework: str, solution: str, packages: str) -> None:
    """Runs every test below the working directory and reports."""
    sys.path.insert(0, os.getcwd())
    sys.dont_write_bytecode = True
    report: dict[str, Any] = {}
    if complaint := _parse(solution):
        report["syntax"] = complaint
    elif framework == "pytest":
        report["tests"] = _run_pytest(packages)
    else:
        report["tests"] = _run_unittest()
    os.write(RECORD_DESCRIPTOR, json.dumps(report).encode() + b"\n")


def _parse(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogatepass") as file:
        source = file.read()
    try:
        compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


class _Outcomes:
    """A pytest plugin: the worst of setup, call and teardown of each test."""

    def __init__(self) -> None:
        self.tests: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Notes one phase of one test."""
        seen = self.tests.get(report.nodeid)
        if report.when == "call" and seen in (None, "passed"):
            expected_failure = hasattr(report, "wasxfail")
            self.tests[report.nodeid] = "skipped" if expected_failure else report.outcome
        elif report.outcome != "passed":
            self.tests[report.nodeid] = "skipped" if report.outcome == "skipped" else "error"

    def pytest_collectreport(self, report: Any) -> None:
        """Notes a file that could not be collected."""
        if report.outcome == "failed":
            self.tests[report.nodeid or "collection"] = "error"
            print(str(report.longrepr)[-2000:], file=sys.stderr)


def _run_pytest(packages: str) -> dict[str, str]:
    sys.path.append(packages)
    import pytest

    outcomes = _Outcomes()
    options = ["-q", "--tb=short", "-p", "no:cacheprovider", "-c", "/dev/null"]
    # Without the latter it looks through every directory above, which not every jail lets it.
    options += ["--rootdir", os.getcwd(), "--confcutdir", os.getcwd()]
    pytest.main([*options, "--color=no", "--capture=no", "."], plugins=[outcomes])
    return outcomes.tests


def _run_unittest() -> dict[str, str]:
    import unittest

    class Result(unittest.TextTestResult):
        """Notes the outcome of each test by its id."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.tests: dict[str, str] = {}

        def startTest(self, test: unittest.TestCase) -> None:
            super().startTest(test)
            self.tests.setdefault(test.id(), "passed")

        def addFailure(self, test: unittest.TestCase, err: Any) -> None:
            super().addFailure(test, err)
            self.tests[test.id()] = "failed"

        def addError(self, test: unittest.TestCase, err: Any) -> None:
            super().addError(test, err)
            self.tests[test.id()] = "error"

        def addSkip(self, test: unittest.TestCase, reason: str) -> None:
            super().addSkip(test, reason)
            self.tests[test.id()] = "skipped"

        def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
            super().addExpectedFailure(test, err)
            self.tests[test.id()] = "skipped"

        def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
            super().addUnexpectedSuccess(test)
            self.tests[test.id()] = "failed"

        def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
            super().addSubTest(test, subtest, err)
            if err is not None:
                self.tests[test.id()] = "failed"

    found = unittest.defaultTestLoader.discover(os.getcwd(), pattern="*test*.py", top_level_dir=os.getcwd())
    result = unittest.TextTestRunner(stream=sys.stderr, resultclass=Result).run(found)
    assert isinstance(result, Result)
    return result.tests
