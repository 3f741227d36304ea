"""The Debian packages that languages need, for whoever builds an image.

python -m sandbox.languages.packages cpp java     or: all
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sandbox.errors import UnknownLanguage
from sandbox.languages import LANGUAGES, find

ALL = "all"


def packages(names: Sequence[str]) -> list[str]:
    """Sorted, each once; `names` are names or aliases, or `ALL`. Raises UnknownLanguage."""
    rows = LANGUAGES if ALL in names else [find(name) for name in names]
    return sorted({package for row in rows for package in row.packages})


if __name__ == "__main__":
    try:
        print(*packages(sys.argv[1:]), sep="\n")
    except UnknownLanguage as error:
        raise SystemExit(str(error)) from None
