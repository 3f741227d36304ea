"""SandboxFusion's `/run_jupyter`: cells one after another in one interpreter, in one jail.

A fresh kernel for every request, as there; a cell's error does not stop the next
cell. Different from the original: the kernel is our own (`jupyter_kernel`), so there
are no magics and no widgets; after a time limit the cells that had ended are given
back instead of none; `cell_timeout` is held, as CPU time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.faces.dialects import sandbox_fusion
from server.faces.dialects.common import Context, Route, connected, endpoint, json

KERNEL = Path(__file__).with_name("jupyter_kernel.py")
# Its SDK waits without an end; the original gives its driver ten seconds beyond the cells'.
_DRIVER_SECONDS, _WAITING_SECONDS = 10.0, 60.0


class RunJupyter(BaseModel):
    """`RunJupyterRequest`; unknown keys are ignored, as there."""

    cells: list[str]
    cell_timeout: float = Field(default=0, ge=0)
    total_timeout: float = Field(default=45, gt=0)
    memory_limit_MB: int = -1
    kernel: Literal["python3"] = "python3"
    files: dict[str, str | None] = {}
    fetch_files: list[str] = []


class Cell(BaseModel):
    """What one cell did."""

    stdout: str
    stderr: str
    display: list[dict[str, Any]]
    error: list[dict[str, Any]]


def routes(context: Context) -> Sequence[Route]:
    """The path of notebooks."""
    return (Route("POST", "/run_jupyter", endpoint(context, _run_jupyter, sandbox_fusion.on_error)),)


async def _run_jupyter(context: Context, request: Request) -> Response:
    call = await context.read(request, RunJupyter)
    patience = call.total_timeout + _DRIVER_SECONDS + _WAITING_SECONDS
    result = await connected(request, context.execution(_to_execute(context, call), patience))
    return json(_to_response(result, call))


def _to_execute(context: Context, call: RunJupyter) -> pb.ExecuteRequest:
    program = sandbox_fusion.RunCode(
        code=KERNEL.read_text(encoding="utf-8"),
        language="python",
        run_timeout=call.total_timeout,
        memory_limit_MB=call.memory_limit_MB,
        files=call.files,
        fetch_files=call.fetch_files,
    )
    asked = {"cells": call.cells, "cell_cpu_seconds": call.cell_timeout}
    return sandbox_fusion.to_execute(context, program, [orjson.dumps(asked).decode("utf-8")])


def _to_response(result: pb.ExecuteResult, call: RunJupyter) -> dict[str, Any]:
    answer = sandbox_fusion.to_response(result, call.total_timeout)
    driver = answer["run_result"]
    cells = cells_of(driver["stdout"]) if driver else []
    whole = answer["status"] == "Success" and len(cells) == len(call.cells)
    return {
        "status": "Success" if whole else "Failed",
        "message": "",
        "driver": driver and {**driver, "stdout": ""},
        "cells": [cell.model_dump() for cell in cells[: len(call.cells)]],
        "executor_pod_name": None,
        "files": answer["files"],
    }


def cells_of(output: str) -> list[Cell]:
    """The cells that ended, up to the first line that is none: a cell may write there too."""
    cells = []
    for line in output.splitlines():
        try:
            cells.append(Cell.model_validate_json(line))
        except ValidationError:
            break
    return cells
