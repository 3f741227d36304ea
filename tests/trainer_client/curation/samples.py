"""A small raw set of our own making, with a planted fault of each kind, and what becomes of each row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STDIO = {
    "code": {
        "language": "python",
        "stdio": {"cases": [{"input": "3\n", "output": "6\n"}, {"input": "4\n", "output": "8\n"}]},
    }
}
WEAK = {"code": {"language": "python", "stdio": {"cases": [{"input": "0\n", "output": "0\n"}]}}}
DOUBLE = "print(int(input()) * 2)"

GOOD: list[dict[str, Any]] = [
    {
        "id": "apples",
        "problem": "Ann has 3 apples and buys 4 more at the old market in town. How many has she now?",
        "gold": "7",
    },
    # A problem with other numbers is another problem, however alike the words are.
    {
        "id": "more-apples",
        "problem": "Ann has 5 apples and buys 4 more at the old market in town. How many has she now?",
        "gold": "9",
    },
    {
        "id": "half",
        "problem": "What is the value of one half of one third, as a fraction?",
        "gold": "1/6",
        "url": "https://www.example.org/half/",
    },
    {
        "id": "double",
        "problem": "Read a number from the input and print twice that number to the output.",
        "label": STDIO,
        "reference": DOUBLE,
        "wrong": ["print(3)"],
    },
]
BENCHMARK = {
    "problem": "A baker sells twelve loaves of rye bread on each day of the week. How many loaves in June?",
    "gold": "360",
}

PLANTED: list[tuple[str, str | dict[str, Any]]] = [
    ("broken_row", '{"id": "broken", "problem": "What is'),
    ("broken_row", "[1, 2]"),
    ("unusable_row", {"id": "no-label", "problem": "What is the sum of 17 and 18, if both are added?"}),
    (
        "exact_duplicate",
        {
            "id": "apples-again",
            "problem": "ann has 3 apples and buys  4 more at the old market in town. How many has she now",
            "gold": "7",
        },
    ),
    (
        "near_duplicate",
        {
            "id": "apples-nearly",
            "problem": "So Ann has 3 apples and buys 4 more at the old market in town. How many has she now?",
            "gold": "7",
        },
    ),
    (
        "url_duplicate",
        {
            "id": "half-again",
            "problem": "Halve a third, please, and say what you get as a fraction.",
            "gold": "1/6",
            "url": "http://example.org/half",
        },
    ),
    (
        "contaminated",
        {
            "id": "bread",
            "problem": "Yesterday a baker sells twelve loaves of rye bread on each counter. How many?",
            "gold": "12",
        },
    ),
    (
        "proof",
        {
            "id": "proof",
            "problem": "Let n be an integer. Prove that n(n+1) is even for every n.",
            "gold": "even",
        },
    ),
    (
        "multiple_choice",
        {"id": "choice", "problem": "What is two plus two? (A) 3 (B) 4 (C) 5 (D) 6", "gold": "B"},
    ),
    (
        "true_false",
        {"id": "truth", "problem": "Is every prime number that ends in 2 equal to 2?", "gold": "True"},
    ),
    (
        "multi_part",
        {
            "id": "parts",
            "problem": "Consider x + 1 = 3. (a) Find the value of x. (b) Find the square of x.",
            "gold": "2",
        },
    ),
    (
        "figure",
        {
            "id": "figure",
            "problem": "In the figure below, what is the area of the triangle with base 4?",
            "gold": "8",
        },
    ),
    (
        "non_english",
        {
            "id": "spanish",
            "problem": "Juan tiene tres manzanas rojas y compra cuatro manzanas verdes; ahora cuenta todas.",
            "gold": "7",
        },
    ),
    ("too_short", {"id": "short", "problem": "What is 1+1?", "gold": "2"}),
    (
        "answer_too_long",
        {
            "id": "long",
            "problem": "What are the digits of pi up to a hundred and one places?",
            "gold": "3" * 101,
        },
    ),
    (
        "answer_prose",
        {
            "id": "prose",
            "problem": "What happens to the area of a square when its side is doubled?",
            "gold": "it becomes four times as large as it was",
        },
    ),
    (
        "gold_unreadable",
        {
            "id": "unreadable",
            "problem": "What is the sum of the numbers one, two and eleven?",
            "gold": "\\frac{14",
        },
    ),
    (
        "several_solutions",
        {
            "id": "any",
            "problem": "Two numbers that add up to ten. If there are multiple answers, print any of them.",
            "label": STDIO,
        },
    ),
    (
        "image",
        {
            "id": "image",
            "problem": "Print how many cells are black here: ![board](board.png)",
            "label": STDIO,
        },
    ),
    (
        "released_late",
        {
            "id": "late",
            "problem": "Read a number and print the number times two, then stop.",
            "label": STDIO,
            "date": "2024-09-01",
        },
    ),
    (
        "reference_fails",
        {
            "id": "wrong-reference",
            "problem": "Given a natural number on stdin write its double on stdout.",
            "label": STDIO,
            "reference": "print(int(input()) + 3)",
        },
    ),
    (
        "accepts_wrong",
        {
            "id": "accepts",
            "problem": "You get one integer. Say what you get when you add it to itself.",
            "label": WEAK,
            "reference": DOUBLE,
            "wrong": ["print(input())"],
        },
    ),
    (
        "tests_too_weak",
        {
            "id": "weak",
            "problem": "There is one whole number in the input; output that number multiplied with two.",
            "label": WEAK,
            "reference": "n = int(input())\nif n > 100:\n    print(n + n + 0 * n)\nelse:\n    print(n * 2)",
        },
    ),
]
STEP_OF = {"broken_row": "read", "unusable_row": "read"}


def raw_lines() -> list[str]:
    """Good rows and planted ones, shuffled into one another in a fixed order."""
    planted = [row if isinstance(row, str) else json.dumps(row) for _, row in PLANTED]
    return [json.dumps(row) for row in GOOD] + planted


def expected_rules() -> dict[str, int]:
    """Rule -> planted rows."""
    rules = [rule for rule, _ in PLANTED]
    return {rule: rules.count(rule) for rule in rules}


def write_plan(folder: Path, server: str, extra: str = "") -> Path:
    """Raw file, benchmark and plan."""
    (folder / "raw.jsonl").write_text("\n".join(raw_lines()) + "\n")
    (folder / "benchmark.jsonl").write_text(json.dumps(BENCHMARK) + "\n")
    plan = folder / "plan.toml"
    plan.write_text(
        f'name = "small"\n[[source]]\nname = "raw"\nfiles = ["{folder}/raw.jsonl"]\n'
        f'[contamination]\nbenchmarks = ["{folder}/benchmark.jsonl"]\n'
        f'[filters]\nreleased_until = "2024-08-01"\n'
        f'[verifier]\nserver = "{server}"\ndeadline_seconds = 5.0\nmax_in_flight = 2\n{extra}'
    )
    return plan
