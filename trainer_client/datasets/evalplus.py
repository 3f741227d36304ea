"""EvalPlus tests as plain asserts, so that the server can judge them outside the jail.

The published form loops over `inputs` and `results` and compares with numpy. Where both are plain literals
and the comparison is EvalPlus's own, each pair becomes one assert of the same meaning (`numpy.allclose` of
two numbers is abs(out - exp) <= atol + 1e-7 * abs(exp), numpy's reference). All else stays code, with a
stand-in for the four names of numpy that it uses, because a jail has no numpy.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import Any

from trainer_client.datasets.rows import syntax_tree

_RELATIVE = 1e-7
_DEFAULT_ABSOLUTE = 1e-6  # EvalPlus's where the expected value is a float
_NUMPY = """\
class np:
    ndarray = ()
    float64 = float32 = None

    @staticmethod
    def allclose(out, exp, rtol, atol):
        def close(a, b):
            if isinstance(b, (list, tuple)):
                return len(a) == len(b) and all(map(close, a, b))
            return a == b or abs(a - b) <= atol + rtol * abs(b)
        return close(out, exp)
"""
# The body of `assertion` in HumanEval+ and in MBPP+, as `ast.unparse` writes it.
_OWN_COMPARISONS = (
    "exact_match = out == exp\n"
    "if atol == 0 and is_floats(exp):\n    atol = 1e-06\n"
    "if not exact_match and atol != 0:\n    assert np.allclose(out, exp, rtol=1e-07, atol=atol)\n"
    "else:\n    assert exact_match",
    "if atol == 0 and is_floats(exp):\n    atol = 1e-06\n"
    "if out != exp and atol != 0:\n    assert np.allclose(out, exp, rtol=1e-07, atol=atol)\n"
    "else:\n    assert out == exp, f'out: {out}, exp: {exp}'",
)


class _NotPlain(Exception):
    """The tests are more than pairs of literals."""


def plain_asserts(test: str, function: str) -> str:
    """The tests as `check(candidate)` of plain asserts, or the same tests without numpy."""
    try:
        tree = syntax_tree(test)
        return "def check(candidate):\n" + "".join(f"    {line}\n" for line in _asserts(tree, function))
    except (_NotPlain, SyntaxError, ValueError, RecursionError):
        return test.replace("import numpy as np\n", _NUMPY)


def _asserts(tree: ast.Module, function: str) -> Iterator[str]:
    comparison = _function(tree, "assertion")
    if "\n".join(map(ast.unparse, comparison.body)) not in _OWN_COMPARISONS:
        raise _NotPlain("a comparison of this problem's own")
    inputs, results = _literal(tree, "inputs"), _literal(tree, "results")
    absolute = _absolute(tree, function)
    if len(inputs) != len(results) or not inputs:
        raise _NotPlain("the pairs do not match")
    for given, expected in zip(inputs, results, strict=True):
        yield _assert(given, expected, absolute)


def _assert(given: Any, expected: Any, absolute: float) -> str:
    call = f"candidate({', '.join(map(repr, given))})"
    if absolute == 0 and not _is_floats(expected):
        return f"assert {call} == {expected!r}"
    if isinstance(expected, bool) or not isinstance(expected, int | float) or not math.isfinite(expected):
        raise _NotPlain("a tolerance on something other than a number")
    # The largest difference that is allowed is allowed, so the strict comparison is with the next float.
    bound = math.nextafter((absolute or _DEFAULT_ABSOLUTE) + _RELATIVE * abs(expected), math.inf)
    return f"assert abs({call} - {expected!r}) < {bound!r}"


def _is_floats(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(one, float) for one in value)
    return isinstance(value, float)


def _function(tree: ast.Module, name: str) -> ast.FunctionDef:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise _NotPlain(f"no {name}")


def _literal(tree: ast.Module, name: str) -> list[Any]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
        ):
            found = ast.literal_eval(node.value)
            if isinstance(found, list):
                return found
    raise _NotPlain(f"no literal {name}")


def _absolute(tree: ast.Module, function: str) -> float:
    """The tolerance of the one call `assertion(f(*inp), exp, tolerance)`."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "assertion"
    ]
    if len(calls) != 1 or len(calls[0].args) != 3:
        raise _NotPlain("not one call of assertion")
    called, expected, absolute = calls[0].args
    if ast.unparse(called) not in ("candidate(*inp)", f"{function}(*inp)") or ast.unparse(expected) != "exp":
        raise _NotPlain("the call is not plain")
    return float(ast.literal_eval(absolute))
