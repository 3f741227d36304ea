"""Which backend makes the jails on this host."""

from __future__ import annotations

from sandbox.confinement import Confinement
from sandbox.errors import SandboxUnavailable

# From weakest to strongest, as docs/isolation.md compares them.
STRENGTH = {"landlock": 1, "namespaces": 2, "docker": 3}


def choose(asked: str) -> str:
    """The backend for `asked`, a name or "auto"; raises SandboxUnavailable where this host has none."""
    if asked in ("auto", "namespaces"):
        return "namespaces"
    raise SandboxUnavailable(f"isolation backend {asked!r} is not in this version; it has 'namespaces'")


def confinement(name: str, uid_base: int) -> Confinement:
    """In a launcher: the backend's own half; only its module is imported."""
    from sandbox.namespaces import Namespaces

    assert name == Namespaces.name
    return Namespaces(uid_base)
