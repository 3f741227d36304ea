"""The kernel as a plain process of this Python, which has what a jail's may lack."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import pytest

from server.faces.dialects.jupyter_kernel import UsageError, bundle_of, parse
from server.faces.dialects.sandbox_fusion_jupyter import KERNEL, cells_of

CELL = '{"stdout": "", "stderr": "", "display": [], "error": []}'


def run(*cells: str) -> list[dict[str, Any]]:
    asked = json.dumps({"cells": cells, "cell_cpu_seconds": 0})
    command = [sys.executable, str(KERNEL)]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True, timeout=250)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_open_figures_are_pictures_and_then_closed() -> None:
    plot = "%matplotlib inline\nimport matplotlib.pyplot as plt\n_ = plt.plot([1, 2])\nplt.show()"
    first, second = run(plot, "plt.get_fignums()")
    (figure,) = first["display"]
    assert base64.b64decode(figure["image/png"]).startswith(b"\x89PNG")
    assert first["stderr"] == ""
    assert second["display"] == [{"text/plain": "[]"}]


def test_text_that_is_no_unicode_does_not_end_the_kernel() -> None:
    first, second = run("import os\nos.write(1, b'\\xff')\n'\\udc00'", "1")
    assert first["stdout"] == "\ufffd"
    assert second["display"] == [{"text/plain": "1"}]


def test_an_object_whose_repr_fails_is_the_cells_error() -> None:
    first, second = run("class A:\n  def __repr__(self): raise ValueError('no')\nA()", "1")
    assert first["error"][0]["ename"] == "ValueError"
    assert second["error"] == []


@pytest.mark.parametrize("source", ["x = '''\n!not a command\n%not a magic\n'''", "5 %3", "a != b"])
def test_marks_inside_python_are_python(source: str) -> None:
    assert parse(source, "<cell 1>").body


def test_a_magic_is_named_when_it_is_not_there() -> None:
    with pytest.raises(UsageError, match="%%time"):
        parse("%%time\nx = 1", "<cell 1>")


def test_a_class_is_shown_as_itself() -> None:
    class Shown:
        def _repr_html_(self) -> str:
            return "<b></b>"

    assert list(bundle_of(Shown)) == ["text/plain"]
    assert list(bundle_of(Shown())) == ["text/plain", "text/html"]


@pytest.mark.parametrize("line", ["", "null", "{}", "[]", "{", CELL.replace('""', "1")])
def test_reading_ends_at_what_is_no_cell(line: str) -> None:
    assert len(cells_of(f"{CELL}\n{line}\n{CELL}")) == 1
