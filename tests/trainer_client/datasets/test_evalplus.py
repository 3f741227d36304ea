"""EvalPlus tests as plain asserts mean what they meant."""

from __future__ import annotations

import pytest

from server.verify.code.asserts import rewrite
from trainer_client.datasets.evalplus import plain_asserts

HEAD = """\
import numpy as np

def is_floats(x) -> bool:
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)):
        return all(isinstance(i, float) for i in x)
    if isinstance(x, np.ndarray):
        return x.dtype == np.float64 or x.dtype == np.float32
    return False


def assertion(out, exp, atol):
    exact_match = out == exp

    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if not exact_match and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert exact_match


"""
LOOP = """\
def check(candidate):
    inputs = {inputs}
    results = {results}
    for i, (inp, exp) in enumerate(zip(inputs, results)):
        assertion(candidate(*inp), exp, {tolerance})
"""


def made_tests(inputs: object, results: object, *, tolerance: float = 0) -> str:
    return HEAD + LOOP.format(inputs=inputs, results=results, tolerance=tolerance)


def passes(tests: str, value: object) -> bool:
    names: dict[str, object] = {}
    exec(tests, names)  # tests written in this file
    try:
        names["check"](lambda *_: value)  # type: ignore[operator]  # a function of the text above
    except AssertionError:
        return False
    return True


def test_literals_become_asserts_that_the_server_judges_outside() -> None:
    found = rewrite(plain_asserts(made_tests([[(1, 2), "a"]], [["b"]]), "f"), "f")
    assert found is not None
    assert len(found.checks) == 1


@pytest.mark.parametrize(("value", "right"), [(3, True), (3.0, True), (4, False), ([3], False)])
def test_equality(value: object, right: bool) -> None:
    assert passes(plain_asserts(made_tests([[1]], [3]), "f"), value) is right


@pytest.mark.parametrize(
    ("tolerance", "value", "right"),
    [(0, 2.0000009, True), (0, 2.000002, False), (1e-2, 2.009, True), (1e-2, 2.02, False)],
)
def test_tolerance_of_a_number(tolerance: float, value: float, right: bool) -> None:
    plain = plain_asserts(made_tests([[1]], [2.0], tolerance=tolerance), "f")
    assert "np" not in plain
    assert passes(plain, value) is right


@pytest.mark.parametrize(
    ("value", "right"), [([1.0, 2.0], True), ([1.0, 2.0000009], True), ([1.0], False), ([1.0, 2.1], False)]
)
def test_numbers_in_an_array_are_compared_without_numpy(value: list[float], right: bool) -> None:
    plain = plain_asserts(made_tests([[1]], [[1.0, 2.0]]), "f")
    assert "import numpy" not in plain
    assert passes(plain, value) is right


def test_a_comparison_of_the_problems_own_is_kept() -> None:
    own = made_tests([[1]], [3]).replace(
        "    exact_match = out == exp\n", "    exact_match = set(out) == set(exp)\n"
    )
    assert plain_asserts(own, "f").endswith(own[own.index("def is_floats") :])


def test_results_that_are_computed_are_kept() -> None:
    own = made_tests([[1]], "[g(1)]")
    assert "results = [g(1)]" in plain_asserts(own, "f")
