"""Before any training: does the server tell a right answer from a wrong one, in every domain of the recipe?

A verifier that rejects the gold answer, or accepts a slip, makes a run worthless however long
it is; this costs a few requests a domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.client import RewardClient, Verdict
from trainer_client.errors import VerifierMismatch
from trainer_client.progress import Progress
from trainer_client.randomness import rng_of
from trainer_client.recipe import Recipe, Stage
from trainer_client.schedule import StageProblems
from trainer_client.tasks.pools import drafts
from trainer_client.tasks.problem import Domain, Draft, Problem

# Now and then a wrong way leads to a right answer; not five times.
PROBLEMS = 5


def show_first_verdicts(recipe: Recipe, client: RewardClient, progress: Progress) -> None:
    """Has a right and a wrong worked example of each domain judged, and shows both verdicts.

    Raises VerifierMismatch when a right answer is rejected, or when the wrong ones of PROBLEMS problems
    are all accepted. A completion that was not judged at all says nothing against the verifier.
    Problems from files bring no worked examples: of their math, golds must be accepted in a box. A later
    stage's file may still be to be made; TaskFileError for the first stage's, and for one that is broken.
    """
    for stage in recipe.stage:
        if stage.data and (stage == recipe.stage[0] or _is_there(stage, progress)):
            pool = StageProblems(stage, recipe.seed).pool
            if stage.domain == "math":
                _golds_are_accepted(pool[:PROBLEMS], client, progress)
    for domain in dict.fromkeys(stage.domain for stage in recipe.stage if not stage.data):
        source = drafts(domain, rng_of("first verdicts", domain, recipe.seed), held_out=False)
        if not any(_told_apart(domain, draft, client, progress) for draft in islice(source, PROBLEMS)):
            raise VerifierMismatch(f"the server accepts the wrong answers of {PROBLEMS} {domain} problems")


def _is_there(stage: Stage, progress: Progress) -> bool:
    """Whether the stage's file is there; its absence is shown, and ends the run where the stage begins."""
    if Path(stage.data).exists():
        return True
    progress.note(f"{stage.data} is not there yet: {stage.name} needs it, and the run ends there without it")
    return False


def _golds_are_accepted(problems: Sequence[Problem], client: RewardClient, progress: Progress) -> None:
    for problem in problems:
        assert isinstance(problem.task, pb.MathTask)
        answer = f"\\boxed{{{problem.task.gold[0]}}}"
        verdict = client.verify(problem.request(answer, request_id=f"first/{problem.key}", run="first"))
        if verdict.reward not in (None, 1.0):
            raise VerifierMismatch(f"the server rejects the gold of {problem.key}: {verdict.message}")
        progress.note(f"the gold of {problem.key}: {_in_words(verdict)}")


def _told_apart(domain: Domain, draft: Draft, client: RewardClient, progress: Progress) -> bool:
    """Whether nothing speaks against the verifier on this problem. Raises VerifierMismatch."""
    right, wrong = (
        client.verify(draft.problem.request(response, request_id=f"first/{domain}/{kind}", run="first"))
        for kind, response in (("right", draft.right), ("wrong", draft.slip))
    )
    if right.reward not in (None, 1.0):
        raise VerifierMismatch(f"the server rejects the right answer to {draft.problem.key}: {right.message}")
    if wrong.reward not in (None, 0.0):
        return False
    progress.note(f"a right {domain} answer: {_in_words(right)}")
    progress.note(f"a wrong {domain} answer: {_in_words(wrong)}")
    return True


def _in_words(verdict: Verdict) -> str:
    reward = "no reward" if verdict.reward is None else f"reward {verdict.reward:g}"
    return f"{verdict.status}, {reward} ({verdict.message})"
