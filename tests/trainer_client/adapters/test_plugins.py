"""Each trainer's own way to call; what its wire cannot say is never a 0."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from tests.trainer_client.adapters.conftest import answering
from tests.trainer_client.fake_server import FakeServer, verdict
from trainer_client.adapters import ms_swift, openrlhf, slime, trl, verl
from trainer_client.adapters.scorer import ScorerSettings, default_scorer
from trainer_client.errors import NotJudged

RIGHT, WRONG = r"so \boxed{1}", r"so \boxed{2}"


@pytest.fixture(autouse=True)
def _environment(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("REWARD_SERVER_ADDRESS", server.address)
    default_scorer.cache_clear()
    trl._default.cache_clear()
    yield
    default_scorer.cache_clear()
    trl._default.cache_clear()


def test_verl_gives_every_sample_the_same_keys() -> None:
    async def scores() -> list[dict[str, float]]:
        return [await verl.compute_score("x", text, "1", {}) for text in (RIGHT, WRONG, "nothing")]

    found = asyncio.run(scores())
    assert [score["score"] for score in found] == [1.0, 0.0, 0.0]
    assert len({tuple(score) for score in found}) == 1
    assert all(type(value) is float for score in found for value in score.values())


def test_verl_raises_where_there_is_no_verdict(server: FakeServer) -> None:
    answering(server, verdict("UNDECIDED"))
    with pytest.raises(NotJudged):
        asyncio.run(verl.compute_score("x", RIGHT, "1"))


def test_verl_takes_an_address_of_its_own(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_SERVER_ADDRESS", "127.0.0.1:1")
    score = asyncio.run(verl.compute_score("x", RIGHT, "1", address=server.address))
    assert score["score"] == 1.0


def test_trl_gets_none_without_a_verdict(server: FakeServer) -> None:
    answering(server, verdict("UNGRADABLE"))
    found = asyncio.run(trl.verdict_reward(prompts=["p"], completions=[RIGHT], answer=["1"]))
    assert found == [None]


def test_trl_reads_conversations_and_the_first_known_column() -> None:
    completions = [[{"role": "assistant", "content": text}] for text in (RIGHT, WRONG)]
    found = asyncio.run(trl.verdict_reward(completions=completions, solution=["1", "1"], other=[0, 0]))
    assert found == [1.0, 0.0]


def test_trl_logs_how_many_were_judged(server: FakeServer) -> None:
    answering(server, verdict("UNGRADABLE"))
    logged: dict[str, float] = {}
    reward = trl.make_reward(ScorerSettings(server.address), column="gold", name="mine")
    asyncio.run(reward(completions=[RIGHT, RIGHT], gold=["1", "1"], log_metric=logged.__setitem__))
    assert logged == {"verdicts/judged": 0.5}
    assert reward.__name__ == "mine"


def test_trl_wants_a_column_of_labels() -> None:
    with pytest.raises(KeyError, match="ground_truth"):
        asyncio.run(trl.verdict_reward(completions=[RIGHT]))


def test_openrlhf_gets_tensors_of_one_length() -> None:
    found = openrlhf.reward_func(["p" + RIGHT, "q" + WRONG], ["p", "q"], ["1", "1"])
    assert torch.equal(found["rewards"], torch.tensor([1.0, 0.0]))
    assert torch.equal(found["scores"], found["rewards"])
    assert torch.equal(found["extra_logs"]["judged"], torch.ones(2))


def test_openrlhf_does_not_judge_the_prompt() -> None:
    prompt = r"put it into \boxed{1}. "
    assert openrlhf.reward_func([prompt + "no idea"], [prompt], ["1"])["rewards"].tolist() == [0.0]


def test_slime_scores_samples_and_groups() -> None:
    samples = [SimpleNamespace(response=text, label="1", metadata={}) for text in (RIGHT, WRONG)]
    assert asyncio.run(slime.reward(None, samples[0])) == 1.0
    assert asyncio.run(slime.group_reward(None, samples)) == [1.0, 0.0]


def test_slime_s_list_from_a_custom_generate_function_is_a_group() -> None:
    samples = [SimpleNamespace(response=text, label="1", metadata={}) for text in (RIGHT, WRONG)]
    assert asyncio.run(slime.reward(None, samples)) == [1.0, 0.0]


def test_slime_takes_long_tests_from_the_metadata() -> None:
    label = json.dumps({"math": {"gold": ["1"]}})
    sample = SimpleNamespace(response=RIGHT, label=None, metadata={"label": label})
    assert asyncio.run(slime.reward(None, sample)) == 1.0


def test_ms_swift_gets_none_without_a_verdict(server: FakeServer) -> None:
    answering(server, verdict("UNDECIDED"))
    assert ms_swift.VerdictReward()([RIGHT], solution=["1"]) == [None]


def test_ms_swift_finds_the_reward_by_name() -> None:
    table: dict[str, object] = {}
    ms_swift.register(table)
    assert table == {"verdict": ms_swift.VerdictReward}
