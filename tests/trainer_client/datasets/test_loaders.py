"""A row of each published format becomes the task that it means."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.verify.code.validation import validate
from trainer_client.datasets import LOADERS, DatasetError, Row, Task, load
from trainer_client.labels import request_of

LCB_CASES = json.dumps([{"input": "[1, 2]\n3", "output": "[3]", "testtype": "functional"}])
LCB_PRIVATE = base64.b64encode(zlib.compress(pickle.dumps(LCB_CASES))).decode()
CHECK = "def check(candidate):\n    assert candidate(1) == 2\n"

ROWS: dict[str, dict[str, Any]] = {
    "apps": {
        "problem_id": 4,
        "question": "Double.",
        "solutions": '["print(int(input()) * 2)"]',
        "input_output": '{"inputs": ["1\\n"], "outputs": ["2\\n"]}',
        "starter_code": "",
    },
    "taco": {
        "question": "Double.",
        "solutions": "[]",
        "input_output": '{"fn_name": "f", "inputs": [[1], [2]], "outputs": [[2], [4]]}',
        "time_limit": "2.0 seconds",
        "memory_limit": "256.0 megabytes",
    },
    "codecontests": {
        "name": "1_A. Double",
        "description": "Double.",
        "public_tests": {"input": ["1\n"], "output": ["2\n"]},
        "private_tests": {"input": ["2\n"], "output": ["4\n"]},
        "generated_tests": {"input": [], "output": []},
        "time_limit": {"seconds": 1, "nanos": 500_000_000},
        "memory_limit_bytes": 256_000_000,
        "solutions": {"language": [1, 3], "solution": ["print 2", "print(int(input()) * 2)"]},
        "incorrect_solutions": {"language": [2], "solution": ["int main() {}"]},
    },
    "livecodebench": {
        "question_id": "3000",
        "question_content": "Add.",
        "starter_code": "class Solution:\n    def add(self, a, b):\n        ",
        "public_test_cases": LCB_CASES,
        "private_test_cases": LCB_PRIVATE,
        "metadata": '{"func_name": "add"}',
    },
    "prime": {
        "data_source": "taco",
        "prompt": [{"role": "user", "content": "Double."}],
        "ability": "code",
        "reward_model": {"style": "rule", "ground_truth": '{"inputs": ["1\\n"], "outputs": ["2\\n"]}'},
        "extra_info": {"index": 8},
    },
    "synthetic": {
        "problem_id": "vcp_1",
        "prompt": "Double.",
        "gold_standard_solution": "```python\nprint(int(input()) * 2)\n```",
        "verification_info": str(
            {
                "language": "python",
                "test_cases": [{"type": "stdin_stdout", "input": "1\n", "output": "2\n", "fn_name": None}],
            }
        ),
    },
    "kodcode": {
        "question_id": "Leetcode_1",
        "question": "Double.",
        "solution": "def double(n): return 2 * n",
        "test": "from solution import double\n\ndef test_double():\n    assert double(1) == 2\n",
        "test_info": [{"function_name": "double", "function_declaration": "def double(n):"}],
    },
    "humaneval": {
        "task_id": "HumanEval/0",
        "prompt": "def f(n):\n",
        "canonical_solution": "    return n + 1\n",
        "test": CHECK,
        "entry_point": "f",
    },
    "mbpp": {
        "task_id": 2,
        "text": "Add one.",
        "code": "def f(n):\n    return n + 1",
        "test_list": ["assert f(1) == 2"],
        "test_setup_code": "",
    },
    "humaneval-x": {
        "task_id": "Rust/0",
        "prompt": "// one more\n",
        "declaration": "fn f(n: i32) -> i32 {\n",
        "canonical_solution": "    n + 1\n}\n",
        "test": "#[test]\nfn t() { assert_eq!(f(1), 2); }\n",
    },
    "humanevalpack": {
        "task_id": "Go/0",
        "prompt": "func F(n int) int {\n",
        "declaration": "func F(n int) int {\n",
        "canonical_solution": "    return n + 1\n}\n",
        "buggy_solution": "    return n\n}\n",
        "bug_type": "missing logic",
        "test": "func TestF(t *testing.T) {}\n",
    },
    "multipl-e": {
        "name": "HumanEval_0_f",
        "language": "cpp",
        "prompt": "int f(int n) {\n",
        "tests": "}\nint main() {\n    assert(f(1) == 2);\n}\n",
        "stop_tokens": ["\n}"],
    },
    "kattis": {
        "problem_id": "po/half",
        "title": "Half",
        "time_limit_s": 2,
        "memory_mb": 64,
        "checker": {"type": "float", "flags": "float_tolerance 1e-5", "files": {}},
        "tests": [{"name": "secret/1", "input": "1\n", "output": "0.5\n"}],
    },
    "math": {"problem": "2 - 1?", "answer": "1", "unique_id": "test/1.json"},
    "gsm8k": {"question": "How many?", "answer": "First 1, then 2.\n#### 1,440"},
    "aime": {"ID": "2024-I-1", "Problem": "How many?", "Answer": 204},
    "deepscaler": {"problem": "How many?", "answer": "3", "solution": "3."},
    "verl": {
        "data_source": "math",
        "prompt": [{"role": "user", "content": "How many?"}],
        "reward_model": {"style": "rule", "ground_truth": "12"},
    },
}


def task_of(name: str, /, **changes: Any) -> Task:
    return LOADERS[name](Row("file:1", {**ROWS[name], **changes}))


def code_of(name: str, /, **changes: Any) -> pb.CodeTask:
    task = task_of(name, **changes).task
    assert isinstance(task, pb.CodeTask)
    return task


def test_every_loader_has_a_row_here() -> None:
    assert ROWS.keys() == LOADERS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_the_server_takes_the_task(name: str) -> None:
    task = task_of(name)
    assert task.id
    assert task.prompt
    if isinstance(task.task, pb.CodeTask):
        validate(task.task)


@pytest.mark.parametrize("name", ROWS)
def test_a_question_means_the_same_task(name: str) -> None:
    task = task_of(name)
    request = task.request("")
    request.id = ""
    assert request_of(json.loads(json.dumps(task.question()["label"])), "") == request


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("apps", "input_output"),
        ("taco", "question"),
        ("codecontests", "name"),
        ("livecodebench", "public_test_cases"),
        ("livecodebench", "metadata"),
        ("prime", "reward_model"),
        ("synthetic", "verification_info"),
        ("kodcode", "test"),
        ("humaneval", "entry_point"),
        ("mbpp", "test_list"),
        ("humaneval-x", "declaration"),
        ("multipl-e", "tests"),
        ("kattis", "checker"),
        ("math", "answer"),
        ("gsm8k", "answer"),
    ],
)
def test_a_missing_field_is_named_with_its_row(name: str, missing: str) -> None:
    with pytest.raises(DatasetError, match=rf"file:1: .*{missing}"):
        task_of(name, **{missing: None})


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("apps", {"input_output": '{"inputs": [], "outputs": []}'}, "inputs: is empty"),
        ("apps", {"input_output": '{"inputs": ["1"], "outputs": []}'}, "outputs"),
        ("apps", {"input_output": "{"}, "input_output: is neither JSON nor"),
        ("taco", {"time_limit": "soon"}, "time_limit"),
        ("codecontests", {"input_file": "a.in"}, "input_file"),
        ("codecontests", {"public_tests": {"input": ["1"], "output": []}}, "0 outputs for 1 inputs"),
        ("livecodebench", {"private_test_cases": "AAAA"}, "private_test_cases"),
        ("synthetic", {"verification_info": {"test_cases": [{"type": "spoken"}]}}, "test_cases"),
        ("mbpp", {"test_list": []}, "test_list: is empty"),
        ("humaneval-x", {"task_id": "Cobol/0"}, "Cobol"),
        ("multipl-e", {"language": "cobol"}, "cobol"),
        ("kattis", {"tests": []}, "tests: is empty"),
        ("kattis", {"checker": {"type": "special", "flags": "", "files": {}}}, "output_validators"),
        ("kattis", {"checker": {"type": "default", "flags": "loose"}}, "'loose'"),
        ("gsm8k", {"answer": "1440"}, "####"),
        ("math", {"answer": ""}, "answer: is empty"),
        ("math", {"answer": True}, "answer"),
    ],
)
def test_what_cannot_be_judged_is_refused(name: str, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(DatasetError, match=named):
        task_of(name, **changes)


def test_a_function_that_returns_in_arrays_of_one_is_unwrapped() -> None:
    assert [case.expected for case in code_of("taco").call.cases] == ["2", "4"]


def test_an_array_among_other_outputs_is_left() -> None:
    tests = '{"fn_name": "f", "inputs": [[1], [2]], "outputs": [[2], [4, 4]]}'
    assert [case.expected for case in code_of("taco", input_output=tests).call.cases] == ["[2]", "[4,4]"]


def test_units_of_taco_become_seconds_and_bytes() -> None:
    limits = code_of("taco").limits
    assert (limits.cpu_seconds, limits.memory_bytes) == (2.0, 256 << 20)


def test_livecodebench_arguments_are_one_json_a_line() -> None:
    cases = code_of("livecodebench").call.cases
    assert [(case.args, case.expected) for case in cases] == [("[[1,2],3]", "[3]")] * 2


def test_codecontests_keeps_known_right_and_wrong_programs() -> None:
    known = task_of("codecontests").known
    assert [(one.name, one.language, one.right) for one in known] == [
        ("solutions1", "python", True),
        ("incorrect_solutions0", "cpp", False),
    ]


def test_codecontests_limits_are_seconds_and_bytes() -> None:
    limits = code_of("codecontests").limits
    assert (limits.cpu_seconds, limits.memory_bytes) == (1.5, 256_000_000)


def test_a_fence_around_a_gold_solution_is_removed() -> None:
    assert task_of("synthetic").known[0].completion == "print(int(input()) * 2)\n"


def test_a_known_program_is_judged_in_its_own_language() -> None:
    task = task_of("codecontests")
    request = task.known_request(task.known[1])
    assert (request.code.language, request.extraction) == ("cpp", "whole")


def test_the_buggy_solution_is_known_to_be_wrong() -> None:
    assert [one.right for one in task_of("humanevalpack").known] == [True, False]


def test_tests_that_close_the_function_follow_a_whole_program() -> None:
    assert code_of("multipl-e").asserts.tests[0].startswith("int main()")


@pytest.mark.parametrize(
    ("flags", "abs_", "rel"),
    [
        ("float_tolerance 1e-5", 1e-5, 1e-5),
        ("float_absolute_tolerance 1e-2", 1e-2, None),
        ("float_relative_tolerance 1e-3 case_sensitive", None, 1e-3),
    ],
)
def test_float_flags_of_the_default_validator(flags: str, abs_: float | None, rel: float | None) -> None:
    floats = code_of("kattis", checker={"type": "default", "flags": flags}).checker.floats
    assert (floats.abs if floats.HasField("abs") else None) == abs_
    assert (floats.rel if floats.HasField("rel") else None) == rel


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("", "case_insensitive_tokens"),
        ("case_sensitive", "tokens"),
        ("case_sensitive space_change_sensitive", "exact"),
    ],
)
def test_word_flags_of_the_default_validator(flags: str, name: str) -> None:
    assert code_of("kattis", checker={"type": "default", "flags": flags}).checker.name == name


def test_a_validator_brings_what_it_includes() -> None:
    files = {"output_validators/v/validate.h": "// h", "output_validators/v/main.cpp": "// cpp"}
    program = code_of("kattis", checker={"type": "special", "flags": "a 1", "files": files}).checker.program
    assert (program.language, program.source, program.protocol) == ("cpp", "// cpp", "kattis")
    assert (dict(program.files), list(program.arguments)) == ({"validate.h": "// h"}, ["a", "1"])


def test_an_interactive_package_keeps_the_answers_from_the_program() -> None:
    files = {"output_validators/talk.py": "pass"}
    task = code_of("kattis", checker={"type": "interactive", "flags": "", "files": files})
    assert task.interactive.interactor.language == "python"
    assert [(case.input, case.answer) for case in task.interactive.cases] == [("1\n", "0.5\n")]


def test_an_unknown_data_set_is_named() -> None:
    with pytest.raises(DatasetError, match="'nothing'"):
        list(load("nothing", [Path("x")]))
