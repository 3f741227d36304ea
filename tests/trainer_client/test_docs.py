"""docs/trainer.md names every setting with its default, every option and every exit."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from trainer_client import cli
from trainer_client.recipe import Recipe, Stage

PAGE = (Path(__file__).parents[2] / "docs" / "trainer.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_.]+)` \|(.*?)\|", PAGE, re.MULTILINE))


def settings(kind: type, prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for item in dataclasses.fields(kind):
        hint = get_type_hints(kind)[item.name]
        if dataclasses.is_dataclass(hint):
            found += settings(hint, f"{item.name}.")
        elif item.name == "stage":
            found += settings(Stage, "stage.")
        else:
            found.append((f"{prefix}{item.name}", item.default))
    return found


@pytest.mark.parametrize(("name", "default"), settings(Recipe))
def test_every_setting_is_documented_with_its_default(name, default):
    documented = ROWS[name].strip(" `")
    if default is dataclasses.MISSING:
        assert documented == ""
    elif isinstance(default, float):
        assert float(documented) == default
    else:
        assert documented == (f'"{default}"' if isinstance(default, str) else str(default).lower())


def test_no_setting_is_documented_that_does_not_exist():
    tables = {name.split(".")[0] for name, _ in settings(Recipe) if "." in name}
    documented = {name for name in ROWS if name.split(".")[0] in tables}
    assert documented <= {name for name, _ in settings(Recipe)}


def test_every_option_is_documented(capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options
    assert all(option in PAGE for option in options)
