"""Labelled rows that are judged otherwise than their label says, each with whose label is right and why.

"label": the label is wrong, or belongs to a grader's own limits; "verdict": ours is, and why it stays;
"both": each follows a rule of its own.
"""

from __future__ import annotations

from typing import Any, Literal

Right = Literal["label", "verdict", "both"]
Reason = tuple[Right, str]

_NEWLINES: Reason = (
    "verdict",
    "9 is 9; the label says that a formula with line breaks inside its dollars is no formula",
)
_OPEN_BOX: Reason = ("verdict", "the gold's box is never closed: a task without a readable gold")
_WRONG_SIGN: Reason = ("verdict", "1 - 1/e is not 1 + 1/e; the test holds a known fault in place")
_BARE_ROOT: Reason = (
    "verdict",
    "the square root of 2 is itself; the label says that `sqrt(2)` cannot be read",
)
_TAIL: Reason = (
    "both",
    "the box is right, and stands before the last 300 characters, where this grader looks",
)
_PLUGGED_IN: Reason = ("label", "needs a sentence to be worked out: `pi r^2 where r=2`")
_PROSE: Reason = (
    "label",
    "two sentences of one meaning; prose is not judged, and the task is refused as such",
)
_LOST_BASE: Reason = (
    "verdict",
    "the label was printed without the base of its logarithm: log_2 x is not ln x",
)
_FLOAT: Reason = ("verdict", "the label was computed in floats, and is wrong in its last five digits")
_NEGATION: Reason = ("both", "a parser's own form for `is not in`, which is no value that could be compared")
_PREDICATE: Reason = ("both", "a statement about sets is true or false for this parser; here it is no word")
_LOWERED: Reason = (
    "verdict",
    "the label was put in lower case, and says s/s_mbcn where the answer says S and S_MBCN",
)
_VARIABLE: Reason = ("both", r"`\variable` is a command of one parser, and no LaTeX")
_EMPTY: Reason = ("verdict", "nothing answers nothing: an empty gold is a task at fault")

EXPLAINED: dict[str, Reason] = {
    "mv-test_yujianll-28": _WRONG_SIGN,
    "lighteval_extractive_match-41": _NEWLINES,
    "lighteval_extractive_match-42": _NEWLINES,
    "lighteval_extractive_match-192": _OPEN_BOX,
    "areal_math_verify_reward-54": _BARE_ROOT,
    "misc_rl_frameworks-27": _TAIL,
    "deepscaler_orm_fewshot-0": _PLUGGED_IN,
    "deepscaler_orm_fewshot-3": _PROSE,
    "l2s2-229": _LOST_BASE,
    "l2s2-230": _LOST_BASE,
    "l2s2-231": _LOST_BASE,
    "l2s2-1071": _FLOAT,
    "l2s2-1109": _NEGATION,
    "l2s2-1110": _PREDICATE,
    "l2s2-1111": _PREDICATE,
    "l2s2-1125": _LOWERED,
    "l2s2-1152": _VARIABLE,
    "l2s2-1153": _VARIABLE,
    "l2s2-1156": _VARIABLE,
    "l2s2-1159": _VARIABLE,
    "skythought_math_equal-21": _EMPTY,
}

# Rows of no grader's line: the gold is none, or the data itself calls the label suspect.
APART = frozenset({"mv-test_yujianll-28", "skythought_math_equal-21"})

# Rewritings on which graders differ, refused by default, with the choice that accepts them.
BY_CHOICE: dict[str, tuple[str, dict[str, str]]] = {
    "complex j": ("j is a variable", {"imaginary": "i_or_j"}),
}


def reason_of(row: dict[str, Any]) -> Reason | None:
    """Why the judgement on a row differs from its label; None where it must not."""
    if (choice := BY_CHOICE.get(row.get("cls", ""))) is not None:
        name, setting = next(iter(choice[1].items()))
        return "both", f"{choice[0]} unless `{name}: {setting}` is asked for"
    return EXPLAINED.get(row["id"])
