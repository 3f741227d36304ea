"""Rewrites assert-based tests into calls whose results are judged outside the jail.

    def check(candidate):                         call f(3, [1])
        assert candidate(3, [1]) == "x"     ->    the returned value == "x"

HumanEval's `check(candidate)` and MBPP's lists of asserts are read as syntax
trees; nothing of them is evaluated. The rewriting is all or nothing: when one
statement is not plainly a call with literal arguments compared with a literal,
`rewrite` gives None and the tests run as they are, beside the program, at the
lower trust level. A rewritten assert means what Python means by it (`==` of
builtin values, so 1 == 1.0 and True == 1), with one difference on purpose: the
returned value must itself be a builtin value, not an object that claims equality.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from server.verify.code.difference import Difference, excerpt_value
from server.verify.code.literals import NotLiteral, literal
from server.verify.code.values import ValueRule, compare_values


class NotRewritable(Exception):
    """A statement is more than a comparison of one call with literals."""


@dataclass(frozen=True, slots=True)
class Equal:
    """`assert f(...) == value`."""

    value: Any

    def judge(self, got: Any) -> Difference | None:
        """None when the returned value satisfies the assert."""
        return compare_values(self.value, got, ValueRule.PYTHON)


@dataclass(frozen=True, slots=True)
class Is:
    """`assert f(...) is True`, False or None."""

    value: bool | None

    def judge(self, got: Any) -> Difference | None:
        """None when the returned value is that very constant."""
        return None if got is self.value else Difference("", repr(self.value), excerpt_value(got))


@dataclass(frozen=True, slots=True)
class Truth:
    """`assert f(...)` and `assert not f(...)`."""

    value: bool

    def judge(self, got: Any) -> Difference | None:
        """None when the returned value is as true as asked."""
        wanted = "a true value" if self.value else "a false value"
        return None if bool(got) is self.value else Difference("", wanted, excerpt_value(got))


@dataclass(frozen=True, slots=True)
class Near:
    """`assert abs(f(...) - value) < tolerance`, or `<=`."""

    value: int | float
    tolerance: int | float
    inclusive: bool

    def judge(self, got: Any) -> Difference | None:
        """None when the returned number is that near; a non-number never is."""
        if isinstance(got, int | float) and self._near(got):
            return None
        return Difference("", f"{excerpt_value(self.value)} within {self.tolerance}", excerpt_value(got))

    def _near(self, got: float) -> bool:
        try:
            error = abs(got - self.value)
        except OverflowError:  # an int that no float holds: the assert would raise as well
            return False
        return error <= self.tolerance if self.inclusive else error < self.tolerance


Expectation = Equal | Is | Truth | Near


@dataclass(frozen=True, slots=True)
class CallCheck:
    """One assert: the arguments of its call, and what is asked of the result."""

    arguments: list[Any]
    expectation: Expectation


@dataclass(frozen=True, slots=True)
class RewrittenTests:
    """The function that all asserts call, and the checks in the order of the asserts."""

    function: str
    checks: tuple[CallCheck, ...]


def rewrite(tests: str, entry_point: str = "") -> RewrittenTests | None:
    """The calls that these tests amount to, or None if they amount to more.

    `tests` is the source of `check(candidate)` or a list of assert statements,
    `entry_point` the tested function (for bare asserts it may be empty).
    """
    try:
        module = ast.parse(tests)
        function, statements, alias = _find_asserts(module, entry_point)
        checks = tuple(_checks(statements, alias))
    except (NotRewritable, NotLiteral, SyntaxError, ValueError, RecursionError):
        return None
    return RewrittenTests(function, checks) if checks and function.isidentifier() else None


def calls_check(tests: str) -> bool:
    """Whether this source defines `check` and leaves calling it to the runner; SyntaxError if unreadable."""
    body = ast.parse(tests).body
    defined = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in body)
    return defined and not any(_check_call(node) for node in body)


def _find_asserts(module: ast.Module, entry_point: str) -> tuple[str, list[ast.stmt], str]:
    """The tested function, the statements to rewrite, and the name that they call it by."""
    body = [node for node in module.body if not _inert(node)]
    if body and isinstance(body[0], ast.FunctionDef) and body[0].name == "check":
        function = _called_function(body[1:]) if len(body) > 1 else entry_point
        if entry_point not in ("", function):
            raise NotRewritable("check is called with another function")
        return function, body[0].body, _only_parameter(body[0])
    alias = entry_point or _first_called(body)
    return alias, body, alias


def _only_parameter(check: ast.FunctionDef) -> str:
    rest = check.args
    plain = not (rest.posonlyargs or rest.kwonlyargs or rest.vararg or rest.kwarg or rest.defaults)
    if not plain or check.decorator_list or len(rest.args) != 1:
        raise NotRewritable("signature of check")
    return rest.args[0].arg


def _called_function(after: list[ast.stmt]) -> str:
    """The `f` of the only statement after the definition, `check(f)`."""
    call = _check_call(after[0])
    if call is None or len(after) != 1 or call.keywords or len(call.args) != 1:
        raise NotRewritable("statements around check")
    if not isinstance(call.args[0], ast.Name):
        raise NotRewritable("argument of check")
    return call.args[0].id


def _check_call(node: ast.stmt) -> ast.Call | None:
    call = node.value if isinstance(node, ast.Expr) else None
    named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "check"
    return call if named and isinstance(call, ast.Call) else None


def _first_called(body: list[ast.stmt]) -> str:
    """The name that the first assert calls; a builtin would be no function of the program's."""
    for node in ast.walk(ast.Module(body=body[:1], type_ignores=[])):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not _builtin(node.func):
            return node.func.id
    raise NotRewritable("no call to a function of the program")


def _builtin(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and hasattr(builtins, node.id)


def _inert(node: ast.stmt) -> bool:
    """Statements that no assert can depend on: docstrings, `pass`, a bare builtin, METADATA."""
    if isinstance(node, ast.Pass):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _builtin(node.value)
    return isinstance(node, ast.Assign) and _is_metadata(node)


def _is_metadata(node: ast.Assign) -> bool:
    target = node.targets[0]
    if len(node.targets) != 1 or not isinstance(target, ast.Name) or target.id != "METADATA":
        return False
    literal(node.value)
    return True


def _checks(statements: list[ast.stmt], alias: str) -> Iterator[CallCheck]:
    for node in statements:
        if _inert(node):
            continue
        if not isinstance(node, ast.Assert):
            raise NotRewritable(type(node).__name__)
        # A message is evaluated only once the assert has failed: it cannot change the verdict.
        if isinstance(node.test, ast.Constant) and node.test.value:
            continue  # `assert True`
        yield _check(node.test, alias)


def _check(test: ast.expr, alias: str) -> CallCheck:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return CallCheck(_arguments(test.operand, alias), Truth(False))
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _comparison(test.left, test.ops[0], test.comparators[0], alias)
    return CallCheck(_arguments(test, alias), Truth(True))


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr, alias: str) -> CallCheck:
    if isinstance(operator, ast.Lt | ast.LtE):
        return _near(left, isinstance(operator, ast.LtE), right, alias)
    call, other = (left, right) if _is_call(left, alias) else (right, left)
    arguments, value = _arguments(call, alias), literal(other)
    if isinstance(operator, ast.Eq):
        return CallCheck(arguments, Equal(value))
    if isinstance(operator, ast.Is) and (value is None or isinstance(value, bool)):
        return CallCheck(arguments, Is(value))
    raise NotRewritable(type(operator).__name__)


def _near(left: ast.expr, inclusive: bool, right: ast.expr, alias: str) -> CallCheck:
    """`abs(f(...) - value) < tolerance`, the two operands of the minus in either order."""
    plain = isinstance(left, ast.Call) and _is_call(left, "abs") and len(left.args) == 1 and not left.keywords
    if not (plain and isinstance(left, ast.Call)):
        raise NotRewritable("order comparison")
    inner = left.args[0]
    if not (isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub)):
        raise NotRewritable("abs of something else")
    call, other = (inner.left, inner.right) if _is_call(inner.left, alias) else (inner.right, inner.left)
    value, tolerance = literal(other), literal(right)
    if not (isinstance(value, int | float) and isinstance(tolerance, int | float)):
        raise NotRewritable("not a number")
    return CallCheck(_arguments(call, alias), Near(value, tolerance, inclusive))


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _arguments(node: ast.expr, alias: str) -> list[Any]:
    """The literal positional arguments of a call to the tested function."""
    if not (_is_call(node, alias) and isinstance(node, ast.Call)) or node.keywords:
        raise NotRewritable("no plain call of the tested function")
    return [literal(argument) for argument in node.args]
