"""SandboxFusion's extraction and comparison, by its own rules."""

from __future__ import annotations

import pytest

from server.faces.dialects.sandbox_fusion_submit import agrees, extract


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("YES\n", "yes"),
        ("1.0000001", "1"),
        ("  1 2 \n", "1 2"),
        ("1e-16", "0"),
    ],
)
def test_accepted(output: str, expected: str) -> None:
    assert agrees(output, expected)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("1\n2", "1\n2\n3"),  # a correct prefix
        ("1\n2\n3", "1\n2"),
        ("1.0 2.0", "1 2"),  # no tolerance on a line of several numbers
        ("", "1"),
        ("1.001", "1"),
    ],
)
def test_refused(output: str, expected: str) -> None:
    assert not agrees(output, expected)


def test_the_first_block_of_the_language_is_the_program() -> None:
    text = "a\n```cpp\nint x;\n```\n```python\nfirst\n```\n```python\nsecond\n```"
    assert extract(text, "python") == "first\n"


def test_without_its_language_the_first_block() -> None:
    assert extract("```\nx = 1\n```\n```\ny\n```", "python") == "x = 1\n"


def test_a_fence_within_a_line_ends_no_block() -> None:
    text = "```python\ns = '```'\nprint(s)\n```\ndone"
    assert extract(text, "python") == "s = '```'\nprint(s)\n"


@pytest.mark.parametrize("text", ["```python\n```", "```python\n  ```\n"])
def test_an_empty_block_is_an_empty_program(text: str) -> None:
    assert extract(text, "python") == ""


def test_a_block_that_never_ends_is_the_program() -> None:
    assert extract("so:\n```python\nx = 1", "python") == "x = 1"


def test_without_a_block_the_whole_text() -> None:
    assert extract("print(1)", "python") == "print(1)"
