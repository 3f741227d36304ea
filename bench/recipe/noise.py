"""A reward server that is wrong now and then: a proxy before the real one, for an ablation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc
from trainer_client.client import RewardClient

_THREADS = 64  # requests at once


@dataclass(frozen=True)
class Noise:
    """The shares of rewards 0 that become 1 and of rewards 1 that become 0, each by chance."""

    false_positives: float
    false_negatives: float

    def reward(self, reward: float, request: pb.VerifyRequest, seed: int) -> float:
        """A reward as it goes on. Chance is a hash of seed, id and completion: a repeat gives the same.

        What evaluates is left alone: a policy is compared by what is true.
        """
        if request.id.startswith("eval"):
            return reward
        digest = hashlib.sha256(f"{seed}/{request.id}/{request.completion}".encode()).digest()
        share = self.false_negatives if reward else self.false_positives
        return 1.0 - reward if int.from_bytes(digest[:8], "big") < share * 2**64 else reward


class _Proxy(reward_pb2_grpc.RewardServiceServicer):
    def __init__(self, client: RewardClient, noise: Noise, seed: int) -> None:
        self._client, self._noise, self._seed = client, noise, seed

    def Verify(self, request: pb.VerifyRequest, _: grpc.ServicerContext) -> pb.Verdict:
        verdict = pb.Verdict()
        verdict.CopyFrom(self._client.verify(request).proto)
        if verdict.HasField("reward"):
            verdict.reward = self._noise.reward(verdict.reward, request, self._seed)
        return verdict

    def GetCapabilities(self, request: pb.GetCapabilitiesRequest, _: grpc.ServicerContext) -> pb.Capabilities:
        return self._client.capabilities()


@contextmanager
def noisy_server(address: str, noise: Noise, seed: int) -> Iterator[str]:
    """The address to ask: the server's own without noise, else that of a proxy before it."""
    if not (noise.false_positives or noise.false_negatives):
        yield address
        return
    with RewardClient(address) as client:
        server = grpc.server(ThreadPoolExecutor(_THREADS))
        reward_pb2_grpc.add_RewardServiceServicer_to_server(_Proxy(client, noise, seed), server)  # type: ignore[no-untyped-call]
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()
