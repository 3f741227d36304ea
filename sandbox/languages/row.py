"""What a language is: one row of the table."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

QUICK_LINKER = "ld.gold"  # of binutils; for small programs it takes half of the usual linker's time


class Kind(Enum):
    """How a program of the language is started."""

    PYTHON = "python"  # in a fork of the warmed interpreter
    EXEC = "exec"  # as a process of its own


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table.

    Compilers run with the sources in their working directory; programs are read-only in `{box}`.
    In commands and environments, `{box}` is that directory, `{sources}` the unit's files to compile,
    `{main}` the unit's entry (a class), `{memory_mb}` the memory limit in MiB, `{preload}` what a harness
    has loaded first, `{precompiled}` and `{class_archive}` where what was compiled ahead is found, if it is,
    `{linker}` the options that choose QUICK_LINKER, where hello-world passes its self-test with it.
    """

    name: str
    aliases: tuple[str, ...]
    source_name: str
    hello: str  # prints "hello"; the self-test
    version_command: tuple[str, ...] = ()
    kind: Kind = Kind.EXEC
    family: str = ""  # the language whose rules hold for it too: cpp for cpp17; empty: its own name
    compile_command: tuple[str, ...] = ()  # empty: nothing is done ahead of the first run
    product: str = "main"  # what compilation leaves: a file, or a directory if it ends in "/"
    run_command: tuple[str, ...] = ("{box}/main",)
    environment: dict[str, str] = field(default_factory=dict)  # of compilers and programs
    modes: tuple[str, ...] = ("script",)  # values of `sandbox.types.Mode`
    linker_options: tuple[str, ...] = ()  # what `{linker}` stands for; empty: too little gain
    class_archive: bool = False  # its compiler (or, without one, its runtime) is a JVM worth an archive
    packages: tuple[str, ...] = ()  # Debian packages, or npm's with the prefix "npm:"
    host_paths: tuple[str, ...] = ()  # what its tools read outside the system directories
    extra_processes: int = 0  # threads that its runtime starts by itself, beyond the program's limit
    extra_memory_bytes: int = 0  # what its runtime holds besides the program's heap
    memory_signs: tuple[str, ...] = ()  # what its runtime says on stderr when memory is used up

    @property
    def rules(self) -> str:
        """The name under which harnesses and naming rules are found."""
        return self.family or self.name

    @property
    def tools(self) -> tuple[str, ...]:
        """The programs without which it cannot work."""
        commands = (self.version_command, self.compile_command, self.run_command)
        found = (command[0] for command in commands if command and not command[0].startswith("{"))
        return tuple(dict.fromkeys(found))
