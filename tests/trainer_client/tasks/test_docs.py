"""The page names every field that a benchmark may have."""

from __future__ import annotations

from pathlib import Path

from trainer_client.tasks import files


def test_every_field_is_documented():
    page = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for name in (*files._PROBLEM_NAMES, *files._LABEL_NAMES, "prompt", "id", "starter_code"):
        assert f"`{name}`" in page
