"""What a person gets to see."""

from __future__ import annotations

from trainer_client.progress import LiveProgress, PlainProgress, as_percent, evaluation_text
from trainer_client.recipe import Recipe, Stage, WarmStart
from trainer_client.schedule import Turn

STAGE = Stage("m", "math", steps=2, max_response_tokens=8)
RECIPE = Recipe("r", (STAGE,), warm_start=WarmStart(steps=2))
VALUES = {
    "reward": 0.5,
    "entropy": 0.1,
    "response_tokens": 12.0,
    "truncated": 0.0,
    "exposed_reward_seconds": 0.25,
    "step_seconds": 5.0,
    "unjudged": 3,
}
EVALUATION = {
    "math": 0.25,
    "math_judged": 8,
    "math_unjudged": 2,
    "code": None,
    "code_judged": 0,
    "code_unjudged": 1,
}


def test_plain_lines(capsys):
    progress = PlainProgress()
    progress.warm_start(0, 3.0)
    progress.warm_start(1, 2.9)
    progress.train(Turn(0, STAGE, 0, []), VALUES)
    progress.evaluated(1, EVALUATION)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "reward 50.0 %" in lines[1]
    assert "waited 0.25 of 5.00 s" in lines[1]
    assert "without reward 3" in lines[1]


def test_an_evaluation_says_what_was_left_out():
    text = evaluation_text(4, EVALUATION)
    assert (
        text
        == "held-out accuracy after step 4: math 25.0 %, code - (3 completions without a reward left out)"
    )


def test_no_number_no_percent():
    assert as_percent(None) == "-"


def test_the_live_display_takes_every_event(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    with LiveProgress(RECIPE) as progress:
        progress.note("hello")
        progress.warm_start(1, 2.9)
        progress.train(Turn(1, STAGE, 1, []), VALUES)
        progress.evaluated(1, EVALUATION)
    shown = capsys.readouterr().out
    assert "hello" in shown
    assert "math 25.0 %" in shown
    assert "2/2" in shown
    assert "reward 50.0 %  tokens 12  without reward 3" in shown
