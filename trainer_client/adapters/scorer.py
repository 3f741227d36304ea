"""What every adapter shares: settings from the environment, one client per event loop, a verdict per label.

REWARD_SERVER_ADDRESS     gRPC address of the server (default 127.0.0.1:50051)
REWARD_RUN                name of the training run, for the server's fair share and metrics
REWARD_EXTRACTION         extraction policy, where the label names none
REWARD_DEADLINE_SECONDS   how long one completion may wait for a server at fault (default 3600)
REWARD_ATTEMPT_SECONDS    how long one attempt of it may take (default 0: as long as the deadline)
REWARD_IF_UNJUDGED        a number for trainers that take nothing else; default: an error
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer_client.client import AsyncRewardClient, RetryPolicy, RewardClient, Verdict
from trainer_client.errors import NotJudged
from trainer_client.labels import request_of


@dataclass(frozen=True)
class ScorerSettings:
    """Where the server is, and what an adapter does when there is no verdict."""

    address: str = "127.0.0.1:50051"
    run: str = ""
    extraction: str = ""
    deadline_seconds: float = 3600.0
    if_unjudged: float | None = None
    attempt_seconds: float = 0.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ScorerSettings:
        """The settings as the environment has them. Raises ValueError for a number that is none."""
        unjudged = environment.get("REWARD_IF_UNJUDGED", "")
        return cls(
            address=environment.get("REWARD_SERVER_ADDRESS", cls.address),
            run=environment.get("REWARD_RUN", cls.run),
            extraction=environment.get("REWARD_EXTRACTION", cls.extraction),
            deadline_seconds=float(environment.get("REWARD_DEADLINE_SECONDS", cls.deadline_seconds)),
            if_unjudged=float(unjudged) if unjudged else None,
            attempt_seconds=float(environment.get("REWARD_ATTEMPT_SECONDS", cls.attempt_seconds)),
        )


class Scorer:
    """Judges completions by their labels, from any thread and any event loop.

    Its connections are made at the first use, so that a scorer survives a fork of
    the process that imported it.
    """

    def __init__(self, settings: ScorerSettings | None = None) -> None:
        self.settings = settings or ScorerSettings.from_environment()
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncRewardClient] = (
            weakref.WeakKeyDictionary()
        )
        self._plain: tuple[int, RewardClient] | None = None
        self._lock = threading.Lock()

    async def verdict(self, label: Any, completion: str) -> Verdict:
        """One verdict; its reward is None where the completion was not judged.

        Raises LabelError or RewardRequestError when the label is wrong.
        """
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = AsyncRewardClient(self.settings.address, policy=self._policy())
            self._clients[loop] = client
        return await client.verify(self._request(label, completion))

    async def verdicts(self, labels: Sequence[Any], completions: Sequence[str]) -> list[Verdict]:
        """Verdicts in order. Raises ValueError for sequences of different lengths."""
        pairs = zip(labels, completions, strict=True)
        return list(await asyncio.gather(*(self.verdict(label, text) for label, text in pairs)))

    def verdicts_plainly(self, labels: Sequence[Any], completions: Sequence[str]) -> list[Verdict]:
        """`verdicts` for code without an event loop."""
        pairs = zip(labels, completions, strict=True)
        return self._plain_client().verify_many([self._request(label, text) for label, text in pairs])

    def reward(self, verdict: Verdict) -> float:
        """A number for trainers that take nothing else. Raises NotJudged where there is none."""
        if verdict.reward is not None:
            return verdict.reward
        if self.settings.if_unjudged is None:
            raise NotJudged(verdict.status, verdict.message)
        return self.settings.if_unjudged

    def _request(self, label: Any, completion: str) -> Any:
        request = request_of(label, completion)
        request.run = request.run or self.settings.run
        request.extraction = request.extraction or self.settings.extraction
        return request

    def _policy(self) -> RetryPolicy:
        return RetryPolicy(self.settings.deadline_seconds, self.settings.attempt_seconds)

    def _plain_client(self) -> RewardClient:
        """This process' client: a fork does not inherit its parent's threads."""
        with self._lock:
            if self._plain is None or self._plain[0] != os.getpid():
                self._plain = os.getpid(), RewardClient(self.settings.address, policy=self._policy())
            return self._plain[1]


@functools.cache
def default_scorer() -> Scorer:
    """The scorer with the settings of the environment, read at the first call."""
    return Scorer()


def text_of(completion: Any) -> str:
    """A completion's text: itself, or the last message of a conversation."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1]["content"]) if completion else ""
