"""Where code is code: comments and literals of the C-like languages, told from the rest.

An unfinished literal reaches to the end of its line or text, so that no position is scanned twice.
"""

from __future__ import annotations

import re

_COMMENTS = r"//[^\n]*|/\*.*?(?:\*/|\Z)"
_DOUBLE = r'"(?:\\.|[^"\\\n])*"?'
_SINGLE = r"'(?:\\.|[^'\\\n])*'?"

JAVA = re.compile(rf'{_COMMENTS}|""".*?(?:"""|\Z)|{_DOUBLE}|{_SINGLE}', re.DOTALL)
GO = re.compile(rf"{_COMMENTS}|`[^`]*(?:`|\Z)|{_DOUBLE}|{_SINGLE}", re.DOTALL)
RUST = re.compile(
    rf"{_COMMENTS}"
    r'|\bb?r(?P<hashes>#*)".*?(?:"(?P=hashes)|\Z)'
    r'|"(?:\\.|[^"\\])*(?:"|\Z)'
    r"|'(?:\\[^\n]{1,10}?|[^'\\\n])'",  # a lone quote begins a lifetime
    re.DOTALL,
)


def blanked(source: str, not_code: re.Pattern[str]) -> str:
    """The source with comments and literals blanked out; every position and line stays where it was."""
    return not_code.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), source)


def rename(source: str, not_code: re.Pattern[str], pattern: str, replacement: str) -> str:
    """The source with what matches `pattern` in its code replaced."""
    code = blanked(source, not_code)
    parts, position = [], 0
    for found in re.finditer(pattern, code):
        parts += [source[position : found.start()], replacement]
        position = found.end()
    return "".join([*parts, source[position:]])


def depth_before(code: str, position: int) -> int:
    """How many braces are open there, in code without literals."""
    return code.count("{", 0, position) - code.count("}", 0, position)
