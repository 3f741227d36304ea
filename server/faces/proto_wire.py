"""Protobuf messages from bytes; what the library lets pass or reports barely, in our own errors."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError, invalid

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
    # Read as a message that knows no field, every top-level field is an unknown one.
    unknown: Any = UnknownFieldSet(pb.GetCapabilitiesRequest.FromString(body))
    sent = {field.field_number for field in unknown}
    for members in choices:
        given = [name for number, name in members.items() if number in sent]
        if len(given) > 1:
            raise invalid(given[-1], f"only one of {' and '.join(given)} may be given")


@cache
def _choices(descriptor: Any) -> list[dict[int, str]]:
    """The members of each oneof, names by field number; walking the descriptors costs more than parsing."""
    oneofs = [oneof for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    return [{field.number: field.name for field in oneof.fields} for oneof in oneofs]
