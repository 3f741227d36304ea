"""Steps that find the same problem twice: by its text, by its address, or nearly by its words."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from trainer_client.curation.keys import KeyFile
from trainer_client.curation.plan import Duplicates
from trainer_client.curation.problem import CuratedProblem, Rejection
from trainer_client.curation.text import (
    BANDS,
    Hashes,
    band_keys,
    canonical,
    jaccard,
    run_hashes,
    symbols_of,
    text_hash,
    words_of,
)
from trainer_client.curation.workspace import Workspace

# Members of a group are compared with so many of its earlier ones, so that time stays linear in rows.
MOST_COMPARED = 16
_REMEMBERED = 4096
_SCHEME = re.compile(r"^[a-z]+://(?:www\.)?", re.IGNORECASE)

Found = dict[int, tuple[int, str]]  # a duplicate's row -> the row that it is a duplicate of, and why


def exact_duplicates(workspace: Workspace) -> Iterator[tuple[int, Rejection]]:
    """Rows of an earlier row's domain and text (`text.canonical`)."""
    yield from _same(workspace, "exact", lambda one: f"{one.domain}\0{canonical(one.statement)}")


def url_duplicates(workspace: Workspace) -> Iterator[tuple[int, Rejection]]:
    """Rows of an earlier row's source address, without scheme, `www.` and a final slash."""
    yield from _same(workspace, "url", lambda one: _SCHEME.sub("", one.url.strip()).rstrip("/"))


def _same(
    workspace: Workspace, name: str, value_of: Callable[[CuratedProblem], str]
) -> Iterator[tuple[int, Rejection]]:
    keys = KeyFile(workspace.folder / f"{name}.keys")
    with keys:
        for row, problem in workspace.problems():
            if value := value_of(problem):
                keys.add(text_hash(value), row)
    found: Found = {}
    for group in keys.groups():
        firsts: dict[str, int] = {}
        for row in map(int, group):
            value = value_of(workspace.problem(row))
            if (first := firsts.setdefault(value, row)) != row:
                found[row] = first, ""
    keys.remove()
    yield from _rejections(workspace, f"{name}_duplicate", found)


def near_duplicates(workspace: Workspace, settings: Duplicates) -> Iterator[tuple[int, Rejection]]:
    """Rows whose words are nearly an earlier row's.

    Candidates share a band of their MinHash signatures; each is then compared for itself. A row that is
    near a duplicate is one, too, of the row that stays.
    """
    with ExitStack() as files:
        bands = [
            files.enter_context(KeyFile(workspace.folder / f"near-{band}.keys")) for band in range(BANDS)
        ]
        for row, problem in workspace.problems():
            shingles = run_hashes(words_of(problem.statement), settings.shingle_words)
            if len(shingles):
                for file, key in zip(bands, band_keys(shingles).tolist(), strict=True):
                    file.add(key, row)
    yield from _rejections(workspace, "near_duplicate", _near(workspace, settings, bands))
    for file in bands:
        file.remove()


@dataclass(frozen=True, slots=True)
class _Features:
    domain: str
    shingles: Hashes
    symbols: Counter[str]


def _near(workspace: Workspace, settings: Duplicates, bands: list[KeyFile]) -> Found:
    @functools.lru_cache(maxsize=_REMEMBERED)
    def features(row: int) -> _Features:
        problem = workspace.problem(row)
        shingles = run_hashes(words_of(problem.statement), settings.shingle_words)
        return _Features(problem.domain, shingles, symbols_of(problem.statement))

    found: Found = {}
    for band in bands:
        for group in band.groups():
            compared: list[int] = []
            for row in map(int, group):
                if row not in found and not _is_near(row, compared, features, settings, found):
                    compared = [*compared, row][:MOST_COMPARED]
    return found


def _is_near(
    row: int,
    earlier: list[int],
    features: Callable[[int], _Features],
    settings: Duplicates,
    found: Found,
) -> bool:
    """Whether the row is near one of the earlier ones; it is then in `found`."""
    mine = features(row)
    for other in earlier:
        theirs = features(other)
        if mine.domain != theirs.domain or (settings.same_symbols and mine.symbols != theirs.symbols):
            continue
        similarity = jaccard(mine.shingles, theirs.shingles)
        if similarity >= settings.similarity:
            found[row] = other, f"similarity {similarity:.2f}"
            return True
    return False


def _rejections(workspace: Workspace, rule: str, found: Found) -> Iterator[tuple[int, Rejection]]:
    for row in sorted(found):
        first, why = found[row][0], found[row][1]
        while first in found:
            first = found[first][0]
        kept, lost = workspace.problem(first), workspace.problem(row)
        notes = [f"of {kept.id} ({kept.where})", why, "with another gold" if kept.golds != lost.golds else ""]
        yield row, Rejection(rule, ", ".join(filter(None, notes)))
