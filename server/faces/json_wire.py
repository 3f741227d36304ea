"""JSON on one side, protobuf messages on the other; strict, and driven by the descriptors.

Reading refuses what it does not understand and names the field's exact path
(`code.stdio.cases[3].input`): unknown fields, wrong types, unknown enum names,
two members of one oneof, numbers out of range, text that is not Unicode.
A `null` means that the field was left out, as in protobuf's own JSON.

Three conveniences (see the head of reward.proto): `CallCase.args` and
`CallCase.expected` are plain JSON values, kept in the message as JSON text, with
integers of any size; a `Checker` that is only a name is a string; enums are names.

Writing gives every scalar field, `null` for an optional one that is absent, and
leaves out absent messages. Bytes are base64, except a run's `stdout` and `stderr`:
they are text, and where they are not valid UTF-8 the exact bytes stand beside it
as `stdout_base64` or `stderr_base64`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import orjson
from google.protobuf.descriptor import EnumDescriptor, EnumValueDescriptor, FieldDescriptor
from google.protobuf.message import Message

from server.errors import ErrorCode, RequestError, invalid

MAX_VALUE_DEPTH = 100  # of CallCase.args and CallCase.expected
_INTEGER_BITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
}
# orjson reads an integer beyond 64 bits as a float; a body that holds one takes the slower reader.
# Such a body has 19 digits in a row, which leave three in every sixth byte.
_LEAST_INEXACT = 1 << 63
_SAMPLED_BYTES = 6
_LONG_NUMBER_SAMPLED = re.compile(rb"[0-9]{3}")
_JSON_NAMES = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array"}

M = TypeVar("M", bound=Message)


def parse(body: bytes, kind: type[M]) -> M:
    """A message from the bytes of a JSON object. Raises RequestError INVALID_ARGUMENT."""
    return from_json(loads(body), kind)


def dumps(message: Message) -> bytes:
    """A message as the bytes of a JSON object, on one line."""
    return dump_value(to_json(message)).encode("utf-8")


def loads(body: bytes) -> Any:
    """Plain values from JSON text, integers exact. Raises RequestError INVALID_ARGUMENT."""
    try:
        value = orjson.loads(body)
        if not _LONG_NUMBER_SAMPLED.search(body[::_SAMPLED_BYTES]) or not _has_large_float(value):
            return value
    except orjson.JSONDecodeError:
        pass  # the slower reader below says better what is wrong, or keeps it for `from_json` to name
    return _loads_exactly(body)


def _has_large_float(value: Any) -> bool:
    """Whether any number is a float that may have been an integer of more than 64 bits."""
    level = [value]
    while level:
        if any(type(item) is float and abs(item) >= _LEAST_INEXACT for item in level):
            return True
        level = _children(level)
    return False


def _loads_exactly(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_json(f"the body is not valid UTF-8 (byte {error.start})") from None
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise _not_json("the body is nested too deep") from None
    except ValueError as error:
        raise _not_json(f"the body is not JSON: {error}") from None


def _not_json(message: str) -> RequestError:
    return RequestError(ErrorCode.INVALID_ARGUMENT, message)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


# Reading: plain values -> message

_Reader = Callable[[FieldDescriptor, Any, str], Any]
_Take = Callable[[Message, Any, str], None]


def from_json(value: Any, kind: type[M], path: str = "") -> M:
    """A message from plain values. Raises RequestError INVALID_ARGUMENT with the field's path."""
    message = kind()
    _fill(message, value, path)
    return message


def _fill(message: Message, value: Any, path: str) -> None:
    descriptor = message.DESCRIPTOR
    if isinstance(value, str) and descriptor.full_name == "reward.v1.Checker":
        value = {"name": value}
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object", value)
    takers = _takers(descriptor)
    for name, item in value.items():
        here = f"{path}.{name}" if path else name
        take = takers.get(name)
        if take is None:
            raise invalid(_printable(here), f"unknown field of {descriptor.name}")
        take(message, item, here)


@cache
def _takers(descriptor: Any) -> dict[str, _Take]:
    """What sets each field from a plain value; what a field is like is asked once, not for every message."""
    return {field.name: _taker_of(field) for field in descriptor.fields}


def _taker_of(field: FieldDescriptor) -> _Take:
    name = field.name
    if field.full_name in _JSON_TEXT_FIELDS:
        return lambda message, value, path: setattr(message, name, _json_text(value, path))
    setter = _setter_of(field)
    oneof = field.containing_oneof

    def take(message: Message, value: Any, path: str) -> None:
        if value is None:
            return
        if oneof is not None and (present := message.WhichOneof(oneof.name)) is not None:
            raise invalid(path, f"only one of {present} and {name} may be given")
        setter(message, value, path)

    return take


def _setter_of(field: FieldDescriptor) -> _Take:
    name = field.name
    if _is_map(field):
        value_field = _fields(field.message_type)["value"]
        return lambda message, value, path: _set_map(getattr(message, name), value_field, value, path)
    if field.is_repeated:
        return lambda message, value, path: _set_list(getattr(message, name), field, value, path)
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return lambda message, value, path: _set_child(getattr(message, name), value, path)
    read = _reader_of(field)
    return lambda message, value, path: setattr(message, name, read(field, value, path))


def _set_child(child: Message, value: Any, path: str) -> None:
    child.SetInParent()
    _fill(child, value, path)


def _set_list(target: Any, field: FieldDescriptor, value: Any, path: str) -> None:
    if not isinstance(value, list):
        raise _wrong_type(path, "an array", value)
    is_message = field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
    read = None if is_message else _reader_of(field)
    for index, item in enumerate(value):
        here = f"{path}[{index}]"
        if read is None:
            _fill(target.add(), item, here)
        else:
            target.append(read(field, item, here))


def _set_map(target: Any, value_field: FieldDescriptor, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object", value)
    read = _reader_of(value_field)
    for key, item in value.items():
        here = f"{path}[{json.dumps(key)}]"
        target[_text(key, here)] = read(value_field, item, here)


def _reader_of(field: FieldDescriptor) -> _Reader:
    return _integer if field.cpp_type in _INTEGER_BITS else _SCALAR_READERS[field.type]


def _integer(field: FieldDescriptor, value: Any, path: str) -> int:
    if type(value) is not int:
        raise _wrong_type(path, "an integer", value)
    low, high = _INTEGER_BITS[field.cpp_type]
    if not low <= value <= high:
        raise invalid(path, f"is outside {low} .. {high}")
    return value


def _double(_: FieldDescriptor, value: Any, path: str) -> float:
    if type(value) not in (int, float):
        raise _wrong_type(path, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise invalid(path, "is too large for a number") from None


def _bool(_: FieldDescriptor, value: Any, path: str) -> bool:
    if type(value) is not bool:
        raise _wrong_type(path, "a boolean", value)
    return value


def _string(_: FieldDescriptor, value: Any, path: str) -> str:
    return _text(value, path)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(path, "a string", value)
    try:
        value.isascii() or value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise invalid(_printable(path), f"has a lone surrogate at character {error.start}") from None
    return value


def _bytes(_: FieldDescriptor, value: Any, path: str) -> bytes:
    try:
        return base64.b64decode(_text(value, path).encode("utf-8"), validate=True)
    except binascii.Error as error:
        raise invalid(path, f"is not base64: {error}") from None


def _enum(field: FieldDescriptor, value: Any, path: str) -> int:
    numbers = {item.name: item.number for item in _enum_values(field)}
    if not isinstance(value, str) or value not in numbers:
        raise invalid(path, f"is not one of {', '.join(numbers)}")
    return numbers[value]


def _json_text(value: Any, path: str) -> str:
    if path.endswith(".args") and not isinstance(value, list):
        raise _wrong_type(path, "an array", value)
    try:
        text = dump_value(value)
    except UnicodeEncodeError:
        raise invalid(path, "has a lone surrogate") from None
    except RecursionError:
        raise invalid(path, f"is nested deeper than {MAX_VALUE_DEPTH}") from None
    # Counting brackets is a cheap bound; only text that may be too deep is walked.
    if text.count("[") + text.count("{") > MAX_VALUE_DEPTH and _depth(value) > MAX_VALUE_DEPTH:
        raise invalid(path, f"is nested deeper than {MAX_VALUE_DEPTH}")
    return text


def dump_value(value: Any) -> str:
    """JSON text of plain values, integers of any size. Raises UnicodeEncodeError on a lone surrogate."""
    try:
        return orjson.dumps(value).decode("utf-8")
    except orjson.JSONEncodeError:  # an integer beyond 64 bits, or a lone surrogate
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        text.encode("utf-8")
        return text


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while any(isinstance(item, list | dict) for item in level):
        depth += 1
        level = _children(level)
    return depth


def _children(level: list[Any]) -> list[Any]:
    """What stands directly in the arrays and objects of a level."""
    nested = (item for item in level if isinstance(item, list | dict))
    return [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]


def _wrong_type(path: str, wanted: str, value: Any) -> RequestError:
    got = "null" if value is None else _JSON_NAMES.get(type(value), "an object")
    if not path:
        return RequestError(ErrorCode.INVALID_ARGUMENT, f"the request must be {wanted}, got {got}")
    return invalid(_printable(path), f"must be {wanted}, got {got}")


def _printable(path: str) -> str:
    """A path that any transport can carry: keys come from the caller, whatever they hold."""
    return path[:200].encode("utf-8", "replace").decode("utf-8")


_SCALAR_READERS: dict[int, _Reader] = {
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_ENUM: _enum,
}
_JSON_TEXT_FIELDS = {"reward.v1.CallCase.args", "reward.v1.CallCase.expected"}
_TEXT_BYTES_FIELDS = {"reward.v1.Execution.stdout", "reward.v1.Execution.stderr"}


# Writing: message -> plain values

_Convert = Callable[[Any], Any]
_Put = Callable[[Message, dict[str, Any]], None]


def to_json(message: Message) -> Any:
    """Plain values of a message, ready for any JSON writer."""
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == "reward.v1.Checker" and message.WhichOneof("kind") == "name":
        return message.name  # type: ignore[attr-defined]  # a Checker, as the line above found
    result: dict[str, Any] = {}
    for put in _puts(descriptor):
        put(message, result)
    return result


@cache
def _puts(descriptor: Any) -> tuple[_Put, ...]:
    """One function for each field: what a field is like is asked once, and not for every message."""
    return tuple(_put_of(field) for field in _fields(descriptor).values())


def _put_of(field: FieldDescriptor) -> _Put:
    if field.full_name in _TEXT_BYTES_FIELDS:
        return _put_text_bytes(field.name)
    if field.full_name in _JSON_TEXT_FIELDS:
        return _put_json_text(field.name)
    if _is_map(field):
        return _put_map(field.name, _convert_of(_fields(field.message_type)["value"]))
    if field.is_repeated:
        return _put_list(field.name, _convert_of(field))
    absent_is_null = _is_optional(field) and field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE
    return _put_single(field.name, _convert_of(field), field.has_presence, absent_is_null)


def _put_single(name: str, convert: _Convert | None, has_presence: bool, absent_is_null: bool) -> _Put:
    def put(message: Message, result: dict[str, Any]) -> None:
        if not has_presence or message.HasField(name):
            value = getattr(message, name)
            result[name] = value if convert is None else convert(value)
        elif absent_is_null:
            result[name] = None

    return put


def _put_list(name: str, convert: _Convert | None) -> _Put:
    def put(message: Message, result: dict[str, Any]) -> None:
        items = getattr(message, name)
        result[name] = list(items) if convert is None else [convert(item) for item in items]

    return put


def _put_map(name: str, convert: _Convert | None) -> _Put:
    def put(message: Message, result: dict[str, Any]) -> None:
        items = sorted(getattr(message, name).items())
        result[name] = {key: value if convert is None else convert(value) for key, value in items}

    return put


def _put_json_text(name: str) -> _Put:
    def put(message: Message, result: dict[str, Any]) -> None:
        if text := getattr(message, name):  # left out, which is not the value null
            result[name] = json.loads(text)

    return put


def _put_text_bytes(name: str) -> _Put:
    def put(message: Message, result: dict[str, Any]) -> None:
        value = getattr(message, name)
        result[name] = value.decode("utf-8", "replace")
        if result[name].encode("utf-8") != value:
            result[f"{name}_base64"] = _base64(value)

    return put


def _convert_of(field: FieldDescriptor) -> _Convert | None:
    """What makes a value plain; None where it is so already."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return to_json
    if field.type == FieldDescriptor.TYPE_ENUM:
        names = {item.number: item.name for item in _enum_values(field)}
        return lambda number: names.get(number, number)
    return _base64 if field.type == FieldDescriptor.TYPE_BYTES else None


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


@cache
def _fields(descriptor: Any) -> dict[str, FieldDescriptor]:
    # A plain dict: the native map fails on a key that is not Unicode instead of not finding it.
    return {field.name: field for field in descriptor.fields}


@cache
def _enum_values(field: FieldDescriptor) -> list[EnumValueDescriptor]:
    return list(cast(EnumDescriptor, field.enum_type).values)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _is_optional(field: FieldDescriptor) -> bool:
    """Declared `optional`: protobuf models it as a oneof of its own, named `_field`."""
    oneof = field.containing_oneof
    return oneof is not None and oneof.name.startswith("_")
