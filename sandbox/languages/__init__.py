"""The languages as data: names, files, commands, probes.

A language is available on a host when its version probe answers and its
hello-world passes in a jail; otherwise it is reported with the reason.
"""

from __future__ import annotations

from sandbox.errors import UnknownLanguage
from sandbox.languages.interpreted import INTERPRETED, PYTHON
from sandbox.languages.managed import MANAGED
from sandbox.languages.native import CPP, CPP_FLAGS, NATIVE
from sandbox.languages.row import Kind, Language

__all__ = ["CPP", "CPP_FLAGS", "LANGUAGES", "PYTHON", "Kind", "Language", "find"]

LANGUAGES = (PYTHON, *NATIVE, *MANAGED, *(row for row in INTERPRETED if row is not PYTHON))
_BY_NAME = {name: row for row in LANGUAGES for name in (row.name, *row.aliases)}


def find(name: str) -> Language:
    """The language of that name or alias, in any case; raises UnknownLanguage."""
    row = _BY_NAME.get(name.lower())
    if row is None:
        known = ", ".join(row.name for row in LANGUAGES)
        raise UnknownLanguage(f"unknown language {name!r}; known: {known}")
    return row
