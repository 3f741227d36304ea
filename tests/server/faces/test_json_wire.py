"""JSON to messages and back: strict, exact, and every refusal names its field."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.faces import json_wire

BIG = 123456789012345678901234567890


def refused(body: str | bytes, kind: type[Any] = pb.VerifyRequest) -> RequestError:
    with pytest.raises(RequestError) as caught:
        json_wire.parse(body.encode() if isinstance(body, str) else body, kind)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    return caught.value


def call_case(args: str, expected: str) -> pb.CallCase:
    body = f'{{"call": {{"function": "f", "cases": [{{"args": {args}, "expected": {expected}}}]}}}}'
    return json_wire.parse(body.encode(), pb.CodeTask).call.cases[0]


@pytest.mark.parametrize("offset", range(6))
def test_an_integer_beyond_64_bits_is_exact_wherever_it_stands(offset: int) -> None:
    assert json_wire.loads(b" " * offset + b"[%d]" % (1 << 64)) == [1 << 64]


@pytest.mark.parametrize("body", ['{"a": [1.5, {"b": [-%d]}]}', '["%d", %d]', "%d"])
def test_an_integer_beyond_64_bits_is_exact_however_deep_it_stands(body: str) -> None:
    text = body.replace("%d", str(1 << 70))
    assert json_wire.loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"idd": "x"}', "idd"),
        ('{"Id": "x"}', "Id"),
        ('{"id": 1}', "id"),
        ('{"explain": 1}', "explain"),
        ('{"math": []}', "math"),
        ('{"math": {"gold": "42"}}', "math.gold"),
        ('{"math": {"gold": ["42", null]}}', "math.gold[1]"),
        ('{"math": {}, "code": {}}', "code"),
        ('{"code": {"stdio": {}, "tests_hash": "x"}}', "code.tests_hash"),
        ('{"code": {"stdio": {"cases": [{}, {}, {}, {"input": 3}]}}}', "code.stdio.cases[3].input"),
        ('{"code": {"stdio": {"cases": {}}}}', "code.stdio.cases"),
        ('{"code": {"call": {"cases": [{"args": {}}]}}}', "code.call.cases[0].args"),
        ('{"code": {"call": {"cases": [{"argz": []}]}}}', "code.call.cases[0].argz"),
        ('{"code": {"limits": {"cpu_seconds": "2"}}}', "code.limits.cpu_seconds"),
        ('{"code": {"limits": {"cpu_seconds": true}}}', "code.limits.cpu_seconds"),
        ('{"code": {"limits": {"memory_bytes": -1}}}', "code.limits.memory_bytes"),
        ('{"code": {"limits": {"memory_bytes": 1.0}}}', "code.limits.memory_bytes"),
        ('{"code": {"limits": {"memory_bytes": 18446744073709551616}}}', "code.limits.memory_bytes"),
        ('{"code": {"limits": {"processes": 4294967296}}}', "code.limits.processes"),
        (f'{{"code": {{"limits": {{"cpu_seconds": 1{"0" * 400}}}}}}}', "code.limits.cpu_seconds"),
        ('{"code": {"checker": {"name": "exact", "floats": {}}}}', "code.checker.floats"),
        ('{"code": {"checker": 3}}', "code.checker"),
        ('{"code": {"unit_test": {"files": {"a.py": 1}}}}', 'code.unit_test.files["a.py"]'),
        ('{"completion": "\\ud800"}', "completion"),
        ('{"code": {"call": {"cases": [{"args": ["\\udfff"]}]}}}', "code.call.cases[0].args"),
    ],
)
def test_a_refusal_names_the_exact_field(body: str, field: str) -> None:
    assert refused(body).field == field


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"id": "x",}', "not JSON"),
        (b'{"id": "\xff"}', "not valid UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"code": {"limits": {"cpu_seconds": NaN}}}', "NaN"),
        (b'{"code": {"limits": {"cpu_seconds": -Infinity}}}', "-Infinity"),
        (b'{"code": {"limits": {"cpu_seconds": 1e999}}}', "too large"),
        (b"9" * 5000, "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"[]", "must be an object, got an array"),
        (b"null", "must be an object, got null"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(body: bytes, words: str) -> None:
    error = refused(body)
    assert words in error.message
    assert error.field == ""


def test_a_key_that_is_not_unicode_is_an_unknown_field() -> None:
    error = refused('{"\\ud800": 1}')
    assert "unknown field" in error.message
    error.field.encode("utf-8")


def test_null_means_left_out() -> None:
    message = json_wire.parse(b'{"id": null, "math": {"gold": ["1"]}, "code": null}', pb.VerifyRequest)
    assert message == pb.VerifyRequest(math=pb.MathTask(gold=["1"]))


def test_an_empty_object_is_present() -> None:
    assert json_wire.parse(b'{"math": {}}', pb.VerifyRequest).WhichOneof("task") == "math"


@pytest.mark.parametrize(
    ("checker", "kind"),
    [
        ('"exact"', "name"),
        ('{"name": "exact"}', "name"),
        ('{"floats": {"abs": 1e-6}}', "floats"),
        ('{"program": {"language": "cpp", "source": "", "protocol": "testlib"}}', "program"),
    ],
)
def test_a_checker_is_a_name_or_an_object(checker: str, kind: str) -> None:
    message = json_wire.parse(f'{{"checker": {checker}}}'.encode(), pb.CodeTask)
    assert message.checker.WhichOneof("kind") == kind


def test_a_tolerance_left_out_is_absent() -> None:
    floats = json_wire.parse(b'{"checker": {"floats": {"abs": 0}}}', pb.CodeTask).checker.floats
    assert (floats.HasField("abs"), floats.HasField("rel")) == (True, False)


@pytest.mark.parametrize(
    "expected",
    ["null", "false", "0", "-0.0", "1e-9", '"é\\n"', "[]", "{}", f"[{BIG}]", f"{-BIG}", "[1,[2.5,null]]"],
)
def test_values_of_a_call_arrive_exactly(expected: str) -> None:
    case = call_case(f"[{BIG}, 1]", expected)
    assert json.loads(case.args) == [BIG, 1]
    assert repr(json.loads(case.expected)) == repr(json.loads(expected))


def test_an_expected_value_left_out_is_not_null() -> None:
    body = b'{"call": {"cases": [{"args": []}, {"args": [], "expected": null}]}}'
    left_out, null = json_wire.parse(body, pb.CodeTask).call.cases
    assert (left_out.expected, null.expected) == ("", "null")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_values_nest_to_a_hundred_and_no_further(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    deepest = opening * 100 + "1" + closing * 100
    assert json.loads(call_case("[]", deepest).expected) == json.loads(deepest)
    with pytest.raises(RequestError, match="nested deeper than 100"):
        call_case("[]", opening * 101 + "1" + closing * 101)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    wide = "[" + ",".join(["[1]"] * 1000) + "]"
    assert json.loads(call_case("[]", wide).expected) == json.loads(wide)


def test_files_are_base64() -> None:
    message = json_wire.parse(b'{"files": {"a.bin": "AP8="}}', pb.ExecuteRequest)
    assert message.files["a.bin"] == b"\x00\xff"
    assert refused('{"files": {"a.bin": "A!="}}', pb.ExecuteRequest).field == 'files["a.bin"]'


def test_an_enum_is_its_name() -> None:
    assert json_wire.parse(b'{"status": "ACCEPTED"}', pb.Verdict).status == pb.ACCEPTED
    for wrong in ('"accepted"', "1", "null_"):
        body = f'{{"status": {wrong}}}' if wrong != "null_" else '{"status": []}'
        assert refused(body, pb.Verdict).field == "status"


def test_a_reward_is_a_number_exactly_when_present() -> None:
    judged = json.loads(json_wire.dumps(pb.Verdict(status=pb.WRONG_ANSWER, reward=0.0)))
    faulty = json.loads(json_wire.dumps(pb.Verdict(status=pb.INTERNAL_ERROR)))
    assert (judged["reward"], faulty["reward"]) == (0.0, None)
    assert (judged["flags"], judged["cached"], judged["status"]) == ([], False, "WRONG_ANSWER")
    assert {"math", "code", "error", "timing"}.isdisjoint(judged)


def test_output_is_text_and_exact_bytes_where_it_is_not() -> None:
    execution = pb.Execution(stdout="é\x00".encode(), stderr=b"a\xffb", files={"f": b"\xff"})
    out = json.loads(json_wire.dumps(execution))
    assert (out["stdout"], out["stderr"], out["stderr_base64"]) == ("é\x00", "a\ufffdb", "Yf9i")
    assert "stdout_base64" not in out
    assert out["files"] == {"f": "/w=="}
    assert (out["exit_code"], out["signal"]) == (None, None)


# Any message survives the trip through JSON.

_INTEGERS = {
    FieldDescriptor.TYPE_INT32: st.integers(-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, (1 << 32) - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, (1 << 64) - 1),
}
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.full_name == "reward.v1.CallCase.args":
        return st.lists(_JSON, max_size=3).map(json_wire.dump_value)
    if field.full_name == "reward.v1.CallCase.expected":
        return _JSON.map(json_wire.dump_value)
    if field.message_type is not None:
        return messages(field.message_type)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    plain = {
        FieldDescriptor.TYPE_STRING: _TEXT,
        FieldDescriptor.TYPE_BOOL: st.booleans(),
        FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
        FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    }
    return (plain | _INTEGERS)[field.type]


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Any:
    """A message with any of its fields set, at most one member of each oneof."""
    given_fields: dict[str, Any] = {}
    taken: set[str] = set()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if (oneof is not None and oneof.name in taken) or not draw(st.booleans()):
            continue
        if oneof is not None:
            taken.add(oneof.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            values = _values(field.message_type.fields_by_name["value"])
            given_fields[field.name] = draw(st.dictionaries(_TEXT, values, max_size=2))
        elif field.is_repeated:
            given_fields[field.name] = draw(st.lists(_values(field), max_size=2))
        else:
            given_fields[field.name] = draw(_values(field))
    return GetMessageClass(descriptor)(**given_fields)


def refusal_of(read: Callable[[], object]) -> RequestError | None:
    """Why a request was refused, if it was; any other exception fails the test."""
    try:
        read()
    except RequestError as error:
        return error
    return None


ROUND_TRIPS = [pb.VerifyRequest, pb.TestSet, pb.ExecuteRequest, pb.Verdict, pb.Capabilities]


# How fast inputs are made depends on who else uses the machine.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(ROUND_TRIPS).flatmap(lambda kind: messages(kind.DESCRIPTOR)))
def test_any_message_survives_the_trip(message: Any) -> None:
    assert json_wire.parse(json_wire.dumps(message), type(message)) == message


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_a_message_or_a_refusal(body: bytes) -> None:
    error = refusal_of(lambda: json_wire.parse(body, pb.VerifyRequest))
    assert error is None or (error.code is ErrorCode.INVALID_ARGUMENT and error.message.encode("utf-8"))


@given(_JSON)
def test_any_value_is_a_message_or_a_refusal(value: Any) -> None:
    error = refusal_of(lambda: json_wire.from_json(value, pb.VerifyRequest))
    assert error is None or error.code is ErrorCode.INVALID_ARGUMENT


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_exact(number: float) -> None:
    found = json_wire.loads(json.dumps([number]).encode())[0]
    assert type(found) is type(number)
    assert found == number
    assert math.copysign(1, found) == math.copysign(1, number)
