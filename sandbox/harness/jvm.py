"""Java: files by their public class, and tests that bring a class with a main() of asserts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from sandbox.harness.lexing import JAVA, blanked, depth_before, rename
from sandbox.harness.naming import package_of
from sandbox.harness.unit import Unit
from sandbox.types import Program

_TYPE = re.compile(
    r"\b(public\s+)?(?:(?:final|abstract|strictfp|sealed)\s+)*(?:class|interface|enum|record)\s+(\w+)"
)
_MAIN = re.compile(r"\bstatic\s+(?:final\s+)?void\s+main\s*\(")
_CALLED = re.compile(r"(?<![.\w])(\w+)\s*\(")
# What tests judge by: a type of the program's with such a name would stand before it in the tests, too.
_JUDGING = re.compile(
    r"Arrays|AssertionError|Boolean|Byte|Character|Collections|Double|Error|Exception|Float"
    r"|Integer|Long|Math|Object|Objects|RuntimeException|Short|String|StringBuilder|System"
)
_IMPORT = re.compile(r"^[ \t]*import\s+(?:static\s+)?[\w.*]+\s*;", re.MULTILINE)
_JUNIT_TEST = re.compile(
    r"@(?:\w+\.)*(?:Test|ParameterizedTest|RepeatedTest|TestFactory|TestTemplate|RunWith)\b"
)
_RUNNER = "VerdictRunner"
_UNIT_RUNNER = "VerdictUnitTests"
_CONSOLE = "org.junit.platform.console.ConsoleLauncher"
_CONSOLE_OPTIONS = (
    "--scan-class-path={box}",
    "--disable-banner",
    "--disable-ansi-colors",
    "--fail-if-no-tests",
)


def java_script(program: Program) -> Unit:
    """One file, named by its public type; entered at the first type that has a main()."""
    code = blanked(program.source, JAVA)
    name = f"{_public_type(code) or 'Main'}.java"
    entry = package_of(code) + (_main_type(code) or "Main")
    return Unit({name: program.source}, {"sources": (name,), "main": (entry,)})


def junit_script(program: Program) -> Unit:
    """One file of tests, run by JUnit's own console; the exit code tells the outcome."""
    unit = java_script(program)
    return Unit(unit.files, {**unit.words, "main": (_CONSOLE, *_CONSOLE_OPTIONS)})


def junit_unit_tests(program: Program) -> Unit:
    """The program, the files of its tests, and a listener that reports each test."""
    name = program.path or f"{_public_type(blanked(program.source, JAVA)) or 'Solution'}.java"
    runner = _text(f"{_UNIT_RUNNER}.java")
    files = {name: program.source, **dict(program.files), f"{_UNIT_RUNNER}.java": runner}
    return Unit(files, {"sources": tuple(files), "main": (_UNIT_RUNNER, "{box}")})


def java_asserts(program: Program) -> Unit:
    """The program and its tests in files of their own, or as one text where the tests go on inside a class.

    The tests may use what the program imports, as if they stood below it.
    """
    if not _TYPE.search(blanked(program.tests, JAVA)):
        return _continued(program)
    source = _making_way(f"{_one_line(program.setup)}{program.source}", blanked(program.tests, JAVA))
    tests_entry = _main_type(blanked(program.tests, JAVA)) or "Main"
    source = rename(source, JAVA, rf"\b{tests_entry}\b", f"Program{tests_entry}")
    code = blanked(source, JAVA)
    imports = [found.group().strip() for found in _IMPORT.finditer(code)]
    package = package_of(code)
    head = f"package {package[:-1]}; " if package else ""
    tests = f"{head}{' '.join(['import java.util.*;', *imports])} {program.tests}"
    files = {f"{_public_type(code) or 'Solution'}.java": source, f"{_tests_file(program.tests)}.java": tests}
    return _with_runner(files, package + tests_entry)


def junit_complaint(files: Mapping[str, str]) -> str:
    """What makes these unit tests none that can be run here; empty if nothing does."""
    if not any(_JUNIT_TEST.search(blanked(text, JAVA)) for text in files.values()):
        return "no file has a method with a JUnit annotation such as @Test"
    return ""


def _continued(program: Program) -> Unit:
    """Tests that go on inside a class of the program's, as MultiPL-E has them; its own main() makes way."""
    tests = blanked(program.tests, JAVA)
    source = _making_way(f"{_one_line(program.setup)}{program.source}".rstrip(), tests)
    if _MAIN.search(tests):
        source = rename(source, JAVA, r"\bmain(?=\s*\()", "programMain")
    end = _end_of_tested(blanked(source, JAVA), tests)
    text = f"{source[:end]}\n{program.tests}"
    code = blanked(text, JAVA)
    text += "\n}" * depth_before(code, len(code)) + source[end + 1 :]
    code = blanked(text, JAVA)
    entry = package_of(code) + (_main_type(code) or "Main")
    return _with_runner({f"{_public_type(code) or 'Main'}.java": text}, entry)


def _end_of_tested(code: str, tests: str) -> int:
    """Where the class ends that the tests go on in: at its closing brace, or with a text that lacks one.

    It is the last one with a static method that the tests call by its name alone, or else the last.
    """
    if depth_before(code, len(code)) != 0 or "}" not in code:
        return len(code)
    names = "|".join(sorted(set(_CALLED.findall(tests))))
    called = re.compile(rf"\bstatic\b[^;{{}}()=]*\b(?:{names})\s*\(")
    starts = [position for position, _, _ in _types(code)] or [0]
    parts = list(zip(starts, [*starts[1:], len(code)], strict=True))
    start, end = next((part for part in reversed(parts) if called.search(code, *part)), parts[-1])
    return code.rindex("}", start, end)


def _making_way(source: str, tests: str) -> str:
    """The program with other names for those of its types that would stand before what the tests judge by."""
    declared = {found[2] for found in _TYPE.finditer(blanked(source, JAVA))}
    for name in sorted(filter(_JUDGING.fullmatch, declared)):
        if re.search(rf"\b{name}\b", tests):
            source = rename(source, JAVA, rf"(?<![.\w]){name}\b", f"Program{name}")
    return source


def _with_runner(files: dict[str, str], entry: str) -> Unit:
    runner = _text("VerdictRunner.java")
    return Unit(
        {**files, f"{_RUNNER}.java": runner},
        {"sources": (*files, f"{_RUNNER}.java"), "main": (_RUNNER, entry)},
    )


def _tests_file(tests: str) -> str:
    return _public_type(blanked(tests, JAVA)) or "VerdictTests"


def _one_line(setup: str) -> str:
    """The setup before the program without moving the program's lines, unless it needs lines itself."""
    return f"{setup.strip()} " if setup.strip() else ""


def _public_type(code: str) -> str | None:
    """The public type that must name the file."""
    return next((name for _, name, public in _types(code) if public), None)


def _main_type(code: str) -> str | None:
    """The top-level type around the first main()."""
    found = _MAIN.search(code)
    if found is None:
        return None
    before = [name for position, name, _ in _types(code) if position < found.start()]
    return before[-1] if before else None


def _types(code: str) -> list[tuple[int, str, bool]]:
    """Position, name and publicity of each top-level type."""
    return [
        (found.start(), found[2], found[1] is not None)
        for found in _TYPE.finditer(code)
        if depth_before(code, found.start()) == 0
    ]


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
