"""SandboxFusion's wire: the checklist of what its clients rely on."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

CPP = "#include <iostream>\nint main() { int x; std::cin >> x; std::cout << x * 2; }\n"


def run_code(web: httpx.Client, code: str, **fields: Any) -> dict[str, Any]:
    answer = web.post("/run_code", json={"code": code, "language": "python", "compile_timeout": 60, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_ping(web: httpx.Client) -> None:
    assert web.get("/v1/ping").json() == "pong"


def test_a_program_that_ends_well(web: httpx.Client) -> None:
    answer = run_code(web, "print(input())", stdin="x  \n")
    assert answer["status"] == "Success"
    assert answer["message"] == ""
    assert answer["compile_result"] is None
    assert answer["executor_pod_name"] is None
    ran = answer["run_result"]
    assert (ran["status"], ran["return_code"], ran["stdout"], ran["stderr"]) == ("Finished", 0, "x  \n", "")


def test_stdin_may_be_null(web: httpx.Client) -> None:
    assert run_code(web, "print(repr(input()))", stdin=None)["status"] == "Failed"


def test_an_exit_code_is_given_back(web: httpx.Client) -> None:
    answer = run_code(web, "import sys; sys.exit(3)")
    assert (answer["status"], answer["run_result"]["return_code"]) == ("Failed", 3)


def test_a_signal_is_a_negative_return_code(web: httpx.Client) -> None:
    answer = run_code(web, "import os; os.kill(os.getpid(), 6)")
    assert (answer["status"], answer["run_result"]["return_code"]) == ("Failed", -6)


def test_a_syntax_error_of_an_interpreter_is_a_failed_run(web: httpx.Client) -> None:
    answer = run_code(web, "def f(:")
    assert answer["compile_result"] is None
    assert answer["run_result"]["return_code"] == 1
    assert "SyntaxError" in answer["run_result"]["stderr"]


def test_a_time_limit_keeps_what_was_printed(web: httpx.Client) -> None:
    code = "print('before', flush=True)\nwhile True: pass"
    answer = run_code(web, code, run_timeout=0.5)
    ran = answer["run_result"]
    assert (answer["status"], ran["status"], ran["return_code"]) == ("Failed", "TimeLimitExceeded", None)
    assert ran["stdout"] == "before\n"
    assert ran["execution_time"] >= 0.5


def test_a_program_that_sleeps_meets_the_same_limit(web: httpx.Client) -> None:
    answer = run_code(web, "import time; time.sleep(60)", run_timeout=0.5)
    assert answer["run_result"]["status"] == "TimeLimitExceeded"


def test_a_memory_kill_says_so(web: httpx.Client) -> None:
    answer = run_code(web, "x = bytearray(1 << 30)\nx[::4096] = b'1' * (1 << 18)", memory_limit_MB=128)
    ran = answer["run_result"]
    assert (answer["status"], ran["return_code"], ran["limit_exceeded"]) == ("Failed", -9, "memory")


def test_output_of_a_megabyte_is_whole(web: httpx.Client) -> None:
    assert len(run_code(web, "print('x' * 2_000_000)")["run_result"]["stdout"]) == 2_000_001


@pytest.mark.toolchain("g++")
def test_a_compiled_program(web: httpx.Client) -> None:
    answer = run_code(web, CPP, language="cpp", stdin="21")
    assert answer["compile_result"]["return_code"] == 0
    assert answer["run_result"]["stdout"] == "42"


@pytest.mark.toolchain("g++")
def test_a_failed_compilation_has_no_run(web: httpx.Client) -> None:
    answer = run_code(web, "int main() { return x; }", language="cpp")
    assert (answer["status"], answer["run_result"]) == ("Failed", None)
    assert answer["compile_result"]["return_code"] != 0
    assert "x" in answer["compile_result"]["stderr"]


def test_files_go_in_and_out(web: httpx.Client) -> None:
    code = "open('out.txt', 'w').write(open('a/in.txt').read().upper())"
    files = {"a/in.txt": base64.b64encode(b"abc").decode(), "skipped": None}
    answer = run_code(web, code, files=files, fetch_files=["out.txt", "missing"])
    assert answer["files"] == {"out.txt": base64.b64encode(b"ABC").decode()}


def test_files_beside_a_python_program_can_be_imported(web: httpx.Client) -> None:
    files = {"solution.py": base64.b64encode(b"def double(n):\n    return 2 * n\n").decode()}
    answer = run_code(web, "from solution import double\nprint(double(3))", files=files)
    assert answer["run_result"]["stdout"] == "6\n", answer


def test_an_unknown_language_is_422(web: httpx.Client) -> None:
    answer = web.post("/run_code", json={"code": "x", "language": "cobol"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "language"]


def test_a_language_that_is_not_here_is_a_fault_of_the_sandbox(web: httpx.Client) -> None:
    assert run_code(web, "x", language="cuda")["status"] == "SandboxError"


def test_code_is_required(web: httpx.Client) -> None:
    answer = web.post("/run_code", json={"language": "python"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["code"]


def test_a_path_out_of_the_directory_is_refused(web: httpx.Client) -> None:
    files = {"../x": base64.b64encode(b"").decode()}
    assert web.post("/run_code", json={"code": "x", "language": "python", "files": files}).status_code == 422


def submit(web: httpx.Client, completion: str, tests: Any, **extra: Any) -> httpx.Response:
    config = {
        "dataset_type": "CommonOJDataset",
        "language": "python",
        "provided_data": {"id": 1, "content": "", "test": tests},
        "extra": extra,
    }
    return web.post("/submit", json={"dataset": "x", "id": 1, "completion": completion, "config": config})


CASES = [{"input": {"stdin": f"{n}\n"}, "output": {"stdout": f"{2 * n}\n"}} for n in range(6)]


def test_submit_accepts(web: httpx.Client) -> None:
    answer = submit(web, "```python\nprint(int(input()) * 2)\n```", CASES).json()
    assert answer["accepted"] is True
    assert [test["passed"] for test in answer["tests"]] == [True] * 6
    assert answer["extracted_code"] == "print(int(input()) * 2)\n"


def test_submit_stops_at_the_first_failure(web: httpx.Client) -> None:
    answer = submit(web, "```python\nprint(1)\n```", CASES).json()
    assert answer["accepted"] is False
    assert len(answer["tests"]) == 1


def test_submit_runs_all_cases_when_asked(web: httpx.Client) -> None:
    answer = submit(web, "```python\nprint(4)\n```", CASES, run_all_cases=True).json()
    assert [test["passed"] for test in answer["tests"]] == [False, False, True, False, False, False]


def test_submit_never_accepts_a_problem_without_tests(web: httpx.Client) -> None:
    assert submit(web, "```python\nprint(1)\n```", []).status_code == 400


def test_submit_judges_asserts(web: httpx.Client) -> None:
    row = {"id": 1, "content": "", "test": "def check(f):\n    assert f(1) == 2\n", "entry_point": "g"}
    config = {"dataset_type": "HumanEvalDataset", "language": "python", "provided_data": row}
    body = {"dataset": "humaneval_python", "id": 1, "config": config}
    for completion, accepted in (
        ("def g(x):\n    return x + 1\n", True),
        ("def g(x):\n    return x\n", False),
    ):
        answer = web.post("/submit", json={**body, "completion": f"```python\n{completion}```"})
        assert answer.json()["accepted"] is accepted


ADDS = "def f(x):\n    return x + K\n"
ASSERTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tests as JSON text": ("MBPPDataset", {"test": '["assert f(1) == 2", "assert f(2) == 3"]'}),
    "tests as an array": ("MBPPDataset", {"test_list": ["assert f(1) == 2"]}),
    "a text behind the answer": ("AutoEvalDataset", {"test": {"code": "assert f(1) == 2"}}),
    "a text around the answer": (
        "AutoEvalV5Dataset",
        {"test": '{"code": "K = 1\\n#<INSERT>\\nassert f(1) == 2"}'},
    ),
}


@pytest.mark.parametrize("name", ASSERTS)
@pytest.mark.parametrize("right", [True, False])
def test_submit_reads_the_rows_of_assert_data_sets(web: httpx.Client, name: str, right: bool) -> None:
    kind, row = ASSERTS[name]
    labels = {} if "INSERT" in str(row) else {"test_setup_code": "K = 1", "programming_language": "python"}
    config = {"dataset_type": kind, "provided_data": {**row, "labels": labels}}
    completion = f"```python\n{ADDS if right else ADDS.replace('+', '-')}```"
    body = {"dataset": "x", "id": 1, "config": config, "completion": completion}
    assert web.post("/submit", json=body).json()["accepted"] is right


@pytest.mark.parametrize(("body_line", "accepted"), [("    return x + 1\n", True), ("    return x\n", False)])
def test_submit_puts_a_continuation_behind_its_prompt(
    web: httpx.Client, body_line: str, accepted: bool
) -> None:
    row = {"prompt": "def g(x):", "test": "def check(f):\n    assert f(1) == 2\n", "entry_point": "g"}
    config = {"dataset_type": "HumanEvalDataset", "provided_data": row}
    completion = f"{body_line}\nprint('what comes after it')\n"
    body = {"dataset": "humaneval_python", "id": 1, "config": config, "completion": completion}
    assert web.post("/submit", json=body).json()["accepted"] is accepted


def test_submit_judges_an_empty_answer(web: httpx.Client) -> None:
    answer = submit(web, "```python\n```", CASES)
    assert (answer.status_code, answer.json()["accepted"]) == (200, False)


def test_files_that_cannot_be_placed_are_refused_by_name(web: httpx.Client) -> None:
    body = {"code": "x", "language": "python", "files": {"a": "eA==", "a/b": "eA=="}}
    answer = web.post("/run_code", json=body)
    assert answer.status_code == 422
    assert "lies below 'a'" in answer.text


def test_submit_executes_no_code_of_the_request_in_the_server(web: httpx.Client) -> None:
    config = {"dataset_type": "CommonOJDataset", "custom_extract_logic": "x", "provided_data": {}}
    answer = web.post("/submit", json={"dataset": "x", "id": 1, "completion": "", "config": config})
    assert answer.status_code == 400
