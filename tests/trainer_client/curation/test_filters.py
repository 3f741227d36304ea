"""Each rule meets what it is named after, and leaves what only looks like it."""

from __future__ import annotations

import pytest

from trainer_client.curation.filters import judge
from trainer_client.curation.plan import CODE_RULES, MATH_RULES, Filters
from trainer_client.curation.problem import CuratedProblem

STDIO = {"code": {"language": "python", "stdio": {"cases": [{"input": "", "output": "1"}]}}}
INTERACTIVE = {"code": {"language": "python", "interactive": {"cases": [{"input": "1"}]}}}
CHECKED = {"code": {**STDIO["code"], "checker": {"program": {"language": "python", "source": "x"}}}}
ASSERTS = {"code": {"language": "python", "asserts": {"tests": ["assert f(1) == 1\nassert f(2) == 2"]}}}


def math(statement: str, gold: str = "7") -> CuratedProblem:
    return CuratedProblem("f:1", "s/1", "1", "math", statement, statement, gold, (gold,))


def code(statement: str, label: dict = STDIO, released: str = "") -> CuratedProblem:
    return CuratedProblem("f:1", "s/1", "1", "code", statement, statement, label, released=released)


def rule_of(problem: CuratedProblem, **settings) -> str:
    found = judge(problem, Filters(**settings))
    return found.rule if found else ""


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("proof", "Let n be even. Show that n squared is divisible by four."),
        ("proof", "Prove or disprove: every graph with that property is a tree."),
        ("", "A scale shows that the weight of a bag is 7 kg. What do two bags weigh?"),
        ("", "The proof that Ann gave has 12 lines. How many lines have three such proofs?"),
        ("multiple_choice", "Which is the largest? \n A. one\n B. two\n C. three"),
        (
            "multiple_choice",
            "What is it? $\\textbf{(A)}\\ 1 \\qquad \\textbf{(B)}\\ 2 \\qquad\\textbf{(C)}\\ 3$",
        ),
        ("", "The points (A, B) and (C, D) lie on a line. What is the slope if A = B = 1?"),
        ("true_false", "True or false: the number 91 is a prime number?"),
        ("multi_part", "Let f(x) = x. (i) Find f(1). (ii) Find the value of f(2)."),
        ("", "Let f(a) be the sum of a and b. What is f(2) when b is 5?"),
        ("figure", "What is the area of the region? [asy] draw((0,0)--(1,1)); [/asy]"),
        ("figure", "As shown below, a circle touches three sides of a square of side 4."),
        ("", "Ann draws six of the pictures in a day. How many pictures does she draw in a week?"),
        ("", "The graph of y = x + 2 meets the x-axis at a point. What is its x-coordinate?"),
        ("non_english", "Сколько будет дважды два, если сложить и умножить?"),
        ("", "Compute $\\sin 60^\\circ + \\cos 30^\\circ$."),
        ("", "Naïve Zoë has three café tables with four chairs each. How many chairs has she?"),
        ("too_short", "What is x?"),
    ],
)
def test_rules_on_the_text_of_math(rule, statement):
    assert rule_of(math(statement)) == rule


@pytest.mark.parametrize(
    ("rule", "gold"),
    [
        ("no_answer", "  "),
        ("true_false", "\\text{Yes}"),
        ("answer_too_long", "1" * 101),
        ("answer_prose", "it is the one that has no more than two"),
        ("", "\\text{Evelyn}"),
        ("", "x \\in (-\\infty, 2) \\cup (3, \\infty)"),
    ],
)
def test_rules_on_the_answer(rule, gold):
    assert rule_of(math("What is the value that was asked for here?", gold)) == rule


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("several_solutions", code("Print a path. If there are several solutions, print any of them.")),
        ("", code("Print a path. If there are several solutions, print any of them.", CHECKED)),
        ("interactive", code("Guess my number.", INTERACTIVE)),
        ("interactive", code("This is an interactive problem. Flush the output.")),
        ("image", code("The board is ![here](board.png).")),
        ("", code("Print the number of images in the gallery.")),
        ("released_late", code("Print 1.", released="2024-08-02")),
        ("", code("Print 1.", released="2024-08-01")),
        ("", code("Print 1.")),
        ("too_few_tests", code("Print 1.")),
        ("", code("Write f.", ASSERTS)),
    ],
)
def test_rules_on_code(rule, problem):
    fewest = 2 if rule == "too_few_tests" or "f." in problem.statement else 1
    assert rule_of(problem, released_until="2024-08-01", fewest_tests=fewest) == rule


@pytest.mark.parametrize("rule", [*MATH_RULES, *CODE_RULES])
def test_every_rule_can_be_left_out(rule):
    problems = [
        math("Prove that n is even in the figure below, true or false? (A) 1 (B) 2 (C) 3", ""),
        math("No.", "a b c d e f g, words " * 9),
        math("Если да: (a) Find x. (b) Find y.", "1"),
        code("The interactor says: print any of them. ![i](j)", STDIO, "2025-01-01"),
    ]
    settings = {"released_until": "2024-08-01", "fewest_tests": 2}
    everything = set(MATH_RULES + CODE_RULES)
    only = tuple(everything - {rule})
    assert any(rule_of(one, skip=only, **settings) == rule for one in problems)
    assert all(rule_of(one, skip=(rule,), **settings) != rule for one in problems)
