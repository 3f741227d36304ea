r"""The rules of equality between two answers, compared as the trees that were read.

The kind decides first (a value is never a list, an interval keeps its brackets),
then the elements are compared one by one by an `Algebra`. This module evaluates
nothing by itself and imports no computer algebra.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

from server.verify.math.intervals import interval_of
from server.verify.math.latex import compact, normalise
from server.verify.math.policy import DEFAULT, Policy, refusal, within_tolerance
from server.verify.math.reading import (
    as_list,
    as_matrix,
    as_relation,
    hundredth,
    last_sides,
    quotient,
    read,
    read_part,
    read_scalar,
    renamed,
    with_decimal_comma,
)
from server.verify.math.regions import region_of, say_different_words
from server.verify.math.tree import (
    UNORDERED,
    Answer,
    Choice,
    Expression,
    Infinity,
    Listed,
    Matrix,
    Number,
    PlusMinus,
    Quantity,
    Ratio,
    Relation,
    Scalar,
    SetOf,
    Text,
    TooComplex,
    Tuple,
    Union,
    around,
    elements_of,
    shown,
)

Status = Literal["correct", "incorrect", "undecided", "unreadable_gold", "unreadable_answer"]

MAX_UNORDERED = 24  # elements of a set that are matched symbolically


class UnreadableGold(Exception):
    """The gold answer is no mathematics that can be read: the task is at fault."""


class UnreadableAnswer(Exception):
    """The completion's answer cannot be read in a place where the gold's could."""


class Algebra(Protocol):
    """Compares single values; raises UnreadableGold or UnreadableAnswer."""

    def equal(self, gold: Scalar, answer: Scalar) -> str | None:
        """The name of the rule by which two values are equal, or None."""

    def related(self, gold: Answer, answer: Answer) -> str | None:
        """The same for equations, inequalities and sets of numbers, each as a whole."""

    def check_gold(self, gold: Answer) -> None:
        """Raises UnreadableGold unless a value or relation can be read."""

    def is_constant(self, answer: Answer) -> bool:
        """Whether `answer` can be read and has no variable."""

    def approximately(self, constant: Answer) -> Fraction | None:
        """Its value to 20 digits and more, None where that is no real number."""


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


_INTEGER = re.compile(r"-?[0-9]{1,100}")
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_HAS_VALUE = re.compile(r"[\d<>=]")
_GROUP = r"(\{(?:[^{}]|\{[^{}]*\})*\}|[^\s,;(){}\\]+)"
_MODULUS = re.compile(rf"\\mod\s*{_GROUP}(?=[\s)]*(?:$|,|;|\\text))")
_CHOICE = re.compile(r"\(?\s*([A-Za-z])\s*\)?")
_COORDINATES, _COEFFICIENTS = frozenset("xyz"), frozenset("abcd")
_WORD = re.compile(
    r"[^\W_']+(?:'[^\W_']*)*|(?<!\d)\.(?=\d)|(?<=\d)[.:](?=\d)|\)(?=\s*[\^*/])|(?<=\d)!|[-+*<>=/^\[\]]"
)
# Signs that only join or part words, as in `well-known`, `3-year-old`, `yes - no` and `and/or`.
_JOINT = re.compile(
    r"(?<=[^\W\d_]{2})-(?=\w)|(?<=\w)-(?=[^\W\d_]{2})"
    r"|(?<=[^\W\d_]{2})(?:\s+-\s+|\s*/\s*|\s*-\s*$)(?=[^\W\d_]{2}|$)|(?<=[^\W\d_])\.(?=\d)"
)
_ARTICLE = re.compile(r"^(?:an?|the) (?!and )(?=[a-z]{2})| and(?= )")
_HOURS, _MINUTES = re.compile(r"[01]?\d|2[0-4]"), re.compile(r"[0-5]\d")


def judge(gold_text: str, answer_text: str, algebra: Algebra, policy: Policy = DEFAULT) -> Judgement:
    """The judgement on one gold and one answer, as they were written."""
    if policy is DEFAULT and _INTEGER.fullmatch(gold_text) and _INTEGER.fullmatch(answer_text):
        same = int(gold_text) == int(answer_text)  # most golds; worth not reading
        return Judgement("correct" if same else "incorrect", "integer", gold_text, answer_text)
    # Without its choices a text is the whole key under which its reading is kept: a policy is slow to hash.
    choices = () if policy is DEFAULT else (policy,)
    gold, answer = read(gold_text, *choices), read(answer_text, *choices)
    if policy.decimal_comma == "accepted":
        gold, answer = with_decimal_comma(gold, answer), with_decimal_comma(answer, gold)
    status, rule = _judge_read(gold, answer, algebra)
    if policy is not DEFAULT:
        status, rule = _by_choices((status, rule), gold, answer, algebra, policy)
    return Judgement(status, rule, shown(gold), shown(answer))


def _by_choices(
    found: tuple[Status, str], gold: Answer, answer: Answer, algebra: Algebra, policy: Policy
) -> tuple[Status, str]:
    """What the choices of a policy make of a status and the rule that led to it."""
    if found[0] != "correct":
        found = _judge_reread(gold, answer, algebra, policy) or found
    if found[0] == "correct" and policy.order == "kept" and not _in_order(gold, answer, algebra):
        return "incorrect", "policy: order"
    if found[0] == "correct" and (choice := refusal(gold, answer, policy)):
        return "incorrect", f"policy: {choice}"
    if found[0] == "incorrect" and within_tolerance(gold, answer, policy):
        return "correct", "policy: tolerance"
    return found


def _judge_reread(
    gold: Answer, answer: Answer, algebra: Algebra, policy: Policy
) -> tuple[Status, str] | None:
    """What makes an answer correct that a choice has read in another way, too."""
    readings = []
    if policy.chains == "last":
        readings.append(("chains", *last_sides(gold, answer)))
    if policy.variables == "renamed":
        readings.append(("variables", gold, renamed(answer, gold)))
    for choice, one, other in readings:
        if _judge_read(one, other, algebra)[0] == "correct":
            return "correct", f"policy: {choice}"
    return None


def _in_order(gold: Answer, answer: Answer, algebra: Algebra) -> bool:
    """Whether the elements of an answer that equals the gold come in the gold's order, if it has any."""
    one, other = around(gold).value, around(answer).value
    one, other = (as_list(one), as_list(other)) if Listed in {type(one), type(other)} else (one, other)
    if not (isinstance(one, UNORDERED) and isinstance(other, UNORDERED)):
        return True
    return _match_ordered(elements_of(one), elements_of(other), algebra) is not None


def _judge_read(gold: Answer, answer: Answer, algebra: Algebra) -> tuple[Status, str]:
    if not gold.text:
        return "unreadable_gold", "the gold is empty"
    if compact(gold.text) == compact(answer.text):
        return "correct", "identical"
    if isinstance(gold, TooComplex):
        return "unreadable_gold", f"too_complex: {gold.fault}"
    if isinstance(gold, Choice) or (isinstance(gold, Text) and not gold.prose):
        if not words(gold.text):
            return "unreadable_gold", "the gold is a text without words"
        return ("correct" if _same_words(gold, answer) else "incorrect"), "text"
    if _TEXT.fullmatch(gold.text) and _same_words(gold, answer):
        return "correct", "text"
    try:
        return _judge_mathematics(gold, answer, algebra)
    except UnreadableGold as why:
        # A gold that cannot be read still accepts its own words.
        return ("correct", "text") if _same_words(gold, answer) else ("unreadable_gold", str(why))


def _same_words(gold: Answer, answer: Answer) -> bool:
    return words(gold.text) != "" and words(gold.text) == words(answer.text)


def _judge_mathematics(gold: Answer, answer: Answer, algebra: Algebra) -> tuple[Status, str]:
    """Raises UnreadableGold, also where the answer was the first thing that could not be read."""
    if isinstance(gold, Text):
        raise UnreadableGold("the gold is prose")
    status: Status = "incorrect"
    rule = "not equal"
    if isinstance(answer, TooComplex):
        rule = f"too_complex: {answer.fault}"
    else:
        try:
            answer = _as_mathematics(answer)
            if _moduli_agree(gold, answer, algebra) and (equal_by := _match(gold, answer, algebra)):
                return "correct", equal_by
        except UnreadableAnswer as why:
            status, rule = "unreadable_answer", str(why)
    _check_gold(gold, algebra)
    return status, rule


def _as_mathematics(answer: Answer) -> Answer:
    """Words beside a gold that has none may still be a product of letters, and `\\text{e}` a letter.

    `\\text{x > 5}` is what it says, too.
    """
    if not isinstance(answer, Text | Choice):
        return answer
    plain = _TEXT.sub(r"\1", answer.text).strip()
    if len(plain) == 1:
        return read_scalar(plain)
    return read_part(plain) if plain != answer.text and _HAS_VALUE.search(plain) else read_scalar(answer.text)


def _moduli_agree(gold: Answer, answer: Answer, algebra: Algebra) -> bool:
    """Whether a congruence, as a gold, is not answered by one to another modulus, or by an equation."""
    if r"\mod" not in gold.text:
        return True  # a remainder in the answer is judged as any operator that is left standing
    of_gold, of_answer = _MODULUS.findall(gold.text), _MODULUS.findall(answer.text)
    if not of_answer:
        return not (r"\equiv" in gold.text and (around(answer).name or _has_equals(around(answer).value)))
    if not of_gold:
        return True
    pairs = zip(of_gold, of_answer, strict=False)
    return len(of_gold) == len(of_answer) and all(
        algebra.equal(read_scalar(normalise(one)), read_scalar(normalise(other))) for one, other in pairs
    )


def _check_gold(gold: Answer, algebra: Algebra) -> None:
    """Raises UnreadableGold unless every part of the gold can be read: only then is the answer at fault."""
    match gold:
        case Number() | Infinity():
            return
        case Quantity():
            _check_gold(gold.value, algebra)
        case Expression() | Relation() | Text() | Choice() | TooComplex():
            algebra.check_gold(gold)
        case _:
            for element in gold.elements:
                _check_gold(element, algebra)


def words(text: str) -> str:
    """A text's words and signs in lower case, without markup, article and "and"; `(C)` is its letter."""
    plain = _TEXT.sub(r" \1 ", text).strip()
    if choice := _CHOICE.fullmatch(plain):
        return choice.group(1).lower()
    if "\\" in plain:
        return ""
    return _ARTICLE.sub("", " ".join(_WORD.findall(_JOINT.sub(" ", plain.lower()))))


# --- values and relations ------------------------------------------------------------------------


def _match(gold: Answer, answer: Answer, algebra: Algebra) -> str | None:
    """The rule by which the answer equals the gold, or None.

    Called again for the elements of lists, tuples and sets, so that each may
    have its own name and unit.
    """
    if isinstance(gold, Scalar) and isinstance(answer, Scalar):
        return algebra.equal(gold, answer)  # nothing stands around either
    one, other = around(gold), around(answer)
    if one.unit and other.unit and not _units_agree(one.unit, other.unit):
        return None
    if {Listed, PlusMinus} & {type(gold), type(answer)}:  # beside a list, `70,110` is two numbers
        if {Union, Tuple, Relation} & {type(one.value), type(other.value)} and (
            regions := _regions(one.value, other.value)
        ):
            return _match(*regions, algebra)
        return _match_values(as_list(one.value), as_list(other.value), algebra)
    if isinstance(one.value, Relation) or isinstance(other.value, Relation):
        return _match_relations(one, other, algebra)
    if one.name and other.name and not _names_agree(one, other, algebra):
        return None
    rule = _match_values(one.value, other.value, algebra)
    if rule is None and one.percent != other.percent:
        return _match_percent(one, other, algebra)
    return rule


def _units_agree(one: str, other: str) -> bool:
    """Degrees without a scale are those of any."""
    return one == other or ("degree" in {one, other} and one[:6] == other[:6])


def _regions(gold: Answer, answer: Answer) -> tuple[Answer, Answer] | None:
    """A list of inequalities beside a set of numbers or an inequality, as the region that it is."""
    one, other = region_of(gold), region_of(answer)
    if (one is None) == (other is None):
        return None
    variables = {found[1] for found in (one, other) if found} | _variables(gold) | _variables(answer)
    return (one[0] if one else gold, other[0] if other else answer) if len(variables) == 1 else None


def _variables(answer: Answer) -> set[str]:
    interval = interval_of(answer) if isinstance(answer, Relation) else None
    return {interval.variable} if interval else set()


def _names_agree(gold: Quantity, answer: Quantity, algebra: Algebra) -> bool:
    """`y = 2x` answers `f(x) = 2x`; `y = 5` does not answer `x = 5`."""
    return compact(gold.name) == compact(answer.name) or not algebra.is_constant(gold.value)


def _match_percent(gold: Quantity, answer: Quantity, algebra: Algebra) -> str | None:
    one = hundredth(gold.value) if gold.percent else gold.value
    other = hundredth(answer.value) if answer.percent else answer.value
    if not (isinstance(one, Scalar) and isinstance(other, Scalar)):
        return None
    return "percent" if algebra.equal(one, other) else None


def _match_relations(gold: Quantity, answer: Quantity, algebra: Algebra) -> str | None:
    """`y = 2x` is a value with a name or an equation, as need be."""
    if _is_rounded(gold):
        return _match(_before_rounding(gold), answer, algebra)
    if _is_rounded(answer):
        return _match_rounded(gold, answer, algebra)
    gold_whole, answer_whole = as_relation(gold), as_relation(answer)
    if not isinstance(gold.value, Relation):
        if isinstance(gold.value, Tuple | Union) and not _has_equals(answer.value):
            return algebra.related(gold.value, answer.value)
        rule = _match_chain(gold.value, answer.value, algebra)
        return rule or (algebra.related(gold_whole, answer_whole) if _has_equals(gold_whole) else None)
    if isinstance(answer.value, Relation):
        return algebra.related(gold_whole, answer_whole)
    if isinstance(answer_whole, Relation):
        return algebra.related(gold_whole, answer_whole)
    return algebra.related(gold.value, answer.value) if isinstance(answer.value, Tuple | Union) else None


def _is_rounded(side: Quantity) -> bool:
    r"""Whether it is `\frac{\pi}{4} \approx 0.785` or the like."""
    return isinstance(side.value, Relation) and r"\approx" in side.value.signs


def _before_rounding(side: Quantity) -> Answer:
    return read_part(side.text.partition(r"\approx")[0].strip())


def _match_rounded(gold: Quantity, answer: Quantity, algebra: Algebra) -> str | None:
    """An exact value that is followed by its decimal: either may be the gold, and both must agree."""
    exact = _before_rounding(answer)
    value = around(exact).value
    value = value.sides[-1] if isinstance(value, Relation) else value
    rounded = [read_part(part.strip()) for part in answer.value.text.split(r"\approx")[1:]]
    if rule := _match(gold, exact, algebra):
        return rule if all(_is_near(value, part, algebra, Fraction(1, 100)) for part in rounded) else None
    if not (isinstance(gold.value, Number) and gold.value.places):
        return None
    near = all(_is_near(value, part, algebra) for part in rounded)
    return _match(gold, rounded[-1], algebra) if near else None


def _is_near(value: Answer, rounded: Answer, algebra: Algebra, share: Fraction = Fraction(0)) -> bool:
    """Whether a number is a constant as it is rounded or cut off, or parted from it by less than a share."""
    number = around(rounded).value
    if not algebra.is_constant(value):
        return True
    about = algebra.approximately(value)
    if about is None or not isinstance(number, Number):
        return False
    difference = abs(about - number.value)
    return bool(difference < Fraction(1, 10**number.places) or difference < share * abs(about))


def _has_equals(answer: Answer) -> bool:
    return isinstance(answer, Relation) and "=" in answer.signs


def _match_chain(gold: Answer, answer: Answer, algebra: Algebra) -> str | None:
    """An answer `a = b = c` to a gold value: the last must equal it, and every constant before it, too."""
    if not isinstance(answer, Relation) or answer.kind != "equation" or len(answer.sides) < 2:
        return None
    *sides, last = answer.sides
    if any(algebra.is_constant(side) and not _match_values(gold, side, algebra) for side in sides):
        return None
    return _match_values(gold, last, algebra)


# --- forms ---------------------------------------------------------------------------------------


def _match_values(gold: Answer, answer: Answer, algebra: Algebra) -> str | None:
    """The rule by which two values without names and units are equal, or None."""
    gold, answer = _in_one_form(gold, answer)
    match gold, answer:
        case ((Number() | Infinity() | Expression()), (Number() | Infinity() | Expression())):
            return algebra.equal(gold, answer)
        case (Matrix(), Expression()) | (Expression(), Matrix()):
            return _match_matrices(gold.text, answer.text, algebra)
        case ((Listed() | SetOf() | PlusMinus()), (Listed() | SetOf() | PlusMinus())):
            if say_different_words(gold, answer):
                return None
            return _match_unordered(elements_of(gold), elements_of(answer), algebra)
        case Union(), Union():
            same = _match_unordered(elements_of(gold), elements_of(answer), algebra)
            return same or algebra.related(gold, answer)
        case (Union(), Tuple()) | (Tuple(), Union()):
            return algebra.related(gold, answer)
        case ((Tuple() | Matrix() | Ratio() | Listed()), (Tuple() | Matrix() | Ratio() | Listed())):
            return _match_ordered(_parts(gold), _parts(answer), algebra) if _are_alike(gold, answer) else None
    return None


def _in_one_form(gold: Answer, answer: Answer) -> tuple[Answer, Answer]:
    """Both sides; a ratio beside a value as the quotient, a list of rows beside a matrix as one, a set of
    one beside a value as its element."""
    if {type(gold), type(answer)} == {Matrix, Tuple}:
        return as_matrix(gold), as_matrix(answer)
    if isinstance(gold, Scalar) and isinstance(answer, Ratio):
        return gold, quotient(answer)
    if isinstance(gold, SetOf) != isinstance(answer, SetOf):
        gold, answer = _single(gold, beside=answer), _single(answer, beside=gold)
    if isinstance(gold, Ratio) and isinstance(answer, Scalar) and not _may_be_a_time(gold):
        return quotient(gold), answer
    return gold, answer


def _single(answer: Answer, beside: Answer) -> Answer:
    """The element of a set of one, beside a value, a point or a matrix; any other answer as it is."""
    if not isinstance(answer, SetOf) or len(answer.elements) != 1:
        return answer
    is_point = isinstance(beside, Tuple) and beside.brackets == "()"
    return around(answer.elements[0]).value if is_point or isinstance(beside, Scalar | Matrix) else answer


def _may_be_a_time(ratio: Ratio) -> bool:
    parts = zip(ratio.elements, (_HOURS, _MINUTES), strict=False)
    return all(pattern.fullmatch(element.text) for element, pattern in parts)


def _are_alike(gold: Answer, answer: Answer) -> bool:
    """Whether two forms are of a kind to be compared element by element.

    Brackets must agree where they can mean an interval, which is of two elements.
    A column matrix is a tuple, and so is a list beside a tuple in round brackets.
    """
    match gold, answer:
        case Tuple(), Tuple():
            return gold.brackets == answer.brackets or len(gold.elements) != 2
        case Matrix(), Matrix():
            return gold.columns == answer.columns
        case Ratio(), Ratio():
            return True
        case (Tuple(brackets="()"), Listed()) | (Listed(), Tuple(brackets="()")):
            return True
        case (Tuple(), Matrix(columns=1)) | (Matrix(columns=1), Tuple()):
            return True
    return False


def _match_matrices(gold: str, answer: str, algebra: Algebra) -> str | None:
    """A matrix and a sum or product of matrices."""
    both = r"\begin" in gold and r"\begin" in answer
    return algebra.equal(Expression(gold), Expression(answer)) if both else None


def _parts(answer: Tuple | Matrix | Ratio | Listed) -> tuple[Answer, ...]:
    """The elements in order; `y = 2, x = 1` in that of the names."""
    if not isinstance(answer, Listed):
        return answer.elements
    names = [around(element).name for element in answer.elements]
    if len(set(names)) == len(names) and (set(names) <= _COORDINATES or set(names) <= _COEFFICIENTS):
        return tuple(sorted(answer.elements, key=lambda element: around(element).name))
    return elements_of(answer)


def _match_ordered(gold: Sequence[Answer], answer: Sequence[Answer], algebra: Algebra) -> str | None:
    if len(gold) != len(answer):
        return None
    equal = all(_match(one, other, algebra) for one, other in zip(gold, answer, strict=True))
    return "elements in order" if equal else None


def _match_unordered(gold: Sequence[Answer], answer: Sequence[Answer], algebra: Algebra) -> str | None:
    """Every gold element takes one equal element of the answer, and none is left over."""
    gold, answer = _without_repeated_tuples(gold), _without_repeated_tuples(answer)
    if len(gold) != len(answer):
        return None
    left = list(answer)
    unmatched = [part for part in gold if not _take(left, part, _same_text)]
    if len(unmatched) > MAX_UNORDERED:
        return None

    def equal(part: Answer, other: Answer) -> bool:
        return _match(part, other, algebra) is not None

    return "elements in any order" if all(_take(left, part, equal) for part in unmatched) else None


def _without_repeated_tuples(parts: Sequence[Answer]) -> Sequence[Answer]:
    """A solution that is listed twice is one solution; of plain numbers, repetition may be multiplicity."""
    if not all(isinstance(part, Tuple) for part in parts):
        return parts
    return tuple({compact(part.text): part for part in parts}.values())


def _same_text(part: Answer, other: Answer) -> bool:
    return compact(part.text) == compact(other.text)


def _take(items: list[Answer], part: Answer, equal: Callable[[Answer, Answer], bool]) -> bool:
    """Removes the first item that is equal to `part`; whether there was one."""
    for index, item in enumerate(items):
        if equal(part, item):
            del items[index]
            return True
    return False
