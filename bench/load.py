"""What the service benches share: requests whose verdicts are known, a server, its costs."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from protos.reward.v1 import reward_pb2 as pb
from sandbox.session import Session
from sandbox.types import Case, RunResult
from tests.leaks import descendants

ROOT = Path(__file__).resolve().parents[1]
STOP_SECONDS = 60
_CPUCLOCK_SCHED = 2  # how Linux names another process's clock: clock_getcpuclockid(3)
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_THINKING = (
    "We set up the equation, collect the terms and check the cases one by one. " * 20
)  # 1,500 characters
GROUP = 8  # rollouts of one prompt
_LINES = (
    "So the sum over the first {a} terms is {b}, and then $x_{{{c}}} = \\frac{{{b}}}{{{a}}}$.",
    "Wait, {a} + {b} is {d}, not {c}; let me check that case again with n = {a}.",
    "If $k \\le {c}$, then $k^2 + {a}k - {b} < {d}.{c}$, which leaves {a} of them.",
    "Alternatively, we could write {d} = {a} \\cdot {c} + r and look at it modulo {a}.",
    "",
)
FENCED = "```python\n{}\n```"
_CASES = tuple((f"{n}\n", f"{2 * n}\n") for n in range(1, 6))
_PROGRAMS = (
    ("ACCEPTED", "for line in open(0):\n    print(int(line) * 2)"),
    ("ACCEPTED", "n = int(input())\nprint(sum(n for _ in range(2)))"),
    ("WRONG_ANSWER", "n = int(input())\nprint(n * 2 if n < 4 else 0)"),
    ("RUNTIME_ERROR", "print([0, 2, 4][int(input())])"),
)


@dataclass(frozen=True)
class Known:
    """A request and the status that its verdict must have."""

    request: pb.VerifyRequest
    status: str


def math_request(number: int) -> Known:
    """A completion of some 1,500 characters and its gold; no two numbers share a pair of answers."""
    pair, right = _PAIRS[number % len(_PAIRS)], number % 3 != 0
    gold, answer = pair(number)[0], pair(number if right else number + 1)[1]
    text = f"<think>{_THINKING}</think> The answer is $\\boxed{{{answer}}}$."
    task = pb.MathTask(gold=[gold])
    known = pb.VerifyRequest(id=f"math/{number}", run="bench", completion=text, math=task)
    return Known(known, "ACCEPTED" if right else "WRONG_ANSWER")


def step_requests(first: int, count: int, characters: int) -> list[Known]:
    """A step's completions of so many characters each, in groups of eight with one gold, shuffled.

    Of a group five are right, four of them in one wording; two of the wrong ones agree. `first` and the
    `count` that follow it are the numbers of the completions.
    """
    groups = [_group(first + start, characters) for start in range(0, count, GROUP)]
    step = [known for group in groups for known in group][:count]
    random.Random(first).shuffle(step)
    return step


def _group(number: int, characters: int) -> list[Known]:
    pair = _PAIRS[number // GROUP % len(_PAIRS)]
    gold, right = pair(number)
    answers = [right] * 4 + [gold] + [pair(number + 1)[1]] * 2 + [pair(number + 2)[1]]
    return [
        Known(
            pb.VerifyRequest(
                id=f"step/{number + place}",
                run="bench",
                completion=_completion(number + place, answer, characters),
                math=pb.MathTask(gold=[gold]),
            ),
            "ACCEPTED" if place < 5 else "WRONG_ANSWER",
        )
        for place, answer in enumerate(answers)
    ]


def _completion(number: int, answer: str, characters: int) -> str:
    """A text that no other number has; one in four is not ASCII. A sixteenth of it follows the reasoning."""
    text = _reasoning()
    start = random.Random(number).randrange(len(text) - characters)
    thinking, solution = characters * 15 // 16, characters // 16
    mark = "\u2248" if number % 4 == 0 else "="
    return (
        f"<think>\nCase {number} {mark} {text[start : start + thinking]}\n</think>\n\n"
        f"{text[start + thinking :][:solution]}\n**Answer:** $\\boxed{{{answer}}}$."
    )


@cache
def _reasoning() -> str:
    """A million characters as a model may write them, full of digits and of LaTeX."""
    drawn = random.Random(0)
    numbers = ({name: drawn.randrange(2, 999) for name in "abcd"} for _ in range(1 << 14))
    return "\n".join(drawn.choice(_LINES).format(**row) for row in numbers)


_PAIRS: Sequence[Callable[[int], tuple[str, str]]] = (
    lambda n: (str(n + 10), str(n + 10)),
    lambda n: (f"\\frac{{{2 * n + 1}}}{{2}}", f"{n}.5"),
    lambda n: (f"({n}, {n + 1})", f"({n},{n + 1})"),
    lambda n: (f"{n + 2}\\sqrt{{3}}", f"{n + 2} \\sqrt{{3}}"),
)


def code_request(number: int) -> Known:
    """A Python program of its own and five tests; one in four fails at the third or fourth of them."""
    status, source = _PROGRAMS[number % len(_PROGRAMS)]
    cases = [pb.StdioCase(input=given, output=wanted) for given, wanted in _CASES]
    task = pb.CodeTask(language="python", stdio=pb.StdioTests(cases=cases))
    known = pb.VerifyRequest(
        id=f"code/{number}", run="bench", completion=FENCED.format(f"{source}  # {number}"), code=task
    )
    return Known(known, status)


async def all_pass(
    session: Session, inputs: Sequence[bytes], right: Callable[[bytes, RunResult], bool]
) -> bool:
    """Whether every run is right, stopping at the first that is not.

    Asks as the verifier does: for as long again as those so far took, and of a process that has had several
    runs nothing is believed that speaks against its program.
    """

    async def is_right(given: bytes, result: RunResult) -> bool:
        if right(given, result) or not result.repeated:
            return right(given, result)
        return right(given, await session.run(Case(given)))

    passed, seconds = 0, 0.0
    while passed < len(inputs):
        following = inputs[passed:] if passed else inputs[:1]
        cases = [Case(one) for one in following]
        results = await session.run_some(cases, until_failure=True, repeat=True, seconds=seconds)
        for given, result in zip(following, results, strict=False):
            if not await is_right(given, result):
                return False
        passed += len(results)
        seconds += sum(result.wall_seconds for result in results)
    return True


@dataclass(frozen=True)
class Served:
    """A process that listens; `grpc` and `http` are host:port, empty where it does not speak it."""

    process: subprocess.Popen[str]
    http: str
    grpc: str

    @property
    def pid(self) -> int:
        """Of the process that owns the sockets."""
        return self.process.pid

    def own_cpu_seconds(self) -> float:
        """Of this process alone: the event loop, and gRPC's and other libraries' threads."""
        return time.clock_gettime(~self.pid << 3 | _CPUCLOCK_SCHED)

    def tree_cpu_seconds(self) -> float:
        """Of this process, its living descendants and all that they have reaped."""
        return sum(sum(_times(pid)) for pid in (self.pid, *descendants(self.pid)))

    def resident_bytes(self) -> int:
        """Of this process alone."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _times(pid: int) -> list[float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return [0.0]  # it ended while we looked; its parent has counted it
    return [int(field) / _TICKS_PER_SECOND for field in fields[11:15]]


def server(
    *flags: str, environment: Mapping[str, str] | None = None, apart: Sequence[str] = ()
) -> contextlib.AbstractContextManager[Served]:
    """A reward server on free ports, its log to /dev/null; stopped by SIGTERM at the end.

    `apart`: a command that becomes the server, such as `unshare` with its options.
    """
    addresses = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log-level", "error")
    return listening("-m", "server", "serve", *addresses, *flags, environment=environment, apart=apart)


@contextlib.contextmanager
def listening(
    *arguments: str, environment: Mapping[str, str] | None = None, apart: Sequence[str] = ()
) -> Iterator[Served]:
    """A Python process that prints `serving http=... grpc=...` once it listens; else RuntimeError."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REWARD_SERVER_")}
    with subprocess.Popen(
        [*apart, sys.executable, *arguments],
        cwd=ROOT,
        env={**inherited, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"serving http=(\S*) grpc=(\S*)\n", line)
            if found is None:
                raise RuntimeError(f"{' '.join(arguments)} did not start: {line!r}")
            yield Served(process, found.group(1), found.group(2))
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
