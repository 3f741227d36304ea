"""The sandbox's vocabulary: small value types that many import and that import nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How one run of a program ended; each limit has an outcome of its own."""

    OK = "ok"  # ended by itself with exit code 0
    RUNTIME_ERROR = "runtime_error"  # non-zero exit code, or killed by a signal of its own making
    TIME_LIMIT = "time_limit"  # CPU time, measured over every process of the run
    WALL_LIMIT = "wall_limit"  # the generous backstop, for programs that sleep
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    PROCESS_LIMIT = "process_limit"  # refused a process, and then failed
    COMPILE_ERROR = "compile_error"  # from `compile`, or from a first run where the interpreter parses


class Mode(Enum):
    """What a run does with the program."""

    SCRIPT = "script"  # the whole program, stdin to stdout
    CALL = "call"  # one function of it, typed values in and out
    ASSERTS = "asserts"  # the program, then test code in the same process
    UNIT_TESTS = "unit_tests"  # the files of a test framework, the program among them


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run, all held from outside the program."""

    cpu_seconds: float = 4.0
    wall_seconds: float = 20.0
    memory_bytes: int = 512 << 20  # peak of the whole jail
    output_bytes: int = 8 << 20  # of stdout, and again of stderr
    processes: int = 64  # processes and threads together


@dataclass(frozen=True, slots=True)
class Program:
    """A source text and how to enter it.

    `function` is for CALL: a module-level function, or a method of class
    `Solution`. `setup` is source that runs before the program's own, in its process
    (Python in every mode, else ASSERTS); `tests`, for ASSERTS, what runs after it. `path`
    and `files` are for UNIT_TESTS: where the program's text goes, and the texts beside it
    by path.
    """

    language: str
    source: str
    mode: Mode = Mode.SCRIPT
    function: str = ""
    setup: str = ""
    tests: str = ""
    path: str = ""
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """The input of one run. Nothing of the expected output belongs here."""

    stdin: bytes = b""
    arguments: tuple[str, ...] = ()
    call: bytes = b""  # CALL: the arguments, `sandbox.values.encode(list_of_arguments)`


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one run did, and what it used.

    `record` is what the runner handed over on its private descriptor: for CALL
    the returned value (`sandbox.values.decode` reads it), for ASSERTS the bytes
    b"done" once the tests ended, for UNIT_TESTS a line of JSON before them
    (`sandbox.harness.units`); None if the program ended before its record.
    """

    outcome: Outcome
    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes  # its last 64 KiB
    record: bytes | None
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    repeated: bool = False  # in a process that takes several runs: to be run again if it is found wrong
    memory_held_by: str = ""  # "control group", or "watcher" where there is none to hold it


@dataclass(frozen=True, slots=True)
class Artefact:
    """A program made ready to run: what `compile` gives and `session` takes."""

    program: Program
    digest: str
    blob: bytes  # code object, executable, ...; opaque outside the sandbox


@dataclass(frozen=True, slots=True)
class Compilation:
    """How a compilation ended; `artefact` is None exactly when the program is at fault."""

    artefact: Artefact | None
    diagnostics: str
    outcome: Outcome
    cpu_seconds: float
    wall_seconds: float
    cached: bool = False
