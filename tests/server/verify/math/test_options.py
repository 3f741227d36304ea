"""A choice is answered by its letter or by its value, where the options are given."""

from __future__ import annotations

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import RequestError
from server.verify.math import worker
from server.verify.math.options import MAX_OPTIONS, by_option, with_options
from server.verify.math.verifier import MathVerifier

OPTIONS = [r"\frac{1}{2}", "12", r"\text{none of these}", "1,200"]


async def work(payload: bytes, _: float) -> bytes:
    return worker.handle(payload)


async def status(gold: str, answer: str, options: list[str]) -> str:
    task = pb.MathTask(gold=[gold], options=options)
    request = pb.VerifyRequest(id="c", completion=rf"so \boxed{{{answer}}}", math=task)
    return pb.Status.Name((await MathVerifier(work).verify(request)).status)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("B", "12"),
        ("(B)", "12"),
        (r"\text{B}", "12"),
        ("B", "12.0"),
        ("B", "(B) 12"),
        ("B", "B. 12"),
        ("B", r"\text{(B) }12"),
        ("A", "0.5"),
        ("A", "A: 1/2"),
        ("12", "B"),
        ("0.5", "(A)"),
        ("C", "none of these"),
        ("D", "1200"),
    ],
)
async def test_accepted(gold: str, answer: str) -> None:
    assert await status(gold, answer, OPTIONS) == "ACCEPTED"


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("B", "A"), ("B", "0.5"), ("B", "A. 12"), ("B", "B. 13"), ("12", "A"), ("B", "A or B"), ("13", "B")],
)
async def test_refused(gold: str, answer: str) -> None:
    assert await status(gold, answer, OPTIONS) == "WRONG_ANSWER"


async def test_without_options_a_value_is_no_letter() -> None:
    assert await status("B", "12", []) == "WRONG_ANSWER"


def test_an_option_that_is_a_letter_adds_no_other_letter() -> None:
    assert with_options(["B"], ["B", "C", "A"]) == ["B"]


def test_a_letter_beyond_the_options_adds_nothing() -> None:
    assert with_options(["F"], OPTIONS) == ["F"]
    assert by_option("F. 12", OPTIONS) == "F. 12"


async def test_too_many_options_are_named() -> None:
    with pytest.raises(RequestError, match="at most 26"):
        await status("B", "12", ["1"] * (MAX_OPTIONS + 1))
