"""Reads constant Python expressions from test code without ever evaluating it.

What `ast.literal_eval` reads, and the arithmetic that test authors write in
place of a result: `3 * 19`, `2.0 / 3.0`, `'ab' + 'cd'`, `0 ** 0`. Sizes are
bounded before anything is computed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

MAX_BITS = 4096
MAX_DEPTH = 100
_MAX_EXPONENT = 64

_NUMERIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


class NotLiteral(Exception):
    """The expression is not a bounded constant."""


def literal(node: ast.expr, depth: int = 0) -> Any:
    """The value of a constant expression; NotLiteral for anything else."""
    if depth > MAX_DEPTH:
        raise NotLiteral("nested too deep")
    if isinstance(node, ast.Constant) and node.value is not Ellipsis:
        return node.value
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return _sequence(node, depth + 1)
    if isinstance(node, ast.Dict):
        return _dict(node, depth + 1)
    if isinstance(node, ast.UnaryOp):
        return _unary(node, depth + 1)
    if isinstance(node, ast.BinOp):
        return _binary(node, depth + 1)
    raise NotLiteral(type(node).__name__)


def _sequence(node: ast.List | ast.Tuple | ast.Set, depth: int) -> Any:
    items = [literal(item, depth) for item in node.elts]
    if isinstance(node, ast.List):
        return items
    if isinstance(node, ast.Tuple):
        return tuple(items)
    return {_hashable(item) for item in items}


def _dict(node: ast.Dict, depth: int) -> dict[Any, Any]:
    if None in node.keys:
        raise NotLiteral("** in a dict")
    keys = [_hashable(literal(key, depth)) for key in node.keys if key is not None]
    return dict(zip(keys, (literal(value, depth) for value in node.values), strict=True))


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError as error:
        raise NotLiteral(str(error)) from error
    return value


def _unary(node: ast.UnaryOp, depth: int) -> Any:
    value = literal(node.operand, depth)
    if isinstance(node.op, ast.Not):
        return not value
    if not _is_number(value):
        raise NotLiteral("sign of a non-number")
    if isinstance(node.op, ast.USub):
        return -value
    if isinstance(node.op, ast.UAdd):
        return +value
    raise NotLiteral("~")


def _binary(node: ast.BinOp, depth: int) -> Any:
    left, right = literal(node.left, depth), literal(node.right, depth)
    if isinstance(left, str) and isinstance(right, str) and isinstance(node.op, ast.Add):
        return left + right
    compute = _NUMERIC.get(type(node.op))
    if compute is None or not (_is_number(left) and _is_number(right)):
        raise NotLiteral("operator")
    if isinstance(node.op, ast.Pow) and not (isinstance(right, int) and abs(right) <= _MAX_EXPONENT):
        raise NotLiteral("exponent")
    try:
        return _bounded(compute(left, right))
    except (ArithmeticError, TypeError) as error:
        raise NotLiteral(str(error)) from error


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise NotLiteral("integer too large")
    return value


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return value.bit_length() <= MAX_BITS
    return isinstance(value, float | complex)
