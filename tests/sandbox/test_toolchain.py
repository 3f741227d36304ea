"""Every language of the table does what a judge needs of it, in a jail, on a host that has its tools."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

import pytest

from sandbox.errors import UnknownLanguage
from sandbox.findings import SEARCH_PATH
from sandbox.languages import LANGUAGES, Language, find
from sandbox.sandbox import Sandbox
from sandbox.session import Session
from sandbox.toolchain import LanguageStatus, Toolchain
from sandbox.types import Artefact, Case, Limits, Mode, Outcome, Program, RunResult
from tests.sandbox.programs import RUNNERS, SAMPLES, WITHOUT_HEAP, WITHOUT_INPUT

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Room enough for the slowest runtime's start.
LIMITS = Limits(
    cpu_seconds=3.0, wall_seconds=60.0, memory_bytes=128 << 20, output_bytes=1 << 20, processes=32
)
LOOP_LIMITS = replace(LIMITS, cpu_seconds=1.0)  # a start that uses it up is as good a time limit


def _languages(names: set[str]) -> list[object]:
    """Those rows as parameters, each skipped by name where its tools are missing."""
    rows = [row for row in LANGUAGES if row.name in names]
    return [pytest.param(row, id=row.name, marks=_needs(row)) for row in rows]


def _needs(row: Language) -> pytest.MarkDecorator:
    missing = [tool for tool in row.tools if shutil.which(tool, path=SEARCH_PATH) is None]
    return pytest.mark.toolchain(*(missing or row.tools or ("true",)))


EVERY = {row.name for row in LANGUAGES}
# Another dialect of a language is the same program behind another flag.
READING = {row.name for row in LANGUAGES if row.name == row.rules} - WITHOUT_INPUT


async def _artefact(sandbox: Sandbox, row: Language) -> Artefact:
    compilation = await sandbox.compile(Program(row.name, SAMPLES[row.name].act))
    assert compilation.artefact is not None, compilation.diagnostics
    return compilation.artefact


async def _run(sandbox: Sandbox, row: Language, word: str, limits: Limits = LIMITS) -> RunResult:
    async with sandbox.session(await _artefact(sandbox, row), limits) as session:
        return await session.run(Case(f"{word}\n".encode()))


@pytest.mark.parametrize("row", _languages(EVERY))
async def test_hello_world_and_a_version(sandbox: Sandbox, row: Language) -> None:
    status = await sandbox.test_language(row.name)
    assert status.available, status.reason
    assert status.version[0].isdigit()
    assert not status.pending


@pytest.mark.parametrize("row", _languages(READING))
async def test_input_reaches_the_program(sandbox: Sandbox, row: Language) -> None:
    result = await _run(sandbox, row, "Grüße")
    assert (result.outcome, result.stdout.decode().rstrip()) == (Outcome.OK, "Grüße"), result


@pytest.mark.parametrize("row", _languages(READING))
async def test_a_crash_is_a_runtime_error(sandbox: Sandbox, row: Language) -> None:
    result = await _run(sandbox, row, "crash")
    assert result.outcome is Outcome.RUNTIME_ERROR, result
    assert result.exit_code


@pytest.mark.parametrize("row", _languages(READING))
async def test_a_loop_is_a_time_limit(sandbox: Sandbox, row: Language) -> None:
    result = await _run(sandbox, row, "loop", LOOP_LIMITS)
    assert result.outcome is Outcome.TIME_LIMIT, result


@pytest.mark.parametrize("row", _languages(READING - WITHOUT_HEAP))
async def test_taking_memory_is_a_memory_limit(sandbox: Sandbox, row: Language) -> None:
    result = await _run(sandbox, row, "hog")
    assert result.outcome is Outcome.MEMORY_LIMIT, result


@pytest.mark.parametrize("row", _languages({name for name in READING if SAMPLES[name].refused} - {"python"}))
async def test_a_broken_program_is_a_compile_error_with_its_reason(sandbox: Sandbox, row: Language) -> None:
    compilation = await sandbox.compile(Program(row.name, SAMPLES[row.name].refused))
    assert compilation.artefact is None
    assert compilation.outcome is Outcome.COMPILE_ERROR
    assert compilation.diagnostics.strip()


async def test_a_mode_that_a_language_does_not_have_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(UnknownLanguage, match="'bash' cannot be tested by call"):
        await sandbox.compile(Program("bash", "f() { :; }", Mode.CALL, function="f"))


@pytest.mark.toolchain("javac", "java")
async def test_java_in_a_package_and_a_file_of_its_public_class(sandbox: Sandbox) -> None:
    source = """package judge.test;
public class Greeting { public static void main(String[] a) { System.out.println(new Inner().word); } }
class Inner { String word = "hello"; }
"""
    compilation = await sandbox.compile(Program("java", source))
    assert compilation.artefact is not None, compilation.diagnostics
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        assert (await session.run(Case())).stdout == b"hello\n"


@pytest.mark.parametrize("row", _languages(set(RUNNERS)))
async def test_a_runner_of_tests_exits_by_their_outcome(sandbox: Sandbox, row: Language) -> None:
    outcomes = {}
    for expected in ("2", "3"):
        compilation = await sandbox.compile(
            Program(row.name, RUNNERS[row.name].replace("EXPECTED", expected))
        )
        assert compilation.artefact is not None, compilation.diagnostics
        async with sandbox.session(compilation.artefact, LIMITS) as session:
            outcomes[expected] = (await session.run(Case())).outcome
    assert outcomes == {"2": Outcome.OK, "3": Outcome.RUNTIME_ERROR}


@pytest.mark.toolchain("g++")
async def test_the_standard_is_the_one_asked_for(sandbox: Sandbox) -> None:
    source = '#include <cstdio>\nint main() { std::printf("%ld", __cplusplus); }\n'
    printed = {}
    for name in ("cpp17", "c++20"):
        compilation = await sandbox.compile(Program(find(name).name, source))
        assert compilation.artefact is not None
        async with sandbox.session(compilation.artefact, LIMITS) as session:
            printed[name] = (await session.run(Case())).stdout
    assert printed == {"cpp17": b"201703", "c++20": b"202002"}


@pytest.mark.toolchain("gcc")
async def test_deep_recursion_in_c_goes_beyond_eight_megabytes(sandbox: Sandbox) -> None:
    source = """#include <stdio.h>
int depth(int n) { volatile char room[1024]; room[0] = 1; return n ? depth(n - 1) + room[0] : 0; }
int main(void) { printf("%d", depth(40000)); }
"""
    compilation = await sandbox.compile(Program("c", source))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        assert (await session.run(Case())).stdout == b"40000"


class _Jail:
    """A compiler's or a program's; linking fails with what is in `failing`."""

    def __init__(self, failing: str, commands: list[Sequence[str]]) -> None:
        self._failing = failing
        self._commands = commands

    async def run(self, case: Case, *, command: Sequence[str] = (), keep_files: bool = False) -> RunResult:
        self._commands.append(command)
        failed = self._failing in command
        outcome = Outcome.RUNTIME_ERROR if failed else Outcome.OK
        return RunResult(outcome, int(failed), None, b"hello 1.2", b"", None, 0.1, 0.1, 1)

    async def put(self, files: dict[str, bytes]) -> None:
        pass

    async def fetch(self, paths: Sequence[str], max_bytes: int) -> dict[str, bytes]:
        return dict.fromkeys(paths, b"program")


async def _tested_with(failing: str) -> tuple[LanguageStatus, Sequence[str]]:
    """Fortran's status where linking with `failing` fails, and how the next program is compiled."""
    commands: list[Sequence[str]] = []

    @asynccontextmanager
    async def open_jail(*_: object) -> AsyncIterator[Session]:
        yield cast(Session, _Jail(failing, commands))

    tools = Toolchain(open_jail, cache_bytes=0, cache_directory="")
    await tools.start("docker", [])
    status = await tools.test("fortran")
    await tools.compile(Program("fortran", "end program\n"))
    return status, commands[-1]


@pytest.mark.parametrize(("failing", "linker"), [("nothing", "ld.gold"), ("-fuse-ld=gold", "")])
async def test_the_quick_linker_is_used_where_hello_world_passes_with_it(failing: str, linker: str) -> None:
    status, command = await _tested_with(failing)
    assert (status.available, status.linker) == (True, linker)
    assert ("-fuse-ld=gold" in command) == bool(linker)


@pytest.mark.toolchain("g++")
async def test_what_a_linker_puts_together_is_whole(sandbox: Sandbox) -> None:
    source = """#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
static char zeros[100 << 20];
thread_local std::string local = "a thread's";
struct Early { Early() { std::cout << "early "; } ~Early() { std::cout << " late"; } } early;
extern "C" __attribute__((weak)) int nowhere();
int main() {
  std::thread([] { try { std::stoi(local); } catch (std::invalid_argument& e) { local += e.what(); } }).join();
  try { throw std::runtime_error(local); } catch (std::exception& e) { std::cout << e.what(); }
  return zeros[(100 << 20) - 1] || nowhere;
}
"""
    compilation = await sandbox.compile(Program("cpp", source))
    assert compilation.artefact is not None, compilation.diagnostics
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        result = await session.run(Case())
    assert (result.exit_code, result.stdout) == (0, b"early a thread's late"), result


class _KilledOnce(_Jail):
    """A compiler's, of whose processes somebody kills the first."""

    async def run(self, case: Case, *, command: Sequence[str] = (), keep_files: bool = False) -> RunResult:
        result = await super().run(case, command=command)
        if self._commands != [command]:
            return result
        said = b"gcc: fatal error: Killed signal terminated program cc1"
        return replace(result, outcome=Outcome.RUNTIME_ERROR, exit_code=1, stderr=said)


async def test_a_compiler_that_somebody_outside_kills_compiles_again() -> None:
    commands: list[Sequence[str]] = []

    @asynccontextmanager
    async def open_jail(*_: object) -> AsyncIterator[Session]:
        yield cast(Session, _KilledOnce("", commands))

    tools = Toolchain(open_jail, cache_bytes=0, cache_directory="")
    commands.append(())
    await tools.start("docker", [])
    await tools.test("c")
    commands.clear()
    compilation = await tools.compile(Program("c", "int main(void) {}\n"))
    assert compilation.outcome is Outcome.OK
    assert commands == [commands[0]] * 2
