"""Signs of tampering: reported in `flags`, counted in the metrics, never scored.

Two kinds, told apart by name. What was observed while the program ran:

    exit_before_end            it left with exit code 0 before its record
    patched_builtins           a builtin was another object after the program than before (Python, IN_PROCESS)
    changed_signal_handlers    the same, of signal handlers

and what its text suggests, which honest programs may say too:

    hard_coded_tests           it contains the inputs or outputs of at least half of the tests
    source_...                 it names something that few solutions have a use for: `SOURCE_SIGNS`
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.verify.code.observed import OBSERVED

SOURCE_SIGNS: dict[str, re.Pattern[str]] = {
    "source_reads_proc": re.compile(r"/proc\b"),
    "source_patches_builtins": re.compile(
        r"\b(?:builtins|__builtins__)\s*(?:\.\s*\w+\s*=[^=]|\[)|setattr\(\s*(?:__)?builtins"
    ),
    "source_changes_signal_handlers": re.compile(
        r"\bsignal\s*\.\s*(?:signal|alarm|setitimer)\s*\(|\bsigaction\b"
    ),
    "source_uses_network": re.compile(
        r"\b(?:import|from)\s+(?:socket|urllib|requests|http|ftplib|asyncio\.streams)\b|\bsys/socket\.h\b"
    ),
    "source_inspects_frames": re.compile(
        r"\b_getframe\b|\bf_(?:locals|globals|back)\b|\bgc\s*\.\s*get_(?:objects|referrers)\b|\binspect\s*\.\s*stack\b"
    ),
    "source_exits_at_once": re.compile(
        r"\bos\s*\.\s*_exit\b|\b_Exit\s*\(|\bquick_exit\s*\(|\bRuntime\s*\.[^;]*\.\s*halt\s*\(|\breallyExit\b"
    ),
    "source_overrides_equality": re.compile(
        r"\bdef\s+__eq__\b|\b__eq__\s*=|\bimpl\b[^{;]*\bPartialEq\b|\bboolean\s+equals\s*\(|\basymmetricMatch\b"
    ),
    "source_names_runner": re.compile(
        r"/box\b|\bsolution\.py\b|\bsitecustomize\b|\bconftest\b|\bsys\s*\.\s*modules\b|\b_pytest\b|\bmeta_path\b"
    ),
    "source_writes_descriptors": re.compile(
        r"\bos\s*\.\s*write\s*\(\s*[3-9]\b|/dev/fd/[3-9]|\bFileDescriptor\b|\bfrom_raw_fd\b"
        r"|\bos\s*\.\s*NewFile\s*\(|\bwrite(?:v|File)?Sync\s*\(\s*[3-9]\b"
    ),
}
SOURCE_FLAGS: tuple[str, ...] = ("hard_coded_tests", *SOURCE_SIGNS)
FLAGS: tuple[str, ...] = ("exit_before_end", *OBSERVED, *SOURCE_FLAGS)

_SHORTEST_TELLING = 8  # characters without blanks: shorter texts turn up by chance
_LONGEST_TELLING = 4096
_MOST_TESTS = 64
_MOST_SOURCE_CHARS = 1 << 18
_BLANKS_AND_QUOTES = re.compile(r"[\s'\"]+|\\n")


def telling_texts(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """Of each test (input, expected), the texts that would give a table of tests away."""
    kept = []
    for pair in pairs:
        texts = {_squeezed(text) for text in pair if len(text) <= _LONGEST_TELLING}
        if telling := tuple(text for text in texts if len(text) >= _SHORTEST_TELLING):
            kept.append(telling)
        if len(kept) == _MOST_TESTS:
            break
    return tuple(kept)


def flags_of_source(source: str, telling: tuple[tuple[str, ...], ...]) -> list[str]:
    """What the text suggests; `telling` is of the tests."""
    text = source[:_MOST_SOURCE_CHARS]
    flags = [name for name, sign in SOURCE_SIGNS.items() if sign.search(text)]
    return ["hard_coded_tests", *flags] if _is_table(_squeezed(text), telling) else flags


def _is_table(squeezed: str, telling: tuple[tuple[str, ...], ...]) -> bool:
    found = sum(any(text in squeezed for text in texts) for texts in telling)
    return found >= 2 and 2 * found >= len(telling)


def _squeezed(text: str) -> str:
    return _BLANKS_AND_QUOTES.sub("", text)
