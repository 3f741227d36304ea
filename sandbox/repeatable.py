"""Which Python programs leave their process as they found it, told from their text.

Such a program may have its next run in the process of the last one (`sandbox.persistent`), which costs a
fraction of a fork. Each run makes anew whatever the program defines, so what could remain is what it
shares with the interpreter: modules, streams, descriptors, threads, settings. A program passes if it
imports only modules whose state it cannot change, or whose state is put back, and names nothing that
reaches further. The lists err on the side of a fork.

This is no wall. A program that finds a way to keep something for its next run learns its own earlier
inputs and nothing else: no expected output is in the jail, and what does not end well, or is found
wrong, is run again in a fork.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

MOST_SOURCE_BYTES = 1 << 16  # the tree of a longer text would take memory that counts as the program's


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WHOLE = _words(
    "__future__ array bisect cmath collections collections.abc copy dataclasses datetime enum fractions"
    " functools heapq itertools math numbers operator queue random re statistics string struct typing"
)
_PARTS = {
    "io": _words("BytesIO IOBase StringIO"),
    "os": _words("fstat read write"),
    "sys": _words(
        "exit float_info getrecursionlimit getsizeof hash_info int_info intern maxsize maxunicode"
        " set_int_max_str_digits setrecursionlimit stderr stdin stdout version version_info"
    ),
    "time": _words("monotonic perf_counter perf_counter_ns process_time sleep time time_ns"),
}
_STREAMS = _words("stdin stdout stderr")  # of sys: put back
# Each reaches what the program did not define, or runs text that nobody has looked at.
_FORBIDDEN = _words(
    "__del__ attrgetter breakpoint compile delattr detach eval exec get_type_hints getattr help methodcaller"
    " reconfigure setattr vars"
)
_SPECIAL = _words(  # all others with two underscores are forbidden, but as names of methods
    "__add__ __bool__ __call__ __contains__ __eq__ __file__ __float__ __ge__ __getitem__ __gt__ __hash__"
    " __init__ __int__ __iter__ __le__ __len__ __lt__ __mod__ __mul__ __name__ __ne__ __neg__ __next__"
    " __repr__ __setitem__ __str__ __sub__"
)
_TELLING = (ast.Attribute, ast.Call, ast.FunctionDef, ast.Import, ast.ImportFrom, ast.Name)


def is_repeatable(source: bytes) -> bool:
    """Whether the program may have one run after another in a process."""
    if len(source) > MOST_SOURCE_BYTES:
        return False
    try:
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, _TELLING)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    found = _Found()
    return all(map(found.learn, nodes)) and all(map(found.allows, nodes))


@dataclass(slots=True)
class _Found:
    """What a program imports and asks of it."""

    modules: dict[str, str] = field(default_factory=dict)  # by the name that the program gave them
    names: set[str] = field(default_factory=set)  # from modules
    in_place: set[int] = field(default_factory=set)  # nodes of names that may stand where they do

    def learn(self, node: ast.AST) -> bool:
        """Takes what a node imports; False if it may not."""
        match node:
            case ast.Import():
                return all(map(self._import, node.names))
            case ast.ImportFrom():
                self.names.update(alias.asname or alias.name for alias in node.names)
                return not node.level and all(_may_ask(node.module or "", alias.name) for alias in node.names)
            case ast.Attribute(value=ast.Name()):
                self.in_place.add(id(node.value))
            case ast.Call(func=ast.Name(id="open"), args=[ast.Constant(value=0), *_]):
                self.in_place.add(id(node.func))  # standard input is put back
        return True

    def _import(self, alias: ast.alias) -> bool:
        module = alias.name if alias.asname else alias.name.partition(".")[0]
        self.modules[alias.asname or module] = module
        return alias.name in _WHOLE or alias.name in _PARTS

    def allows(self, node: ast.AST) -> bool:
        """Whether a node is harmless, once all have been learnt from."""
        match node:
            case ast.Name(id=name):
                # A module that is passed on would be asked under another name.
                return _is_harmless(name) and (
                    id(node) in self.in_place or (name != "open" and name not in self.modules)
                )
            case ast.FunctionDef(name=name):
                return name not in _FORBIDDEN
            case ast.Attribute(value=ast.Name(id=base), attr=name) if base in self.modules:
                return _may_ask(self.modules[base], name) and self._may_be_there(node)
            case ast.Attribute(attr=name):
                return _is_harmless(name) and self._may_be_there(node)
        return True

    def _may_be_there(self, node: ast.Attribute) -> bool:
        """Whether an attribute is read, or set on something of the program's own."""
        if isinstance(node.ctx, ast.Load):
            return True
        base: ast.expr = node
        while isinstance(base, ast.Attribute | ast.Subscript | ast.Call):
            base = base.func if isinstance(base, ast.Call) else base.value
        if not isinstance(base, ast.Name) or base.id not in self.modules:
            return not (isinstance(base, ast.Name) and base.id in self.names)
        is_stream = self.modules[base.id] == "sys" and node.value is base and node.attr in _STREAMS
        return is_stream and isinstance(node.ctx, ast.Store)


def _may_ask(module: str, name: str) -> bool:
    if module in _PARTS:
        return name in _PARTS[module]
    return module in _WHOLE and _is_harmless(name) and not name.startswith("_")


def _is_harmless(name: str) -> bool:
    return name not in _FORBIDDEN and (not name.startswith("__") or name in _SPECIAL)
