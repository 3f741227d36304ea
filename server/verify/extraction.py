r"""Finding the answer in a completion: one named policy per request, for math and code alike.

A policy is a pure function of the text. All of them first leave the reasoning
behind: what counts is the text after the last `</think>`; a completion whose
`<think>` was never closed was cut off while thinking and holds no answer.
Every scan is one pass over the text, so hostile nesting costs linear time.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from sandbox import languages
from sandbox.errors import UnknownLanguage

DEFAULT_POLICY = {"math": "boxed_after_think", "code": "last_code_block"}

# Rows of the table whose programs are written in another row's language, beyond those with its rules.
_WRITTEN_IN = {"pypy": "python", "go_test": "go", "junit": "java", "jest": "javascript"}
# What models write on a fence that is no name or alias of a language.
_FURTHER_TAGS = {
    "python": ("py3", "python2", "pypy", "pypy3"),
    "c": ("h",),
    "cpp": ("hpp", "h", "c"),
    "javascript": ("jsx", "mjs", "cjs"),
    "typescript": ("javascript", "js", "jsx"),
    "bash": ("zsh",),
    "kotlin": ("kts",),
}

INLINE_CHARACTERS = 1 << 17  # read in some milliseconds, whatever they are
_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Extraction:
    """The answer as the completion has it, and in a few words how it was found."""

    text: str
    how: str


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced block: the first word of its info string in lower case, its text, whether it was closed."""

    tag: str
    text: str
    closed: bool


def extract(text: str, policy: str, *, language: str = "") -> Extraction | None:
    """The answer in `text` under `policy`, or None if there is none.

    `language` is used by the code policies only. Raises ValueError for an unknown policy.
    """
    try:
        rule = _RULES[policy]
    except KeyError:
        raise ValueError(f"unknown extraction policy {policy!r}; known: {', '.join(POLICIES)}") from None
    answer_part = text if policy in _READS_EVERYTHING else after_think(text)
    if answer_part is None:
        return None
    found = rule(answer_part, language)
    if found is None or not found.text.strip():
        return None
    return found if len(answer_part) == len(text) else Extraction(found.text, f"{found.how} after </think>")


async def extract_unhurried(text: str, policy: str, *, language: str = "") -> Extraction | None:
    """`extract`, beside the event loop where the text is long enough to hold it up."""
    if len(text) <= INLINE_CHARACTERS:
        return extract(text, policy, language=language)
    return await asyncio.to_thread(extract, text, policy, language=language)


def after_think(text: str) -> str | None:
    """What follows the reasoning: all of it without think tags, None if the reasoning never ended."""
    close = text.rfind(_THINK_CLOSE)
    if text.find(_THINK_OPEN, max(close, 0)) >= 0:
        return None
    return text if close < 0 else text[close + len(_THINK_CLOSE) :]


# --- boxes -------------------------------------------------------------------------------------

# A class of characters in front of all alternatives is looked for at once, not alternative by alternative.
_BOX_TOKEN = re.compile(r"[\\{}](?:(?<=\\)(?:(?P<box>\\?f?box(?:ed)?(?![a-zA-Z]))|.))?", re.DOTALL)
_PROSE_WORD = re.compile(r"[a-z]{2,}")  # of a sentence about boxes
_BARE_ARGUMENT = re.compile(r"[ \t]*(\\[a-zA-Z]+(?:\{[^{}]*\})*|[^\s\\{}$]+)")
# What may stand between the boxes of one answer: separators, "and", the name of the next value.
_JOINT = re.compile(
    r"(?:\s|[$,;{}~&]|\\[()\[\],;: ]|\\q?quad(?![a-zA-Z])"
    r"|\\text\s*\{\s*(?:,?\s*(?:and|or)|,)\s*\}|\b(?:and|or)\b"
    r"|\\(?:left|right)(?![a-zA-Z])|[a-zA-Z](?:_\{?\w+\}?)?\s*=)*"
)
_ONLY_A_BOX = re.compile(r"\s*\\(?:boxed|fbox)\s*\{([^{}]*)\}\s*")
_MAX_JOINT = 40  # characters
_SEPARATOR = re.compile(r",|\b(?:and|or)\b")
_MAX_LOOSE_JOINT = 70  # characters


@dataclass(frozen=True, slots=True)
class _Box:
    start: int
    end: int
    content: str


def last_box(text: str) -> str | None:
    r"""The content of the balanced `\boxed{}` or `\fbox{}` that ends last, or of a later bare `\boxed 5`.

    Of nested boxes this is the outermost. What an earlier box says is a draft, and a box that
    was cut off is no answer. Boxes are never merged. An empty box, and a bare one before a word
    of a sentence, are talk about boxes.
    """
    answer = None
    for box in _boxes(text):
        answer = box.content
    return answer


def joined_boxes(text: str, *, loosely: bool = False) -> str | None:
    r"""The last box with those before it that only a comma, an "and" or a name parts from it, as one list.

    `\boxed{1} and \boxed{2}` is `1, 2`, which answers no gold that is one value. `loosely`, other words
    may stand between them, too: beside a comma or "and", or within one formula.
    """
    are_joined = _are_loosely_joined if loosely else _are_joined
    answer: list[_Box] = []
    for box in _boxes(text):
        while answer and answer[-1].start >= box.start:
            answer.pop()  # it stands inside this one
        if answer and not are_joined(text, answer[-1], box):
            answer.clear()
        answer.append(box)
    contents = dict.fromkeys(_without_outer_box(box.content) for box in answer)
    return ", ".join(contents) if contents else None


def _are_joined(text: str, one: _Box, other: _Box) -> bool:
    between = text[one.end : other.start]
    return len(between) <= _MAX_JOINT and _JOINT.fullmatch(between) is not None and "\n\n" not in between


def _are_loosely_joined(text: str, one: _Box, other: _Box) -> bool:
    between = text[one.end : other.start]
    if len(between) >= _MAX_LOOSE_JOINT:
        return False
    before = text.rfind("$", max(0, one.start - _ANSWER_CHARACTERS), one.start)
    behind = text.find("$", other.end, other.end + _ANSWER_CHARACTERS)
    in_one_formula = "$" not in between and min(before, behind) >= 0
    return in_one_formula or _SEPARATOR.search(between) is not None


def _boxes(text: str) -> Iterator[_Box]:
    """Every balanced box, in the order of their ends."""
    first = text.find("box")
    if first < 0:
        return
    # What stands before the first box closes none, nor does a brace that was open there.
    begin = len(text[:first].rstrip("\\f"))
    open_braces: list[tuple[int, int]] = []  # where its box begins (else -1), and where its content does
    pending, begins = -1, -1  # offset at which the brace of a box must stand, and where the box begins
    for token in _BOX_TOKEN.finditer(text, begin):
        if token["box"]:
            pending, begins = _skip_spaces(text, token.end()), token.start()
            if text[pending : pending + 1] != "{" and (bare := _bare_box(text, token.end())):
                yield _Box(begins, pending + len(bare), bare)
        elif token.group() == "{":
            open_braces.append((begins if token.start() == pending else -1, token.end()))
        elif token.group() == "}" and open_braces:
            box_start, content = open_braces.pop()
            if box_start >= 0 and (inside := text[content : token.start()]) and not inside.isspace():
                yield _Box(box_start, token.end(), inside)


def _skip_spaces(text: str, offset: int) -> int:
    while text[offset : offset + 1] in {" ", "\t", "\n", "\r"}:
        offset += 1
    return offset


def _bare_box(text: str, offset: int) -> str | None:
    found = _BARE_ARGUMENT.match(text, offset)
    bare = found.group(1).rstrip(".,;:!") if found else ""
    return None if _PROSE_WORD.fullmatch(bare) else bare or None


def _last_boxed(text: str, language: str) -> Extraction | None:
    box = last_box(text)
    return None if box is None else Extraction(_without_outer_box(box), r"last \boxed{}")


def _joined_boxes(text: str, language: str) -> Extraction | None:
    boxes = joined_boxes(text)
    return None if boxes is None else Extraction(boxes, r"joined \boxed{}")


def _without_outer_box(content: str) -> str:
    r"""`\boxed{5}` inside a box is `5`; one level is enough, deeper nesting is no honest answer."""
    found = _ONLY_A_BOX.fullmatch(content)
    return found.group(1) if found else content


# --- tags and phrases ----------------------------------------------------------------------------

_PHRASE = re.compile(
    r"(?:.*(?:\bfinal answer\b(?:\s+is\b)?|\banswer\s+is\b|\banswer(?=\s*[:=*]))|.*####|^\s*A(?=:))"
    r"[ \t*]*[:=]?\s*(.*)",
    re.IGNORECASE,
)
_CLOSING_WORDS = re.compile(r"\.?\s*I hope (?:it|this) is correct.*", re.IGNORECASE)


def _answer_tag(text: str, language: str) -> Extraction | None:
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, max(end, 0))
    if start < 0:
        return None
    return Extraction(text[start + len("<answer>") : end].strip(), "last <answer> tag")


def _final_answer(text: str, language: str) -> Extraction | None:
    for line in reversed(text.splitlines()):
        found = _PHRASE.match(line)
        if found and (answer := _bare_phrase(found.group(1))):
            return Extraction(answer, "last line that names the answer")
    return None


def _bare_phrase(tail: str) -> str:
    if "correct" in tail.lower():
        tail = _CLOSING_WORDS.sub("", tail)
    box = last_box(tail)
    return box if box is not None else tail.strip(" \t*").removesuffix(".").strip()


# --- any expression ------------------------------------------------------------------------------

_MATH = re.compile(
    r"\$\$(.+?)\$\$|\\\[((?:(?!\\\[).)+?)\\\]|\\\(((?:(?!\\\().)+?)\\\)|(?<![\\$])\$(?!\$)((?:[^$\\\n]|\\.|\n(?!\n))+)\$",
    re.DOTALL,
)
_NUMBER = re.compile(
    r"(?<![\w.,$\\-])(?:[-+]?\s?)?(?:\\?[$€£]\s?)?"
    r"(?:(?:\d{1,3}(?:[, ]\d{3})+(?!\d)|\d+)(?:\.\d+|,\d{1,2}(?!\d))?|\.\d+)"
    r"(?:[eE][-+]?\d+|\s?/\s?\d+)?(?:\s?\\?%|(?!\d))"
)
_WORD = re.compile(
    r"(?<![\\a-zA-Z{])(?!(?:and|or|sin|cos|tan|log|ln|exp|sqrt|pi|alpha|beta|lambda|theta|bar)(?![a-zA-Z]))"
    r"(?:[a-zA-Z][a-z]+|[A-Z]{3,})"
)
_STATED = re.compile(r"[Ff]inal answer is:? *(.{1,300}?)\.? I hope (?:it|this) is correct")
_ANSWER_CHARACTERS = 300
_PLAIN_CHARACTERS = 60  # a longer text without mathematics in it is a sentence


def _last_expression(text: str, language: str) -> Extraction | None:
    """The last box; else what the last line that names the answer says; else the last formula or number."""
    if (stated := _STATED.search(text)) is not None and last_box(text[stated.start() :]) is None:
        return Extraction(stated.group(1), "the final answer as it is stated")
    if (boxed := _last_boxed(text, language)) is not None:
        return boxed
    if _is_plain(text):
        return Extraction(text.strip(), "the text itself")
    if (named := _final_answer(text, language)) is not None:
        return Extraction(
            named.text if _is_plain(named.text) else _formula_in(named.text) or named.text, named.how
        )
    found = _formula_in(text) or (text.strip() if len(text) <= _PLAIN_CHARACTERS else None)
    return None if found is None else Extraction(found, "last formula or number")


def _joined_expression(text: str, language: str) -> Extraction | None:
    """The same with its boxes joined."""
    stated = _STATED.search(text)
    if stated is not None and last_box(text[stated.start() :]) is None:
        return _last_expression(text, language)
    return _joined_boxes(text, language) or _last_expression(text, language)


_FORMULA_OR_BROKEN = re.compile(  # a whole one first, or what follows it would seem to begin one
    r"(?P<whole>(?<![\\$])\$(?!\$)[^$\n]+\$)|(?<![\\$])\$(?!\$)[^$\n]*\n(?!\n)(?:[^$\n]|\n(?!\n))*\$|\\\((?:(?!\\[()])[^\n])*\n(?:(?!\\[()]).)*\\\)",
    re.DOTALL,
)


def _math_verify(text: str, language: str) -> Extraction | None:
    """An expression as math-verify finds it.

    Boxes are joined loosely, a formula within a line stays on it, and of a box that was cut off
    the last number counts.
    """
    whole = text
    text = _FORMULA_OR_BROKEN.sub(lambda found: found["whole"] or "\n", text)
    if (boxes := joined_boxes(text, loosely=True)) is not None:
        stated = _STATED.search(text)
        cut = stated is not None and last_box(text[stated.start() :]) is None
        return _last_expression(text, language) if cut else Extraction(boxes, r"loosely joined \boxed{}")
    if r"\boxed{" in text and (number := _last(_NUMBER, text)):
        return Extraction(number.group().strip(), "last number of a box that was cut off")
    if text != whole and _is_plain(text):  # what stood around a formula that was left out is not one answer
        found = _formula_in(text)
        return None if found is None else Extraction(found, "last formula or number")
    return _last_expression(text, language)


def _formula_in(text: str) -> str | None:
    """The last formula between delimiters, or number outside of them, that `text` has; whichever is later."""
    formula = _last(_MATH, text)
    number = _last(_NUMBER, text[formula.end() :] if formula else text)
    if number is not None:
        return number.group().strip()
    return next(group for group in formula.groups() if group) if formula else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    matches = deque(pattern.finditer(text), maxlen=1)
    return matches[0] if matches else None


def _is_plain(text: str) -> bool:
    """Whether all of a text can be an answer by itself: it has no words but "and" and "or"."""
    return len(text) <= _ANSWER_CHARACTERS and _WORD.search(text) is None


_NAMED_LETTER = re.compile(r"answer(?:\s+is)?\b[^\n]{0,200}?(?<![A-Za-z])\(?([A-J])(?![A-Za-z'])")
_LETTER = re.compile(r"(?<![A-Za-z])\(?([A-J])\)?(?![A-Za-z'])")
_FIRST_LETTER = re.compile(r"\s*\(?([A-J])(?:\)|[.:,]|\s|$)")


def _choice_letter(text: str, language: str) -> Extraction | None:
    """The letter of a choice: in a box, behind "answer", at the beginning, or the last that stands alone."""
    if (boxed := _last_boxed(text, language)) is not None:
        return boxed
    if named := _last(_NAMED_LETTER, text):
        return Extraction(named.group(1), "the letter named as the answer")
    if first := _FIRST_LETTER.match(text):
        return Extraction(first.group(1), "the letter that the text begins with")
    found = _last(_LETTER, text)
    return Extraction(found.group(1), "the last letter that stands alone") if found else None


# --- code ----------------------------------------------------------------------------------------

# A fence may stand in a list item or a quote; its indentation is taken off the block's lines.
_OPENING = re.compile(
    r"(?P<indent>[ \t]*(?:>[ \t]?|[-*+][ \t]+|\d{1,3}[.)][ \t]+)?)"
    r"(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)"
)
_TAG = re.compile(r"\s*\{?\.?([\w+#.-]*)")


def code_blocks(text: str) -> list[CodeBlock]:
    """The fenced blocks of a Markdown text in order, by CommonMark's rules.

    A block ends at a line that holds only a fence of the same character, at
    least as long as the opening one, so that a longer fence can hold shorter ones.
    """
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    blocks = []
    for line in lines:
        opening = _OPENING.fullmatch(line)
        if opening:
            blocks.append(_read_block(opening, lines))
    return blocks


def _read_block(opening: re.Match[str], lines: Iterator[str]) -> CodeBlock:
    fence, indent = opening["fence"], len(opening["indent"])
    tag_match = _TAG.match(opening["info"])
    tag = tag_match.group(1).lower() if tag_match else ""
    content: list[str] = []
    for line in lines:
        if _closes(line, fence):
            return CodeBlock(tag, "\n".join(content), closed=True)
        content.append(_dedented(line, indent))
    return CodeBlock(tag, "\n".join(content), closed=False)


def _closes(line: str, fence: str) -> bool:
    mark = line.strip(" \t>")
    return len(mark) >= len(fence) and mark.strip(fence[0]) == ""


def _dedented(line: str, indent: int) -> str:
    """`line` without up to `indent` leading blanks (or the quote mark that stands in their place)."""
    head = line[:indent]
    return line[indent:] if head.strip(" \t>") == "" else line.lstrip(" \t")


def _named(blocks: list[CodeBlock], language: str) -> list[CodeBlock]:
    """The blocks that may hold the program: those tagged with its language, else those without a tag."""
    if not language:
        return blocks
    tags = language_tags(language.lower())
    return [b for b in blocks if b.tag in tags] or [b for b in blocks if not b.tag]


@lru_cache(maxsize=256)
def language_tags(language: str) -> frozenset[str]:
    """What a fence may say about programs of this language, which is a name or an alias, in lower case."""
    try:
        row = languages.find(language)
    except UnknownLanguage:
        return frozenset({language})
    written_in = _written_in(row)
    names = {name for other in languages.LANGUAGES for name in _names_if(other, written_in)}
    return frozenset(names | {language, *_FURTHER_TAGS.get(written_in, ())})


def _written_in(row: languages.Language) -> str:
    return _WRITTEN_IN.get(row.name, row.rules)


def _names_if(row: languages.Language, written_in: str) -> tuple[str, ...]:
    return (row.name, *row.aliases) if _written_in(row) == written_in else ()


def _code_block(text: str, language: str, position: int) -> Extraction | None:
    candidates = _named(code_blocks(text), language)
    if not candidates or not candidates[position].closed:
        return None  # a block that was cut off is no answer, and an earlier one is only a draft
    block = candidates[position]
    which = "last" if position else "first"
    return Extraction(block.text, f"{which} {block.tag or 'untagged'} code block")


def _last_code_block(text: str, language: str) -> Extraction | None:
    return _code_block(text, language, -1)


def _first_code_block(text: str, language: str) -> Extraction | None:
    return _code_block(text, language, 0)


def _whole(text: str, language: str) -> Extraction | None:
    return Extraction(text, "whole text")


_RULES: dict[str, Callable[[str, str], Extraction | None]] = {
    "boxed_after_think": _last_boxed,
    "last_code_block": _last_code_block,
    "last_boxed": _last_boxed,
    "joined_boxes": _joined_boxes,
    "first_code_block": _first_code_block,
    "answer_tag": _answer_tag,
    "final_answer": _final_answer,
    "last_expression": _last_expression,
    "joined_expression": _joined_expression,
    "math_verify": _math_verify,
    "choice_letter": _choice_letter,
    "whole": _whole,
}
# `last_boxed` is for models whose reasoning is the answer, `whole` for callers that extract by themselves.
_READS_EVERYTHING = frozenset({"last_boxed", "whole"})

POLICIES: tuple[str, ...] = tuple(_RULES)
