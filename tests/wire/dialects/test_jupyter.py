"""SandboxFusion's `/run_jupyter`: cells that share an interpreter, each with its own outputs."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest


def run_cells(web: httpx.Client, *cells: str, **fields: Any) -> dict[str, Any]:
    answer = web.post("/run_jupyter", json={"cells": cells, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def cell(web: httpx.Client, source: str) -> dict[str, Any]:
    answer = run_cells(web, source)
    assert answer["status"] == "Success"
    (found,) = answer["cells"]
    return found


def test_cells_share_their_names_and_not_their_outputs(web: httpx.Client) -> None:
    answer = run_cells(
        web, "import math\nx = 2\nprint('a')", "import sys\nprint('b', file=sys.stderr)\nx + 1"
    )
    assert answer["status"] == "Success"
    assert answer["driver"]["return_code"] == 0
    assert answer["cells"] == [
        {"stdout": "a\n", "stderr": "", "display": [], "error": []},
        {"stdout": "", "stderr": "b\n", "display": [{"text/plain": "3"}], "error": []},
    ]


def test_an_error_does_not_stop_the_next_cell(web: httpx.Client) -> None:
    answer = run_cells(web, "print('before')\n1 / 0", "7")
    assert answer["status"] == "Success"
    first, second = answer["cells"]
    assert first["stdout"] == "before\n"
    (error,) = first["error"]
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert "1 / 0" in "\n".join(error["traceback"])
    assert "jupyter_kernel" not in "\n".join(error["traceback"])
    assert second["display"] == [{"text/plain": "7"}]


@pytest.mark.parametrize(
    "source", ["def f(:", "import sys\nsys.exit(3)", "raise KeyboardInterrupt", "input()"]
)
def test_whatever_a_cell_raises_is_its_error(web: httpx.Client, source: str) -> None:
    answer = run_cells(web, source, "'next'")
    assert len(answer["cells"][0]["error"]) == 1
    assert answer["cells"][1]["display"] == [{"text/plain": "'next'"}]


NASTY = {
    "no standard output": "import sys\nsys.stdout = None",
    "a closed standard output": "import sys\nsys.stdout.close()",
    "an exception that cannot be shown": "class E(Exception):\n def __str__(self): 1 / 0\nraise E()",
    "an exception with half a pair": "raise ValueError('\\ud800')",
    "JSON with keys that are no texts": "class A:\n def _repr_json_(self): return {(1, 2): 3}\nA()",
    "an integer beyond 64 bits": "class A:\n def _repr_json_(self): return {'n': 10**30}\nA()",
    "HTML with half a pair": "class A:\n def _repr_html_(self): return '\\ud800'\nA()",
}


@pytest.mark.parametrize("source", NASTY.values(), ids=NASTY)
def test_whatever_a_cell_does_to_its_answer_the_next_one_has_its_own(web: httpx.Client, source: str) -> None:
    answer = run_cells(web, source, "'next'")
    assert answer["status"] == "Success"
    assert answer["cells"][1]["display"] == [{"text/plain": "'next'"}]


def test_a_cell_that_closed_its_output_silences_no_other(web: httpx.Client) -> None:
    answer = run_cells(web, "import sys\nsys.stdout.close()", "print('heard')")
    assert answer["cells"][1]["stdout"] == "heard\n"


@pytest.mark.parametrize("source", ["None", "x = 3", "3;", "def f(): pass"])
def test_what_has_no_value_to_show_shows_nothing(web: httpx.Client, source: str) -> None:
    assert cell(web, source)["display"] == []


def test_output_of_child_processes_is_the_cells(web: httpx.Client) -> None:
    assert cell(web, "import os\n!echo shell\nos.write(1, b'raw')\nNone")["stdout"] == "shell\nraw"


def test_objects_show_themselves_by_mime_type(web: httpx.Client) -> None:
    methods = "def _repr_html_(self): return '<b>a</b>'\n  def __repr__(self): return 'a'"
    source = f"class A:\n  {methods}\ndisplay(1, A())\nA()"
    shown = {"text/plain": "a", "text/html": "<b>a</b>"}
    assert cell(web, source)["display"] == [{"text/plain": "1"}, shown, shown]


def test_a_magic_that_is_not_there_says_so(web: httpx.Client) -> None:
    (error,) = cell(web, "%timeit 1")["error"]
    assert error["ename"] == "UsageError"


def test_a_cell_may_await(web: httpx.Client) -> None:
    assert cell(web, "import asyncio\nawait asyncio.sleep(0, 5)")["display"] == [{"text/plain": "5"}]


def test_a_time_limit_keeps_the_cells_that_had_ended(web: httpx.Client) -> None:
    answer = run_cells(web, "print('kept')", "while True: pass", total_timeout=2)
    assert (answer["status"], answer["driver"]["status"]) == ("Failed", "TimeLimitExceeded")
    assert [found["stdout"] for found in answer["cells"]] == ["kept\n"]


def test_a_cells_own_limit_ends_that_cell_only(web: httpx.Client) -> None:
    answer = run_cells(web, "while True: pass", "'next'", cell_timeout=0.3)
    assert answer["cells"][0]["error"][0]["ename"] == "CellTimeoutError"
    assert answer["cells"][1]["display"] == [{"text/plain": "'next'"}]


def test_a_kernel_that_dies_is_a_failure_with_what_had_ended(web: httpx.Client) -> None:
    answer = run_cells(web, "1", "import os\nos._exit(0)", "2")
    assert answer["status"] == "Failed"
    assert len(answer["cells"]) == 1


def test_a_cell_cannot_make_up_further_cells(web: httpx.Client) -> None:
    line = '{"stdout": "x", "stderr": "", "display": [], "error": []}'
    write = f"try: os.write(number, b'{line}\\n' * 9)\n  except OSError: pass"
    source = f"import os\nfor number in range(3, 30):\n  {write}"
    assert len(run_cells(web, source)["cells"]) <= 1


def test_files_go_in_and_out(web: httpx.Client) -> None:
    files = {"in.txt": base64.b64encode(b"abc").decode()}
    source = "open('out.txt', 'w').write(open('in.txt').read().upper())"
    answer = run_cells(web, source, files=files, fetch_files=["out.txt", "none.txt"])
    assert answer["files"] == {"out.txt": base64.b64encode(b"ABC").decode()}


def test_classes_of_cells_can_be_pickled(web: httpx.Client) -> None:
    source = "import pickle\nclass A: pass\ntype(pickle.loads(pickle.dumps(A()))) is A"
    assert cell(web, source)["display"] == [{"text/plain": "True"}]


@pytest.mark.parametrize("fields", [{"cells": "1"}, {"cells": ["1"], "kernel": "bash"}, {}])
def test_a_wrong_request_is_422(web: httpx.Client, fields: dict[str, Any]) -> None:
    assert web.post("/run_jupyter", json=fields).status_code == 422
