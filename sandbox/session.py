"""A jail while it is open: files in, runs, files out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.clock import STARVATION_FACTOR
from sandbox.conversation import Ends
from sandbox.errors import FilesTooLarge
from sandbox.frames import Frame
from sandbox.launcher_process import JailChannel
from sandbox.types import Case, Limits, Outcome, RunResult

GRACE_SECONDS = 60.0  # beyond a run's own wall limit, before the jail itself is given up
ROUND_SECONDS = 0.02  # a round of runs that has taken longer begins no other
MOST_RUNS = 64  # asked for in one round
MOST_INPUT_BYTES = 1 << 18  # in one round, but for a single larger input


class Session:
    """A jail while it is open. One run at a time."""

    def __init__(self, channel: JailChannel, limits: Limits) -> None:
        self._channel = channel
        self._limits = limits

    async def run(self, case: Case, *, command: Sequence[str] = (), keep_files: bool = False) -> RunResult:
        """Runs the program (or `command`) on one case; raises JailLost."""
        header = {"op": "run", "command": [*command], "keep_files": keep_files}
        return (await self._ask_runs(header, (case,)))[0]

    async def run_some(
        self,
        cases: Sequence[Case],
        *,
        until_failure: bool = False,
        repeat: bool = False,
        seconds: float = ROUND_SECONDS,
    ) -> list[RunResult]:
        """Runs the first case, and of those after it as many as begin within `seconds`; raises JailLost.

        The results are those of one or more cases from the front. The jail stops when the round has taken
        so long (never above ROUND_SECONDS) or printed much, when the program does not compile, and with
        `until_failure` when a run did not end well. So little is lost if a result makes the following runs
        needless, and quick runs share the cost of asking for them.

        With `repeat` a Python program that leaves its process as it found it may have one run after
        another in it (`sandbox.repeatable`). Such results are `repeated`, and say that the run ended well:
        what did not has been run again in a fork. Who finds their output wrong asks for `run`, a fork.
        """
        bounded = min(seconds, ROUND_SECONDS)
        header = {"op": "run", "until_failure": until_failure, "repeat": repeat, "seconds": bounded}
        return await self._ask_runs(header, cases[: _asked_at_once(cases)])

    async def run_all(self, cases: Sequence[Case], *, repeat: bool = False) -> list[RunResult]:
        """Runs every case, with `repeat` as `run_some` does; raises JailLost."""
        results: list[RunResult] = []
        while len(results) < len(cases):
            results += await self.run_some(cases[len(results) :], repeat=repeat)
        return results

    async def _ask_runs(self, header: dict[str, Any], cases: Sequence[Case]) -> list[RunResult]:
        header["arguments"] = [case.arguments for case in cases]
        blobs = [blob for case in cases for blob in (case.stdin, case.call)]
        return _run_results(await self._channel.ask(Frame(header, blobs), within_seconds=self._patience))

    @property
    def _patience(self) -> float:
        """Seconds; of several runs in one round only the last can be a long one."""
        return self._limits.wall_seconds * STARVATION_FACTOR + GRACE_SECONDS

    async def converse(
        self, ends: Ends, *, arguments: Sequence[str] = (), keep_files: bool = False
    ) -> RunResult:
        """Runs the program with a side of a conversation as its stdin and stdout; raises JailLost.

        Takes `ends` over. The result's stdout is empty: what was said is between the two programs.
        """
        header = {"op": "converse", "arguments": [arguments], "keep_files": keep_files}
        frame = Frame(header, (b"", b""))
        return _run_results(await self._channel.hand_over(frame, ends, within_seconds=self._patience))[0]

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


def _asked_at_once(cases: Sequence[Case]) -> int:
    """How many go into one round: the supervisor keeps their inputs in the jail's memory meanwhile."""
    count = total_bytes = 0
    for case in cases[:MOST_RUNS]:
        total_bytes += len(case.stdin) + len(case.call)
        if count and total_bytes > MOST_INPUT_BYTES:
            break
        count += 1
    return count


def _run_results(answer: Frame) -> list[RunResult]:
    return [
        _run_result(header, *answer.blobs[3 * index : 3 * index + 3])
        for index, header in enumerate(answer.header["runs"])
    ]


def _run_result(header: dict[str, Any], stdout: bytes, stderr: bytes, record: bytes) -> RunResult:
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
        memory_held_by=header["memory_held_by"],
        repeated=header["repeated"],
    )
