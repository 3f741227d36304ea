"""Before any training: does the server tell a right answer from a wrong one, in every domain of the recipe?

A verifier that rejects the gold answer, or accepts a slip, makes a run worthless however long
it is; this costs two requests a domain.
"""

from __future__ import annotations

from trainer_client.client import RewardClient, Verdict
from trainer_client.errors import VerifierMismatch
from trainer_client.progress import Progress
from trainer_client.randomness import rng_of
from trainer_client.recipe import Recipe
from trainer_client.tasks.pools import drafts


def show_first_verdicts(recipe: Recipe, client: RewardClient, progress: Progress) -> None:
    """Has a right and a wrong worked example of each domain judged, and shows both verdicts.

    Raises VerifierMismatch when a judgement is not the known one. A completion that was not judged
    at all says nothing against the verifier, and is only shown.
    """
    for domain in dict.fromkeys(stage.domain for stage in recipe.stage):
        draft = next(drafts(domain, rng_of("first verdicts", domain, recipe.seed), held_out=False))
        for kind, response, expected in (("right", draft.right, 1.0), ("wrong", draft.slip, 0.0)):
            request = draft.problem.request(response, request_id=f"first/{domain}/{kind}", run=recipe.name)
            verdict = client.verify(request)
            progress.note(f"a {kind} {domain} answer: {_in_words(verdict)}")
            if verdict.reward not in (None, expected):
                problem = f"{domain} problem {draft.problem.key}"
                raise VerifierMismatch(
                    f"{problem}: the server gives a {kind} answer the reward {verdict.reward}"
                )


def _in_words(verdict: Verdict) -> str:
    reward = "no reward" if verdict.reward is None else f"reward {verdict.reward:g}"
    return f"{verdict.status}, {reward} ({verdict.message})"
