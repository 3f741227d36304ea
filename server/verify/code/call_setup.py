"""What a Python call test finds beside the program, as on LeetCode: source text for the jail.

`typing` names, `ListNode` and `TreeNode` are there if the program uses them without
bringing them; whatever it defines itself comes later and wins. Where nodes or changed
arguments are to be exchanged, the call goes through a function of ours that

    makes a linked list of each JSON array whose parameter is annotated with ListNode,
    and a binary tree (level order, null for a missing child) where it says TreeNode;
    hands the result over in the same form, or the arguments as the call left them.

All of this runs in the jail and only prepares the value: it is compared outside.
"""

from __future__ import annotations

import re
import typing

ENTRY = "__reward_call"
_WORD = re.compile(r"[A-Za-z_]\w*")
_TYPING = frozenset(
    name for name in typing.__all__ if name[0].isupper() and name not in ("Generic", "Protocol", "Text")
)
_NODES = frozenset(("ListNode", "TreeNode"))

_LIST_NODE = """
class ListNode:
    def __init__(self, val=0, next=None):
        self.val = val
        self.next = next
"""
_TREE_NODE = """
class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val = val
        self.left = left
        self.right = right
"""
_CALL = """
def __reward_call(*arguments):
    import inspect

    def linked(values):
        head = None
        for value in reversed(values):
            node = ListNode(value)
            node.next = head
            head = node
        return head

    def tree(values):
        if not values or values[0] is None:
            return None
        root = TreeNode(values[0])
        parents, position, rest = [root], 0, values[1:]
        for index, value in enumerate(rest):
            parent = parents[position]
            if value is not None:
                child = TreeNode(value)
                parents.append(child)
                if index % 2 == 0:
                    parent.left = child
                else:
                    parent.right = child
            if index % 2 == 1:
                position += 1
                if position == len(parents):
                    break
        return root

    def inward(value, annotation):
        name = annotation if isinstance(annotation, str) else repr(annotation)
        build = linked if "ListNode" in name else tree if "TreeNode" in name else None
        if build is None or not isinstance(value, list):
            return value
        nested = "List[" in name or "list[" in name
        return [build(item) if isinstance(item, list) else item for item in value] if nested else build(value)

    def from_list(node):
        seen, values = set(), []
        while node is not None:
            if id(node) in seen:
                raise ValueError("the returned list has a cycle")
            seen.add(id(node))
            values.append(node.val)
            node = node.next
        return values

    def from_tree(root):
        values, level, count = [], [root], 0
        while level:
            node = level.pop(0)
            values.append(None if node is None else node.val)
            count += node is not None
            if count > 1_000_000:
                raise ValueError("the returned tree has a cycle")
            if node is not None:
                level += [node.left, node.right]
        while values and values[-1] is None:
            values.pop()
        return values

    def outward(value, annotation=""):
        kind = type(value).__name__
        if kind == "ListNode":
            return from_list(value)
        if kind == "TreeNode":
            return from_tree(value)
        if type(value) in (list, tuple):
            return type(value)(outward(item) for item in value)
        name = annotation if isinstance(annotation, str) else repr(annotation)
        whole = "List[" not in name and "list[" not in name
        return [] if value is None and whole and ("ListNode" in name or "TreeNode" in name) else value

    name, changed = __reward_target
    function, solution = globals().get(name), globals().get("Solution")
    if hasattr(solution, name) and getattr(function, "__module__", None) != __name__:
        function = getattr(solution(), name)
    if function is None:
        raise NameError(f"the program defines neither {name}() nor Solution.{name}()")
    try:
        hints = inspect.signature(function)
    except (TypeError, ValueError):
        hints = None
    parameters = [] if hints is None else [p.annotation for p in hints.parameters.values()]
    parameters += [""] * len(arguments)
    given = [inward(value, hint) for value, hint in zip(arguments, parameters)]
    returned = function(*given)
    if changed:
        return [outward(value, hint) for value, hint in zip(given, parameters)]
    return outward(returned, "" if hints is None else hints.return_annotation)
"""


def setup_for(source: str, function: str, *, arguments_compared: bool) -> tuple[str, str]:
    """The setup to run before the program, and the function to enter it by."""
    words = frozenset(_WORD.findall(source))
    nodes = words & _NODES
    text = ""
    if wanted := sorted(words & _TYPING):
        text += f"from typing import {', '.join(wanted)}\n"
    if nodes:
        text += "from typing import Optional\n" + _LIST_NODE + _TREE_NODE
    if not (nodes or arguments_compared):
        return text, function
    return f"{text}{_CALL}__reward_target = ({function!r}, {arguments_compared!r})\n", ENTRY
