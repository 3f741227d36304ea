"""What a verdict says of the limit that ended a run."""

from __future__ import annotations

import signal

import pytest

from sandbox.types import Limits, Outcome, RunResult
from server.verify.code.running import limit_reason


def _ended(outcome: Outcome, signal_: int | None = None, stderr: bytes = b"") -> RunResult:
    return RunResult(outcome, None, signal_, b"", stderr, None, 0.1, 0.2, 1 << 20)


def test_a_file_that_grows_too_large_is_named() -> None:
    reason = limit_reason(_ended(Outcome.OUTPUT_LIMIT, signal.SIGXFSZ), Limits())
    assert reason == "limit 268435456 bytes of one file"


def test_output_that_grows_too_large_is_named() -> None:
    assert limit_reason(_ended(Outcome.OUTPUT_LIMIT), Limits(output_bytes=99)) == "limit 99 bytes"


@pytest.mark.parametrize(
    ("stderr", "limit"),
    [
        (b"OSError: [Errno 24] Too many open files: '/dev/null'", "limit 1024 open files: OSError"),
        (b"OSError: [Errno 27] File too large", "limit 268435456 bytes of one file: OSError"),
        (b"ValueError: no", "ValueError: no"),
    ],
)
def test_an_error_about_a_limit_of_ours_names_the_limit(stderr: bytes, limit: str) -> None:
    assert limit_reason(_ended(Outcome.RUNTIME_ERROR, None, stderr), Limits()).startswith(limit)
