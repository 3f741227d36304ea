"""Rules on a problem's text, each named: what the paper leaves out (arXiv 2505.16400, data curation).

The paper names the kinds and not the tests for them; these are ours. They look for plain signs and would
rather keep a problem than guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from trainer_client.curation.plan import CODE_RULES, MATH_RULES, Filters
from trainer_client.curation.problem import CuratedProblem, Rejection

Rule = Callable[[CuratedProblem, Filters], str]
"""What met the rule, for a person; empty if nothing did."""

_I = re.IGNORECASE
_PICTURE_SIGNS = ("[asy]", "\\includegraphics", "![", "<img", "<image", "tikzpicture")
_PROOF = re.compile(
    r"(?:^|[.?!:;,]\s+|\n)(?:\(?[a-z0-9]\)\s*)?(?:then |please |also )?"
    r"(?:prove|disprove|show|demonstrate) that\b"
    r"|\bprove or disprove\b|(?:^|[.?!]\s+)prove\b",
    _I,
)
_CHOICES = re.compile(
    r"(?:\(A\).{1,300}?\(B\).{1,300}?\(C\))|(?:(?:^|\n)\s*A[.):].{1,300}?\n\s*B[.):])"
    r"|(?:\\text(?:bf)?\s*\{\s*\(?A\)?.{1,300}?\\text(?:bf)?\s*\{\s*\(?B\)?)",
    re.DOTALL,
)
_TRUE_FALSE = re.compile(r"\btrue or false\b|\bis (?:this|the) statement true\b", _I)
_TRUTH = re.compile(r"^\W*(?:\\text\{)?\s*(?:true|false|yes|no)\s*\}?\W*$", _I)
_PARTS = re.compile(
    r"(?:^|\n|[.?!:]\s+)\(?(?:a|i|1)\)\s.{1,1500}?(?:\n|[.?!;:,]\s+)\(?(?:b|ii|2)\)\s"
    r"|\bpart \(?(?:a|i|1)\)?\b.{1,1500}?\bpart \(?(?:b|ii|2)\)?\b",
    _I | re.DOTALL,
)
_PICTURE = re.compile(r"\[asy\]|\\includegraphics|!\[[^\]]*\]\(|<img\b|<image\b|\\begin\{tikzpicture\}", _I)
_FIGURE = re.compile(
    r"\b(?:in|from|see|using) the (?:\w+ )?(?:figure|diagram|picture|image)\b"
    r"|\b(?:figure|diagram|picture|graph|image)s? (?:is |are )?(?:shown|given|below|above)\b"
    r"|\b(?:figure|diagram)s? (?:to|on|at) the (?:right|left)\b"
    r"|\bas shown (?:below|above|in)\b|\bshown (?:below|above)\b",
    _I,
)
_SEVERAL = re.compile(
    r"\b(?:print|output|return|find|report) any (?:one )?(?:of them|valid|such|possible|solution|answer)\b"
    r"|\b(?:multiple|several|many) (?:valid |possible |correct |optimal )?(?:answers|solutions|outputs)\b"
    r"|\bany (?:valid|correct|of the possible) (?:answer|solution|output)s?\b",
    _I,
)
_INTERACTIVE = re.compile(r"\bthis is an? interactive problem\b|\binteractor\b|\bflush the output\b", _I)
_LETTER_WORD = re.compile(r"[^\W\d_]{2,}")
_LATEX_COMMAND = re.compile(r"\\[a-zA-Z]+")
_FUNCTION_WORD = re.compile(
    r"\b(?:the|of|an?|is|are|in|to|and|for|what|how|find|if|that|by|with|be|at|on|has|have|each|which|all|as"
    r"|it|from|when|let|compute|evaluate|determine|suppose|given|number|many|much|does|do|who|where|value)\b",
    _I,
)
_WORDS_FOR_LANGUAGE = 12
_FUNCTION_WORD_SHARE = 0.08


def judge(problem: CuratedProblem, settings: Filters) -> Rejection | None:
    """The first rule that the problem meets, or None."""
    for name, rule in _RULES[problem.domain].items():
        if name not in settings.skip and (why := rule(problem, settings)):
            return Rejection(name, why)
    return None


def _searched(*patterns: re.Pattern[str], signs: Sequence[str]) -> Rule:
    """The patterns, tried only where one of the `signs` is in the text: that is ten times as quick."""

    def rule(problem: CuratedProblem, settings: Filters) -> str:
        text = problem.statement.casefold()
        if not any(sign in text for sign in signs):
            return ""
        found = next(filter(None, (pattern.search(problem.statement) for pattern in patterns)), None)
        return " ".join(found[0].split())[:120] if found else ""

    return rule


_IS_OPEN = _searched(_SEVERAL, signs=("any", "answers", "solutions", "outputs"))


def _true_false(problem: CuratedProblem, settings: Filters) -> str:
    found = _TRUE_FALSE.search(problem.statement)
    answers = [gold for gold in problem.golds if _TRUTH.match(gold)]
    return found[0] if found else answers[0] if answers else ""


def _non_english(problem: CuratedProblem, settings: Filters) -> str:
    text = _LATEX_COMMAND.sub(" ", problem.statement)
    letters = [letter for letter in text if letter.isalpha()]
    ascii_letters = sum(letter.isascii() for letter in letters)
    if letters and ascii_letters < settings.english_share * len(letters):
        return f"{ascii_letters} of {len(letters)} letters are English"
    words, known = len(_LETTER_WORD.findall(text)), len(_FUNCTION_WORD.findall(text))
    if words >= _WORDS_FOR_LANGUAGE and known < _FUNCTION_WORD_SHARE * words:
        return f"{known} of {words} words are frequent in English"
    return ""


def _too_short(problem: CuratedProblem, settings: Filters) -> str:
    length = len(problem.statement.strip())
    return f"{length} characters" if length < settings.shortest_characters else ""


def _no_answer(problem: CuratedProblem, settings: Filters) -> str:
    return "" if any(gold.strip() for gold in problem.golds) else "no gold answer"


def _answer_too_long(problem: CuratedProblem, settings: Filters) -> str:
    length = max(map(len, problem.golds), default=0)
    return f"{length} characters" if length > settings.longest_answer_characters else ""


def _answer_prose(problem: CuratedProblem, settings: Filters) -> str:
    words = [len(_LETTER_WORD.findall(_LATEX_COMMAND.sub(" ", gold))) for gold in problem.golds]
    return f"{max(words)} words" if words and max(words) > settings.most_answer_words else ""


def _interactive(problem: CuratedProblem, settings: Filters) -> str:
    if problem.request("").code.WhichOneof("tests") == "interactive":
        return "interactive tests"
    found = _INTERACTIVE.search(problem.statement)
    return found[0] if found else ""


def _several_solutions(problem: CuratedProblem, settings: Filters) -> str:
    """A problem that brings its own checker may have them."""
    if problem.request("").code.checker.WhichOneof("kind") == "program":
        return ""
    return _IS_OPEN(problem, settings)


def _released_late(problem: CuratedProblem, settings: Filters) -> str:
    late = settings.released_until and problem.released > settings.released_until
    return f"released {problem.released}" if late else ""


def _too_few_tests(problem: CuratedProblem, settings: Filters) -> str:
    count = tests_of(problem)
    return f"{count} tests" if count is not None and count < settings.fewest_tests else ""


def tests_of(problem: CuratedProblem) -> int | None:
    """How many tests a code problem has; None where the format does not say (files, hashes)."""
    task = problem.request("").code
    kind = task.WhichOneof("tests")
    if kind == "asserts":
        # `check(candidate)` is one text with any number of asserts.
        return sum(text.count("assert") for text in task.asserts.tests)
    return len(getattr(task, kind).cases) if kind in ("stdio", "call", "interactive") else None


_RULES: Mapping[str, Mapping[str, Rule]] = {
    "math": {
        "figure": _searched(
            _PICTURE,
            _FIGURE,
            signs=(*_PICTURE_SIGNS, "figure", "diagram", "picture", "graph", "image", "shown"),
        ),
        "proof": _searched(_PROOF, signs=("prove", "show that", "demonstrate")),
        "multiple_choice": _searched(_CHOICES, signs=("(a)", "a.", "a:", "a)")),
        "true_false": _true_false,
        "multi_part": _searched(_PARTS, signs=("b)", "ii)", "2)", "part")),
        "non_english": _non_english,
        "too_short": _too_short,
        "no_answer": _no_answer,
        "answer_too_long": _answer_too_long,
        "answer_prose": _answer_prose,
    },
    "code": {
        "several_solutions": _several_solutions,
        "interactive": _interactive,
        "image": _searched(_PICTURE, signs=_PICTURE_SIGNS),
        "released_late": _released_late,
        "too_few_tests": _too_few_tests,
    },
}
assert tuple(_RULES["math"]) == MATH_RULES
assert tuple(_RULES["code"]) == CODE_RULES


def rules() -> Iterator[str]:
    """The names of all rules."""
    for found in _RULES.values():
        yield from found
