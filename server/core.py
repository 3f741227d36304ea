"""The service core: one request in, one verdict out, whatever transport it came by.

A fault of the service is tried once more and then becomes a verdict without a
reward; it is never a reward of 0.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from protos.reward.v1 import reward_pb2 as pb
from sandbox import backends
from sandbox.containers import ContainerConfig
from sandbox.errors import FilesTooLarge, SandboxError, UnknownLanguage
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Limits
from sandbox.workers import BATCH_CALLS, JailedWorkers, WorkerConfig
from server import __version__, caller, cost, execution, limits, locations
from server.admission import Admission, Bounds
from server.config import Settings
from server.errors import StartupError, invalid
from server.lanes import Lane, Ticket
from server.testsets import TestSetFiles, TestSets, count_cases
from server.verify import extraction
from server.verify.code.checkers import CHECKERS
from server.verify.code.verifier import TEST_FORMATS, CodeVerifier, Options, validate
from server.verify.math.cache import JudgementCache
from server.verify.math.verifier import MathVerifier
from server.verify.sharing import InFlight

T = TypeVar("T")
Judge = Callable[[], Awaitable[pb.Verdict]]
MATH_WORKER = "server.verify.math.worker"
ATTEMPTS = 3  # a service fault is tried again before it is reported


class RewardCore:
    """Verifies, keeps test sets, executes; owns the sandbox and the math workers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        directory = _cache_directory(settings)
        runtime = "" if settings.docker_runtime == "default" else settings.docker_runtime
        containers = ContainerConfig(image=settings.docker_image, runtime=runtime)
        self._programs = Lane(
            settings.effective_slots,
            run_slots=settings.run_slots,
            lend_after_seconds=settings.lend_after_seconds,
            lent=settings.effective_lent_slots,
        )
        # A worker takes several calls at a time: that many go on to its own queue, the others wait here.
        self._checks = Lane(settings.effective_math_workers * BATCH_CALLS)
        self.sandbox = Sandbox(
            SandboxConfig(
                isolation=settings.isolation,
                slots=settings.effective_slots,
                jails=settings.effective_slots + settings.effective_lent_slots,
                artefact_cache_bytes=settings.artefact_cache_bytes,
                cache_directory=directory,
                languages=settings.tested_languages,
                containers=containers,
            ),
            self._programs,
        )
        self.math_workers = JailedWorkers(
            WorkerConfig(
                preload=MATH_WORKER,
                isolation=settings.isolation,
                containers=containers,
                count=settings.effective_math_workers,
                memory_bytes=settings.math_memory_bytes,
            )
        )
        self._math_cache = JudgementCache(settings.math_cache_bytes)
        self._math = MathVerifier(
            self._call_worker, cpu_seconds=settings.math_cpu_seconds, cache=self._math_cache
        )
        self._code = CodeVerifier(
            self.sandbox,
            Options(
                verdict_cache_bytes=settings.verdict_cache_bytes,
                learned_order=settings.test_order == "learned",
                shared_processes=settings.test_processes == "shared",
                cache_directory=directory,
            ),
        )
        self._tests = TestSets(settings.test_sets_bytes, _test_set_files(settings))
        self._admission = Admission(settings.effective_slots, _bounds(settings))
        self._executions: InFlight[pb.ExecuteResult] = InFlight()
        self._warm = False

    async def start(self) -> None:
        """Warms up; raises StartupError below the isolation floor, SandboxUnavailable without any."""
        self._check_floor()
        await asyncio.gather(self.sandbox.start(), self.math_workers.start())
        self._warm = True

    async def test_languages(self) -> None:
        """Runs the self-tests of languages that have not run yet, which otherwise wait for a first use."""
        await self.sandbox.test_languages()

    async def drain(self, seconds: float) -> None:
        """Refuses new requests and waits for those inside, at most `seconds`."""
        await self._admission.drain(seconds)

    async def close(self) -> None:
        """Ends every jail and worker."""
        self._warm = False
        await asyncio.gather(self.sandbox.close(), self.math_workers.close())

    @property
    def ready(self) -> bool:
        """Warm and not draining."""
        return self._warm and not self._admission.draining

    @property
    def starting(self) -> bool:
        """Not warm yet, and about to be."""
        return not self._warm and not self._admission.draining

    @property
    def queue_depth(self) -> int:
        """Requests that wait for a slot."""
        return self._admission.waiting

    def math_statistics(self) -> dict[str, int]:
        """Counts of the math checker's cache (`cache.*`, `cache_bytes`) and of its workers (`workers.*`)."""
        cache, workers = self._math_cache, self.math_workers.counts
        return {
            "cache.hit": cache.counts.hits,
            "cache.miss": cache.counts.misses,
            "cache.shared": cache.counts.shared,
            "cache_bytes": cache.size_bytes,
            "workers.call": workers.calls,
            "workers.round_trip": workers.round_trips,
            "workers.budget_kill": workers.budget_kills,
            "workers.death": workers.deaths,
            "workers.recycled": workers.recycled,
            "workers.jail_opened": workers.jails_opened,
        }

    def statistics(self) -> dict[str, float]:
        """What is inside (`queue.*`), slots by lane (`slots.LANE`, `busy.LANE`, `waiting.LANE`), jails."""
        load, sandbox = self._admission.load, self.sandbox
        found: dict[str, float] = {
            "queue.cost": load.cost,
            "queue.bytes": load.size_bytes,
            "jails.open": sandbox.open_jails,
            "jails.unburied": sandbox.unburied_jails,
            "launchers": sandbox.launchers_started,
        }
        for name, lane in (("programs", self._programs), ("checks", self._checks)):
            found |= {
                f"slots.{name}": lane.slots,
                f"busy.{name}": lane.busy,
                f"waiting.{name}": lane.waiting,
            }
        return found

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges one completion; raises RequestError if the request is wrong or cannot be taken."""
        started = time.monotonic()
        judge, estimate = self._judge_of(request)
        with self._admission.enter(caller.current(), request.run, estimate, request.ByteSize()) as ticket:
            verdict = await _with_retry(request, lambda: _known(judge, "code.language"))
        verdict.id = request.id
        verdict.isolation = self.sandbox.isolation
        _complete_timing(verdict, time.monotonic() - started, ticket)
        return verdict

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """The verdict on an easy math answer, which needs no place in the queue; None for all else."""
        if not request.HasField("math"):
            return None
        started = time.monotonic()
        self._admission.check_open()
        _check_extraction(request.extraction)
        quota = caller.current().quota
        if quota is not None and quota.limited:
            return None  # it has to be counted against its key
        verdict = self._math.verify_now(request)
        if verdict is not None:
            verdict.isolation = self.sandbox.isolation
            timing = verdict.timing
            timing.total_seconds = timing.run_seconds = time.monotonic() - started
        return verdict

    def _judge_of(self, request: pb.VerifyRequest) -> tuple[Judge, float]:
        """Checks the request, binds what will judge it, and estimates its cost."""
        task = request.WhichOneof("task")
        if task is None:
            raise invalid("task", "one of `math` and `code` is required")
        _check_extraction(request.extraction)
        if task == "math":
            return lambda: self._math.verify(request), cost.MATH_COST
        return self._code_judge(request)

    def _code_judge(self, request: pb.VerifyRequest) -> tuple[Judge, float]:
        task = request.code
        validate(task)
        self._check_language(task.language, "code.language")
        applied = limits.resolve(task.limits, self._settings, "code.limits")
        estimate = cost.of_program(task.language, self._cases(task), applied)
        if task.WhichOneof("tests") != "tests_hash":
            return lambda: self._code.verify(request, task, applied), estimate
        return lambda: self._verify_by_hash(request, applied), estimate

    def _cases(self, task: pb.CodeTask) -> int:
        if task.WhichOneof("tests") != "tests_hash":
            return cost.count_cases(task)
        held = self._tests.get(task.tests_hash)
        return cost.UNKNOWN_CASES if held is None else count_cases(held)

    async def _call_worker(self, payload: bytes, cpu_seconds: float) -> bytes:
        async with self._checks.slot():
            return await self.math_workers.call(payload, cpu_seconds)

    async def _verify_by_hash(self, request: pb.VerifyRequest, applied: Limits) -> pb.Verdict:
        digest = request.code.tests_hash
        held = await self._tests.find(digest)
        if held is None:
            return await _unknown_tests(digest)
        return await self._code.verify(request, held, applied, digest)

    def _check_language(self, name: str, field: str) -> None:
        if not name:
            raise invalid(field, "is required")
        try:
            self.sandbox.language(name)
        except UnknownLanguage as error:
            raise invalid(field, str(error)) from None

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a test set under its content hash; raises RequestError if it is wrong or too large."""
        return await self._tests.keep(tests)

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program on each input and judges nothing; the same work under way is not done twice.

        Raises RequestError for a wrong request, SandboxError for a fault of the service.
        """
        self._check_language(request.language, "language")
        execution.check(request)
        applied = limits.resolve(request.limits, self._settings, "limits")
        started = time.monotonic()
        estimate = cost.of_program(request.language, len(request.stdin), applied)
        with self._admission.enter(caller.current(), request.run, estimate, request.ByteSize()) as ticket:
            shared = await self._executions.join(
                _work_of(request),
                lambda: _attempts(
                    lambda: _known(lambda: execution.execute(self.sandbox, request, applied), "language")
                ),
            )
        result = pb.ExecuteResult()
        result.CopyFrom(shared)
        result.id = request.id
        result.timing.total_seconds = time.monotonic() - started
        result.timing.queue_seconds = ticket.waited_seconds
        return result

    def capabilities(self) -> pb.Capabilities:
        """What this server can do."""
        languages = [
            pb.Language(
                name=status.language.name,
                aliases=status.language.aliases,
                version=status.version,
                available=status.available,
                reason=status.reason,
            )
            for status in self.sandbox.language_statuses
        ]
        return pb.Capabilities(
            version=__version__,
            isolation=self.sandbox.isolation,
            languages=languages,
            extraction_policies=extraction.POLICIES,
            checkers=CHECKERS,
            dialects=self._settings.dialect_names,
            test_formats=TEST_FORMATS,
            default_limits=limits.to_message(self._settings.default_limits()),
            limit_ceilings=limits.to_message(self._settings.limit_ceilings()),
            request_bytes_ceiling=self._settings.request_bytes_ceiling,
        )

    def _check_floor(self) -> None:
        """Raises StartupError where this host gives less isolation than the configured floor."""
        asked, floor = self._settings.isolation, self._settings.min_isolation
        try:
            given = backends.choose(asked, self._settings.docker_image)
        except SandboxError as error:
            raise StartupError(str(error)) from None
        if backends.STRENGTH[given] < backends.STRENGTH[floor]:
            raise StartupError(f"min_isolation is {floor!r}, and this host gives {given!r}")


def _cache_directory(settings: Settings) -> str:
    """Made if need be; empty for none. Raises StartupError for one that was asked for and cannot be."""
    chosen = settings.cache_directory
    directory = str(locations.user_cache()) if chosen == "auto" else chosen
    if directory and settings.isolation != "docker":  # its jails show nothing of this host
        try:
            os.makedirs(directory, mode=0o755, exist_ok=True)
        except OSError as error:
            if chosen == "auto":  # a user without a home, say: nothing is compiled ahead
                return ""
            raise StartupError(f"cache_directory: {directory}: {error.strerror}") from error
    return directory


def _test_set_files(settings: Settings) -> TestSetFiles | None:
    if settings.test_sets_directory in ("", "none"):
        return None
    return TestSetFiles(Path(settings.test_sets_directory), settings.test_sets_disk_bytes)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        settings.effective_slots + settings.max_queue, settings.max_queue_cost, settings.max_queue_bytes
    )


def _complete_timing(verdict: pb.Verdict, total_seconds: float, ticket: Ticket) -> None:
    """What waited for a slot, or for the same work of another request, is the queue's."""
    timing = verdict.timing
    timing.total_seconds = total_seconds
    if verdict.HasField("code"):
        timing.queue_seconds = total_seconds if verdict.cached else ticket.waited_seconds
    else:
        timing.queue_seconds = ticket.waited_seconds
        timing.run_seconds = max(0.0, total_seconds - ticket.waited_seconds)


def _check_extraction(policy: str) -> None:
    if policy and policy not in extraction.POLICIES:
        raise invalid("extraction", f"unknown policy {policy!r}; known: {', '.join(extraction.POLICIES)}")


def _work_of(request: pb.ExecuteRequest) -> bytes:
    """What is run, by hash, whoever asks for it."""
    work = pb.ExecuteRequest()
    work.CopyFrom(request)
    work.ClearField("id")
    work.ClearField("run")
    return hashlib.sha256(work.SerializeToString(deterministic=True)).digest()


async def _unknown_tests(digest: str) -> pb.Verdict:
    return pb.Verdict(
        status=pb.UNKNOWN_TESTS, message=f"no test set {digest} is held here: send it with PutTests"
    )


async def _attempts(work: Callable[[], Awaitable[T]]) -> T:
    """The work's result; a lost jail, worker or launcher is tried once more on a fresh one."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await work()
        except FilesTooLarge:
            raise  # it would not fit the next time either
        except SandboxError:
            continue
    return await work()


async def _known(work: Callable[[], Awaitable[T]], field: str) -> T:
    """The work's result; a language that turns out to be none here is the request's fault."""
    try:
        return await work()
    except UnknownLanguage as error:
        raise invalid(field, str(error)) from None


async def _with_retry(request: pb.VerifyRequest, judge: Callable[[], Awaitable[pb.Verdict]]) -> pb.Verdict:
    try:
        return await _attempts(judge)
    except FilesTooLarge as error:
        return pb.Verdict(id=request.id, status=pb.UNGRADABLE, message=str(error))
    except SandboxError as error:
        message = f"the service failed {ATTEMPTS} times: {error}"
        return pb.Verdict(id=request.id, status=pb.INTERNAL_ERROR, message=message)
