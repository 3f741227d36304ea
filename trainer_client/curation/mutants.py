"""Small faults put into correct Python programs, one at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any

from trainer_client.datasets.rows import syntax_tree

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.In: ast.NotIn,
}


def mutants(source: str, most: int, *, function: str = "") -> Iterator[str]:
    """At most `most` mutants of a program, their faults spread evenly over its sites.

    With `function` only over those of that function. A mutant may mean the same as the program. Raises
    SyntaxError or ValueError for what is no Python program.
    """
    tree = syntax_tree(source)
    sites = [node for node in ast.walk(_function(tree, function) if function else tree) if _mutable(node)]
    step = max(1, -(-len(sites) // most))
    for site in sites[::step]:
        mutant = copy.deepcopy(tree)
        _mutate(_twin(mutant, tree, site))
        yield ast.unparse(mutant)


def _function(tree: ast.Module, name: str) -> ast.AST:
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def _twin(mutant: ast.AST, tree: ast.AST, site: ast.AST) -> ast.AST:
    pairs = zip(ast.walk(mutant), ast.walk(tree), strict=True)
    return next(twin for twin, original in pairs if original is site)


def _mutable(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in _SWAPPED
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        return type(node.op) in _SWAPPED
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, bool)
    return isinstance(node, ast.Return) and node.value is not None


def _mutate(node: Any) -> None:
    if isinstance(node, ast.Compare):
        node.ops[0] = _swapped(node.ops[0])
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        node.op = _swapped(node.op)
    elif isinstance(node, ast.Constant):
        node.value = not node.value if isinstance(node.value, bool) else int(str(node.value)) + 1
    elif isinstance(node, ast.Return):
        node.value = ast.Constant(None)


def _swapped(operator: ast.AST) -> Any:
    return _SWAPPED[type(operator)]()
