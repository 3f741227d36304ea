"""Reads the programs of `programs/*.txt`: one file per language, one entry per property.

An entry is a line `=== name`, lines `key: value`, a line `---` and a source text. A further source
after `--- next` is a second submission, in a jail of its own, that looks for what the first one left.

Keys: `property` (what it shows); `outcome`, one or several, where several need `because`, and with
`@backend` where a backend differs; `stdout`, which is `contained` unless said otherwise and checked
where the outcome is OK; `limits` and `compile_limits`, changes to the usual ones; `toolchain`, a
program the host may lack; `backends`, the only ones it has a meaning for; `not_covered@condition`,
further outcomes and after a semicolon the reason why nothing better can be had there. A condition is a
backend, `user` for an ordinary user's server or `no_groups` where no control group can be written, or
several of them joined by `+`.

In a source, `@NAME@` stands for what tests/abuse/bait.py has planted outside the jail.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.types import Limits, Outcome

PROGRAMS = Path(__file__).with_name("programs")
LIMITS = Limits(cpu_seconds=0.5, wall_seconds=4.0, memory_bytes=96 << 20, output_bytes=1 << 20, processes=16)
COMPILE_LIMITS = Limits(
    cpu_seconds=6.0, wall_seconds=30.0, memory_bytes=384 << 20, output_bytes=1 << 20, processes=64
)
_TOOLS = {
    "c": "gcc",
    "cpp": "g++",
    "java": "javac",
    "javascript": "node",
    "go": "go",
    "bash": "bash",
    "rust": "rustc",
}


@dataclass(frozen=True, slots=True)
class Abuse:
    """One program, or two that follow each other, and what must come of it."""

    name: str
    language: str
    fields: dict[str, str]
    sources: tuple[str, ...]

    def outcomes(self, backend: str) -> set[Outcome]:
        """What the last of the programs may come to."""
        text = self.fields.get(f"outcome@{backend}", self.fields["outcome"])
        return {Outcome(word.strip()) for word in text.split(",")}

    def not_covered(self, outcome: Outcome, here: Set[str]) -> str:
        """Why `outcome`, which is none of `outcomes`, is all that can be had; empty if it should not be."""
        for key, text in self.fields.items():
            kind, _, condition = key.partition("@")
            words, _, reason = text.partition("; ")
            fits = kind == "not_covered" and here.issuperset(condition.split("+"))
            if fits and outcome.value in words.split(", "):
                return reason
        return ""

    @property
    def stdout(self) -> bytes:
        """What the last program prints if it ends well."""
        return self.fields.get("stdout", "contained").encode()

    @property
    def limits(self) -> Limits:
        """Of its runs."""
        return _changed(LIMITS, self.fields.get("limits", ""))

    @property
    def compile_limits(self) -> Limits:
        """Of its compilation."""
        return _changed(COMPILE_LIMITS, self.fields.get("compile_limits", ""))

    @property
    def tool(self) -> str:
        """What a host needs for it; empty: nothing."""
        return self.fields.get("toolchain", _TOOLS.get(self.language, ""))

    def meant_for(self, backend: str) -> bool:
        """Whether it has a meaning under this backend."""
        return backend in self.fields.get("backends", backend)


def _changed(limits: Limits, text: str) -> Limits:
    """`text` is `name=value, ...`; a value may be a shift such as `64<<20`."""
    changes = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        number, _, shift = value.partition("<<")
        changes[name] = ast.literal_eval(number) * 2 ** int(shift or 0)
    return replace(limits, **changes)


def _entries(language: str, text: str) -> Iterator[Abuse]:
    for entry in text.split("\n=== ")[1:]:
        head, *sources = entry.split("\n---")
        name, *lines = head.splitlines()
        fields = dict(line.split(": ", 1) for line in lines)
        yield Abuse(
            name.strip(),
            language,
            fields,
            tuple(source.partition("\n")[2].strip("\n") + "\n" for source in sources),
        )


def read(language: str = "") -> list[Abuse]:
    """Every program, or those of one language, in the order of the files."""
    found: list[Abuse] = []
    for path in sorted(PROGRAMS.glob(f"{language or '*'}.txt")):
        found += _entries(path.stem, "\n" + path.read_text())
    return found
