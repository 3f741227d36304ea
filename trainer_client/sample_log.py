"""`samples.jsonl` of a run: now and then some completions with their verdicts, to be read by a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer_client.files import drop_cut_off_line
from trainer_client.metrics import read_metrics
from trainer_client.rewards import Judged
from trainer_client.schedule import Turn

FILE_NAME = "samples.jsonl"
PROBLEMS, EACH = 2, 2


def log_samples(folder: Path, turn: Turn, judged: Sequence[Judged]) -> None:
    """Adds the first completions of a step's first problems."""
    size = turn.stage.group_size
    shown = [one for first in range(0, PROBLEMS * size, size) for one in judged[first : first + EACH]]
    drop_cut_off_line(folder / FILE_NAME)
    with (folder / FILE_NAME).open("a", encoding="utf-8") as file:
        for number, one in enumerate(shown):
            file.write(json.dumps(_sample(turn, number, one), ensure_ascii=False) + "\n")


def _sample(turn: Turn, number: int, one: Judged) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "step": turn.step,
        "stage": turn.stage.name,
        "number": number,
        "problem": one.problem.key,
        "prompt": one.problem.prompt,
        "completion": one.completion.text,
        "truncated": one.completion.truncated,
        "status": verdict.status,
        "reward": verdict.reward,
        "message": verdict.message,
        "extracted": verdict.proto.extracted,
        "flags": list(verdict.proto.flags),
    }


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """The samples in order; of a step that a resumed run took again, the later ones."""
    found = {(line["step"], line["number"]): line for line in read_metrics(folder / FILE_NAME)}
    return [found[key] for key in sorted(found)]
