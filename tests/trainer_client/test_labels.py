"""What a column of labels can hold; the same three forms as on the server's side."""

from __future__ import annotations

import json

import pytest

from server.faces.dialects import labels as server_labels
from trainer_client.labels import LabelError, request_of

FORMS = [
    "42",
    "{1, 2}",
    7,
    json.dumps({"math": {"gold": ["1", "2"]}, "extraction": "whole"}),
    json.dumps({"inputs": ["1\n", ["2", "3"]], "outputs": ["2\n", "5"]}),
    json.dumps({"inputs": ['[1, 2]\n"x"'], "outputs": ["3"], "fn_name": "f"}),
    json.dumps({"inputs": [[[1, 2], "x"]], "outputs": [3], "fn_name": "f", "language": "cpp"}),
    json.dumps({"inputs": [""], "outputs": [""], "assert_case": ["assert f(1) == 2", "assert f(2) == 3"]}),
    json.dumps({"inputs": ["1"], "outputs": ["2"], "assert_case": []}),
    json.dumps(
        {
            "code": {
                "language": "python",
                "call": {"function": "f", "cases": [{"args": [1], "expected": {"a": [None]}}]},
                "checker": "tokens",
                "limits": {"cpu_seconds": 2},
            }
        }
    ),
]


@pytest.mark.parametrize("label", FORMS)
def test_a_label_means_the_same_on_both_sides_of_the_wire(label: object) -> None:
    assert request_of(label, "c") == server_labels.request_of(label, "c")


@pytest.mark.parametrize(
    ("label", "named"),
    [
        (None, "label"),
        (True, "label"),
        ('{"inputs": ["1"], "outputs": []}', "label.outputs"),
        ('{"inputs": [""], "outputs": [""], "assert_case": "assert True"}', "label.assert_case"),
        ('{"inputs": [""], "outputs": [""], "assert_case": [1]}', "label.assert_case"),
        ('{"code": {"langage": "python"}}', "langage"),
    ],
)
def test_a_broken_label_is_named(label: object, named: str) -> None:
    with pytest.raises(LabelError, match=named):
        request_of(label, "c")


def test_verl_s_asserts_go_before_its_inputs_and_outputs() -> None:
    label = {"inputs": [""], "outputs": [""], "fn_name": "f", "assert_case": ["assert f(1) == 2"]}
    task = request_of(label, "c").code
    assert (task.language, task.WhichOneof("tests"), list(task.asserts.tests)) == (
        "python",
        "asserts",
        ["assert f(1) == 2"],
    )
