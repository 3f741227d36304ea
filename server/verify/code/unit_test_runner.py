"""Runs unit tests beside a program: this text goes into the jail, and imports nothing of ours.

    argv of `main`: framework, the solution's path, where pytest is, the task's file that configures
    pytest (each of the last two may be empty)

Hands over one JSON line on the runner's private descriptor: {"tests": {id: outcome}},
with outcomes passed, failed, error and skipped; {"syntax": message} if the program
does not parse. The runner's own "done" follows only if this came to its end.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import Any

RECORD_DESCRIPTOR = 4
UNITTEST_FILES = "*test*.py"


def main(framework: str, solution: str, packages: str, configuration: str) -> None:
    """Runs every test below the working directory and reports."""
    sys.path.insert(0, os.getcwd())
    sys.dont_write_bytecode = True
    report: dict[str, Any] = {}
    if complaint := _parse(solution):
        report["syntax"] = complaint
    elif framework == "pytest":
        report["tests"] = _run_pytest(packages, configuration)
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


def _run_pytest(packages: str, configuration: str) -> dict[str, str]:
    sys.path.append(packages)
    import pytest

    outcomes = _Outcomes()
    options = ["-q", "--tb=short", "-p", "no:cacheprovider", "--color=no", "--capture=no"]
    # Without the latter it looks through every directory above, which not every jail lets it.
    options += ["--rootdir", os.getcwd(), "--confcutdir", os.getcwd()]
    # Of the task's configuration what asks for plugins is left out, or is of no account: there are none.
    options += ["-o", "addopts=", "-o", "required_plugins=", "-o", "minversion="]
    options += ["-W", "ignore::pytest.PytestConfigWarning"]
    ended = pytest.main([*options, "-c", configuration or "/dev/null", "."], plugins=[outcomes])
    if configuration and ended == pytest.ExitCode.USAGE_ERROR and not outcomes.tests:
        pytest.main([*options, "-c", "/dev/null", "."], plugins=[outcomes])
    return outcomes.tests


def _outside_packages() -> list[str]:
    """The dotted names of the test modules that discovery leaves out, as no package's or as no identifier."""
    names = []
    for directory, below, files in sorted(os.walk("."), key=lambda found: found[0]):
        below[:] = [name for name in below if "." not in name]
        parts = directory.split("/")[1:]
        parents = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        bare = [path for path in parents if not os.path.exists(f"{path}/__init__.py")]
        tests = sorted(name[:-3] for name in files if fnmatch.fnmatchcase(name, UNITTEST_FILES))
        if tests:
            for path in bare:
                _make_package(path)
        names += [".".join((*parts, name)) for name in tests if bare or not name.isidentifier()]
    return names


def _make_package(path: str) -> None:
    """Makes a directory importable by its name, even where a package elsewhere has the same one."""
    name = path.replace("/", ".")
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [os.path.abspath(path)]
    sys.modules.setdefault(name, module_from_spec(spec))


def _load(name: str) -> Any:
    """A module's tests, or one test that fails as the module did when it was loaded."""
    import unittest

    try:
        return unittest.defaultTestLoader.loadTestsFromModule(import_module(name))
    except BaseException as error:  # noqa: BLE001 - as in discovery, whatever a module raises is its own failure
        reason = error

    class Module(unittest.TestCase):
        """Stands for the module."""

        def id(self) -> str:
            return name

        def runTest(self) -> None:
            raise reason

    return Module()


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

    found = unittest.defaultTestLoader.discover(
        os.getcwd(), pattern=UNITTEST_FILES, top_level_dir=os.getcwd()
    )
    found.addTests(map(_load, _outside_packages()))
    result = unittest.TextTestRunner(stream=sys.stderr, resultclass=Result).run(found)
    assert isinstance(result, Result)
    return result.tests
