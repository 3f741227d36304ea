"""open-instruct, Piston, code-judge and Judge0: each in its own words."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

ECHO = "print(input())"


def test_open_instruct_runs_each_assert(web: httpx.Client) -> None:
    body = {"program": "def f(x):\n    return x", "tests": ["assert f(1) == 1", "assert f(1) == 2"]}
    answer = web.post("/test_program", json=body).json()
    assert answer["results"] == [1, 0]
    assert answer["runtimes"][0] >= 0
    assert answer["runtimes"][1] == -1.0


def test_open_instruct_counts_no_early_exit_as_a_pass(web: httpx.Client) -> None:
    body = {"program": "import os\nos._exit(0)", "tests": ["assert f(1) == 1"]}
    assert web.post("/test_program", json=body).json()["results"] == [0]


@pytest.mark.parametrize("as_text", [False, True])
def test_open_instruct_runs_stdio(web: httpx.Client, as_text: bool) -> None:
    tests: Any = [{"input": "a\n", "output": "a"}, {"input": "b\n", "output": "c"}]
    body = {"program": ECHO, "tests": json.dumps(tests) if as_text else tests}
    assert web.post("/test_program_stdio", json=body).json()["results"] == [1, 0]


def test_open_instruct_opens_no_pickle(web: httpx.Client) -> None:
    answer = web.post("/test_program", json={"program": "x", "tests": "eJxrYJkqwgABPXyJxSUFOZnFJVP0AC7UBgc="})
    assert answer.status_code == 422
    assert "pickle" in answer.json()["detail"]


def piston(web: httpx.Client, **fields: Any) -> httpx.Response:
    body = {"language": "python", "version": "*", "files": [{"content": ECHO}], **fields}
    return web.post("/api/v2/execute", json=body)


def test_piston_lists_its_runtimes(web: httpx.Client) -> None:
    runtimes = web.get("/api/v2/runtimes").json()
    python = next(row for row in runtimes if row["language"] == "python")
    assert python["version"]
    assert "py" in python["aliases"]


def test_piston_ends_stdin_with_a_newline(web: httpx.Client) -> None:
    code = "import sys\nprint(repr(sys.stdin.read()))"
    run = piston(web, files=[{"content": code}], stdin="a").json()["run"]
    assert (run["stdout"], run["code"], run["signal"], run["status"]) == ("'a\\n'\n", 0, None, None)


def test_piston_kills_at_the_limit(web: httpx.Client) -> None:
    run = piston(web, files=[{"content": "while True: pass"}], run_timeout=300).json()["run"]
    assert (run["signal"], run["status"], run["code"]) == ("SIGKILL", "TO", None)


def test_piston_places_the_other_files(web: httpx.Client) -> None:
    hex_file = {"name": "a.bin", "content": "6162", "encoding": "hex"}
    files = [{"content": "print(open('a.bin').read())"}, hex_file]
    assert piston(web, files=files).json()["run"]["stdout"] == "ab\n"


@pytest.mark.toolchain("g++")
def test_piston_copies_a_failed_compilation_into_run(web: httpx.Client) -> None:
    answer = piston(web, language="c++", files=[{"content": "int main( {"}]).json()
    assert answer["run"] == answer["compile"]
    assert answer["run"]["code"] == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"language": 1}, "language is required as a string"),
        ({"version": None}, "version is required as a string"),
        ({"files": None}, "files is required as an array"),
        ({"files": [{}]}, "files[0].content is required as a string"),
        ({"language": "cobol"}, "cobol-* runtime is unknown"),
        (
            {"files": [{"content": "6162", "encoding": "hex"}]},
            "files must include at least one utf8 encoded file",
        ),
        ({"run_timeout": "1"}, "If specified, run_timeout must be a number"),
    ],
)
def test_piston_says_what_is_wrong(web: httpx.Client, fields: dict[str, Any], message: str) -> None:
    answer = piston(web, **fields)
    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_piston_wants_json(web: httpx.Client) -> None:
    answer = web.post("/api/v2/execute", content=b"{}", headers={"content-type": "text/plain"})
    assert answer.status_code == 415


def judge(web: httpx.Client, path: str, **fields: Any) -> dict[str, Any]:
    body = {"type": "python", "solution": ECHO, "input": "a", "expected_output": "a", **fields}
    return web.post(path, json=body).json()


def test_code_judge_answers_its_ping(web: httpx.Client) -> None:
    assert web.get("/ping").json() == "pong"
    assert web.get("/status").json()["num_workers"] >= 1


def test_code_judge_judges_without_showing_output(web: httpx.Client) -> None:
    answer = judge(web, "/judge", sub_id="s")
    assert (answer["sub_id"], answer["success"], answer["run_success"], answer["reason"]) == (
        "s",
        True,
        True,
        "",
    )
    assert not {"stdout", "stderr"} & answer.keys()


def test_code_judge_tells_wrong_from_crashed(web: httpx.Client) -> None:
    wrong = judge(web, "/run", expected_output="b")
    assert (wrong["success"], wrong["run_success"], wrong["stdout"]) == (False, True, "a\n")
    crashed = judge(web, "/run", solution="1/0")
    assert (crashed["success"], crashed["run_success"]) == (False, False)


def test_code_judge_keeps_a_batch_in_order(web: httpx.Client) -> None:
    submissions = [{"type": "python", "solution": ECHO, "input": str(n)} for n in range(5)]
    answer = web.post("/run/long-batch", json={"submissions": submissions}).json()
    assert [result["stdout"] for result in answer["results"]] == [f"{n}\n" for n in range(5)]
    assert all(result["sub_id"] for result in answer["results"])


def test_code_judge_judges_math(web: httpx.Client) -> None:
    answer = judge(web, "/judge", type="math", solution="\\boxed{\\frac12}", expected_output="0.5")
    assert answer["success"] is True


def judge0(web: httpx.Client, query: str = "wait=true", **fields: Any) -> httpx.Response:
    body = {"source_code": ECHO, "language_id": 71, "stdin": "a", **fields}
    return web.post(f"/submissions/?{query}", json=body)


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({"expected_output": "a  \n\n"}, "Accepted"),
        ({"expected_output": "b"}, "Wrong Answer"),
        ({"source_code": "1/0"}, "Runtime Error (NZEC)"),
        ({"source_code": "import os; os.abort()"}, "Runtime Error (SIGABRT)"),
        ({"source_code": "while True: pass", "cpu_time_limit": 0.3}, "Time Limit Exceeded"),
        ({"source_code": "def f(:"}, "Compilation Error"),
    ],
)
def test_judge0_statuses(web: httpx.Client, fields: dict[str, Any], description: str) -> None:
    assert judge0(web, **fields).json()["status"]["description"] == description


def test_judge0_speaks_base64(web: httpx.Client) -> None:
    encoded = {
        "source_code": base64.b64encode(ECHO.encode()).decode(),
        "stdin": base64.b64encode("é".encode()).decode(),
    }
    answer = judge0(web, "base64_encoded=true&wait=true", **encoded).json()
    assert base64.b64decode(answer["stdout"]).decode() == "é\n"


def test_judge0_keeps_nothing(web: httpx.Client) -> None:
    assert judge0(web, "wait=false").status_code == 400
    assert web.get("/submissions/abc").status_code == 400


def test_judge0_lists_languages_and_statuses(web: httpx.Client) -> None:
    assert any(row["id"] == 71 for row in web.get("/languages").json())
    assert len(web.get("/statuses").json()) == 14


def codeforces(
    program: str, checker: str = "", config: str = "TIME_LIMIT=5\nMEMORY_LIMIT=256"
) -> dict[str, Any]:
    files = {"main.python": program, "input.txt": "3\n", "correct_output.txt": "3\n", "grader_config": config}
    if checker:
        files["checker.py"] = checker
    named = [{"name": name, "content": content} for name, content in files.items()]
    return {"language": "cf_python3", "version": "*", "files": named, "run_timeout": 15_000}


def test_open_r1s_package_judges_by_tokens(web: httpx.Client) -> None:
    answer = web.post("/api/v2/execute", json=codeforces("print(input(), end='  ')")).json()
    assert (answer["compile"]["code"], answer["run"]["code"], answer["run"]["stdout"]) == (0, 0, "1\n")


def test_open_r1s_program_does_not_see_the_right_output(web: httpx.Client) -> None:
    reading = "print(open('correct_output.txt').read())"
    assert web.post("/api/v2/execute", json=codeforces(reading)).json()["run"]["stdout"] == "0\n"


@pytest.mark.parametrize(("printed", "stdout"), [("1", "1\n"), ("0", "0\n")])
def test_open_r1s_checker_decides(web: httpx.Client, printed: str, stdout: str) -> None:
    body = codeforces(ECHO, f"import sys\nassert len(sys.argv) == 4\nprint({printed})")
    assert web.post("/api/v2/execute", json=body).json()["run"]["stdout"] == stdout


@pytest.mark.parametrize("checker", ["1 / 0", "print('yes')", "print(1)\nexit(2)"])
def test_open_r1s_broken_checker_is_no_wrong_answer(web: httpx.Client, checker: str) -> None:
    answer = web.post("/api/v2/execute", json=codeforces(ECHO, checker))
    assert answer.status_code == 400
    assert "UNGRADABLE" in answer.json()["message"]


@pytest.mark.parametrize("config", ["TIME_LIMIT=-1", "MEMORY_LIMIT=much", "INPUT_MODE=file"])
def test_open_r1s_wrong_configuration_is_named(web: httpx.Client, config: str) -> None:
    answer = web.post("/api/v2/execute", json=codeforces(ECHO, config=config))
    assert answer.status_code == 400
    assert config.partition("=")[0] in answer.json()["message"]
