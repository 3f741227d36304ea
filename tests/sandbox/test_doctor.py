"""The doctor looks at the real host, and every finding that fails says what to do."""

from __future__ import annotations

import pytest

from sandbox import backends, cgroups, doctor


def test_this_host_is_examined_by_really_running_a_program() -> None:
    findings = {finding.name: finding for finding in doctor.report()}
    assert findings["backend namespaces"].ok, findings["backend namespaces"].detail
    assert findings["language python"].ok
    assert all(finding.detail for finding in findings.values())


def test_a_v2_hierarchy_whose_moves_wait_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "probe", lambda: cgroups.Hierarchy(2, {"all": "/groups"}))
    monkeypatch.setattr(cgroups, "moves_at_once", lambda hierarchy: False)
    (finding,) = doctor._moves()
    assert not finding.ok
    assert finding.optional
    assert finding.remedy.startswith("mount -o remount,favordynmods /groups")


@pytest.fixture
def forbidding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that gives landlock and nothing else."""
    why = {"namespaces": "unshare: Operation not permitted", "docker": "no engine answers"}
    monkeypatch.setattr(backends, "problem", lambda name, image="": why.get(name, ""))
    monkeypatch.setattr(doctor, "in_container", lambda: True)


def found(floor: str) -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in doctor._backends(floor, "")}


@pytest.mark.usefixtures("forbidding")
def test_below_the_floor_the_remedy_is_commands() -> None:
    finding = found("namespaces")["backend namespaces"]
    assert not finding.ok
    assert not finding.optional
    assert "unshare" in finding.detail
    assert "--cap-add SYS_ADMIN" in finding.remedy
    assert "--min-isolation landlock" in finding.remedy


@pytest.mark.usefixtures("forbidding")
def test_what_the_floor_does_not_ask_for_is_optional() -> None:
    findings = found("landlock")
    assert findings["backend landlock"].ok
    assert findings["backend namespaces"].optional
    assert findings["backend docker"].optional


@pytest.mark.parametrize("name", backends.STRENGTH)
@pytest.mark.parametrize("inside", [True, False])
def test_every_backend_has_a_remedy_everywhere(
    name: str, inside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "in_container", lambda: inside)
    assert doctor._remedies(name)
    assert doctor.GIVES[name]
