"""The doctor looks at the real host, and every finding that fails says what to do."""

from __future__ import annotations

import pytest

from sandbox import doctor
from sandbox.errors import SandboxUnavailable


def test_this_host_is_examined_by_really_running_a_program() -> None:
    findings = {finding.name: finding for finding in doctor.report()}
    assert findings["namespaces jail"].ok, findings["namespaces jail"].detail
    assert findings["language python"].ok
    assert all(finding.detail for finding in findings.values())


def test_a_host_without_a_jail_gets_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused() -> list[tuple[str, str, bool, str]]:
        raise SandboxUnavailable("unshare: Operation not permitted")

    monkeypatch.setattr(doctor, "_try_a_jail", refused)
    trial = doctor.report()[-1]
    assert not trial.ok
    assert "unshare" in trial.detail
    assert "--cap-add" in trial.remedy
