"""Steps that ask the reward server whether a problem can be judged at all, and whether its tests can tell.

A fault of the service rejects nothing: the step ends with an error and goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.client import AsyncRewardClient, Verdict
from trainer_client.curation.mutants import mutants
from trainer_client.curation.plan import Verifier
from trainer_client.curation.problem import CuratedProblem, Program, Rejection
from trainer_client.curation.workspace import CurationError
from trainer_client.errors import RewardRequestError, ServerUnreachable
from trainer_client.retry import RETRIED_STATUSES

# An answer that is no problem's; whatever it is compared with must at least be readable.
_STRANGE_ANSWER = "-73919.25"
_MOST_WRONG = 8
# A mutant's share of CPU time, in the reference's slowest run, and what it has at least.
_PATIENCE, _LEAST_PATIENCE = 5.0, 0.5


async def asked(
    client: AsyncRewardClient,
    problem: CuratedProblem,
    completion: str,
    program: Program | None = None,
    *,
    cpu_seconds: float = 0.0,
) -> Verdict:
    """A verdict that is not the service's fault; `cpu_seconds` lowers the task's limit, 0 leaves it.

    Raises CurationError, RewardRequestError.
    """
    request = problem.request(completion, extraction="whole" if program else "")
    if program is not None and program.language:
        request.code.language = program.language
    limits = request.code.limits if cpu_seconds else None
    if limits is not None and not 0 < limits.cpu_seconds < cpu_seconds:
        limits.cpu_seconds = cpu_seconds
    verdict = await client.verify(request)
    if verdict.reward is None and verdict.status in RETRIED_STATUSES:
        raise CurationError(
            f"the reward server cannot judge {problem.id}: {verdict.status}: {verdict.message}"
        )
    return verdict


async def checked(
    client: AsyncRewardClient,
    problem: CuratedProblem,
    reference: Program | None,
    wrong: Iterable[str],
    *,
    time_factor: float = 0.0,
) -> pb.TaskReport:
    """The server's own check of the task, with answers or programs that must not pass.

    `time_factor` is between the reference's slowest test and the time limit; 0: the server's default.

    Raises CurationError when the service is at fault, RewardRequestError when the task is refused.
    """
    request = problem.request("")
    asked_for = pb.CheckTaskRequest(id=problem.id, run=request.run, wrong=wrong)
    asked_for.time_factor = time_factor
    if reference is None:
        asked_for.math.CopyFrom(request.math)
    else:
        asked_for.code.CopyFrom(request.code)
        asked_for.code.language = reference.language or request.code.language
        asked_for.reference = reference.source
    try:
        return await client.check_task(asked_for)
    except ServerUnreachable as error:
        raise CurationError(f"the reward server cannot judge {problem.id}: {error}") from error


async def check_golds(client: AsyncRewardClient, problem: CuratedProblem) -> Rejection | None:
    """Whether the verifier reads the golds, and accepts each as its own answer.

    Identical text is accepted unread, so a strange answer is sent as well: it must be judged, and rejected.
    """
    if problem.domain != "math":
        return None
    try:
        report = await checked(client, problem, None, [_STRANGE_ANSWER])
        return None if report.fit else await _gold_fault(client, problem) or _unfit(report)
    except RewardRequestError as error:
        return Rejection("task_refused", str(error))


async def _gold_fault(client: AsyncRewardClient, problem: CuratedProblem) -> Rejection | None:
    """Which rule an unfit problem meets: the report's sentences are for a person."""
    strange = await asked(client, problem, f"\\boxed{{{_STRANGE_ANSWER}}}")
    if strange.reward is None:
        return Rejection("gold_unreadable", f"{strange.status}: {strange.message}")
    for gold in problem.golds:
        own = await asked(client, problem, f"\\boxed{{{gold}}}")
        if own.reward != 1.0:
            return Rejection("gold_rejected", f"{gold[:80]!r}: {own.status}: {own.message}")
    return None


def _unfit(report: pb.TaskReport) -> Rejection:
    """For what only the server's check finds: a reference that is slow, or fails now and then."""
    return Rejection("task_unfit", "; ".join(report.problems))


async def check_references(
    client: AsyncRewardClient, problem: CuratedProblem, settings: Verifier
) -> Rejection | None:
    """Whether the reference passes the tests, twice and with time to spare, and wrong programs do not."""
    if problem.domain != "code":
        return None
    reference = next((program for program in problem.programs if program.right), None)
    if reference is None:
        return Rejection("no_reference") if settings.reference_required else None
    try:
        beside = _wrong_beside(problem, reference)
        report = await checked(client, problem, reference, beside, time_factor=settings.time_factor)
        if not report.fit:
            return await _reference_fault(client, problem, reference) or _unfit(report)
        return await _check_wrong(client, problem, reference) or await _check_mutants(
            client, problem, reference, settings, _patience(report)
        )
    except RewardRequestError as error:
        return Rejection("task_refused", str(error))


def _wrong(problem: CuratedProblem) -> Iterator[Program]:
    return islice((program for program in problem.programs if not program.right), _MOST_WRONG)


def _wrong_beside(problem: CuratedProblem, reference: Program) -> list[str]:
    """Wrong programs in the reference's language: a check names one language for all."""
    return [one.source for one in _wrong(problem) if one.language == reference.language]


async def _reference_fault(
    client: AsyncRewardClient, problem: CuratedProblem, reference: Program
) -> Rejection | None:
    """Which rule an unfit problem meets: the report's sentences are for a person."""
    verdict = await asked(client, problem, reference.source, reference)
    if verdict.reward is None:
        return Rejection("tests_unusable", f"{verdict.status}: {verdict.message}")
    if verdict.reward != 1.0:
        return Rejection("reference_fails", f"{verdict.status}: {verdict.message}")
    return await _accepted_wrong(client, problem, _wrong(problem))


def _patience(report: pb.TaskReport) -> float:
    """CPU seconds for each run of a mutant: many loop without end, and would each take the whole limit."""
    slowest = report.slowest_cpu_seconds
    return max(_LEAST_PATIENCE, _PATIENCE * slowest) if slowest else 0.0


async def _check_wrong(
    client: AsyncRewardClient, problem: CuratedProblem, reference: Program
) -> Rejection | None:
    """Wrong programs in other languages than the reference's, which its check has no room for."""
    others = [program for program in _wrong(problem) if program.language != reference.language]
    return await _accepted_wrong(client, problem, others)


async def _accepted_wrong(
    client: AsyncRewardClient, problem: CuratedProblem, wrong: Iterable[Program]
) -> Rejection | None:
    for program in wrong:
        if (await asked(client, problem, program.source, program)).reward == 1.0:
            return Rejection("accepts_wrong", f"{program.name} is known to be wrong and passes")
    return None


async def _check_mutants(
    client: AsyncRewardClient,
    problem: CuratedProblem,
    reference: Program,
    settings: Verifier,
    cpu_seconds: float,
) -> Rejection | None:
    """Some mutants mean the same as their program, so that a share of them is allowed to pass."""
    if (reference.language or problem.request("").code.language) != "python" or not settings.mutants:
        return None
    try:
        made = list(mutants(reference.source, settings.mutants))
    except (SyntaxError, ValueError):
        return None  # it passed its tests, so it is no Python that this Python reads
    verdicts = [await asked(client, problem, source, reference, cpu_seconds=cpu_seconds) for source in made]
    judged = [verdict.reward for verdict in verdicts if verdict.reward is not None]
    rejected = sum(reward < 1.0 for reward in judged)
    if rejected < settings.rejected_share * len(judged):
        return Rejection("tests_too_weak", f"{rejected} of {len(judged)} mutants of the reference rejected")
    return None
