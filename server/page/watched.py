"""A RewardService that remembers what passes through it, for the page to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from protos.reward.v1 import reward_pb2 as pb
from server.errors import RequestError
from server.faces.service import Passing, RewardService
from server.page.recent import RecentVerdicts
from server.page.timeline import Timeline


class Watched(Passing):
    """Counts into a timeline, keeps verdicts in a store, changes nothing."""

    def __init__(self, inner: RewardService, timeline: Timeline, recent: RecentVerdicts) -> None:
        super().__init__(inner)
        self.timeline = timeline
        self.recent = recent

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges; counts and keeps the verdict."""
        with self._counted():
            verdict = await self._inner.verify(request)
        self.timeline.add_verdict(request.WhichOneof("task") or "none", verdict)
        self.recent.keep(request, verdict)
        return verdict

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """Judges if nothing has to be waited for; counts and keeps the verdict."""
        try:
            verdict = self._inner.verify_now(request)
        except RequestError as error:
            self.timeline.add_refusal(error.code.name)
            raise
        if verdict is not None:
            self.timeline.add_easy(request.WhichOneof("task") or "none", verdict)
            self.recent.keep(request, verdict)
        return verdict

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program; counts it."""
        with self._counted():
            result = await self._inner.execute(request)
        self.timeline.add_execution(result)
        return result

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.timeline.in_flight += 1
        try:
            yield
        except RequestError as error:
            self.timeline.add_refusal(error.code.name)
            raise
        finally:
            self.timeline.in_flight -= 1
