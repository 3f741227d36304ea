"""The page of a run: self-contained, escaped, drawn from any stretch of a run, and several side by side."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trainer_client.cli import main
from trainer_client.recipe import Recipe, Stage, recipe_as_toml
from trainer_client.reporting.charts import PANELS
from trainer_client.reporting.runs import ReportError, read_runs
from trainer_client.sample_log import read_samples

STAGES = (Stage("m", "math", 2, 8, group_size=2), Stage("c", "code", 2, 16, group_size=2))
STEP = {
    "kind": "train",
    "entropy": 0.1,
    "response_tokens": 5.0,
    "truncated": 0.25,
    "gradient_norm": 0.5,
    "logprob_gap": 1e-6,
    "unjudged": 1,
    "sample_seconds": 3.0,
    "exposed_reward_seconds": 0.5,
    "update_seconds": 1.5,
}
LINES = [
    {"kind": "warm_start", "step": 0, "loss": 3.0},
    {"kind": "eval", "step": 0, "math": 0.25, "code": None},
    {**STEP, "step": 0, "stage": "m", "reward": 0.2},
    {**STEP, "step": 1, "stage": "m", "reward": None},
    {**STEP, "step": 2, "stage": "c", "reward": 0.4, "hidden_reward_seconds": 0.1, "sync_gap": 0.0},
    {"kind": "eval", "step": 3, "math": 0.75, "code": 0.5},
]
SAMPLE = {
    "step": 0,
    "stage": "m",
    "number": 0,
    "problem": "k",
    "prompt": "<b>1+1</b>",
    "completion": "<script>alert(1)</script>",
    "truncated": True,
    "status": "UNGRADABLE",
    "reward": None,
    "message": "the gold is prose",
    "extracted": "<i>",
    "flags": ["read_proc"],
}


def write_run(folder: Path, lines: list[dict], samples: list[dict] | None = None, name: str = "r") -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(recipe_as_toml(Recipe(name, STAGES)))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if samples is not None:
        (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in samples))
    return folder


def page_of(*folders: Path) -> str:
    assert main(["report", *map(str, folders)]) == 0
    return (folders[0] / "report" / "index.html").read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """Of a run whose every name and text could be taken for HTML."""
    return page_of(write_run(tmp_path_factory.mktemp("runs") / "<u>", LINES, [SAMPLE], name="<n>"))


@pytest.mark.parametrize("count", [0, 3])
def test_a_run_that_has_hardly_begun_has_a_page_and_every_picture(tmp_path, count):
    run = write_run(tmp_path / "run", LINES[:count])
    assert page_of(run).count("data:image/png;base64,") == len(PANELS)
    for panel in PANELS:
        assert (run / "report" / f"{panel.name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_needs_nothing_from_outside(page):
    assert re.findall(r"(?:src|href)=['\"](?!data:)", page) == []
    assert "url(" not in page


def test_what_the_policy_wrote_is_escaped(page):
    for raw in ("<script>", "<b>1+1", "<u>", "<i>", "<n>"):
        assert raw not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_verdict_is_explained(page):
    assert "UNGRADABLE, no reward; the gold is prose; truncated; flags: read_proc" in page


def test_figures_of_a_run(page):
    for figure in ("25.0 % → 75.0 %", "50.0 % → 50.0 %", "3 of 4", "3 of 96", "30.0 %", "10.0 %"):
        assert figure in page


def test_several_runs_side_by_side(tmp_path):
    runs = [write_run(tmp_path / name / "run", LINES) for name in ("one", "two")]
    page = page_of(*runs)
    assert "one/run (seed 0)" in page
    assert "two/run (seed 0)" in page
    assert page.count("data:image/png") == len(PANELS)


def test_a_folder_without_a_run_is_named(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert f"{tmp_path} holds no run" in capsys.readouterr().err


def test_a_run_named_twice_is_refused(tmp_path):
    run = write_run(tmp_path / "run", LINES)
    with pytest.raises(ReportError, match="twice"):
        read_runs([run, run])


def test_samples_of_a_step_that_was_taken_again_are_the_later_ones(tmp_path):
    again = SAMPLE | {"completion": "later"}
    run = write_run(tmp_path / "run", LINES, [SAMPLE, SAMPLE | {"step": 1}, again])
    assert [(one["step"], one["completion"]) for one in read_samples(run)] == [
        (0, "later"),
        (1, SAMPLE["completion"]),
    ]


def test_a_report_needs_no_torch(tmp_path):
    run = write_run(tmp_path / "run", LINES, [SAMPLE])
    code = (
        "import sys, trainer_client.cli\n"
        f"trainer_client.cli.main(['report', {str(run)!r}])\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
