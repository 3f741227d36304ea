"""What this host gives, in words: the text of `reward-server doctor` and of a refused start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from server.errors import StartupError


class Finding(Protocol):
    """One thing that was looked at; `remedy` says what to do when it is not `ok`."""

    @property
    def name(self) -> str:
        """What was looked at."""

    @property
    def ok(self) -> bool:
        """Whether the host gives it."""

    @property
    def detail(self) -> str:
        """What was seen."""

    @property
    def remedy(self) -> str:
        """The exact thing to do about it."""


class HostUnfit(StartupError):
    """The host gives less isolation than the configured floor."""


def examine() -> list[Finding]:
    """Looks at the host."""
    from sandbox.doctor import report

    return list(report())


def to_text(findings: Iterable[Finding]) -> str:
    """One line per finding, the remedy under each that needs one."""
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}")
        if not finding.ok and finding.remedy:
            lines.append(f"     -> {finding.remedy}")
    return "\n".join(lines)
