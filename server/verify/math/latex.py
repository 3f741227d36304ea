r"""Rewriting of LaTeX that cannot change what an answer says, and scans that respect brackets.

Nothing here evaluates anything, and every function is linear in its input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "π": r"\pi ",
        "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ", "∩": r"\cap ",
        "∈": r"\in ", "±": r"\pm ", "∓": r"\mp ", "°": r"^\circ ", "≈": r"\approx ", "√": r"\sqrt ",
        "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "²": "^2", "³": "^3",
        "\u00a0": " ", "\u2009": " ", "\u202f": " ", "％": "%", "，": ",", "∅": r"\emptyset ",
        "—": "-", "‐": "-", "‑": "-", "\u200b": "", "\u2060": "", "\ufeff": "", "＝": "=", "＋": "+",
        "．": ".", "－": "-", "／": "/", "（": "(", "）": ")", "：": ":",
    }
    | {chr(ord("０") + digit): str(digit) for digit in range(10)}
)  # fmt: skip

# As JSON shows LaTeX; a row of a matrix does not begin with any of these.
_ESCAPED_TWICE = (
    r"(?<!\\)\\\\(?=(?:[dt]?frac|left|right|sqrt|boxed|pi|le|ge|cdot|times|text"
    r"|infty|pm|cup)(?![a-zA-Z]))"
)
_GREEK = "alpha|beta|gamma|delta|theta|lambda|sigma|omega"


def _replacement(template: str) -> str | Callable[[re.Match[str]], str]:
    """The same replacement, as `re` takes it without reading the template again at every call."""
    if "\\" not in template:
        return template
    if re.search(r"\\\d", template):
        return lambda found: found.expand(template)
    constant = re.sub("^", template, "")
    return lambda _: constant


# Each is applied once, in this order, where the text has what its pattern cannot do without: to look for that
# costs a tenth of the pattern. The order matters (`\!` joins digits before spaces go).
_Rewrite = tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]]
_REWRITES: tuple[_Rewrite, ...] = tuple(
    (needed, re.compile(pattern), _replacement(replacement))
    for needed, pattern, replacement in (
        (r"\\", _ESCAPED_TWICE, r"\\"),
        ("\\", r"(?<!\\)\\[()\[\]]", " "),  # \( \) \[ \]
        ("**", r"^\s*\*\*(.*)\*\*\s*\.?\s*$", r"\1"),  # **bold**
        ("`", r"^\s*`([^`]*)`\s*$", r"\1"),  # `code`
        ("color", r"\\(?:text)?color\s*\{[a-zA-Z]*\}", ""),
        ("...", r"(?<!\.)\.\.\.(?!\.)", r"\\ldots "),
        ("dots", r"\\c?dots(?![a-zA-Z])", r"\\ldots "),
        ("$", r"(?<!\\)\$", " "),
        ("!", r"(?<!\\)\\!\s*", ""),
        ("", r"^\s*\\?([\"'])([^\"']*[^\"'\\])\\?\1\s*$", r"\2"),  # "quoted"
        ("\\", r"(?<=[^\\])\\{1,2}\s*$", ""),  # a line break, or a half of one
        ("{,}", r"(?<=\d)(?<!\d{4})(?<!(?<!\d)0)\{,\}(?=\d{3}(?!\d))", ""),  # 1{,}234
        ("{,}", r"(?<=\d)\{,\}(?=\d)", ","),
        ("\\", r"(?<=\d)\\[,;: ](?=\d{3}(?!\d))", ""),  # 1\,234
        ("\\", r"(?<!\\)((?:\\\\)*)\\[,;:> ]", r"\1 "),
        ("quad", r"\\q?quad(?![a-zA-Z])", " "),
        ("~", r"(?<!\\)~", " "),
        ("", r"\s+", " "),
        ("t.", r"\\(?:left|right)\.", ""),
        ("\\", r"\\(?:left|right)\s*(?=[{}])", r"\\"),  # \left{ is a slip for \left\{
        ("\\", r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits)(?![a-zA-Z])", ""),
        ("frac", r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        ("binom", r"\\[dt]binom(?![a-zA-Z])", r"\\binom"),
        ("binom", r"\\binom\s*(\d)\s*(\d)", r"\\binom{\1}{\2}"),
        (r"\pi", r"\\frac\s*\\pi(?![a-zA-Z])\s*", r"\\frac{\\pi}"),
        ("choose", r"\{([^{}]*)\\choose(?![a-zA-Z])([^{}]*)\}", r"\\binom{\1}{\2}"),
        ("mod", r"\\[bp]mod(?![a-zA-Z])", r"\\mod "),
        (r"\pm", r"\\pm\s*0(?![\d.])", ""),
        ("\\", r"\\(?:text(?:rm|bf|it|sf|normal|up)|mbox|hbox)(?![a-zA-Z])", r"\\text"),
        ("\\", r"\\(?:math(?:rm|bf|it|sf|normal)|boldsymbol|bm)\s*\{\s*([a-zA-Z]|[-+\d.,/]+)\s*\}", r" \1 "),
        (r"\math", r"\\math(?:rm|bf|it|sf|normal)(?=\s*\{)", r"\\text"),
        (r"\math", r"\\math(?:rm|bf|it|sf|normal)\s+([a-zA-Z])(?![a-zA-Z])", r" \1 "),
        (r"\text", r"\\text\s*\{\s*([-+]?[\d.,/]+)\s*\}", r" \1 "),
        ("lbrace", r"\\lbrace(?![a-zA-Z])", r"\\{"),
        ("rbrace", r"\\rbrace(?![a-zA-Z])", r"\\}"),
        (r"\le", r"\\le(?:q|qslant)(?![a-zA-Z])", r"\\le "),
        (r"\ge", r"\\ge(?:q|qslant)(?![a-zA-Z])", r"\\ge "),
        (r"\neq", r"\\neq(?![a-zA-Z])", r"\\ne "),
        ("varnothing", r"\\varnothing(?![a-zA-Z])", r"\\emptyset "),
        ("circ", r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![a-zA-Z])", r"^\\circ "),
        ("degree", r"\\degree(?![a-zA-Z])", r"^\\circ "),
        ("%", r"(?<!\\)%", r"\\%"),
        ("**", r"\*\*", "^"),
        ("matrix", r"\\(end|begin)\{(?:[pb]|small)matrix\}", r"\\\1{matrix}"),
        ("{array}", r"\\begin\{array\}\s*\{[lcr|@ ]*\}", r"\\begin{matrix}"),
        ("{array}", r"\\end\{array\}", r"\\end{matrix}"),
        ("!=", r"(?<=[a-zA-Z)}\s])!=", r"\\ne "),
        ("<=", r"<=", r"\\le "),
        (">=", r">=", r"\\ge "),
        ("operatorname", r"\\operatorname\s*\{\s*(gcd|lcm|max|min)\s*\}", r"\\\1 "),
        (
            "\\",
            r"\\operatorname\s*\{\s*a(?:r|rc)?(sin|cos|tan)h\s*\}|\\arc(sin|cos|tan)h(?![a-zA-Z])",
            r"\\ar\1\2h ",
        ),
        (r"\bar", r"(?<=[\d.])\s*\\bar\s*(?:\{\s*(\d+)\s*\}|(\d))", r"\\overline{\1\2}"),  # 0.2\bar{3}
        (r"\dot", r"(?<=[\d.])\s*\\dot\s*(?:\{\s*(\d)\s*\}|(\d))$", r"\\overline{\1\2}"),
        ("prime", r"\^\s*(?:\{\s*\\prime\s*\}|\\prime(?![a-zA-Z]))", "'"),
        ("prime", r"\^\s*\{\s*\\prime\s*\\prime\s*\}", "''"),
        ("{", r"(?<![\\a-zA-Z])\\?(?:bar|overline)\s*\{\s*([a-zA-Z])\s*\}", r"\\bar{\1}"),
        ("", rf"(?<![\\a-zA-Z])({_GREEK})(?![a-zA-Z])", r"\\\1 "),
        ("{", r"([_^])\s*\{\s*(\w)\s*\}(?!\s*[\d.])", r"\1\2"),  # 2^{3}5 is not 2^35
        ("^", r"\^\s*(\w|\{[^{}]*\})\s*_\s*(\w|\{[^{}]*\})", r"_\2^\1"),
        ("", r"\s+", " "),
    )
)
# Digits, signs, short names, fractions and roots, parted by single spaces: nothing to rewrite.
_PLAIN = re.compile(
    r"(?:[0-9+\-/()\[\],;:|=}]|\.(?!\.)|\{(?!,\})| (?! )|\^(?=[a-zA-Z0-9])|\\(?:frac|sqrt)(?![a-zA-Z])"
    r"|(?<![a-zA-Z])[a-zA-Z]{1,2}(?![a-zA-Z]))*"
)
# Without any of these only white space can need rewriting.
_MARKUP = re.compile(r"[\\$*{}%~\"'^_`]|\.\.|[<>!]=|[a-z]{4}")
_OUTER_WRAPPER = re.compile(r"(?:\\boxed|\\fbox)?\s*\{(?P<inner>.*)\}", re.DOTALL)
_LOOSE_SPACE = re.compile(r"(?<![A-Za-z0-9.]) | (?![A-Za-z0-9.])")
_BRACKET = re.compile(r"\\[{}]|\\[a-zA-Z]+|\\.|[\[\](){}]", re.DOTALL)
_ANY_BRACKET = re.compile(r"[\[\](){}]|\\(?:langle|rangle|begin|end)")
_OPENERS = frozenset({"(", "[", "{", r"\{", r"\langle", r"\begin"})
_CLOSERS = frozenset({")", "]", "}", r"\}", r"\rangle", r"\end"})


def normalise(text: str) -> str:
    """`text` without delimiters, sizing, spacing commands, style and closing punctuation."""
    if not text.isascii():
        text = text.translate(_UNICODE)
    if not _PLAIN.fullmatch(text):
        text = _rewritten(text)
    return _without_wrappers(_without_full_stop(text.strip()))


def _rewritten(text: str) -> str:
    for needed, pattern, replacement in _REWRITES if _MARKUP.search(text) else (_REWRITES[-1],):
        if needed in text:
            text = pattern.sub(replacement, text)
    return text


def compact(normalised: str) -> str:
    """The normalised text without the spaces that separate nothing: what `identical` means."""
    return _LOOSE_SPACE.sub("", normalised) if " " in normalised else normalised


def _without_full_stop(text: str) -> str:
    if text.endswith(("..", r"\.")):
        return text
    return text.rstrip(".,;: ") if text.endswith((".", ",", ";", ":")) else text


def _without_wrappers(text: str, rounds: int = 3) -> str:
    r"""`text` without braces or a box around all of it."""
    for _ in range(rounds):
        found = _OUTER_WRAPPER.fullmatch(text)
        if not found or not is_balanced_group(text, found.start("inner") - 1):
            break
        text = found["inner"].strip()
    return text


def is_balanced_group(text: str, start: int) -> bool:
    """Whether the bracket at `start` is closed by the last character (or command) of `text`."""
    depth = 0
    for token in _BRACKET.finditer(text, start):
        depth += (token.group() in _OPENERS) - (token.group() in _CLOSERS)
        if depth <= 0:
            return token.end() == len(text)
    return False


def top_level(text: str, separators: re.Pattern[str]) -> list[str]:
    """`text` split at every match of `separators` that stands outside all brackets."""
    if not _ANY_BRACKET.search(text):
        return [part.strip() for part in separators.split(text)]
    parts, start = [], 0
    for found in _outside_brackets(text, separators):
        parts.append(text[start : found.start()].strip())
        start = found.end()
    parts.append(text[start:].strip())
    return parts


def _outside_brackets(text: str, separators: re.Pattern[str]) -> Iterator[re.Match[str]]:
    brackets = _BRACKET.finditer(text)
    bracket = next(brackets, None)
    depth = 0
    for found in separators.finditer(text):
        while bracket is not None and bracket.start() < found.start():
            depth += (bracket.group() in _OPENERS) - (bracket.group() in _CLOSERS)
            bracket = next(brackets, None)
        if depth == 0:
            yield found
