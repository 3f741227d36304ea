r"""Finding the answer in a completion: one named policy per request, for math and code alike.

A policy is a pure function of the text. All of them first leave the reasoning
behind: what counts is the text after the last `</think>`; a completion whose
`<think>` was never closed was cut off while thinking and holds no answer.
Every scan is one pass over the text, so hostile nesting costs linear time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

DEFAULT_POLICY = {"math": "boxed_after_think", "code": "last_code_block"}

LANGUAGE_TAGS: dict[str, frozenset[str]] = {
    "python": frozenset({"python", "py", "python3", "py3"}),
    "cpp": frozenset({"cpp", "c++", "cc", "cxx", "cpp17", "cpp20"}),
    "javascript": frozenset({"javascript", "js", "node"}),
    "typescript": frozenset({"typescript", "ts"}),
    "go": frozenset({"go", "golang"}),
    "rust": frozenset({"rust", "rs"}),
    "csharp": frozenset({"csharp", "cs", "c#"}),
    "bash": frozenset({"bash", "sh", "shell"}),
}

_INLINE_CHARACTERS = 1 << 17  # read in some milliseconds, whatever they are
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
    if len(text) <= _INLINE_CHARACTERS:
        return extract(text, policy, language=language)
    return await asyncio.to_thread(extract, text, policy, language=language)


def after_think(text: str) -> str | None:
    """What follows the reasoning: all of it without think tags, None if the reasoning never ended."""
    close = text.rfind(_THINK_CLOSE)
    if text.find(_THINK_OPEN, max(close, 0)) >= 0:
        return None
    return text if close < 0 else text[close + len(_THINK_CLOSE) :]


# --- boxes -------------------------------------------------------------------------------------

_BOX_TOKEN = re.compile(r"(?P<box>\\f?box(?:ed)?(?![a-zA-Z]))|\\.|[{}]", re.DOTALL)
_BOX_NAMES = frozenset({r"\boxed", r"\fbox"})
_BARE_ARGUMENT = re.compile(r"[ \t]*(\\[a-zA-Z]+(?:\{[^{}]*\})*|[^\s\\{}$]+)")


def last_box(text: str) -> str | None:
    r"""The content of the balanced `\boxed{}` or `\fbox{}` that ends last, or of a later bare `\boxed 5`.

    Of nested boxes this is the outermost. Boxes are never merged: what an
    earlier box says is a draft, and a box that was cut off is no answer.
    """
    best: str | None = None
    open_braces: list[int] = []  # for a box the offset of its content, else -1
    pending = -1  # offset at which the brace of a box must stand
    for token in _BOX_TOKEN.finditer(text):
        match token.group():
            case "{":
                open_braces.append(token.end() if token.start() == pending else -1)
            case "}" if open_braces:
                start = open_braces.pop()
                best = text[start : token.start()] if start >= 0 else best
            case name if name in _BOX_NAMES:
                pending = _skip_spaces(text, token.end())
                best = best if text[pending : pending + 1] == "{" else _bare_box(text, token.end()) or best
    return best


def _skip_spaces(text: str, offset: int) -> int:
    while text[offset : offset + 1] in {" ", "\t", "\n", "\r"}:
        offset += 1
    return offset


def _bare_box(text: str, offset: int) -> str | None:
    found = _BARE_ARGUMENT.match(text, offset)
    return found.group(1).rstrip(".,;:!") if found else None


def _last_boxed(text: str, language: str) -> Extraction | None:
    box = last_box(text)
    return None if box is None else Extraction(_without_outer_box(box), r"last \boxed{}")


def _without_outer_box(content: str) -> str:
    r"""`\boxed{5}` inside a box is `5`; one level is enough, deeper nesting is no honest answer."""
    found = re.fullmatch(r"\s*\\(?:boxed|fbox)\s*\{([^{}]*)\}\s*", content)
    return found.group(1) if found else content


# --- tags and phrases ----------------------------------------------------------------------------

_PHRASE = re.compile(
    r"(?:.*(?:\bfinal answer\b(?:\s+is\b)?|\banswer\s+is\b|\banswer(?=\s*[:=*]))|.*####|^\s*A(?=:))"
    r"[ \t]*[:=]?\s*(.*)",
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
    tail = _CLOSING_WORDS.sub("", tail)
    box = last_box(tail)
    return box if box is not None else tail.strip(" \t*").removesuffix(".").strip()


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
    tags = LANGUAGE_TAGS.get(language.lower(), frozenset({language.lower()}))
    return [b for b in blocks if b.tag in tags] or [b for b in blocks if not b.tag]


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
    "first_code_block": _first_code_block,
    "answer_tag": _answer_tag,
    "final_answer": _final_answer,
    "whole": _whole,
}
# `last_boxed` is for models whose reasoning is the answer, `whole` for callers that extract by themselves.
_READS_EVERYTHING = frozenset({"last_boxed", "whole"})

POLICIES: tuple[str, ...] = tuple(_RULES)
