"""Interactive problems: who is to blame when two programs talk and one of them ends badly.

Decided from how both ended and never from who ended first, which a busy machine
could change. In order:

    interactor over its own CPU, memory or output limit    the task is at fault
    the program over a limit                               that limit (waiting for each other ends here:
                                                           the interactor is given more patience)
    interactor crashed because the program had gone        WRONG_ANSWER, or the program's own RUNTIME_ERROR
    interactor crashed otherwise                           the task is at fault
    wrong, and the program crashed by itself               RUNTIME_ERROR
    wrong                                                  WRONG_ANSWER
    accepted, and the program ended well, or only had      ACCEPTED
      nobody left to write to
    accepted, and the program crashed                      RUNTIME_ERROR
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Limits, Outcome, RunResult
from server.verify.code import judge_program
from server.verify.code.findings import Finding, Ungradable
from server.verify.code.judge_program import JudgeProgram

_ENDED_BY_ITSELF = (Outcome.OK, Outcome.RUNTIME_ERROR)
_LAST_FLUSH_FAILED = 120  # python3's exit status when nobody reads its last output
_PEER_GONE = (b"BrokenPipeError", b"EOFError")


def interactor_limits(limits: Limits) -> Limits:
    """The interactor's limits: more patience than the program has, so that it outlives a mutual wait."""
    wall_seconds = 2 * limits.wall_seconds + judge_program.LIMITS.wall_seconds
    return replace(judge_program.LIMITS, wall_seconds=wall_seconds)


def judge(
    interactor: JudgeProgram, ended: RunResult, program: RunResult, feedback: Mapping[str, bytes]
) -> Finding | None:
    """The finding on one conversation; None if the program's own result says it all. Raises Ungradable."""
    if ended.outcome not in _ENDED_BY_ITSELF and ended.outcome is not Outcome.WALL_LIMIT:
        return interactor.read(ended, feedback)  # raises: it went over a limit of its own
    if program.outcome not in _ENDED_BY_ITSELF:
        return None
    try:
        found = interactor.read(ended, feedback)
    except Ungradable:
        if not _peer_was_gone(ended):
            raise
        found = Finding(pb.WRONG_ANSWER, "the program ended before the conversation did")
    crashed = program.outcome is Outcome.RUNTIME_ERROR and not _peer_was_gone(program)
    return None if crashed else found


def _peer_was_gone(result: RunResult) -> bool:
    """Whether it ended because the other side had: by SIGPIPE, or by an exception that says so."""
    if result.signal == signal.SIGPIPE or result.exit_code == _LAST_FLUSH_FAILED:
        return True
    last = result.stderr.rstrip().rpartition(b"\n")[2]
    return result.exit_code == 1 and last.startswith(_PEER_GONE)
