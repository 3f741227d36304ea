"""What a harness makes of a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Unit:
    """Files by name, and what the placeholders of a language's commands stand for.

    `sources` are the files that the compiler reads; the others go to the program's directory as they are.
    """

    files: Mapping[str, str]
    words: Mapping[str, tuple[str, ...]]
    environment: Mapping[str, str] = field(default_factory=dict)  # of the compiler

    @property
    def contents(self) -> dict[str, bytes]:
        """Every file's bytes."""
        return {name: encoded(text) for name, text in self.files.items()}

    @property
    def beside(self) -> dict[str, bytes]:
        """The files that are no sources."""
        return {name: encoded(text) for name, text in self.files.items() if name not in self.words["sources"]}


def encoded(text: str) -> bytes:
    """The bytes of a source file; lone surrogates stay what they are."""
    return text.encode("utf-8", "surrogatepass")
