"""Messages from bytes, and what the protobuf library would let pass."""

from __future__ import annotations

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.faces.proto_wire import parse

MATH = pb.VerifyRequest(id="a", math=pb.MathTask(gold=["1"])).SerializeToString()
CODE = pb.VerifyRequest(id="a", code=pb.CodeTask(language="python")).SerializeToString()


@pytest.mark.parametrize("body", [MATH + CODE, CODE + MATH])
def test_two_tasks_are_refused_although_the_library_takes_the_last(body: bytes) -> None:
    assert pb.VerifyRequest.FromString(body).WhichOneof("task") is not None
    with pytest.raises(RequestError, match="only one of math and code") as caught:
        parse(body, pb.VerifyRequest, 1000)
    assert caught.value.field == "code"


def test_one_task_sent_in_two_parts_is_one_task() -> None:
    assert parse(MATH + MATH, pb.VerifyRequest, 1000).math.gold == ["1", "1"]


def test_the_ceiling_is_inclusive() -> None:
    assert parse(MATH, pb.VerifyRequest, len(MATH)).id == "a"
    with pytest.raises(RequestError) as caught:
        parse(MATH, pb.VerifyRequest, len(MATH) - 1)
    assert caught.value.code is ErrorCode.TOO_LARGE
