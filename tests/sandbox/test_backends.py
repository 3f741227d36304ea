"""The chooser: what really works here, the strongest first, and never something else than was asked for."""

from __future__ import annotations

import pytest

from sandbox import backends
from sandbox.errors import SandboxUnavailable


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The backends that work, for a test to fill."""
    working: set[str] = set()
    monkeypatch.setattr(
        backends, "problem", lambda name, image="": "" if name in working else "not permitted"
    )
    return working


def test_auto_takes_the_strongest_that_needs_no_engine(works: set[str]) -> None:
    works |= {"docker", "landlock", "namespaces"}
    assert backends.choose("auto") == "namespaces"
    works.remove("namespaces")
    assert backends.choose("auto") == "landlock"


def test_auto_never_starts_containers_unasked(works: set[str]) -> None:
    works.add("docker")
    with pytest.raises(SandboxUnavailable, match="namespaces: not permitted; landlock: not permitted"):
        backends.choose("auto")
    assert backends.choose("docker") == "docker"


@pytest.mark.parametrize("name", ["namespaces", "landlock", "docker"])
def test_what_was_asked_for_is_never_replaced(name: str, works: set[str]) -> None:
    works |= {"namespaces", "landlock", "docker"} - {name}
    with pytest.raises(SandboxUnavailable, match=f"{name}: not permitted"):
        backends.choose(name)


def test_an_unknown_backend_names_the_known_ones() -> None:
    with pytest.raises(SandboxUnavailable, match="known: landlock, namespaces, docker"):
        backends.choose("chroot")


def test_a_trial_says_why_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_TRIAL_SECONDS", 0.0)
    assert "did not end" in backends._try("namespaces")
