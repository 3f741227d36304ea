"""Extraction: what each policy takes, what it refuses, and that hostile text costs one pass."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify import extraction
from server.verify.extraction import (
    DEFAULT_POLICY,
    POLICIES,
    code_blocks,
    extract,
    extract_unhurried,
    last_box,
)


def text_of(completion: str, policy: str, language: str = "") -> str | None:
    found = extract(completion, policy, language=language)
    return None if found is None else found.text


def test_defaults_are_policies() -> None:
    assert set(DEFAULT_POLICY.values()) <= set(POLICIES)


def test_an_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="boxed_after_think"):
        extract("x", "best_guess")


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{\frac{1}{2}} is it", r"\frac{1}{2}"),
        (r"\boxed{5} no, wrong: \boxed{7}", "7"),
        (r"\fbox{42}", "42"),
        (r"\boxed {42}", "42"),
        (r"so $\boxed 42$.", "42"),
        (r"\boxed \frac{1}{2}", r"\frac{1}{2}"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"a set {1 and then \boxed{3}", "3"),
        (r"stray } then \boxed{3}", "3"),
        (r"\boxed{12", None),
        (r"\boxed{1} and then \boxed{2", "1"),
        (r"\boxed{}", None),
        (r"\boxed{5}. As asked, it stands in \boxed{}.", "5"),
        (r"\boxed{5}, within the \boxed command.", "5"),
        (r"so \boxed x", "x"),
        (r"\boxedanswer{3}", None),
        ("the answer is 42", None),
        ("", None),
        (r"<think>\boxed{1}</think> \boxed{2}", "2"),
        (r"thinking \boxed{1}</think> \boxed{2}", "2"),
        (r"<think>\boxed{1}</think> done", None),
        (r"<think>\boxed{1}", None),
        (r"<think>a</think><think>\boxed{1}", None),
        (r"<think>a</think>\boxed{1}<think>b</think>\boxed{2}", "2"),
    ],
)
def test_boxed_after_think(completion: str, answer: str | None) -> None:
    assert text_of(completion, "boxed_after_think") == answer


def test_how_says_where_the_answer_stood() -> None:
    found = extract(r"<think>x</think>\boxed{2}", "boxed_after_think")
    assert found is not None
    assert found.how == r"last \boxed{} after </think>"


def test_last_boxed_also_looks_into_the_reasoning() -> None:
    assert text_of(r"<think>\boxed{1}", "last_boxed") == "1"


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<answer>4</answer>", "4"),
        ("<answer>4</answer> or <answer> 5 </answer>", "5"),
        ("<answer>4</answer> <answer>5", "4"),
        ("<answer>4", None),
        ("4</answer>", None),
    ],
)
def test_answer_tag(completion: str, answer: str | None) -> None:
    assert text_of(completion, "answer_tag") == answer


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("2+2\nFinal Answer: The final answer is $4$. I hope it is correct.", "$4$"),
        ("The answer is 12.", "12"),
        ("Answer: 41\nno\nAnswer: 42", "42"),
        ("**Answer:** 7", "7"),
        ("**Answer**: 7", "7"),
        ("**Final Answer** 7", "7"),
        ("work\n#### 1,234", "1,234"),
        ("so 3 + 4 = 7\nA: 7", "7"),
        (r"The final answer is \boxed{9}.", "9"),
        ("the answers vary", None),
        ("no phrase at all 5", None),
    ],
)
def test_final_answer(completion: str, answer: str | None) -> None:
    assert text_of(completion, "final_answer") == answer


def test_whole_is_everything_but_blank_text() -> None:
    assert text_of(" 1/2 ", "whole") == " 1/2 "
    assert text_of(" \n", "whole") is None


@pytest.mark.parametrize(
    ("completion", "language", "code"),
    [
        ("```python\nprint(1)\n```", "python", "print(1)"),
        ("```py\na\n```\n```python3\nb\n```", "python", "b"),
        ("```python\na\n```\nOutput:\n```\n1\n```", "python", "a"),
        ("```\na\n```\n```\nb\n```", "python", "b"),
        ("```cpp\na\n```", "python", None),
        ("```C++\nint x;\n```", "cpp", "int x;"),
        ("```python\na\n```", "python3", "a"),
        ("```python\na\n```", "pypy", "a"),
        ("```cpp\nint x;\n```", "c++17", "int x;"),
        ("```c++17\nint x;\n```", "cpp", "int x;"),
        ("```c\nint x;\n```", "c99", "int x;"),
        ("```rb\na\n```", "ruby", "a"),
        ("```ruby\na\n```", "rb", "a"),
        ("```java\na\n```", "junit", "a"),
        ("```javascript\na\n```", "JS", "a"),
        ("```cobol\na\n```", "cobol", "a"),
        ('```python title="x.py"\na\n```', "python", "a"),
        ("```{.python .numberLines}\na\n```", "python", "a"),
        ("``` python \na\n```", "python", "a"),
        ("~~~python\na\n```\nb\n~~~", "python", "a\n```\nb"),
        ("````python\ns = '''\n```\n'''\n````", "python", "s = '''\n```\n'''"),
        ("```python\r\nif x:\r\n    y\r\n```\r\n", "python", "if x:\n    y"),
        ("1. so:\n   ```python\n   if x:\n       y\n   ```", "python", "if x:\n    y"),
        ("- ```python\n  a\n  ```", "python", "a"),
        ("> ```python\n> a\n> ```", "python", "a"),
        ("```python\na\n```\n```python\nb", "python", None),
        ("```python\na\n```\n```text\nb", "python", "a"),
        ("```python\nprint(1)", "python", None),
        ("<think>```python\na\n```</think>", "python", None),
        ("<think>\n```python\na\n```\n</think>\n```python\nb\n```", "python", "b"),
        ("```js\na\n```", "", "a"),
        ("`print(1)`", "python", None),
        ("```python\n\n```", "python", None),
    ],
)
def test_last_code_block(completion: str, language: str, code: str | None) -> None:
    assert text_of(completion, "last_code_block", language) == code


def test_first_code_block_is_the_first_of_its_language() -> None:
    completion = "```\nx\n```\n```python\na\n```\n```python\nb"
    assert text_of(completion, "first_code_block", "python") == "a"


@given(st.lists(st.sampled_from(["{", "}", r"\boxed{", r"\fbox {", r"\{", r"\\", "7", " "]), max_size=40))
def test_a_box_is_always_balanced_and_inside_the_text(tokens: list[str]) -> None:
    text = "".join(tokens)
    box = last_box(text)
    if box is not None:
        assert box in text
        assert re.sub(r"\\.", "", box).count("{") == re.sub(r"\\.", "", box).count("}")


@given(st.text(st.sampled_from("`~abc \n>-"), max_size=80))
def test_blocks_never_hold_more_lines_than_the_text(text: str) -> None:
    blocks = code_blocks(text)
    assert sum(len(block.text.split("\n")) for block in blocks) <= len(text.split("\n"))


@given(st.lists(st.text(st.characters(exclude_characters="`~\r"), max_size=20), min_size=1, max_size=5))
def test_a_fenced_text_comes_back_as_it_was(lines: list[str]) -> None:
    code = "\n".join(line.replace("\n", "") for line in lines) + "#"
    assert text_of(f"Here:\n```python\n{code}\n```\n", "last_code_block", "python") == code


class CountingPattern:
    """A compiled pattern that counts the matches it hands out."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern, self.matches = pattern, 0

    def finditer(self, text: str, start: int):
        for found in self.pattern.finditer(text, start):
            self.matches += 1
            yield found


@pytest.mark.parametrize(
    "before", ["{", "}", "\\", "\\\\", "\\{", "f", "x \\f", "{ \\frac{1}{2", "mailbox {"]
)
def test_what_stands_before_a_box_does_not_change_it(before: str) -> None:
    assert last_box(before + r"\boxed{\frac{1}{2}} } {") == r"\frac{1}{2}"


@pytest.mark.parametrize("hostile", ["{" * 100_000, r"\boxed{" * 100_000, r"\boxed{" * 50_000 + "}" * 50_000])
def test_hostile_nesting_is_read_in_one_pass(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = CountingPattern(extraction._BOX_TOKEN)
    monkeypatch.setattr(extraction, "_BOX_TOKEN", counting)
    last_box(hostile)
    assert counting.matches <= len(hostile)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "hostile", ["`" * 100_000, "```\n" * 30_000, "<think>" * 20_000, "<answer>" * 20_000, "answer: " * 20_000]
)
def test_hostile_text_ends_under_every_policy(policy: str, hostile: str) -> None:
    found = extract(hostile, policy)
    assert found is None or found.text in hostile


@pytest.mark.parametrize("padding", [0, 1 << 18])
async def test_long_texts_are_read_beside_the_event_loop_with_the_same_result(padding: int) -> None:
    text = "x" * padding + r"</think> \boxed{7}"
    assert await extract_unhurried(text, "boxed_after_think") == extract(text, "boxed_after_think")


# --- as math-verify finds it ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"\boxed{1}, and the second is \boxed{2}", "1, 2"),
        (r"$\boxed{1} \quad \text{so} \quad \boxed{2}$", "1, 2"),
        (r"\boxed{1} That is wrong. \boxed{2}", "2"),
        (r"\boxed{1}, " + "long words " * 9 + r"\boxed{2}", "2"),
        (r"\boxed{1}, \boxed{1}", "1"),
        (r"so it is \boxed{12", "12"),
        (r"it is $5$", "5"),
        ("a formula over\n$two\n+ 3$ lines, then $7$", "7"),
        (r"The final answer is $9$. I hope it is correct. \boxed{8}", "8"),
        ("nothing to be found in these words, which are a sentence and no answer at all", None),
        (r"<think>\boxed{1}</think> so $2$", "2"),
        (r"<think>\boxed{1}", None),
    ],
)
def test_as_math_verify_finds_it(completion: str, answer: str | None) -> None:
    assert text_of(completion, "math_verify") == answer


@given(st.lists(st.integers(0, 99), min_size=1, max_size=5, unique=True))
def test_loosely_joined_boxes_keep_their_order(values: list[int]) -> None:
    completion = " and also ".join(rf"\boxed{{{value}}}" for value in values)
    assert text_of(completion, "math_verify") == ", ".join(map(str, values))


@given(st.text(st.sampled_from(r"$\boxed{}()[] 12,.and" + "\n"), max_size=60))
def test_whatever_math_verify_s_way_finds_stands_in_the_text(text: str) -> None:
    found = text_of(text, "math_verify") or ""
    assert all(part in text for line in found.split("\n") for part in line.split(", "))


@pytest.mark.parametrize(("text", "answer"), [("1$\n$1", "1"), ("so $1$\n$2$", "2"), ("$x =\n$3$", "3")])
def test_formulas_over_lines_do_not_join_what_is_around_them(text: str, answer: str) -> None:
    assert text_of(text, "math_verify") == answer
