"""The doctor's text."""

from __future__ import annotations

from dataclasses import dataclass

from server.doctor import to_text


@dataclass
class Seen:
    name: str
    ok: bool
    detail: str
    remedy: str


def test_a_remedy_stands_under_what_is_missing() -> None:
    findings = [
        Seen("namespaces", True, "all six", "never shown"),
        Seen("cgroup", False, "read-only", "mount it rw"),
    ]
    assert to_text(findings) == "ok   namespaces: all six\nFAIL cgroup: read-only\n     -> mount it rw"
