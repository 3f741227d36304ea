"""The doctor's text."""

from __future__ import annotations

from dataclasses import dataclass

from server.doctor import is_fit, to_text


@dataclass
class Seen:
    name: str
    ok: bool
    detail: str
    remedy: str
    optional: bool = False


def test_a_remedy_stands_under_what_is_missing_a_command_per_line() -> None:
    findings = [
        Seen("namespaces", True, "all six", "never shown"),
        Seen("cgroup", False, "read-only", "mount it rw\nor do without"),
    ]
    assert to_text(findings) == (
        "ok   namespaces: all six\nFAIL cgroup: read-only\n     -> mount it rw\n     -> or do without"
    )


def test_what_is_optional_is_told_but_does_not_fail() -> None:
    spare = Seen("docker", False, "no engine", "", optional=True)
    needed = Seen("namespaces", False, "forbidden", "")
    assert to_text([spare]) == "no   docker: no engine"
    assert is_fit([spare])
    assert not is_fit([spare, needed])
