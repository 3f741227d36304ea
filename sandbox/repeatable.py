"""Which Python programs leave their process as they found it, told from their text.

Such a program may have its next run in the process of the last one (`sandbox.persistent`), which costs a
fraction of a fork. Each run makes anew whatever the program defines, so what could remain is what it
shares with the interpreter: modules, streams, descriptors, threads, settings. A program passes if it
imports only modules whose state it cannot change, or whose state is put back, and names nothing that
reaches further. What such a module has that can be changed (a class written in Python, a table) may be
called or stand in an annotation, and not be kept or derived from. The lists err on the side of a fork.

This is no wall. A program that finds a way to keep something for its next run learns its own earlier
inputs and nothing else: no expected output is in the jail, and what does not end well, or is found
wrong, is run again in a fork.
"""

from __future__ import annotations

import ast
import builtins
import functools
import sys
import types
from dataclasses import dataclass, field
from typing import Any, TypeGuard

MOST_SOURCE_BYTES = 1 << 16  # the tree of a longer text would take memory that counts as the program's


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WHOLE = _words(
    "__future__ array bisect cmath collections collections.abc datetime fractions heapq itertools math"
    " numbers operator queue random re statistics struct typing"
)
_PARTS = {
    "copy": _words("copy deepcopy"),
    "dataclasses": _words("asdict astuple dataclass field replace"),
    "functools": _words("cache cached_property cmp_to_key lru_cache partial reduce total_ordering"),
    "io": _words("BytesIO StringIO"),
    "os": _words("fstat read write"),
    "string": _words(
        "ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable"
        " punctuation whitespace"
    ),
    "sys": _words(
        "exit float_info getrecursionlimit getsizeof hash_info int_info intern maxsize maxunicode"
        " set_int_max_str_digits setrecursionlimit stderr stdin stdout version version_info"
    ),
    "time": _words("monotonic perf_counter perf_counter_ns process_time sleep time time_ns"),
}
_STREAMS = _words("stdin stdout stderr")  # of sys: put back
# Each reaches what the program did not define, or runs text that nobody has looked at.
_FORBIDDEN = _words(
    "ForwardRef RegexFlag _CHUNK_SIZE __del__ _blksize _convert_ _evaluate _finalizing _member_type_"
    " ag_code ag_frame attrgetter breakpoint clear_overloads compile copyright cr_code cr_frame"
    " credits delattr detach eval exec f_back f_builtins f_globals f_locals get_overloads"
    " get_type_hints getattr gi_code gi_frame globals help license locals methodcaller mro obj"
    " overload reconfigure register setattr tb_frame vars"
)
_SPECIAL = _words(  # all others with two underscores are forbidden, but as names of methods
    "__add__ __bool__ __call__ __contains__ __eq__ __file__ __float__ __ge__ __getitem__ __gt__ __hash__"
    " __init__ __int__ __iter__ __le__ __len__ __lt__ __mod__ __mul__ __name__ __ne__ __neg__ __next__"
    " __repr__ __setitem__ __str__ __sub__"
)
# What a program may define. Others are handed classes that are not the program's (`__exit__`), end objects
# when nobody expects it, or make copies in ways of their own.
_OPERATORS = _words(
    "add and divmod floordiv lshift matmul mod mul or pow rshift sub truediv xor"  # also with r and i before
)
_METHODS = (_SPECIAL - _words("__file__ __name__")).union(
    (f"__{kind}{name}__" for kind in ("", "i", "r") for name in _OPERATORS),
    _words(
        "__abs__ __bytes__ __ceil__ __complex__ __copy__ __deepcopy__ __delitem__ __enter__ __floor__"
        " __format__ __getattr__ __index__ __invert__ __length_hint__ __missing__ __pos__"
        " __post_init__ __reversed__ __round__ __trunc__"
    ),
)
_PLAIN = _words("__file__ __name__")  # special, and no function
# They keep what they were asked with, and compare the next with it.
_KEEPING = _words("datetime re struct typing")
_ONLY_SO = _words("exit open quit type")  # that stand in `_Found.special` places only
_TELLING = (
    *(ast.AnnAssign, ast.AsyncFunctionDef, ast.Attribute, ast.Call, ast.ClassDef, ast.Compare),
    *(ast.ExceptHandler, ast.FunctionDef, ast.Import, ast.ImportFrom, ast.MatchAs, ast.MatchClass),
    *(ast.MatchMapping, ast.MatchStar, ast.Name, ast.arg),
)
# What is asked of these holds while the program gives none of the names another meaning.
_USUAL = _words("bool bytes dict float frozenset int isinstance list set str tuple type")
_IN_ANNOTATIONS = (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.BinOp, ast.Constant)
_DESCRIPTORS = (0, 1, 2)
_IMMUTABLE_TYPE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
_MISSING = object()
_FIXED = (bool, int, float, complex, str, bytes, type(None), types.BuiltinFunctionType, types.MethodType)


def is_repeatable(source: bytes, setup: bytes = b"") -> bool:
    """Whether the program may have one run after another in a process.

    `setup` runs before it and is the caller's own: of it only the imports count, which the program has, too.
    """
    if len(source) + len(setup) > MOST_SOURCE_BYTES:
        return False
    found = _Found()
    try:
        given = _telling(setup) if setup else []
        nodes = _telling(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in given:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.learn(node)
    return all(map(found.learn, nodes)) and not found.is_kept() and all(map(found.allows, nodes))


def _telling(text: bytes) -> list[ast.AST]:
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, _TELLING)]


@dataclass(slots=True)
class _Found:
    """What a program imports and asks of it."""

    modules: dict[str, str] = field(default_factory=dict)  # by the name that the program gave them
    # From modules: which, and the name there.
    names: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)  # names that the program gives a meaning, beside
    classes: set[str] = field(default_factory=set)  # its own classes
    # Nodes that stand where they do no harm: nothing but a call, a look-up or a class's head has their value.
    placed: set[int] = field(default_factory=set)
    special: set[int] = field(default_factory=set)  # the same of `_ONLY_SO` and what is called of os
    asked: set[int] = field(default_factory=set)  # the same as long as nothing of `_USUAL` is bound
    hashes: bool = False  # whether one of its classes says what its equals are
    bases: set[int] = field(default_factory=set)
    called: set[int] = field(default_factory=set)

    def learn(self, node: ast.AST) -> bool:
        """Takes what a node imports and binds, and what it puts where; False if it may not."""
        self._bind(node)
        match node:
            case ast.Import():
                return all(map(self._import, node.names))
            case ast.ImportFrom():
                return all([self._import_from(node, alias) for alias in node.names])
            case ast.Attribute():
                self._place(node.value)
            case ast.Call():
                self._learn_call(node)
            case ast.Compare():
                self._learn_comparison(node)
            case ast.ClassDef():
                self._place(*node.decorator_list)
                self.bases.update(map(id, node.bases))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._place(*node.decorator_list)
                self.hashes = self.hashes or node.name == "__hash__"
                self._place_annotation(node.returns)
            case ast.arg() | ast.AnnAssign():
                self._place_annotation(node.annotation)
            case ast.ExceptHandler(type=ast.expr() as kinds):
                self._place(*(kinds.elts if isinstance(kinds, ast.Tuple) else (kinds,)))
        return True

    def _bind(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                self.bound.add(name)
                self.hashes = self.hashes or name == "__hash__"
            case ast.ClassDef(name=name):
                self.classes.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self.bound.add(name)
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchMapping(rest=str(name))
                | ast.MatchStar(name=str(name))
            ):
                self.bound.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                self.bound.update(alias.asname or alias.name for alias in aliases)

    def _import(self, alias: ast.alias) -> bool:
        module = alias.name if alias.asname else alias.name.partition(".")[0]
        name = alias.asname or module
        alone = self.modules.setdefault(name, module) == module
        known = alias.name in _WHOLE or alias.name in _PARTS
        return alone and known and _is_harmless(name)

    def _import_from(self, node: ast.ImportFrom, alias: ast.alias) -> bool:
        module = node.module or ""
        for name in _public(module) if alias.name == "*" else (alias.name,):
            self.names.setdefault(alias.asname or name, set()).add((module, name))
        return not node.level and _may_ask(module, alias.name) and _is_harmless(alias.asname or "")

    def _learn_call(self, node: ast.Call) -> None:
        self._place(node.func)
        self.called.add(id(node.func))
        match node:
            case ast.Call(func=ast.Name(id="exit" | "quit")):
                self.special.add(id(node.func))
            case ast.Call(func=ast.Name(id="open"), args=[ast.Constant(value=0), *_]):
                self.special.add(id(node.func))  # standard input is put back
            case ast.Call(func=ast.Name(id="open" | "type")):
                pass
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
                self.asked.update(map(id, kinds.elts if isinstance(kinds, ast.Tuple) else (kinds,)))
            case ast.Call(args=[ast.Constant(value=number), *_]) if number in _DESCRIPTORS:
                self.special.add(id(node.func))

    def _learn_comparison(self, node: ast.Compare) -> None:
        """`type(x)` beside builtin types; what the program defined could take the class and keep it."""
        operands = node.left, *node.comparators
        asking = [id(one.func) for one in operands if _asks_type(one)]
        if len(asking) + sum(isinstance(one, ast.Name) and one.id in _USUAL for one in operands) == len(
            operands
        ):
            self.asked.update(asking)

    def _place(self, *nodes: ast.AST) -> None:
        self.placed.update(map(id, nodes))

    def _place_annotation(self, annotation: ast.expr | None) -> None:
        if annotation is not None:
            parts = [part for part in ast.walk(annotation) if isinstance(part, ast.expr)]
            if all(isinstance(part, _IN_ANNOTATIONS) for part in parts):
                self._place(*parts)

    def is_kept(self) -> bool:
        """Whether something of the program's could be found by its equals in the next run."""
        modules = {*self.modules.values(), *(module for paths in self.names.values() for module, _ in paths)}
        return self.hashes and not modules.isdisjoint(_KEEPING)

    def allows(self, node: ast.AST) -> bool:
        """Whether a node is harmless, once all have been learnt from."""
        match node:
            case ast.Name(id=name):
                return _is_harmless(name) and self._may_stand(node, name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                return name in _METHODS or not (name in _FORBIDDEN or name.startswith("__"))
            case ast.ClassDef(name=str(name)) | ast.arg(arg=str(name)) | ast.ExceptHandler(name=str(name)):
                return _is_harmless(name)
            case (
                ast.MatchAs(name=str(name)) | ast.MatchMapping(rest=str(name)) | ast.MatchStar(name=str(name))
            ):
                return name not in _SPECIAL and _is_harmless(name)
            case ast.MatchClass(kwd_attrs=names):
                return all(map(_is_harmless, names))
            case ast.Attribute(value=ast.Name(id=base), attr=name) if base in self.modules:
                return _may_ask(self.modules[base], name) and self._may_be_there(node)
            case ast.Attribute(attr=name):
                return _is_harmless(name) and self._may_be_called(node) and self._may_be_there(node)
        return True

    def _may_stand(self, node: ast.Name, name: str) -> bool:
        if name in _ONLY_SO:
            return id(node) in self.special or self._is_asked(node)
        if name in self.modules:  # handed on, it would be asked under another name
            return id(node) in self.placed
        return not isinstance(node.ctx, ast.Load) or self._is_free(node)

    def _may_be_called(self, node: ast.Attribute) -> bool:
        """Whether a special method is called at once, and what makes an object anew only by its class."""
        if not node.attr.startswith("__") or node.attr in _PLAIN:
            return True
        return id(node) in self.called and (node.attr != "__init__" or self._is_base(node.value))

    def _is_base(self, node: ast.expr) -> bool:
        """`super()`, a class of the program's or a builtin one."""
        match node:
            case ast.Call(func=ast.Name(id="super")):
                return "super" not in self.bound | self.classes
            case ast.Name(id=name) if name not in self.bound:
                return name in self.classes or isinstance(getattr(builtins, name, None), type)
        return False

    def _may_be_there(self, node: ast.Attribute) -> bool:
        """Whether an attribute is read, or set on something of the program's own."""
        if isinstance(node.ctx, ast.Load):
            return self._is_free(node)
        base: ast.expr = node
        while isinstance(base, ast.Attribute | ast.Subscript | ast.Call):
            base = base.func if isinstance(base, ast.Call) else base.value
        if not isinstance(base, ast.Name) or base.id not in self.modules:
            return not (isinstance(base, ast.Name) and base.id in self.names)
        is_stream = self.modules[base.id] == "sys" and node.value is base and node.attr in _STREAMS
        return is_stream and isinstance(node.ctx, ast.Store)

    def _is_free(self, node: ast.Name | ast.Attribute) -> bool:
        """Whether what a module gives may stand where it does: anywhere, if it cannot be changed."""
        return all(self._is_free_at(node, path) for path in self._paths(node))

    def _is_free_at(self, node: ast.Name | ast.Attribute, path: tuple[str, ...]) -> bool:
        if path[0] == "sys":
            return True
        if path[0] == "os":
            return id(node) in self.special
        if id(node) in self.bases and path == ("typing", "NamedTuple"):
            return True
        found: Any = sys.modules.get(path[0])
        for name in path[1:]:
            found = getattr(found, name, _MISSING)
        # A module's imports are no part of it; the error for what is missing would hold the object asked.
        if found is _MISSING or isinstance(found, types.ModuleType):
            return False
        return _is_fixed(found) or id(node) in self.placed or self._is_asked(node)

    def _is_asked(self, node: ast.expr) -> bool:
        return id(node) in self.asked and not (self.bound | self.classes) & _USUAL

    def _paths(self, node: ast.expr) -> list[tuple[str, ...]]:
        """The modules and the names by which a node may come from them; none if it does not."""
        if isinstance(node, ast.Name):
            return [*self.names.get(node.id, ())]
        if not isinstance(node, ast.Attribute):
            return []
        if isinstance(node.value, ast.Name) and node.value.id in self.modules:
            return [(self.modules[node.value.id], node.attr)]
        return [(*base, node.attr) for base in self._paths(node.value)]


def _may_ask(module: str, name: str) -> bool:
    if module not in sys.modules or module == "__future__":
        return module == "__future__"
    if module in _PARTS:
        wanted = _public(module) if name == "*" else (name,)
        return all(one in _PARTS[module] for one in wanted)
    return module in _WHOLE and _is_harmless(name) and (name == "*" or name in _public(module))


@functools.cache
def _public(module: str) -> frozenset[str]:
    """What `from module import *` gives."""
    found = sys.modules.get(module)
    usual = [name for name in dir(found) if not name.startswith("_")]
    return frozenset(getattr(found, "__all__", usual))


def _asks_type(node: ast.expr) -> TypeGuard[ast.Call]:
    match node:
        case ast.Call(func=ast.Name(id="type"), args=[_], keywords=[]):
            return True
    return False


def _is_fixed(value: object) -> bool:
    """Whether no program can change it."""
    if isinstance(value, type):
        return bool(value.__flags__ & _IMMUTABLE_TYPE)
    return type(value) in _FIXED


def _is_harmless(name: str) -> bool:
    return name not in _FORBIDDEN and (not name.startswith("__") or name in _SPECIAL)
