"""What a single label field can hold."""

from __future__ import annotations

import json

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import RequestError
from server.faces.dialects.labels import request_of


@pytest.mark.parametrize("label", ["42", r"\frac{1}{2}", "{1, 2}", "[1, 2]", '{"a": 1}'])
def test_text_that_is_no_task_is_a_gold(label: str) -> None:
    assert list(request_of(label, "so \\boxed{1}").math.gold) == [label]


def test_a_number_is_a_gold() -> None:
    assert list(request_of(7, "x").math.gold) == ["7"]


def test_a_task_of_ours_keeps_its_other_fields() -> None:
    label = json.dumps({"math": {"gold": ["1"]}, "extraction": "whole", "run": "r"})
    request = request_of(label, "1")
    assert (request.completion, request.extraction, request.run) == ("1", "whole", "r")
    assert list(request.math.gold) == ["1"]


def test_stdio_tests_as_data_sets_keep_them() -> None:
    task = request_of('{"inputs": ["1\\n", ["2", "3"]], "outputs": ["2\\n", "5"]}', "x").code
    assert task.language == "python"
    assert [(case.input, case.output) for case in task.stdio.cases] == [("1\n", "2\n"), ("2\n3", "5")]


def test_call_tests_with_one_json_argument_a_line() -> None:
    label = {"inputs": ['[1, 2]\n"x"'], "outputs": ["3"], "fn_name": "f"}
    call = request_of(json.dumps(label), "x").code.call
    assert call.function == "f"
    assert [json.loads(argument) for argument in _arguments(call.cases[0])] == [[1, 2], "x"]
    assert json.loads(call.cases[0].expected) == 3


def test_verls_assert_cases_take_the_place_of_inputs_and_outputs() -> None:
    label = {"inputs": [""], "outputs": [""], "assert_case": ["assert f(2) == 4"]}
    assert list(request_of(label, "x").code.asserts.tests) == ["assert f(2) == 4"]


def _arguments(case: pb.CallCase) -> list[str]:
    return [json.dumps(value) for value in json.loads(case.args)]


@pytest.mark.parametrize(
    ("label", "field"),
    [
        ('{"code": {"language": 3}}', "code.language"),
        ('{"inputs": ["1"], "outputs": []}', "label.outputs"),
        ('{"inputs": [""], "outputs": [""], "assert_case": "assert f()"}', "label.assert_case"),
        (None, "label"),
        (True, "label"),
    ],
)
def test_a_broken_label_names_its_field(label: object, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        request_of(label, "x")
    assert caught.value.field == field
