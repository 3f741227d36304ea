"""Training against the real reward server while it is restarted, overloaded, slowed: never on a false zero.

Every trouble passes, so every completion gets its verdict in the end and the curve is that of a calm run. A
client that read a fault as 0 gives another curve: the last test shows it.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer_client.test_trainer import SMALL, curve
from tests.wire.conftest import LIGHT, Server, started
from trainer_client import client as client_module
from trainer_client import first_verdicts, report, trainer
from trainer_client.cli import main
from trainer_client.client import Verdict
from trainer_client.model import Policy, make_policy
from trainer_client.recipe import Evaluation, Recipe, recipe_as_toml
from trainer_client.tasks.problem import WorkedExample
from trainer_client.warm_start import supervised_step

Trouble = Callable[[Server, int], None]
PROBLEMS = [{"id": f"p{n}", "prompt": f"Say {n}.", "label": str(n)} for n in (3, 4)]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A policy that answers these problems right about half the time, so that rewards move it."""
    folder = tmp_path_factory.mktemp("half")
    (folder / "problems.jsonl").write_text("".join(json.dumps(one) + "\n" for one in PROBLEMS))
    from trainer_client.tasks.files import file_pool

    problems = file_pool(folder / "problems.jsonl", "math", 2, 0)
    answers = [f"\\boxed{{{n}}}" for n in (3, 4)]
    policy: Policy = make_policy(SMALL.model, [*answers, *(one.prompt for one in problems)] * 5, seed=0)
    examples = [WorkedExample(problem, answer) for problem in problems for answer in answers]
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=1e-2)
    for _ in range(60):
        supervised_step(policy, optimizer, examples)
    policy.save(folder / "policy")
    data = str(folder / "problems.jsonl")
    return replace(
        SMALL,
        model=replace(SMALL.model, path=str(folder / "policy")),
        warm_start=replace(SMALL.warm_start, steps=0),
        stage=(replace(SMALL.stage[0], steps=4, data=data, problems=2, learning_rate=1e-3),),
        evaluation=Evaluation(problems=2, every_steps=100, max_response_tokens=10, data=data),
        rewards=replace(SMALL.rewards, deadline_seconds=120.0),
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_verdicts, "show_first_verdicts", lambda recipe, client, progress: None)
    monkeypatch.setattr(report, "draw_report", lambda folder, recipe: None)


def train(recipe: Recipe, folder: Path, server: Server) -> list[dict[str, Any]]:
    path = folder.with_suffix(".toml")
    path.write_text(recipe_as_toml(recipe))
    assert main(["run", str(path), "--out", str(folder), "--server", server.grpc]) == 0
    return curve(folder)


@contextlib.contextmanager
def before_step_two(monkeypatch: pytest.MonkeyPatch, trouble: Callable[[], None]) -> Iterator[None]:
    """Has `trouble` run when the trainer is about to sample its third step."""
    roll_out = trainer.roll_out

    def troubled(*arguments: Any, **more: Any) -> Any:
        if more["label"] == "step2":
            trouble()
        return roll_out(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "roll_out", troubled)
        yield


@pytest.fixture(scope="module")
def calm(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The curve of a run that nothing disturbs."""
    with pytest.MonkeyPatch.context() as patch, started(*LIGHT) as server:
        patch.setattr(first_verdicts, "show_first_verdicts", lambda recipe, client, progress: None)
        patch.setattr(report, "draw_report", lambda folder, recipe: None)
        return train(recipe, tmp_path_factory.mktemp("calm") / "run", server)


def test_the_calm_curve_has_both_rewards_and_moves(calm):
    train_lines = [line for line in calm if line["kind"] == "train"]
    assert {line["unjudged"] for line in train_lines} == {0}
    assert any(0 < line["reward"] < 1 for line in train_lines)
    assert any(line["gradient_norm"] > 0 for line in train_lines[2:])


def test_a_server_that_dies_and_comes_back_is_waited_for(recipe, calm, tmp_path, monkeypatch):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(started(*LIGHT))
        assert first.process is not None
        back = threading.Thread(target=lambda: stack.enter_context(started(*LIGHT, "--grpc", first.grpc)))

        def die() -> None:
            first.process.kill()
            first.process.wait()
            back.start()

        with before_step_two(monkeypatch, die):
            found = train(recipe, tmp_path / "run", first)
        back.join()
    assert found == calm


def test_a_full_queue_is_waited_out(recipe, calm, tmp_path):
    with started(*LIGHT, "--slots", "1", "--max-queue", "1") as server:
        assert train(recipe, tmp_path / "run", server) == calm


def test_a_server_that_stands_still_for_a_while_is_waited_for(recipe, calm, tmp_path, monkeypatch):
    with started(*LIGHT) as server:
        process = server.process
        assert process is not None

        def stall() -> None:
            process.send_signal(signal.SIGSTOP)
            threading.Thread(target=lambda: (time.sleep(1.5), process.send_signal(signal.SIGCONT))).start()

        with before_step_two(monkeypatch, stall):
            assert train(recipe, tmp_path / "run", server) == calm


def test_a_server_that_stays_away_leaves_completions_out(recipe, calm, tmp_path, monkeypatch):
    short = replace(recipe, rewards=replace(recipe.rewards, deadline_seconds=3.0))
    with started(*LIGHT) as server:
        assert server.process is not None
        with before_step_two(monkeypatch, server.process.kill):
            found = [line for line in train(short, tmp_path / "run", server) if line["kind"] == "train"]
    assert [line["unjudged"] for line in found] == [0, 0, 8, 8]
    assert [line["reward"] for line in found[2:]] == [None, None]
    assert [line["gradient_norm"] for line in found[2:]] == [0.0, 0.0]


def test_a_fault_read_as_zero_would_be_seen(recipe, calm, tmp_path, monkeypatch):
    """The tests above can fail: here a client turns what the server could not judge into 0."""
    honest = Verdict.of_fault.__func__

    def as_zero(kind: type[Verdict], *arguments: Any) -> Verdict:
        return replace(honest(kind, *arguments), reward=0.0)

    monkeypatch.setattr(client_module.Verdict, "of_fault", classmethod(as_zero))
    short = replace(recipe, rewards=replace(recipe.rewards, deadline_seconds=3.0))
    with started(*LIGHT) as server:
        assert server.process is not None
        with before_step_two(monkeypatch, server.process.kill):
            found = [line for line in train(short, tmp_path / "run", server) if line["kind"] == "train"]
    assert [line["reward"] for line in found[2:]] == [0.0, 0.0]
    assert found != [line for line in calm if line["kind"] == "train"]
