"""Structured logs as a decorator around the service: ids and outcomes, never a completion's text.

One event per line. `verdict` is logged at debug when the completion was judged, at
info when the task is at fault, at warning when the service is; `refused` at info.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import orjson
import structlog

from protos.reward.v1 import reward_pb2 as pb
from server import caller
from server.errors import RequestError
from server.faces.service import Passing, RewardService

Logger = structlog.typing.FilteringBoundLogger
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_TASK_AT_FAULT = {pb.UNGRADABLE, pb.UNDECIDED}
_SERVICE_AT_FAULT = {pb.INTERNAL_ERROR, pb.OVERLOADED, pb.CANCELLED}


def make_logger(level: str = "info", log_format: str = "json", file: TextIO | None = None) -> Logger:
    """A logger of its own, no process-wide state; `log_format` is json or console."""
    renderer: Any = structlog.processors.JSONRenderer(serializer=_to_json)
    if log_format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=False)
    logger: Logger = structlog.wrap_logger(
        structlog.PrintLogger(file or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
    )
    return logger


def _to_json(event: dict[str, Any], **_: Any) -> str:
    return orjson.dumps(event, default=repr).decode("utf-8")


class Bridge(logging.Handler):
    """Brings what libraries log (warnings and worse) into the same stream."""

    def __init__(self, logger: Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        self._logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


class Logged(Passing):
    """A RewardService that writes an event for what passes through it."""

    def __init__(self, inner: RewardService, logger: Logger) -> None:
        super().__init__(inner)
        self._logger = logger.bind()  # a lazy logger would be bound anew for every verdict

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges; logs the outcome."""
        with self._faults("verify", request.id, caller.run_of(request.run)):
            verdict = await self._inner.verify(request)
        self._log_verdict(request, verdict)
        return verdict

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """Judges if nothing has to be waited for; logs the outcome."""
        try:
            verdict = self._inner.verify_now(request)
        except Exception as error:  # logged and passed on, as in `_faults`
            self._log_fault(error, "verify", request.id, caller.run_of(request.run))
            raise
        if verdict is not None:
            self._log_verdict(request, verdict)
        return verdict

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a test set."""
        with self._faults("put_tests", "", caller.run_of("")):
            return await self._inner.put_tests(tests)

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program."""
        with self._faults("execute", request.id, caller.run_of(request.run)):
            return await self._inner.execute(request)

    @contextmanager
    def _faults(self, rpc: str, request_id: str, run: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # logged and passed on: the faces turn it into an answer
            self._log_fault(error, rpc, request_id, run)
            raise

    def _log_fault(self, error: Exception, rpc: str, request_id: str, run: str) -> None:
        """A refusal, or with its traceback what nobody foresaw."""
        if not isinstance(error, RequestError):
            self._logger.exception("unforeseen_fault", rpc=rpc, id=request_id, run=run)
            return
        self._logger.info("refused", rpc=rpc, id=request_id, run=run, code=error.code.name, field=error.field)

    def _log_verdict(self, request: pb.VerifyRequest, verdict: pb.Verdict) -> None:
        severity = _severity(verdict.status)
        if not self._logger.is_enabled_for(severity):
            return  # nearly every verdict: its fields need not be gathered
        self._logger.log(
            severity,
            "verdict",
            id=request.id,
            run=caller.run_of(request.run),
            task=request.WhichOneof("task"),
            language=request.code.language,
            status=pb.Status.Name(verdict.status),
            reward=verdict.reward if verdict.HasField("reward") else None,
            completion_characters=len(request.completion),
            total_seconds=verdict.timing.total_seconds,
        )


def _severity(status: pb.Status) -> int:
    if status in _SERVICE_AT_FAULT:
        return logging.WARNING
    return logging.INFO if status in _TASK_AT_FAULT else logging.DEBUG
