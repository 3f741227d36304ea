"""One code request, one verdict: extract, compile, run case by case, compare outside the jail.

Statuses and rewards:
    ACCEPTED 1, PARTIAL the part that is right     scoring `fraction`: every case runs
    any other judged status 0                      that of the failing case which `message` names
    NO_ANSWER 0, COMPILE_ERROR 0                   nothing ran
    UNGRADABLE, no reward                          the tests themselves are at fault
A fault of the sandbox is no verdict: SandboxError goes to the caller, who may try again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import UnknownLanguage
from sandbox.types import Artefact, Limits
from server.errors import invalid
from server.verify.code import tamper, unit_tests
from server.verify.code.findings import Ungradable
from server.verify.code.judge_program import DEFAULT_PROTOCOL, JudgeProgram, make_judge_program
from server.verify.code.ordering import Observation, TestOrder
from server.verify.code.plan import Plan, make_plan
from server.verify.code.pytest_copy import PytestCopy
from server.verify.code.report import (
    compile_message,
    conclude,
    describe,
    report_cases,
    report_compilation,
    score,
)
from server.verify.code.running import CodeSandbox, Judged, run_cases
from server.verify.code.validation import TEST_FORMATS, checker_of, validate
from server.verify.code.verdict_cache import VerdictCache
from server.verify.extraction import DEFAULT_POLICY, extract_unhurried

__all__ = ["TEST_FORMATS", "CodeVerifier", "Options", "validate"]

PLANS_BYTES = 256 << 20  # of the tests that plans were made of


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator may choose about code verdicts."""

    verdict_cache_bytes: int = 64 << 20
    learned_order: bool = True
    shared_processes: bool = True  # several tests of a harmless Python program in one process
    cache_directory: str = ""  # what jails see of the server's cache; pytest is put there


@dataclass(frozen=True, slots=True)
class _Job:
    """One request on its way."""

    request: pb.VerifyRequest
    plan: Plan
    tests_key: bytes
    source: str
    language: str
    limits: Limits

    @property
    def fraction(self) -> bool:
        """Whether each passed test counts."""
        return self.request.code.scoring == "fraction"

    @property
    def stop_early(self) -> bool:
        """Whether the first failure decides."""
        return not (self.request.code.run_all or self.fraction)

    def key(self, isolation: str) -> bytes:
        """The hash of all that decides the verdict."""
        task = self.request.code
        parts = (
            self.language,
            self.source,
            task.scoring,
            str(task.run_all),
            str(self.request.explain),
            repr(self.limits),
            isolation,
        )
        return _hash(self.tests_key, *(part.encode("utf-8", "surrogatepass") for part in parts))


class CodeVerifier:
    """Verifies code tasks on a sandbox."""

    def __init__(self, sandbox: CodeSandbox, options: Options | None = None) -> None:
        self._sandbox = sandbox
        self._options = options or Options()
        self._order = TestOrder()
        self._verdicts = VerdictCache(self._options.verdict_cache_bytes)
        self._plans = _Plans(PLANS_BYTES)
        self._pytest = PytestCopy(sandbox, self._options.cache_directory)

    async def verify(
        self,
        request: pb.VerifyRequest,
        tests: pb.CodeTask | pb.TestSet,
        limits: Limits,
        tests_hash: str = "",
    ) -> pb.Verdict:
        """The verdict on one request whose task is `code`.

        `tests` is the task itself or the test set that `tests_hash` names, `limits` are per case.
        Raises RequestError for a malformed request, SandboxError for a fault of the service.
        """
        verdict = pb.Verdict(id=request.id, trust=pb.OUTSIDE, isolation=self._sandbox.isolation)
        language = self._language(request.code.language, "code.language")
        found = await _extract(request)
        key = _tests_key(request.code, tests, language, tests_hash)
        try:
            plan = await self._plan(request.code, tests, language, key)
        except Ungradable as error:
            return conclude(verdict, pb.UNGRADABLE, None, str(error))
        verdict.trust = plan.trust
        describe(verdict.code, plan, limits)
        if found is None:
            return conclude(verdict, pb.NO_ANSWER, 0.0, "the completion holds no program to extract")
        verdict.extracted = found
        verdict.flags.extend(tamper.flags_of_source(found, plan.telling, plan.test_names))
        job = _Job(request, plan, key, found, language, limits)

        async def judge() -> pb.Verdict:
            return await self._judge(job, verdict)

        judged = await self._verdicts.get(job.key(self._sandbox.isolation), judge)
        judged.id = request.id
        return judged

    def _language(self, name: str, field: str) -> str:
        try:
            return self._sandbox.language(name).name
        except UnknownLanguage as error:
            raise invalid(field, str(error)) from None

    async def _plan(
        self, task: pb.CodeTask, tests: pb.CodeTask | pb.TestSet, language: str, key: bytes
    ) -> Plan:
        plan = self._plans.get(key)
        if plan is None:
            plan = make_plan(
                language,
                tests,
                checker_of(task, tests.WhichOneof("tests") or ""),
                self._decider(task, tests),
                await self._packages(tests, language),
            )
            self._plans.put(key, plan, tests.ByteSize())
        return plan

    def _decider(self, task: pb.CodeTask, tests: pb.CodeTask | pb.TestSet) -> JudgeProgram | None:
        """The program of the task that judges, if it brings one."""
        if tests.WhichOneof("tests") == "interactive":
            asked = tests.interactive.interactor
            language = self._language(asked.language, "code.interactive.interactor.language")
            protocol = tests.interactive.protocol or DEFAULT_PROTOCOL
            return make_judge_program("interactor", asked, language, protocol)
        if task.checker.WhichOneof("kind") != "program":
            return None
        program = task.checker.program
        language = self._language(program.language, "code.checker.program.language")
        return make_judge_program("checker", program, language, program.protocol)

    async def _packages(self, tests: pb.CodeTask | pb.TestSet, language: str) -> str:
        """Where jails find pytest, for tests that need it."""
        if tests.WhichOneof("tests") != "unit_test":
            return ""
        name = tests.unit_test.framework
        framework = unit_tests.FRAMEWORKS[name]
        if language not in framework.languages:
            raise invalid("code.language", f"{name} runs {framework.languages[0]} programs")
        if framework.row not in ("python", language):
            self._language(framework.row, "code.unit_test.framework")
        if name != "pytest":
            return ""
        if directory := await self._pytest.directory():
            return directory
        raise invalid("code.unit_test.framework", "pytest is not installed where programs run")

    async def _judge(self, job: _Job, verdict: pb.Verdict) -> pb.Verdict:
        """Compiles, runs and scores; a fresh copy of `verdict`, filled in."""
        filled = pb.Verdict()
        filled.CopyFrom(verdict)
        compilation = await self._sandbox.compile(job.plan.program(job.language, job.source))
        report_compilation(filled, compilation)
        if compilation.artefact is None:
            return conclude(filled, pb.COMPILE_ERROR, 0.0, compile_message(compilation))
        try:
            await self._run(job, compilation.artefact, filled)
        except Ungradable as error:
            return conclude(filled, pb.UNGRADABLE, None, str(error))
        return filled

    async def _run(self, job: _Job, artefact: Artefact, verdict: pb.Verdict) -> None:
        count = len(job.plan.cases)
        learned = job.stop_early and self._options.learned_order

        def ordering() -> Sequence[int]:
            return self._order.order(job.tests_key, count) if learned else range(count)

        judged = await run_cases(
            self._sandbox,
            (artefact, job.source),
            job.plan,
            job.limits,
            ordering,
            stop_early=job.stop_early,
            shared_processes=self._options.shared_processes,
        )
        if learned:
            self._order.observe(job.tests_key, count, map(_observation, judged))
        report_cases(verdict, judged, explain=job.request.explain)
        score(verdict, judged, count, fraction=job.fraction)


class _Plans:
    """The plans of the test sets that were used last, so that no request parses its tests anew."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._held_bytes = 0
        self._held: OrderedDict[bytes, tuple[Plan, int]] = OrderedDict()

    def get(self, key: bytes) -> Plan | None:
        """The plan under this key, if it is held."""
        held = self._held.get(key)
        if held is None:
            return None
        self._held.move_to_end(key)
        return held[0]

    def put(self, key: bytes, plan: Plan, tests_bytes: int) -> None:
        """Keeps a plan; the least recently used ones leave when there is too much."""
        if key in self._held:  # two requests may plan the same tests at once
            return
        self._held[key] = (plan, tests_bytes)
        self._held_bytes += tests_bytes
        while self._held_bytes > self._budget_bytes:
            _, (_, freed) = self._held.popitem(last=False)
            self._held_bytes -= freed


def _observation(case: Judged) -> Observation:
    failed = case.finding.status not in (pb.ACCEPTED, pb.COMPILE_ERROR)
    return Observation(case.index, failed, case.result.cpu_seconds)


async def _extract(request: pb.VerifyRequest) -> str | None:
    policy = request.extraction or DEFAULT_POLICY["code"]
    try:
        found = await extract_unhurried(request.completion, policy, language=request.code.language)
    except ValueError as error:
        raise invalid("extraction", str(error)) from None
    return None if found is None else found.text


def _tests_key(task: pb.CodeTask, tests: pb.CodeTask | pb.TestSet, language: str, tests_hash: str) -> bytes:
    """The hash of the tests with what decides how they judge."""
    kind = tests.WhichOneof("tests") or ""
    content = (
        tests_hash.encode() if tests_hash else getattr(tests, kind).SerializeToString(deterministic=True)
    )
    return _hash(
        kind.encode(), content, task.checker.SerializeToString(deterministic=True), language.encode()
    )


def _hash(*parts: bytes) -> bytes:
    """A hash of the parts, each with its length, so that none can pass for its neighbour."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()
