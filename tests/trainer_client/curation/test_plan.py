"""Plans: what is accepted, that a mistake is named, and that the page's example is one."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from trainer_client.curation.plan import CODE_RULES, MATH_RULES, Plan, load_plan
from trainer_client.errors import RecipeError
from trainer_client.recipe import recipe_as_toml

PAGE = (Path(__file__).parents[3] / "docs" / "curation.md").read_text()


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw.jsonl").write_text("")

    def loaded(text: str) -> Plan:
        (tmp_path / "plan.toml").write_text(text)
        return load_plan(tmp_path / "plan.toml")

    return loaded


GOOD = 'name = "x"\n[[source]]\nname = "a"\nfiles = ["raw.jsonl"]\n'


def test_defaults_are_the_papers(load):
    plan = load(GOOD)
    assert (plan.contamination.math_words, plan.contamination.code_words) == (9, 14)


def test_a_resolved_plan_reads_back(load):
    plan = load(
        GOOD + '[filters]\nskip = ["proof"]\n[rollouts]\nsamples = 8\nendpoint = "http://x/v1"\nmodel = "m"\n'
    )
    assert load(recipe_as_toml(plan)) == plan


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('name = "x"\n', r"^source: missing"),
        ('name = "x"\nsource = []\n', r"^source: at least one"),
        (GOOD + "colour = 1\n", r"^source\[0\]\.colour: unknown"),
        (GOOD.replace("raw", "none"), r"^source\[0\]\.files: none\.jsonl is no file"),
        (GOOD + 'format = "xml"\n', r"^source\[0\]\.format: 'xml'"),
        (GOOD.replace('["raw.jsonl"]', '"raw.jsonl"'), r"^source\[0\]\.files: an array of strings"),
        (GOOD + GOOD.partition("\n")[2], r"^source: names must differ"),
        (GOOD + '[filters]\nskip = ["prof"]\n', r"^filters\.skip: 'prof'"),
        (GOOD + '[filters]\nreleased_until = "1.8.2024"\n', r"^filters\.released_until: a date"),
        (GOOD + "[duplicates]\nsimilarity = 1.5\n", r"^duplicates\.similarity: must lie"),
        (GOOD + "[contamination]\nmath_words = 0\n", r"^contamination\.math_words: is too small"),
        (GOOD + "[rollouts]\nsamples = 8\n", r"^rollouts\.completions: either"),
        (GOOD + '[rollouts]\nsamples = 8\nendpoint = "http://x"\n', r"^rollouts\.model: missing"),
        (GOOD + "[[band]]\nbelow_tokens = 2000\nkeep = 0.0\n", r"^band: needs rollouts"),
    ],
)
def test_a_mistake_is_named(load, text, key):
    with pytest.raises(RecipeError, match=key):
        load(text)


def names_of(kind: type, prefix: str = "") -> list[str]:
    found = []
    for item in fields(kind):
        value = item.default_factory() if callable(item.default_factory) else item.default
        inner = names_of(type(value), f"{item.name}.") if is_dataclass(value) else []
        found += inner or [f"{prefix}{item.name}"]
    return found


@pytest.mark.parametrize("name", [*names_of(Plan), *MATH_RULES, *CODE_RULES])
def test_every_setting_and_rule_is_documented(name):
    assert re.search(rf"^\| [^|]*`{re.escape(name)}`", PAGE, re.MULTILINE)


def test_the_pages_example_is_a_plan(load, tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for name in re.findall(r'"([\w./-]+\.(?:jsonl|parquet))"', example):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert load(example).rollouts.samples == 8


def test_the_command_needs_neither_numpy_nor_torch_until_it_runs():
    code = (
        "import sys, trainer_client.cli, trainer_client.curation.command, trainer_client.curation.plan\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'httpx'} & set(sys.modules)\n"
        "sys.exit(','.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
