"""What a request may cost, in units: one is an easy math check or one short run of a test.

It is told from the request alone, before anything runs. It need not be right, only larger
for what is larger: a queue that counts requests takes ten thousand of anything.
"""

from __future__ import annotations

from protos.reward.v1 import reward_pb2 as pb
from sandbox import languages
from sandbox.types import Limits

MATH_COST = 1.0
PREPARE_COST = 10.0  # of a program whose language has a step ahead of its runs, such as a compiler
REFERENCE_CPU_SECONDS = 4.0  # a test with a larger limit counts for that much more
UNKNOWN_CASES = 10  # of a test set that is not in memory


def of_program(language: str, runs: int, limits: Limits) -> float:
    """The cost of one program with that many runs."""
    prepare = PREPARE_COST if languages.find(language).compile_command else 0.0
    return prepare + max(1, runs) * max(1.0, limits.cpu_seconds / REFERENCE_CPU_SECONDS)


def count_cases(task: pb.CodeTask) -> int:
    """Tests that came with the request."""
    return (
        len(task.stdio.cases)
        + len(task.call.cases)
        + len(task.interactive.cases)
        + len(task.asserts.tests)
        + (len(task.unit_test.expected_tests) or len(task.unit_test.files))
    )
