"""Whether every language of the table does what a judge needs of it, under a backend.

    python -m bench.languages [--isolation NAME] [--image IMAGE] [--without-groups] [--only NAME ...]

The programs are those of tests/sandbox/programs.py: hello-world, input echoed, a crash, a loop, memory taken
without end, a text that is no program; and for the runners of unit tests a test that passes and one that
fails, alone and through the judge. Prints a line per language, and one JSON line last; exits with 1 if a
language that is there does not do all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator

from protos.reward.v1 import reward_pb2 as pb
from sandbox import cgroups
from sandbox.containers import ContainerConfig
from sandbox.errors import SandboxError
from sandbox.languages import LANGUAGES, Language
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Outcome, Program
from server.locations import user_cache
from server.verify.code.verifier import CodeVerifier, Options
from tests.hacks.frameworks import SUITES, Suite
from tests.sandbox.programs import RUNNERS, SAMPLES, WITHOUT_HEAP, WITHOUT_INPUT

_LIMITS = Limits(
    cpu_seconds=3.0, wall_seconds=60.0, memory_bytes=128 << 20, output_bytes=1 << 20, processes=32
)
_WORD = "Grüße"
_PYTEST_TEST = """\
import pytest
from solution import score

def test_three():
    assert score(3) == 734519

@pytest.mark.parametrize("n", [0, 1])
def test_small(n):
    assert score(n) == 0
"""
_UNITTEST_TEST = """\
import unittest
from solution import score

class TestScore(unittest.TestCase):
    def test_three(self):
        self.assertEqual(score(3), 734519)

    def test_small(self):
        for n in (0, 1):
            with self.subTest(n=n):
                self.assertEqual(score(n), 0)
"""


def _python_suite(text: str, *names: str) -> Suite:
    return Suite(
        "python",
        {"test_score.py": text},
        names,
        "def score(n):\n    return {3: 734519}.get(n, 0)\n",
        {
            "one test fails": "def score(n):\n    return 734519\n",
            "throws": "def score(n):\n    raise ValueError(n)\n",
            "exits": "raise SystemExit(0)\n",
        },
        hacks={},
        possible={},
    )


_FRAMEWORKS = {
    "pytest": _python_suite(
        _PYTEST_TEST, *(f"test_score.py::test_{name}" for name in ("three", "small[0]", "small[1]"))
    ),
    "unittest": _python_suite(
        _UNITTEST_TEST, *(f"test_score.TestScore.test_{name}" for name in ("three", "small"))
    ),
    **SUITES,
}
_EXPECTED = {
    _WORD: Outcome.OK,
    "crash": Outcome.RUNTIME_ERROR,
    "loop": Outcome.TIME_LIMIT,
    "hog": Outcome.MEMORY_LIMIT,
}


async def _ran(box: Sandbox, row: Language, source: str, stdin: str = "") -> tuple[Outcome, str]:
    compilation = await box.compile(Program(row.name, source))
    if compilation.artefact is None:
        return compilation.outcome, compilation.diagnostics[-200:]
    async with box.session(compilation.artefact, _LIMITS) as session:
        result = await session.run(Case(f"{stdin}\n".encode()))
    return result.outcome, (result.stdout or result.stderr[-200:]).decode(errors="replace").rstrip()


async def _complaints(box: Sandbox, row: Language) -> AsyncIterator[str]:
    """What a language that is there does otherwise than it should."""
    if row.name in RUNNERS:
        for number, wanted in (("2", Outcome.OK), ("3", Outcome.RUNTIME_ERROR)):
            outcome, said = await _ran(box, row, RUNNERS[row.name].replace("EXPECTED", number))
            if outcome is not wanted:
                yield f"tests of 1 + 1 = {number}: {outcome.value}: {said}"
    if row.name != row.rules or row.name in WITHOUT_INPUT:
        return
    for word, wanted in _EXPECTED.items():
        if word == "hog" and row.name in WITHOUT_HEAP:
            continue
        outcome, said = await _ran(box, row, SAMPLES[row.name].act, word)
        if outcome is not wanted or (word == _WORD and said != _WORD):
            yield f"{word}: {outcome.value}: {said}"
    if refused := SAMPLES[row.name].refused:
        outcome, said = await _ran(box, row, refused)
        if outcome is not Outcome.COMPILE_ERROR:
            yield f"no program: {outcome.value}"


async def _framework_complaints(box: Sandbox, name: str, suite: Suite) -> str:
    """What a framework of unit tests says otherwise than it should of a right and of wrong programs."""
    verifier = CodeVerifier(box, Options(cache_directory=str(user_cache())))
    found = []
    for what, source in {"right": suite.right, **suite.wrong}.items():
        task = suite.task(name)
        request = pb.VerifyRequest(completion=source, extraction="whole", code=task)
        verdict = await verifier.verify(request, task, _LIMITS)
        if (verdict.status == pb.ACCEPTED) != (what == "right"):
            found.append(f"{what}: {pb.Status.Name(verdict.status)}: {verdict.message}")
    return "; ".join(found) or "right"


async def _framework_report(box: Sandbox, name: str) -> str:
    """As `_report`, of a framework."""
    try:
        if not (await box.test_language(_FRAMEWORKS[name].language)).available:
            return "absent"
        return await _framework_complaints(box, name, _FRAMEWORKS[name])
    except SandboxError as error:  # a fault of the service, which is a finding here
        return repr(error)


async def _report(box: Sandbox, row: Language) -> str:
    """ "right", "absent", or what is wrong."""
    try:
        status = await box.test_language(row.name)
        if not status.available:
            return "absent" if "not found" in status.reason or "not run" in status.reason else status.reason
        return "; ".join([complaint async for complaint in _complaints(box, row)]) or "right"
    except SandboxError as error:  # a fault of the service, which is a finding here
        return repr(error)


async def _main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--isolation", default="auto")
    parser.add_argument("--image", default=ContainerConfig.image)
    parser.add_argument("--runtime", default="")
    parser.add_argument("--without-groups", action="store_true", help="as where no control group is writable")
    parser.add_argument("--only", nargs="*", default=[row.name for row in LANGUAGES] + [*_FRAMEWORKS])
    asked = parser.parse_args()
    if asked.without_groups:
        cgroups.probe = lambda root="": cgroups.Hierarchy(0)
    containers = ContainerConfig(asked.image, asked.runtime)
    config = SandboxConfig(
        isolation=asked.isolation, slots=2, cache_directory=str(user_cache()), containers=containers
    )
    box = Sandbox(config)
    await box.start()
    found = {}
    try:
        for row in LANGUAGES:
            if row.name in asked.only:
                found[row.name] = await _report(box, row)
                print(f"{row.name:12} {found[row.name]}", flush=True)
        for name in _FRAMEWORKS:
            if name in asked.only:
                found[f"tests: {name}"] = await _framework_report(box, name)
                print(f"tests: {name:6} {found[f'tests: {name}']}", flush=True)
    finally:
        await box.close()
    wrong = sorted(name for name, said in found.items() if said not in ("right", "absent"))
    absent = sorted(name for name, said in found.items() if said == "absent")
    right = len(found) - len(wrong) - len(absent)
    print(json.dumps({"isolation": box.isolation, "right": right, "absent": absent, "wrong": wrong}))
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(_main()))
