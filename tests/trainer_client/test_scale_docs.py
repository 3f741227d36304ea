"""docs/scale.md: every key of its verl command exists in verl's own configuration, typed alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".clients" / "verl" / "trainer" / "config" / "_generated_ppo_trainer.yaml"
COMMAND = (ROOT / "docs" / "scale.md").read_text().split("```bash")[1]
PAIRS = re.findall(r"(?<=\s)(\+?[a-z_]+(?:\.[a-z_]+)+)=(\S+)", COMMAND)


def found(config: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


def test_the_command_is_read():
    assert len(PAIRS) > 25
    assert ("actor_rollout_ref.rollout.n", "8") in PAIRS


@pytest.mark.parametrize(("key", "value"), [pair for pair in PAIRS if not pair[0].startswith("+")])
def test_verl_knows_the_key(key, value):
    if not CONFIG.exists():
        pytest.skip("verl is not in .clients (scripts/test installs it)")
    present = found(yaml.safe_load(CONFIG.read_text()), key)
    if isinstance(present, bool | int | float):
        given = yaml.safe_load(value)
        assert isinstance(given, bool) == isinstance(present, bool)
