r"""The rules of equality between two answers that are not both plain numbers.

The form decides first (a value is never a list, an interval keeps its brackets),
then the elements are compared one by one by an `Algebra`. This module evaluates
nothing by itself and imports no computer algebra.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from server.verify.math.fast import decide
from server.verify.math.guards import complexity_fault
from server.verify.math.latex import compact, normalise, top_level
from server.verify.math.policy import DEFAULT, Policy, refusal, rewritten, within_tolerance
from server.verify.math.shapes import SIGN, Form, Shape, as_matrix, expand_signs, shape_of
from server.verify.math.units import Annotated, annotated, split_name

Status = Literal["correct", "incorrect", "undecided", "unreadable_gold", "unreadable_answer"]

MAX_RAW_CHARACTERS = 10_000  # as written, before any rewriting
MAX_UNORDERED = 24  # elements of a set that are matched symbolically


class UnreadableGold(Exception):
    """The gold answer is no mathematics that can be read: the task is at fault."""


class UnreadableAnswer(Exception):
    """The completion's answer cannot be read in a place where the gold's could."""


class Algebra(Protocol):
    """Compares single values; raises UnreadableGold or UnreadableAnswer."""

    def equal(self, gold: str, answer: str) -> str | None:
        """The name of the rule by which two expressions are equal, or None."""

    def related(self, gold: str, answer: str) -> str | None:
        """The same for equations, inequalities and sets of numbers, read as a whole."""

    def check_gold(self, gold: str) -> None:
        """Raises UnreadableGold unless `gold` can be read."""

    def is_constant(self, text: str) -> bool:
        """Whether `text` can be read and has no variable."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a worker found: a status, the rule that decided, and how both sides were read."""

    status: Status
    rule: str
    gold_parsed: str
    answer_parsed: str


# Golds are alternatives: one that accepts is enough, one that could be read is enough to reject.
_PREFERENCE: tuple[Status, ...] = (
    "correct", "undecided", "incorrect", "unreadable_answer", "unreadable_gold",
)  # fmt: skip


def preferred(judgements: Sequence[Judgement]) -> Judgement:
    """The judgement on an answer, given those by each of its golds; raises ValueError without any."""
    if len(judgements) == 1:
        return judgements[0]
    return min(judgements, key=lambda judgement: _PREFERENCE.index(judgement.status))


_RELATION = re.compile(r"(?<![<>!:])=|<|>|\\(?:le|ge|ne|lt|gt)(?![a-zA-Z])")
_EQUALS = re.compile(r"=")
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_TEXT_ONLY = re.compile(r"\(?\s*(?:\\text\s*\{[^{}\\]*\}\s*)+\)?")
# A word of four letters is no product of variables, unless it begins with a function's name.
_WORD = re.compile(r"(?!sin|cos|tan|log|sqrt|exp|infty)[A-Za-z][a-z'-]{3,}")
_PROSE = re.compile(r"(?:[A-Za-z'-]{2,}[, ]+){2}[A-Za-z' ,-]+")
_CAPITAL = re.compile(r"\(\s*[A-Z]\s*\)|[A-Z]")
_HOURS, _MINUTES = re.compile(r"[01]?\d|2[0-4]"), re.compile(r"[0-5]\d")
_CHOICE = re.compile(r"\(?\s*([A-Za-z])\s*\)?")


def judge(gold_text: str, answer_text: str, algebra: Algebra, policy: Policy = DEFAULT) -> Judgement:
    """The judgement on one gold and one answer, as they were written."""
    if policy is DEFAULT or max(len(gold_text), len(answer_text)) > MAX_RAW_CHARACTERS:
        return _judge_by_default(gold_text, answer_text, algebra)
    gold_text, answer_text = (
        rewritten(gold_text, answer_text, policy),
        rewritten(answer_text, gold_text, policy),
    )
    gold, answer = normalise(gold_text), normalise(answer_text)
    judgement = _judge_by_default(gold_text, answer_text, algebra)
    if judgement.status == "correct" and policy.order == "kept" and not _in_order(gold, answer, algebra):
        return Judgement("incorrect", "policy: order", gold, answer)
    if judgement.status == "correct" and (choice := refusal(gold, answer, policy)):
        return Judgement("incorrect", f"policy: {choice}", gold, answer)
    if judgement.status == "incorrect" and within_tolerance(gold, answer, policy):
        return Judgement("correct", "policy: tolerance", gold, answer)
    return judgement


def _in_order(gold: str, answer: str, algebra: Algebra) -> bool:
    """Whether the elements of an answer that equals the gold come in the gold's order, if it has any."""
    one, other = (expand_signs(shape_of(annotated(side).value)) for side in (gold, answer))
    if one.form not in {Form.LIST, Form.SET}:
        return True
    if len(one.parts) != len(other.parts):
        one = expand_signs(shape_of(annotated(gold).value, thousands=False))
    return _match_ordered(one.parts, other.parts, algebra) is not None


def _judge_by_default(gold_text: str, answer_text: str, algebra: Algebra) -> Judgement:
    decision = decide(gold_text, answer_text)
    if decision is not None:
        status: Status = "correct" if decision.correct else "incorrect"
        return Judgement(status, decision.rule, decision.gold_parsed, decision.answer_parsed)
    gold, answer = _readable_part(gold_text), _readable_part(answer_text)
    status, rule = _judge_normalised(gold, answer, algebra)
    return Judgement(status, rule, gold, answer)


def _readable_part(text: str) -> str:
    """The normalised text; one that is far too long is left as it is, for the guards to refuse."""
    return normalise(text) if len(text) <= MAX_RAW_CHARACTERS else text


def _judge_normalised(gold: str, answer: str, algebra: Algebra) -> tuple[Status, str]:
    if fault := complexity_fault(gold):
        return "unreadable_gold", f"too_complex: {fault}"
    if is_text(gold):
        return ("correct" if words(gold) == words(answer) else "incorrect"), "text"
    try:
        return _judge_mathematics(gold, answer, algebra)
    except UnreadableGold as why:
        # A gold that cannot be read still accepts its own words.
        same = words(gold) != "" and words(gold) == words(answer)
        return ("correct", "text") if same else ("unreadable_gold", str(why))


def _judge_mathematics(gold: str, answer: str, algebra: Algebra) -> tuple[Status, str]:
    """Raises UnreadableGold, also where the answer was the first thing that could not be read."""
    if is_prose(gold):
        raise UnreadableGold("the gold is prose")
    status: Status = "incorrect"
    rule = "not equal"
    if fault := complexity_fault(answer):
        rule = f"too_complex: {fault}"
    else:
        try:
            if equal_by := _match(gold, answer, algebra):
                return "correct", equal_by
        except UnreadableAnswer as why:
            status, rule = "unreadable_answer", str(why)
    _check_gold(gold, algebra)
    return status, rule


def _check_gold(gold: str, algebra: Algebra) -> None:
    """Raises UnreadableGold unless every part of the gold can be read: only then is the answer at fault."""
    value = annotated(gold, any_unit=True).value
    shape = expand_signs(shape_of(value))
    if shape.form is Form.SCALAR or (shape.form is not Form.LIST and _RELATION.search(value)):
        algebra.check_gold(value)
        return
    for part in shape.parts:
        _check_gold(part, algebra)


# --- text ----------------------------------------------------------------------------------------


def is_text(gold: str) -> bool:
    r"""Whether a normalised gold is to be compared as text: `\text{east}`, `east`, or the choice `(C)`."""
    return any(pattern.fullmatch(gold) for pattern in (_TEXT_ONLY, _CAPITAL, _WORD))


def is_prose(gold: str) -> bool:
    """Whether a gold is several words: no other wording of it could be told right or wrong."""
    return _PROSE.fullmatch(gold) is not None


def words(text: str) -> str:
    """A text's words in lower case, without markup; a choice such as `(C)` is its letter."""
    plain = _TEXT.sub(r" \1 ", text).strip()
    if choice := _CHOICE.fullmatch(plain):
        return choice.group(1).lower()
    return " ".join(re.findall(r"[a-z0-9']+", plain.lower())) if "\\" not in plain else ""


# --- values, relations, forms --------------------------------------------------------------------


def _match(gold: str, answer: str, algebra: Algebra) -> str | None:
    """The rule by which the answer equals the gold, or None.

    Called again for the elements of lists, tuples and sets, so that each may
    have its own name and unit.
    """
    gold_shape, answer_shape = shape_of(gold), shape_of(answer)
    if Form.LIST in {gold_shape.form, answer_shape.form}:
        # Beside a list, `70,110` is two numbers and no thousands.
        gold_shape = shape_of(gold, thousands=answer_shape.form is not Form.LIST)
        answer_shape = shape_of(answer, thousands=gold_shape.form is not Form.LIST)
        return match_shapes(gold_shape, answer_shape, algebra)
    gold_around, answer_around = annotated(gold, any_unit=True), annotated(answer, any_unit=True)
    if gold_around.unit and answer_around.unit and gold_around.unit != answer_around.unit:
        return None
    gold_value, answer_value = gold_around.value, answer_around.value
    if _RELATION.search(gold_value) or _RELATION.search(answer_value):
        return _match_relations(gold_value, answer_value, gold, answer, algebra)
    if gold_around.name and answer_around.name and not _names_agree(gold_around, answer_around, algebra):
        return None
    rule = _match_forms(gold_value, answer_value, algebra)
    if rule is None and gold_around.percent != answer_around.percent:
        return _match_percent(gold_around, answer_around, algebra)
    return rule


def _names_agree(gold: Annotated, answer: Annotated, algebra: Algebra) -> bool:
    """`y = 2x` answers `f(x) = 2x`; `y = 5` does not answer `x = 5`."""
    return compact(gold.name) == compact(answer.name) or not algebra.is_constant(gold.value)


def _match_percent(gold: Annotated, answer: Annotated, algebra: Algebra) -> str | None:
    one = rf"\frac{{{gold.value}}}{{100}}" if gold.percent else gold.value
    other = rf"\frac{{{answer.value}}}{{100}}" if answer.percent else answer.value
    return "percent" if algebra.equal(one, other) else None


def _match_relations(
    gold: str, answer: str, gold_full: str, answer_full: str, algebra: Algebra
) -> str | None:
    """The `full` texts still have their names: `y = 2x` is a value with a name or an equation, as need be."""
    if SIGN.search(gold_full) or SIGN.search(answer_full):
        return _match_signed(gold_full, answer_full, algebra)
    if not _RELATION.search(gold):
        named = split_name(gold_full)[0]
        if _is_set_like(gold) and not _EQUALS.search(answer):
            return algebra.related(gold, answer)
        rule = _match_chain(gold, answer, algebra)
        return rule or (algebra.related(gold_full, answer_full) if named and "=" in gold_full else None)
    if _RELATION.search(answer_full):
        return algebra.related(gold_full, answer_full)
    return algebra.related(gold, answer) if _is_set_like(answer) else None


def _match_signed(gold: str, answer: str, algebra: Algebra) -> str | None:
    r"""Relations with a `\pm` in them, each as the two that it stands for."""
    return match_shapes(Shape(Form.SCALAR, (gold,)), Shape(Form.SCALAR, (answer,)), algebra)


def _is_set_like(text: str) -> bool:
    return shape_of(text).form in {Form.TUPLE, Form.UNION}


def _match_chain(gold: str, answer: str, algebra: Algebra) -> str | None:
    """An answer `a = b = c` to a gold value: the last must equal it, and every constant before it, too."""
    parts = top_level(answer, _EQUALS)
    if len(parts) < 2 or any(_RELATION.search(part) for part in parts):
        return None
    if any(algebra.is_constant(part) and not _match_forms(gold, part, algebra) for part in parts[:-1]):
        return None
    return _match_forms(gold, parts[-1], algebra)


def _match_forms(gold: str, answer: str, algebra: Algebra) -> str | None:
    return match_shapes(shape_of(gold), shape_of(answer), algebra)


def match_shapes(gold: Shape, answer: Shape, algebra: Algebra) -> str | None:
    """The rule by which two shapes are equal, or None."""
    gold, answer = expand_signs(gold), expand_signs(answer)
    if {gold.form, answer.form} == {Form.MATRIX, Form.TUPLE}:
        gold, answer = as_matrix(gold), as_matrix(answer)
    forms = (gold.form, answer.form)
    if forms == (Form.SCALAR, Form.SCALAR):
        return algebra.equal(gold.parts[0], answer.parts[0])
    if forms == (Form.SCALAR, Form.RATIO) and len(answer.parts) == 2:
        return algebra.equal(gold.parts[0], _quotient(answer))
    if forms == (Form.RATIO, Form.SCALAR) and len(gold.parts) == 2 and not _may_be_a_time(gold):
        return algebra.equal(_quotient(gold), answer.parts[0])
    if set(forms) == {Form.MATRIX, Form.SCALAR}:
        return _match_matrices(gold, answer, algebra)
    if set(forms) <= {Form.LIST, Form.SET}:
        return _match_unordered(gold.parts, answer.parts, algebra)
    if _same_order_counts(gold, answer):
        return _match_ordered(gold.parts, answer.parts, algebra)
    return _match_unions(gold, answer, algebra) if Form.UNION in forms else None


def _quotient(ratio: Shape) -> str:
    return rf"\frac{{{ratio.parts[0]}}}{{{ratio.parts[1]}}}"


def _may_be_a_time(ratio: Shape) -> bool:
    return _HOURS.fullmatch(ratio.parts[0]) is not None and _MINUTES.fullmatch(ratio.parts[1]) is not None


def _same_order_counts(gold: Shape, answer: Shape) -> bool:
    """Whether two forms are of a kind to be compared element by element.

    Brackets must agree where they can mean an interval, which is of two elements.
    A column matrix is a tuple, and so is a list beside a tuple in round brackets.
    """
    if gold.form is answer.form:
        brackets_agree = gold.brackets == answer.brackets or len(gold.parts) != 2
        return gold.ordered and gold.columns == answer.columns and brackets_agree
    forms = {gold.form, answer.form}
    if forms == {Form.TUPLE, Form.LIST}:
        return "()" in {gold.brackets, answer.brackets}
    return forms == {Form.TUPLE, Form.MATRIX} and max(gold.columns, answer.columns) == 1


def _match_matrices(gold: Shape, answer: Shape, algebra: Algebra) -> str | None:
    """A matrix and a sum or product of matrices."""
    written = next(shape.parts[0] for shape in (gold, answer) if shape.form is Form.SCALAR)
    return algebra.equal(_rejoined(gold), _rejoined(answer)) if r"\begin" in written else None


def _match_unions(gold: Shape, answer: Shape, algebra: Algebra) -> str | None:
    if not {gold.form, answer.form} <= {Form.UNION, Form.TUPLE}:
        return None
    same_parts = _match_unordered(gold.parts, answer.parts, algebra) if gold.form is answer.form else None
    return same_parts or algebra.related(_rejoined(gold), _rejoined(answer))


def _rejoined(shape: Shape) -> str:
    if shape.form is Form.UNION:
        return r" \cup ".join(shape.parts)
    if shape.form is Form.SCALAR:
        return shape.parts[0]
    if shape.form is Form.MATRIX:
        rows = (shape.parts[at : at + shape.columns] for at in range(0, len(shape.parts), shape.columns))
        return r"\begin{matrix}" + r" \\ ".join(map(" & ".join, rows)) + r"\end{matrix}"
    return shape.brackets[0] + ", ".join(shape.parts) + shape.brackets[1]


def _match_ordered(gold: Sequence[str], answer: Sequence[str], algebra: Algebra) -> str | None:
    if len(gold) != len(answer):
        return None
    equal = all(_match(one, other, algebra) for one, other in zip(gold, answer, strict=True))
    return "elements in order" if equal else None


def _match_unordered(gold: Sequence[str], answer: Sequence[str], algebra: Algebra) -> str | None:
    """Every gold element takes one equal element of the answer, and none is left over."""
    gold, answer = _without_repeated_tuples(gold), _without_repeated_tuples(answer)
    if len(gold) != len(answer):
        return None
    left = list(answer)
    unmatched = [part for part in gold if not _take(left, part, _same_text)]
    if len(unmatched) > MAX_UNORDERED:
        return None

    def equal(part: str, other: str) -> bool:
        return _match(part, other, algebra) is not None

    return "elements in any order" if all(_take(left, part, equal) for part in unmatched) else None


def _without_repeated_tuples(parts: Sequence[str]) -> Sequence[str]:
    """A solution that is listed twice is one solution; of plain numbers, repetition may be multiplicity."""
    if not all(part.startswith("(") for part in parts):
        return parts
    return tuple({compact(part): part for part in parts}.values())


def _same_text(part: str, other: str) -> bool:
    return compact(part) == compact(other)


def _take(items: list[str], part: str, equal: Callable[[str, str], bool]) -> bool:
    """Removes the first item that is equal to `part`; whether there was one."""
    for index, item in enumerate(items):
        if equal(part, item):
            del items[index]
            return True
    return False
