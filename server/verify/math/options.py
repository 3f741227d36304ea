"""Multiple choice with its options given: a letter and the value behind it are one answer.

`options` are the texts behind A, B, C and so on. Where a gold is a letter its option answers too, and
where a gold is an option its letter does; `B. 12` answers if 12 is the option B, and only then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.verify.math.latex import normalise
from server.verify.math.quick import judge_quickly

MAX_OPTIONS = 26

_LETTER = re.compile(r"(?:\\text\s*\{\s*)?\(?\s*([A-Z])\s*\)?(?:\s*\})?")
_LETTER_AND_VALUE = re.compile(
    r"(?:\\text\s*\{\s*)?(?:\(\s*([A-Z])\s*\)\s*[.:]?|([A-Z])\s*[.:)])(?:\s*\})?\s*(\S.*)", re.DOTALL
)


def letter_of(text: str) -> str:
    """The letter that all of an answer is, with or without parentheses; else an empty text."""
    found = _LETTER.fullmatch(normalise(text))
    return found.group(1) if found else ""


def with_options(golds: Sequence[str], options: Sequence[str]) -> list[str]:
    """The golds, and beside each letter its option, beside each option its letter."""
    alternatives = list(golds)
    for gold in golds:
        if letter := letter_of(gold):
            alternatives += _values(letter, options)
        else:
            alternatives += [_letter(n) for n, option in enumerate(options) if _same(gold, option)]
    return list(dict.fromkeys(alternatives))


def by_option(answer: str, options: Sequence[str]) -> str:
    """`B. 12` as `B` where 12 is the option B; any other answer as it is."""
    found = _LETTER_AND_VALUE.fullmatch(normalise(answer))
    if not found:
        return answer
    letter = found.group(1) or found.group(2)
    return letter if any(_same(option, found.group(3)) for option in _values(letter, options)) else answer


def _letter(position: int) -> str:
    return chr(ord("A") + position)


def _values(letter: str, options: Sequence[str]) -> list[str]:
    """The option of a letter; none if it is a letter itself, which would be another answer."""
    position = ord(letter) - ord("A")
    return [option for option in options[position : position + 1] if not letter_of(option)]


def _same(one: str, other: str) -> bool:
    found = judge_quickly(one, other)
    return found is not None and found.status == "correct"
