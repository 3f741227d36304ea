"""Labelled pairs of answers, and by which policies each suite's labels are to be read.

A label belongs to a grader's own conventions: whether its rows are bare answers or
completions, whether boxes are joined, whether an operator may be left standing. Each
suite therefore names the extraction and the `math.policy` under which its authors
judged, with the reason. Nothing here looks at a single row: what differs inside a suite
is a parameter that the row's own test sets (`precision`, `allow_set_relation_comp`,
`match_types`), or the framework that its note names.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from server.verify.extraction import extract
from server.verify.math.judge import Judgement, judge
from server.verify.math.policy import read_policy
from server.verify.math.quick import judge_quickly

DATA = Path(__file__).parents[5] / "shared" / "data" / "math"
COMPLETIONS = "gsm8k_completions"

Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """How a suite is read: the extraction for completions, the task's policy, and why these."""

    extraction: str
    why: str
    policy: dict[str, str] = field(default_factory=dict)


_BARE = "the rows are answers without a sentence around them"
_COMPLETION = "the rows are completions with a box, as a trainer sends them"

SUITES: dict[str, Setting] = {
    "math_verify_tests": Setting(
        "math_verify",
        "its tests take any formula of a line, join boxes loosely, and let operators and chains stand",
        {"unevaluated": "accepted", "decimal_comma": "accepted", "chains": "last"},
    ),
    "lighteval_extractive_match": Setting(
        "joined_expression",
        "the same tests in an earlier library",
        {"unevaluated": "accepted", "decimal_comma": "accepted", "chains": "last"},
    ),
    "latex2sympy2_extended_parse": Setting(
        "whole",
        "tests of a parser: an operator equals its value, and `log` is printed for the natural one",
        {"unevaluated": "accepted", "logarithm": "natural"},
    ),
    "areal_math_verify_reward": Setting(
        "last_expression",
        "any formula of a text; floats within six digits; operators may stand",
        {"unevaluated": "accepted", "tolerance": "1e-6"},
    ),
    "hendrycks_math_equivalence": Setting("whole", f"{_BARE}; lists have an order there", {"order": "kept"}),
    "simple_evals_equality": Setting(
        "whole", f"{_BARE}; a quotient is to be left as it is", {"fractions": "kept"}
    ),
    "nemo_skills_math_equal": Setting("whole", _BARE),
    "skythought_math_equal": Setting("whole", _BARE),
    "verl_prime_math": Setting("whole", _BARE),
    "deepscaler_orm_fewshot": Setting("whole", _BARE),
    "issues_known_cases": Setting("last_expression", "formulas with and without a sentence around them"),
    "hack_patterns": Setting("boxed_after_think", _COMPLETION),
    "rllm_math_reward": Setting("boxed_after_think", _COMPLETION),
    "trl_openr1_accuracy_reward": Setting("boxed_after_think", _COMPLETION),
    "misc_rl_frameworks": Setting("boxed_after_think", _COMPLETION),
    "synthetic_math_perturb": Setting("whole", f"{_BARE}; `one box each` is a list of boxes, joined"),
    COMPLETIONS: Setting("final_answer", "completions that end in `A: ` and a number"),
}

# What the tests of one framework in a mixed suite say of themselves in their notes.
_BY_NOTE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("open-instruct GSM8KVerifier", "last_expression", {}),
    ("last Answer: line", "final_answer", {}),
    ("unreduced fraction rejected BY DESIGN", "boxed_after_think", {"fractions": "reduced"}),
)


def setting_of(row: Row) -> Setting:
    """The suite's setting with the parameters that the row's own test sets."""
    setting = SUITES[row["suite"]]
    for note, extraction, policy in _BY_NOTE:
        if note in row["note"]:
            setting = replace(setting, extraction=extraction, policy=setting.policy | policy)
    if row.get("match_types") == ["NativeLetters"]:
        setting = replace(setting, extraction="choice_letter")
    return replace(setting, policy=setting.policy | _own_parameters(row))


def _own_parameters(row: Row) -> dict[str, str]:
    own = {}
    if "precision" in row:
        own["places"] = str(row["precision"])
    if row.get("allow_set_relation_comp") is False:
        own["relations"] = "intervals_kept"
    if row.get("strict") is False:
        own["variables"] = "renamed"
    return own


def rows_of(name: str) -> Iterator[Row]:
    """The rows of `pairs`, `pairs_by_construction` or `completions_gsm8k`, all in the form of the first."""
    if name == "completions_gsm8k":
        for line in gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).splitlines():
            row = json.loads(line)
            yield {
                "suite": COMPLETIONS,
                "id": row["id"],
                "gold": row["gold"],
                "pred": row["completion"],
                "expected": row["label"],
                "note": row["label_source"],
            }
        return
    for text in (DATA / f"{name}.jsonl").read_text().splitlines():
        yield json.loads(text)


def texts_of(row: Row, setting: Setting) -> tuple[str, str | None]:
    """The gold and the answer as the setting finds them; None where there is no answer."""
    extraction = setting.extraction
    if extraction == "whole" and r"\boxed" in row["pred"]:
        extraction = "joined_boxes"
    found = extract(row["pred"], extraction)
    return _gold_of(row["gold"], extraction), None if found is None else found.text


def _gold_of(gold: str, extraction: str) -> str:
    """Golds are answers already, but for tests whose golds are sentences or boxes."""
    if "expression" in extraction or extraction in {"choice_letter", "math_verify"}:
        found = extract(gold, extraction)
    elif re.search(r"\\f?box", gold):
        found = extract(gold, "last_boxed")
    else:
        found = None
    return gold if found is None else found.text


def judged(row: Row, setting: Setting | None = None) -> Judgement:
    """The judgement on one row by its suite's setting, or by another, as the server would make it."""
    setting = setting or setting_of(row)
    gold, answer = texts_of(row, setting)
    if answer is None:
        return Judgement("incorrect", "no answer found", gold, "")
    policy = read_policy(setting.policy)
    found = judge_quickly(gold, answer, policy)
    if found is not None:
        return found
    from server.verify.math.symbolic import SymbolicAlgebra

    return judge(gold, answer, SymbolicAlgebra(evaluates=policy.unevaluated == "accepted"), policy)


def agrees(row: Row) -> bool:
    """Whether the judgement by the suite's setting is the row's label."""
    return (judged(row).status == "correct") == bool(row["expected"])
