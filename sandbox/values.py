"""Plain typed values on their way in and out of a jail.

JSON alone would fold tuple into list and lose big integers and dict keys, so
every value is JSON with a one-letter tag where JSON has no type of its own:

    None, bool, str, list   themselves
    int                     themselves up to 53 bits, else {"i": "0x..."}
    float                   {"f": hex}; nan and inf by name
    tuple                   {"t": [...]}
    set, frozenset          {"s": [...]}    read as a set; as a frozenset where only that can be
    dict                    {"d": [[key, value], ...]}
    bytes                   {"b": hex}
    complex                 {"c": [real, imaginary]}
    Counter, defaultdict, OrderedDict    as dict, which they equal in Python
    bytearray, dict views   as the bytes or set that they equal in Python
    a subclass that keeps its base's `__eq__` (a named tuple, an IntEnum)    as its base's value
    deque, ...              not in the set: `Unsupported`

What is read back has exact types: a subclass of int with its own `__eq__` is not an int here.
Whoever reads a program's value says how many items a set or dict may have: numbers whose hashes
collide make a set of n items cost n squared, and a program can write whatever it likes.
The module runs on both sides, inside the jail too, and imports only what every fork has.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

_SAFE_INT = 1 << 53
MAX_DEPTH = 200
_SCALARS = (type(None), bool, str)
_DICTS = (dict, Counter, defaultdict, OrderedDict)
# What equals a value of another type by Python's own rules, and that value.
_ALIKE: dict[type, Callable[[Any], object]] = {bytearray: bytes, type({}.keys()): set, type({}.items()): set}
# A base's value of an object of a subclass, by the base's own methods.
_BASES: dict[type, Callable[[Any], object]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: b"".join((value, b"")),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: set(frozenset.__iter__(value)),
}


class Unsupported(Exception):
    """The value, or something in it, is outside the closed set of types."""


class TooManyKeys(ValueError):
    """A set or dict has more items than the reader allows: whatever holds it is not empty."""


def encode(value: object) -> bytes:
    """Encodes a value; raises Unsupported, naming the type, outside the closed set."""
    return json.dumps(_pack(value, 0), separators=(",", ":"), ensure_ascii=True).encode("ascii")


def decode(data: bytes, most_keys: int = sys.maxsize) -> Any:
    """Reads what `encode` wrote; raises ValueError for anything else.

    `most_keys` is the most items that one set or dict may have: TooManyKeys beyond it.
    """
    try:
        return _Reader(most_keys).read(json.loads(data), 0)
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError, Unsupported) as error:
        raise ValueError(f"not an encoded value: {error}") from error


def largest_keyed(value: Any) -> int:
    """The number of items of the largest set or dict in a value, 0 if it has none."""
    largest, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one)
            waiting.extend(one.values())
        elif isinstance(one, list | tuple | set | frozenset):
            waiting.extend(one)
        if isinstance(one, dict | set | frozenset):
            largest = max(largest, len(one))
    return largest


def _pack(value: Any, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise Unsupported(f"nested deeper than {MAX_DEPTH}")
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is int:
        return value if -_SAFE_INT < value < _SAFE_INT else {"i": hex(value)}
    if kind is list:
        return [_pack(item, depth + 1) for item in value]
    return _pack_tagged(kind, value, depth + 1)


def _pack_tagged(kind: type, value: Any, depth: int) -> object:
    if kind is float:
        return {"f": float.hex(value)}
    if kind is tuple:
        return {"t": [_pack(item, depth) for item in value]}
    if kind is set or kind is frozenset:
        return {"s": [_pack(item, depth) for item in value]}
    if kind in _DICTS:
        return {"d": [[_pack(key, depth), _pack(item, depth)] for key, item in dict.items(value)]}
    if kind is bytes:
        return {"b": value.hex()}
    if kind is complex:
        return {"c": [float.hex(value.real), float.hex(value.imag)]}
    return _pack(_plain(kind, value), depth)


def _plain(kind: type, value: Any) -> object:
    """The value of an exact type that this one equals by that type's own `==`; raises Unsupported."""
    if kind in _ALIKE:
        try:
            return _ALIKE[kind](value)
        except TypeError:  # items that no set can hold: dict.items() with a list among them
            raise Unsupported(kind.__name__) from None
    for base, value_of in _BASES.items():
        if base in kind.__mro__ and kind.__eq__ is base.__eq__:
            return value_of(value)
    raise Unsupported(kind.__name__)


class _Reader:
    def __init__(self, most_keys: int) -> None:
        self._most_keys = most_keys

    def read(self, packed: Any, depth: int, *, hashed: bool = False) -> Any:
        """The value; `hashed` is one that a set or a dict's keys will hold."""
        if depth > MAX_DEPTH + 2:
            raise Unsupported(f"nested deeper than {MAX_DEPTH}")
        if isinstance(packed, list):
            return [self.read(item, depth + 1) for item in packed]
        if not isinstance(packed, dict):
            return packed
        ((tag, body),) = packed.items()
        if tag in ("s", "d") and len(body) > self._most_keys:
            raise TooManyKeys(f"a set or dict of {len(body)} items")
        return self._tagged(tag, body, depth + 1, hashed=hashed)

    def _tagged(self, tag: str, body: Any, depth: int, *, hashed: bool) -> Any:
        if tag == "i":
            return int(body, 16)
        if tag == "f":
            return float.fromhex(body)
        if tag == "t":
            return tuple(self.read(item, depth, hashed=hashed) for item in body)
        if tag == "s":
            return (frozenset if hashed else set)(self.read(item, depth, hashed=True) for item in body)
        if tag == "d":
            return {self.read(key, depth, hashed=True): self.read(item, depth) for key, item in body}
        if tag == "b":
            return bytes.fromhex(body)
        if tag == "c":
            return complex(float.fromhex(body[0]), float.fromhex(body[1]))
        raise ValueError(f"unknown tag {tag!r}")
