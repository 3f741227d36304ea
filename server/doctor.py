"""What this host gives, in words: the text of `reward-server doctor` and of a refused start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from server.config import Settings
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
        """What to do about it, a command per line."""

    @property
    def optional(self) -> bool:
        """Whether the server can do without."""


class HostUnfit(StartupError):
    """The host gives less isolation than the configured floor."""


def examine(settings: Settings) -> list[Finding]:
    """Looks at the host, with the configured floor in mind."""
    from sandbox.doctor import report

    return list(report(settings.min_isolation, settings.docker_image))


def is_fit(findings: Iterable[Finding]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(finding.ok or finding.optional for finding in findings)


def to_text(findings: Iterable[Finding]) -> str:
    """One line per finding, the remedy under what is missing: FAIL where it is needed, `no` where not."""
    lines = []
    for finding in findings:
        mark = "ok  " if finding.ok else "no  " if finding.optional else "FAIL"
        lines.append(f"{mark} {finding.name}: {finding.detail}")
        if not finding.ok:
            lines += [f"     -> {line}" for line in finding.remedy.splitlines()]
    return "\n".join(lines)
