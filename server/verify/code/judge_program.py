"""Programs that a task brings to judge with: special checkers and interactors.

Both speak one of two protocols, by command line, exit code and files:

    testlib   argv: input, contestant's output, judge's answer; the message on stderr.
              0 accepted; 1, 2, 4, 8 wrong (wrong answer, presentation, dirt, unexpected end);
              7 points, the number at the start of the message; 3 and all else: the task is at fault,
              as is an exception that the program did not catch, whose exit code may be 1 or 2.
              (testlib.h, github.com/MikeMirzayanov/testlib: `TResult` and its exit codes)
    kattis    argv: input, judge's answer, feedback directory/; the contestant's output on stdin.
              42 accepted, 43 wrong, all else: the task is at fault; judgemessage.txt is the message,
              score.txt or score_multiplier.txt the points, which count only if `most_points` is given:
              without it, 42 is a pass whatever the score.
              (Kattis problem package format, output validators)

They run in jails of their own, never in the completion's. Points are divided by
`most_points` (1 if testlib's are not told); a score outside 0 to 1 is the task's fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Limits, Outcome, Program, RunResult
from server.verify.code.findings import Finding, Ungradable

PROTOCOLS: tuple[str, ...] = ("testlib", "kattis")
DEFAULT_PROTOCOL = "kattis"  # of interactors
LIMITS = Limits(
    cpu_seconds=20.0, wall_seconds=120.0, memory_bytes=1 << 30, output_bytes=16 << 20, processes=64
)
FEEDBACK = "feedback"
_MESSAGE, _SCORES = f"{FEEDBACK}/judgemessage.txt", ("score_multiplier.txt", "score.txt")
FETCHED = (_MESSAGE, *(f"{FEEDBACK}/{name}" for name in _SCORES))
MOST_FEEDBACK_BYTES = 1 << 16
_MESSAGE_CHARS = 400
_TESTLIB = {0: pb.ACCEPTED, 1: pb.WRONG_ANSWER, 2: pb.WRONG_ANSWER, 4: pb.WRONG_ANSWER, 8: pb.WRONG_ANSWER}
_TESTLIB_POINTS = 7
_KATTIS = {42: pb.ACCEPTED, 43: pb.WRONG_ANSWER}
# How runtimes end a program that did not catch its exception, where that exit code means "wrong" to testlib:
# Python, Ruby, Java and its kin, Mono, Lua, Haskell, Node; and Go.
_UNCAUGHT = {
    1: re.compile(
        rb"\ATraceback \(most recent call last\)|\A\S+\.rb:[0-9]+:in |^Exception in thread \""
        rb"|^\[ERROR\] FATAL UNHANDLED|^stack traceback:$|^CallStack \(from|^Node\.js v[0-9.]+\s*\Z",
        re.MULTILINE,
    ),
    2: re.compile(rb"^goroutine [0-9]+ \[", re.MULTILINE),
}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">][^\n]*$', re.MULTILINE)
_MOST_INCLUDED_CHARS = 4 << 20
# With further files the source becomes one of them, so that its imports find the others.
_PYTHON_MAIN = "judge_main.py"
# Every Python program of the sandbox starts `random` with the same seed. The completion's must not know what
# an interactor draws, or which samples a checker takes.
_OWN_SEED = """
def __reward_seed():
    import random, sys
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
__reward_seed()
"""
_PYTHON_ENTRY = (
    "import os, runpy, sys\n"
    "sys.path.insert(0, os.getcwd())\n"
    f"sys.argv[0] = {_PYTHON_MAIN!r}\n"
    f"runpy.run_path({_PYTHON_MAIN!r}, run_name='__main__')\n"
)


@dataclass(frozen=True, slots=True)
class JudgeProgram:
    """A checker or interactor: what runs, and how its end is read."""

    role: str  # "checker" or "interactor", for messages
    program: Program
    protocol: str
    files: Mapping[str, bytes]  # placed in its working directory for each run
    arguments: tuple[str, ...] = ()
    most_points: float = 0.0  # 0: not told

    def workplace(self, case: Mapping[str, bytes]) -> dict[str, bytes]:
        """The files of one run: its own, the case's, and where feedback goes."""
        return {**self.files, **case, f"{FEEDBACK}/.here": b""}

    def command_line(self) -> tuple[str, ...]:
        """The arguments of the protocol and of the task."""
        if self.protocol == "testlib":
            return ("input", "output", "answer", *self.arguments)
        return ("input", "answer", f"{FEEDBACK}/", *self.arguments)

    def read(self, result: RunResult, feedback: Mapping[str, bytes]) -> Finding:
        """What it found; raises Ungradable unless it ended with an exit code that says so."""
        if result.outcome not in (Outcome.OK, Outcome.RUNTIME_ERROR) or result.exit_code is None:
            raise Ungradable(f"the {self.role} ended with {_how(result)}")
        if self.protocol == "testlib":
            return self._read_testlib(result, result.exit_code)
        return self._read_kattis(result, result.exit_code, feedback)

    def _read_testlib(self, result: RunResult, code: int) -> Finding:
        message = _text(result.stderr)
        if code == _TESTLIB_POINTS:
            return self._points(_first_number(message.removeprefix("points")), message)
        if code not in _TESTLIB or _crashed(result, code):
            raise Ungradable(f"the {self.role} ended with {_how(result)}: {message}")
        return Finding(_TESTLIB[code], message)

    def _read_kattis(self, result: RunResult, code: int, feedback: Mapping[str, bytes]) -> Finding:
        message = _text(feedback.get(_MESSAGE, b""))
        if code not in _KATTIS:
            detail = message or _text(result.stderr[-_MESSAGE_CHARS:])
            raise Ungradable(f"the {self.role} ended with {_how(result)}: {detail}")
        scores = [_text(feedback[name]) for name in FETCHED[1:] if name in feedback]
        if _KATTIS[code] != pb.ACCEPTED or not (scores and self.most_points):
            return Finding(_KATTIS[code], message)
        return self._points(_first_number(scores[0]), message)

    def _points(self, points: float | None, message: str) -> Finding:
        most = self.most_points or 1.0
        score = None if points is None else points / most
        if score is None or not 0 <= score <= 1:
            raise Ungradable(f"the {self.role} gave points outside 0 to {most:g}: {message}")
        if score == 1:
            return Finding(pb.ACCEPTED, message, score)
        return Finding(pb.PARTIAL if score else pb.WRONG_ANSWER, message, score)


def make_judge_program(
    role: str, asked: pb.Program | pb.CheckerProgram, language: str, protocol: str
) -> JudgeProgram:
    """The program with its files; `language` is the canonical name. Raises Ungradable for unusable files."""
    source, files = _assembled(language, asked.source, dict(asked.files))
    return JudgeProgram(
        role=role,
        program=Program(language, source, setup=_OWN_SEED if language == "python" else ""),
        protocol=protocol,
        files={path: content.encode() for path, content in files.items()},
        arguments=tuple(asked.arguments),
        most_points=asked.most_points,
    )


def _assembled(language: str, source: str, files: dict[str, str]) -> tuple[str, dict[str, str]]:
    """One source text, and the files that must lie beside it."""
    if language in ("c", "cpp"):
        return _with_includes(source, files, ()), {}
    if language == "python" and files:
        return _PYTHON_ENTRY, {**files, _PYTHON_MAIN: source}
    if files:
        raise Ungradable(f"a {language} program to judge with cannot have further files")
    return source, {}


def _with_includes(source: str, files: Mapping[str, str], inside: tuple[str, ...]) -> str:
    """The source with the task's own headers in place of their `#include` lines, as a preprocessor would."""

    def replace(line: re.Match[str]) -> str:
        name: str = line.group(1)
        if name not in files:
            return str(line.group(0))
        if name in inside:
            return ""  # it includes itself: its guard would make it empty
        return _with_includes(_without_pragma_once(files[name]), files, (*inside, name))

    whole = _INCLUDE.sub(replace, source)
    if len(whole) > _MOST_INCLUDED_CHARS:
        raise Ungradable("the headers of a program to judge with are too large together")
    return whole


def _without_pragma_once(header: str) -> str:
    """A header that is pasted is part of the main file, where the pragma is a warning."""
    return re.sub(r"^[ \t]*#[ \t]*pragma[ \t]+once[^\n]*$", "", header, flags=re.MULTILINE)


def _crashed(result: RunResult, code: int) -> bool:
    sign = _UNCAUGHT.get(code)
    return sign is not None and sign.search(result.stderr) is not None


def _first_number(text: str) -> float | None:
    found = _NUMBER.match(text.strip())
    return float(found.group()) if found else None


def _text(data: bytes) -> str:
    text: str = data.decode("utf-8", "replace").strip()
    return text if len(text) <= _MESSAGE_CHARS else f"{text[:_MESSAGE_CHARS]}..."


def _how(result: RunResult) -> str:
    if result.signal is not None:
        return f"signal {result.signal}"
    if result.outcome in (Outcome.OK, Outcome.RUNTIME_ERROR):
        return f"exit code {result.exit_code}"
    return str(result.outcome.value).replace("_", " ")
