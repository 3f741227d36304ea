"""Protobuf messages from bytes; what the library lets pass or reports barely, in our own errors."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from server.errors import ErrorCode, RequestError, invalid

_BYTES, _OPTIONAL = FieldDescriptorProto.TYPE_BYTES, FieldDescriptorProto.LABEL_OPTIONAL
_BYTES_ON_THE_WIRE = FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_STRING, _BYTES

M = TypeVar("M", bound=Message)


def parse(body: bytes, kind: type[M], ceiling: int) -> M:
    """A message of at most `ceiling` bytes. Raises RequestError TOO_LARGE or INVALID_ARGUMENT."""
    if len(body) > ceiling:
        raise RequestError(ErrorCode.TOO_LARGE, f"a message of {len(body)} bytes; the ceiling is {ceiling}")
    try:
        message = kind.FromString(body)
    except DecodeError as error:
        raise RequestError(
            ErrorCode.INVALID_ARGUMENT,
            f"not a {kind.DESCRIPTOR.full_name}: malformed protobuf or text that is not UTF-8",
        ) from error
    _refuse_two_members(body, message)
    return message


def _refuse_two_members(body: bytes, message: Message) -> None:
    """Protobuf lets the last member of a oneof win; which task was meant is not ours to guess."""
    choices = _choices(message.DESCRIPTOR)
    if not choices:
        return
    sent = _presence(message.DESCRIPTOR).FromString(body)
    for members in choices:
        given = [name for name in members if sent.HasField(name)]
        if len(given) > 1:
            raise invalid(given[-1], f"only one of {' and '.join(given)} may be given")


@cache
def _choices(descriptor: Any) -> list[list[str]]:
    """The members of each oneof; walking the descriptors costs more than parsing."""
    oneofs = [oneof for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    return [[field.name for field in oneof.fields] for oneof in oneofs]


@cache
def _presence(descriptor: Any) -> type[Message]:
    """A message that has all members of the oneofs side by side, unread, under their names and numbers."""
    file = FileDescriptorProto(name=f"presence/{descriptor.full_name}.proto", syntax="proto2")
    apart = file.message_type.add(name="Presence").field
    for field in (field for oneof in descriptor.oneofs for field in oneof.fields):
        assert field.type in _BYTES_ON_THE_WIRE, f"{field.full_name}: another kind could not be read so"
        apart.add(name=field.name, number=field.number, type=_BYTES, label=_OPTIONAL)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("Presence"))
