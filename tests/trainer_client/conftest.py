"""Shared by the trainer's tests: a fake server, a tiny policy, one torch thread."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tests.trainer_client.fake_server import FakeServer
from trainer_client.model import Policy, make_policy
from trainer_client.recipe import ModelSettings
from trainer_client.retry import RetryPolicy
from trainer_client.warm_start import corpus

TINY_MODEL = ModelSettings(vocabulary_size=320, hidden_size=32, layers=2, feed_forward_size=64)
# Patient enough for any number of quick faults, and quick itself.
QUICK = RetryPolicy(deadline_seconds=20.0, first_wait_seconds=0.001, longest_wait_seconds=0.01)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def policy() -> Policy:
    """A small random policy; tests must not change it."""
    return make_policy(TINY_MODEL, corpus(0, 0.5), seed=0)
