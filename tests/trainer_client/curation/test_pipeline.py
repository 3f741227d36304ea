"""The whole way of raw rows: every planted fault is found, nothing else is lost, a stopped run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from protos.reward.v1 import reward_pb2 as pb
from tests.trainer_client.curation.samples import GOOD, PLANTED, expected_rules, raw_lines, write_plan
from tests.trainer_client.fake_server import FakeServer, verdict
from trainer_client.cli import main
from trainer_client.tasks.files import read_problems

OUTPUTS = ("train.jsonl", "rejected.jsonl")


def grade(request: pb.VerifyRequest, attempt: int) -> pb.Verdict | None:
    """The fake server compares text; a real one reads golds first."""
    return verdict("UNGRADABLE") if "\\frac{14" in request.math.gold else None


@pytest.fixture
def grader(server: FakeServer) -> FakeServer:
    server.faults = grade
    return server


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def curate(plan: Path, out: Path) -> int:
    return main(["curate", str(plan), "--out", str(out)])


@pytest.fixture(scope="module")
def curated(tmp_path_factory) -> Path:
    """A finished curation, for tests that only look at it."""
    folder, server = tmp_path_factory.mktemp("curation"), FakeServer(grade)
    server.start()
    assert curate(write_plan(folder, server.address), folder / "out") == 0
    server.stop()
    return folder / "out"


def test_every_planted_fault_is_found_by_its_rule(curated):
    found = {row["where"]: row["rule"] for row in rows_of(curated / "rejected.jsonl")}
    raw = curated.parent / "raw.jsonl"
    planted = {f"{raw}:{len(GOOD) + number}": rule for number, (rule, _) in enumerate(PLANTED, start=1)}
    assert found == planted


def test_nothing_else_is_lost(curated):
    kept = rows_of(curated / "train.jsonl")
    assert [row["id"] for row in kept] == [f"raw/{row['id']}" for row in GOOD]


def test_counts_add_up(curated):
    report = json.loads((curated / "report.json").read_text())
    assert report["raw"] == len(raw_lines()) == report["kept"] + len(rows_of(curated / "rejected.jsonl"))
    assert sum(report["domains"].values()) == report["kept"] == len(GOOD)
    rules = {rule: count for step in report["steps"] for rule, count in step["rules"].items()}
    assert rules == expected_rules()
    for step, following in zip(report["steps"], report["steps"][1:], strict=False):
        assert step["left"] == following["came_in"]


def test_the_training_set_can_be_trained_on(curated):
    problems = {problem.key: problem for problem in read_problems(curated / "train.jsonl")}
    assert isinstance(problems["raw/half"].task, pb.MathTask)
    assert "put your final answer" in problems["raw/half"].prompt
    assert isinstance(problems["raw/double"].task, pb.CodeTask)


def test_the_page_escapes_what_the_data_say(tmp_path, grader):
    plan = write_plan(tmp_path, grader.address)
    with (tmp_path / "raw.jsonl").open("a") as file:
        file.write(json.dumps({"id": "<script>x</script>", "problem": "short", "gold": "1"}) + "\n")
    assert curate(plan, tmp_path / "out") == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_run_that_lost_its_server_goes_on_without_asking_again(tmp_path, grader, capsys):
    plan = write_plan(tmp_path, grader.address)
    whole = tmp_path / "whole"
    assert curate(plan, whole) == 0
    asked = dict(grader.attempts)
    grader.attempts.clear()
    judged: list[str] = []

    def faults(request: pb.VerifyRequest, attempt: int) -> pb.Verdict | None:
        judged.append(request.id)
        return verdict("INTERNAL_ERROR") if len(judged) > 6 else grade(request, attempt)

    grader.faults = faults
    stopped = tmp_path / "stopped"
    assert curate(plan, stopped) == 1
    assert "cannot judge" in capsys.readouterr().err
    assert not (stopped / "train.jsonl").exists()
    first = judged[0]
    grader.faults = grade
    grader.attempts.clear()
    assert curate(plan, stopped) == 0
    for name in OUTPUTS:
        assert (stopped / name).read_text() == (whole / name).read_text()
    assert first in asked
    assert first not in grader.attempts


def test_a_finished_curation_asks_nothing(curated):
    """Its server is gone."""
    before = {name: (curated / name).read_text() for name in OUTPUTS}
    assert curate(curated.parent / "plan.toml", curated) == 0
    assert {name: (curated / name).read_text() for name in OUTPUTS} == before


def test_a_killed_run_comes_to_the_same_end(tmp_path, grader):
    plan = write_plan(tmp_path, grader.address)
    assert curate(plan, tmp_path / "whole") == 0
    kill = (
        "import os, signal, sys\n"
        "from trainer_client.curation import selection, workspace\n"
        "from trainer_client.cli import main\n"
        "commit, seen = workspace.Workspace.commit, []\n"
        "def dying(self, step, *rest, **named):\n"
        "    seen.append(step)\n"
        "    if len(seen) == int(sys.argv[3]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return commit(self, step, *rest, **named)\n"
        "workspace.Workspace.commit = dying\n"
        "main(['curate', sys.argv[1], '--out', sys.argv[2]])\n"
    )
    for place in (2, 8):
        command = [sys.executable, "-c", kill, str(plan), str(tmp_path / "killed"), str(place)]
        done = subprocess.run(command, env=dict(os.environ), capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert curate(plan, tmp_path / "killed") == 0
    for name in OUTPUTS:
        assert (tmp_path / "killed" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_a_folder_of_another_plan_is_refused(curated, tmp_path, capsys):
    changed = tmp_path / "changed.toml"
    changed.write_text((curated.parent / "plan.toml").read_text() + "mutants = 3\n")
    assert curate(changed, curated) == 2
    assert "another plan" in capsys.readouterr().err


def test_a_server_that_is_away_is_named(tmp_path, capsys):
    plan = write_plan(tmp_path, "127.0.0.1:1")
    plan.write_text(plan.read_text().replace("deadline_seconds = 5.0", "deadline_seconds = 0.5"))
    assert curate(plan, tmp_path / "out") == 1
    assert "127.0.0.1:1" in capsys.readouterr().err


def test_a_dry_run_touches_nothing(tmp_path, capsys):
    plan = write_plan(tmp_path, "127.0.0.1:1")
    assert main(["curate", str(plan), "--dry-run", "--out", str(tmp_path / "out")]) == 0
    assert (
        "# steps: read, exact, url, filters, near, contamination, golds, references"
        in capsys.readouterr().out
    )
    assert not (tmp_path / "out").exists()


def test_attempts_select_by_majority_difficulty_and_length(tmp_path, grader):
    extra = (
        f'[rollouts]\nsamples = 4\ncompletions = ["{tmp_path}/attempts.jsonl"]\n'
        "[[band]]\nbelow_tokens = 100\nkeep = 0.0\n"
    )
    plan = write_plan(tmp_path, grader.address, extra)
    attempts = {
        "raw/apples": [("\\boxed{7}", 300), ("\\boxed{7}", 300), ("\\boxed{7}", 300), ("\\boxed{8}", 300)],
        "more-apples": [("\\boxed{8}", 300), ("\\boxed{8}", 300), ("\\boxed{9}", 300), ("no", 300)],
        "half": [("\\boxed{1/6}", 50)] * 4,
        "double": [("```python\nprint(3)\n```", 900)] * 4,
    }
    lines = [
        json.dumps({"id": name, "completion": text, "tokens": tokens})
        for name, found in attempts.items()
        for text, tokens in found
    ]
    (tmp_path / "attempts.jsonl").write_text("\n".join(lines) + "\n")
    assert curate(plan, tmp_path / "out") == 0
    (kept,) = rows_of(tmp_path / "out" / "train.jsonl")
    assert (kept["id"], kept["difficulty"], kept["tokens"]) == ("raw/apples", 2, 300)
    rules = {row.get("id"): row["rule"] for row in rows_of(tmp_path / "out" / "rejected.jsonl")}
    assert rules["raw/more-apples"] == "majority_disagrees"
    assert rules["raw/half"] == "too_short_attempts"
    assert rules["raw/double"] == "unsolved"
