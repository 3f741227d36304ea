"""A run does not begin against a verifier that is wrong about what is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from tests.trainer_client.fake_server import FakeServer, verdict
from trainer_client import cli, client
from trainer_client.client import RetryPolicy, Verdict
from trainer_client.errors import VerifierMismatch
from trainer_client.first_verdicts import show_first_verdicts
from trainer_client.recipe import Recipe, load_recipe, recipe_as_toml
from trainer_client.schedule import turns
from trainer_client.tasks.files import TaskFileError


@dataclasses.dataclass
class Server:
    """Answers by a rule on the request's id, first/DOMAIN/right or wrong."""

    reward: Callable[[str], float | None]

    def verify(self, request: pb.VerifyRequest) -> Verdict:
        reward = self.reward(request.id)
        status = {1.0: pb.ACCEPTED, 0.0: pb.WRONG_ANSWER, None: pb.INTERNAL_ERROR}[reward]
        return Verdict.of(pb.Verdict(id=request.id, status=status, reward=reward), 1)


@dataclasses.dataclass
class Notes:
    lines: list[str] = dataclasses.field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append(text)


def shown(reward: Callable[[str], float | None]) -> list[str]:
    notes: Any = Notes()
    server: Any = Server(reward)
    show_first_verdicts(load_recipe("tiny"), server, notes)
    return list(notes.lines)


def test_each_domain_is_tried_with_a_right_and_a_wrong_answer() -> None:
    lines = shown(lambda request_id: 1.0 if request_id.endswith("right") else 0.0)
    assert [line.split(":")[0] for line in lines] == [
        "a right math answer",
        "a wrong math answer",
        "a right code answer",
        "a wrong code answer",
    ]
    assert "ACCEPTED, reward 1" in lines[0]


@pytest.mark.parametrize("always", [0.0, 1.0])
def test_a_verifier_that_says_always_the_same_ends_the_run(always: float) -> None:
    with pytest.raises(VerifierMismatch, match=r"the server (rejects the right|accepts the wrong)"):
        shown(lambda request_id: always)


def test_one_wrong_way_to_a_right_answer_is_no_mismatch() -> None:
    wrong = iter([1.0, 0.0, 0.0])
    lines = shown(lambda request_id: 1.0 if request_id.endswith("right") else next(wrong))
    assert len(lines) == 4


def test_a_service_fault_says_nothing_against_the_verifier() -> None:
    assert all("no reward" in line for line in shown(lambda request_id: None))


def test_golds_of_a_file_must_be_accepted(tmp_path: Path) -> None:
    path = tmp_path / "math.jsonl"
    path.write_text('{"id": "a", "problem": "?", "gold": "1"}\n')
    recipe = load_recipe("tiny")
    stages = tuple(dataclasses.replace(stage, data=str(path)) for stage in recipe.stage[:1])
    recipe = dataclasses.replace(recipe, stage=stages)
    notes: Any = Notes()
    accepting: Any = Server(lambda request_id: 1.0)
    show_first_verdicts(recipe, accepting, notes)
    assert notes.lines == ["the gold of a: ACCEPTED, reward 1 ()"]
    rejecting: Any = Server(lambda request_id: 0.0)
    with pytest.raises(VerifierMismatch, match="rejects the gold of a"):
        show_first_verdicts(recipe, rejecting, notes)


def with_files(*files: Path) -> Recipe:
    """The default recipe's math stages over these files."""
    recipe = load_recipe("tiny")
    stages = [
        dataclasses.replace(recipe.stage[0], name=path.stem, data=str(path), prompts_per_step=1, steps=2)
        for path in files
    ]
    return dataclasses.replace(recipe, stage=tuple(stages))


@pytest.fixture
def math_file(tmp_path: Path) -> Path:
    path = tmp_path / "math.jsonl"
    path.write_text('{"id": "a", "problem": "?", "gold": "1"}\n')
    return path


def test_a_later_stage_s_file_may_still_be_to_be_made(math_file: Path) -> None:
    notes: Any = Notes()
    server: Any = Server(lambda request_id: 1.0)
    show_first_verdicts(with_files(math_file, math_file.with_name("hard.jsonl")), server, notes)
    assert "hard.jsonl is not there yet: hard needs it" in notes.lines[-1]


def test_the_first_stage_s_file_must_be_there(tmp_path: Path) -> None:
    server: Any = Server(lambda request_id: 1.0)
    notes: Any = Notes()
    with pytest.raises(TaskFileError, match=r"math\.jsonl"):
        show_first_verdicts(with_files(tmp_path / "math.jsonl"), server, notes)


def test_without_its_file_a_stage_ends_the_run_where_it_begins(math_file: Path) -> None:
    steps = turns(with_files(math_file, math_file.with_name("hard.jsonl")))
    assert [next(steps).step, next(steps).step] == [0, 1]
    with pytest.raises(TaskFileError, match=r"hard\.jsonl"):
        next(steps)


def run(recipe: Recipe, server: FakeServer, out: Path) -> int:
    path = out.with_name("recipe.toml")
    path.write_text(recipe_as_toml(recipe))
    return cli.main(["run", str(path), "--server", server.address, "--out", str(out)])


def test_a_run_that_the_checks_refuse_leaves_its_folder_free(
    math_file: Path, server: FakeServer, tmp_path: Path
) -> None:
    server.faults = lambda request, attempt: verdict("WRONG_ANSWER", 0.0)
    assert run(with_files(math_file), server, tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_a_run_is_refused_before_anything_is_asked(
    math_file: Path, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "recipe.toml").write_text("")
    assert run(with_files(math_file), server, tmp_path / "out") == 2
    assert not server.attempts


def test_the_recipe_s_patience_is_the_client_s(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    policies: list[RetryPolicy] = []
    recipe = load_recipe("tiny")
    rewards = dataclasses.replace(recipe.rewards, server=server.address, attempt_seconds=7.0)
    made = client.RewardClient

    def noted(address: str, **settings: Any) -> client.RewardClient:
        policies.append(settings["policy"])
        return made(address, **settings)

    monkeypatch.setattr(client, "RewardClient", noted)
    with cli._connected(dataclasses.replace(recipe, rewards=rewards)):
        assert [policy.attempt_seconds for policy in policies] == [7.0]
