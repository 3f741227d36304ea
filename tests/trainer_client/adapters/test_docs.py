"""Every adapter has a page that names it, and every setting is on the overview."""

from __future__ import annotations

import re
from pathlib import Path

from trainer_client.adapters import scorer

ROOT = Path(__file__).parents[3]
SHARED = {"__init__", "scorer"}


def test_every_adapter_has_a_page() -> None:
    for module in (ROOT / "trainer_client" / "adapters").glob("*.py"):
        if module.stem not in SHARED:
            page = (ROOT / "docs" / "trainers" / f"{module.stem}.md").read_text(encoding="utf-8")
            assert f"trainer_client.adapters.{module.stem}" in page


def test_the_overview_links_every_page() -> None:
    overview = (ROOT / "docs" / "trainers" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs" / "trainers").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in overview


def test_every_setting_is_documented() -> None:
    overview = (ROOT / "docs" / "trainers" / "README.md").read_text(encoding="utf-8")
    names = set(re.findall(r'"(REWARD_\w+)"', Path(scorer.__file__).read_text(encoding="utf-8")))
    assert names
    for name in names:
        assert f"`{name}`" in overview
