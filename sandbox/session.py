"""A jail while it is open: files in, runs, files out."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.clock import STARVATION_FACTOR
from sandbox.conversation import Ends
from sandbox.errors import FilesTooLarge
from sandbox.frames import Frame
from sandbox.launcher_process import JailChannel
from sandbox.types import Case, Limits, Outcome, RunResult

GRACE_SECONDS = 60.0  # beyond a run's own wall limit, before the jail itself is given up


class Session:
    """A jail while it is open. One run at a time."""

    def __init__(self, channel: JailChannel, limits: Limits, kind: str) -> None:
        self._channel = channel
        self._limits = limits
        self._kind = kind

    async def run(self, case: Case, *, command: Sequence[str] = (), keep_files: bool = False) -> RunResult:
        """Runs the program (or `command`) on one case; raises JailLost."""
        header = {
            "op": "run",
            "command": [*command],
            "arguments": [*case.arguments],
            "keep_files": keep_files,
        }
        patience = self._limits.wall_seconds * STARVATION_FACTOR + GRACE_SECONDS
        answer = await self._channel.ask(Frame(header, (case.stdin, case.call)), within_seconds=patience)
        return _run_result(answer)

    async def converse(
        self, ends: Ends, *, arguments: Sequence[str] = (), keep_files: bool = False
    ) -> RunResult:
        """Runs the program with a side of a conversation as its stdin and stdout; raises JailLost.

        Takes `ends` over. The result's stdout is empty: what was said is between the two programs.
        """
        header = {"op": "converse", "command": [], "arguments": [*arguments], "keep_files": keep_files}
        patience = self._limits.wall_seconds * STARVATION_FACTOR + GRACE_SECONDS
        answer = await self._channel.hand_over(Frame(header, (b"", b"")), ends, within_seconds=patience)
        return _run_result(answer)

    async def put(self, files: dict[str, bytes]) -> None:
        """Places files in the working directory; raises FilesTooLarge, JailLost."""
        frame = Frame({"op": "put", "paths": list(files)}, tuple(files.values()))
        answer = await self._channel.ask(frame, within_seconds=GRACE_SECONDS)
        if not answer.header["ok"]:
            size = sum(map(len, files.values()))
            raise FilesTooLarge(
                f"files of {size} bytes do not fit into a memory limit of {self._limits.memory_bytes} bytes"
            )

    async def reset(self) -> None:
        """Clean scratch places, as in a fresh jail."""
        await self._channel.ask(Frame({"op": "reset"}), within_seconds=GRACE_SECONDS)

    async def fetch(self, paths: Sequence[str], max_bytes: int) -> dict[str, bytes]:
        """Reads regular files of the working directory; what is not there is left out."""
        frame = Frame({"op": "fetch", "paths": list(paths), "max_bytes": max_bytes})
        answer = await self._channel.ask(frame, within_seconds=GRACE_SECONDS)
        return dict(zip(answer.header["paths"], answer.blobs, strict=True))


def _run_result(answer: Frame) -> RunResult:
    header = answer.header
    stdout, stderr, record = answer.blobs
    return RunResult(
        outcome=Outcome(header["outcome"]),
        exit_code=header["exit_code"],
        signal=header["signal"],
        stdout=stdout,
        stderr=stderr,
        record=record if header["has_record"] else None,
        cpu_seconds=header["cpu_seconds"],
        wall_seconds=header["wall_seconds"],
        memory_bytes=header["memory_bytes"],
        memory_held_by=header.get("memory_held_by", ""),
    )
