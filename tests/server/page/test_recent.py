"""What is kept, for how long, and that the budget holds."""

from __future__ import annotations

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.caller import Caller, become
from server.page.recent import ENTRY_BYTES, Filter, RecentVerdicts

BUDGET = 64 * 1024


def request(index: int = 0, run: str = "a", completion: str = "so 42") -> pb.VerifyRequest:
    return pb.VerifyRequest(id=f"r{index}", run=run, completion=completion, math=pb.MathTask(gold=["42"]))


def verdict(status: pb.Status = pb.ACCEPTED, reward: float | None = 1.0) -> pb.Verdict:
    return pb.Verdict(status=status, reward=reward, message="because")


def numbers(store: RecentVerdicts, wanted: Filter | None = None, below: int | None = None) -> list[int]:
    return [entry.number for entry in store.latest(wanted or Filter(), below=below, at_most=100)]


def test_nothing_is_kept_by_default() -> None:
    store = RecentVerdicts(0)
    store.keep(request(), verdict())
    assert len(store) == 0


def test_what_is_kept_comes_back_whole() -> None:
    store = RecentVerdicts(BUDGET, clock=lambda: 7.0)
    store.keep(request(), verdict())
    (entry,) = store.latest(Filter(), below=None, at_most=9)
    assert pb.VerifyRequest.FromString(entry.request) == request()
    assert pb.Verdict.FromString(entry.verdict) == verdict()
    assert (entry.at, entry.task, entry.status, entry.reward) == (7.0, "math", "ACCEPTED", 1.0)


def test_the_budget_holds_and_the_oldest_go_first() -> None:
    store = RecentVerdicts(BUDGET)
    for index in range(1000):
        store.keep(request(index, completion="x" * 2000), verdict())
        assert store.size_bytes <= BUDGET
    assert store.size_bytes == sum(entry.size_bytes for entry in store._entries)
    assert numbers(store)[0] == 1000
    assert 1 not in numbers(store)
    assert len(store) > BUDGET // (2 * (2000 + ENTRY_BYTES))


def test_an_entry_is_found_by_its_number_until_it_goes() -> None:
    store = RecentVerdicts(BUDGET)
    for index in range(200):
        store.keep(request(index), verdict())
    oldest = numbers(store)[-1]
    found = store.find(oldest)
    assert found is not None
    assert found.number == oldest
    assert store.find(oldest - 1) is None
    assert store.find(201) is None


def test_no_entry_is_found_in_an_empty_store() -> None:
    assert RecentVerdicts(BUDGET).find(1) is None


def test_a_request_that_is_too_large_keeps_the_end_of_its_completion() -> None:
    store = RecentVerdicts(BUDGET * 8)
    large = request(completion="x" * 10**6 + "the end")
    large.code.stdio.cases.add(input="y" * 10**6)
    store.keep(large, verdict())
    (entry,) = store.latest(Filter(), below=None, at_most=9)
    assert entry.shortened
    kept = pb.VerifyRequest.FromString(entry.request)
    assert kept.completion.endswith("the end")
    assert not kept.code.stdio.cases


def test_what_cannot_be_shortened_enough_keeps_only_its_line() -> None:
    store = RecentVerdicts(9 * (ENTRY_BYTES + 100))
    store.keep(request(completion="x" * 10**6), verdict(pb.WRONG_ANSWER, 0.0))
    (entry,) = store.latest(Filter(), below=None, at_most=9)
    assert entry.status == "WRONG_ANSWER"
    assert store.size_bytes <= store.budget_bytes


def test_the_message_kept_is_a_copy() -> None:
    store, given = RecentVerdicts(BUDGET), verdict()
    store.keep(request(), given)
    given.message = "changed"
    (entry,) = store.latest(Filter(), below=None, at_most=9)
    assert pb.Verdict.FromString(entry.verdict).message == "because"


@pytest.fixture
def mixed() -> RecentVerdicts:
    store = RecentVerdicts(BUDGET)
    store.keep(request(run="a"), verdict(pb.ACCEPTED, 1.0))
    store.keep(request(run="b"), verdict(pb.WRONG_ANSWER, 0.0))
    store.keep(request(run="a"), verdict(pb.PARTIAL, 0.5))
    store.keep(request(run="a"), verdict(pb.UNGRADABLE, None))
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), [4, 3, 2, 1]),
        (Filter(run="a"), [4, 3, 1]),
        (Filter(status="WRONG_ANSWER"), [2]),
        (Filter(reward="zero"), [2]),
        (Filter(reward="one"), [1]),
        (Filter(reward="between"), [3]),
        (Filter(reward="none"), [4]),
        (Filter(run="b", reward="one"), []),
    ],
)
def test_a_filter_passes_what_it_names(mixed: RecentVerdicts, wanted: Filter, found: list[int]) -> None:
    assert numbers(mixed, wanted) == found


def test_older_pages_follow_by_number(mixed: RecentVerdicts) -> None:
    assert numbers(mixed, below=3) == [2, 1]


def test_runs_by_their_newest_entry(mixed: RecentVerdicts) -> None:
    assert mixed.runs(9) == ["a", "b"]


async def test_a_run_that_only_the_header_names_is_kept() -> None:
    become(Caller(run="grpo"))
    store = RecentVerdicts(BUDGET)
    store.keep(request(run=""), verdict())
    assert store.runs(9) == ["grpo"]
