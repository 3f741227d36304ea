"""ms-swift's plugin, loaded as ms-swift 4.6.0 loads one (swift/utils/utils.py, `import_external_file`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainer_client.adapters import ms_swift

ADAPTERS = Path(ms_swift.__file__).parent
PLUGIN = ADAPTERS / "ms_swift_plugin" / "verdict_plugin.py"
LOADER = """
import importlib.util, os, sys
path = sys.argv[1]
sys.path.insert(0, os.path.dirname(path))
spec = importlib.util.spec_from_file_location("_swift_external_x", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
SHOW_TABLE = LOADER + "from {holder} import orms; print(sorted(orms), orms['verdict'].__name__)"


def loaded(program: str, plugin: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    """A process that loads the plugin with these folders on its path."""
    lines = [f"import sys; sys.path[:0] = {[*map(str, paths), str(ADAPTERS.parents[1])]!r}", program]
    command = [sys.executable, "-c", "\n".join(lines), str(plugin)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def swift(folder: Path, holder: str) -> Path:
    """A package `swift` with its table of rewards in the module `holder`; empty: without one."""
    (folder / "swift").mkdir()
    (folder / "swift" / "__init__.py").write_text("")
    if holder:
        name = holder.removeprefix("swift.")
        (folder / "swift" / f"{name}.py").write_text("orms = {'math': object}\n")
    return folder


@pytest.mark.parametrize("plugin", [PLUGIN, ADAPTERS / "ms_swift.py"], ids=lambda path: path.stem)
@pytest.mark.parametrize("holder", ["swift.rewards", "swift.plugin"])
def test_the_reward_is_in_ms_swift_s_table(tmp_path: Path, holder: str, plugin: Path) -> None:
    done = loaded(SHOW_TABLE.format(holder=holder), plugin, swift(tmp_path, holder))
    assert done.stdout == "['math', 'verdict'] VerdictReward\n", done.stderr


def test_another_layout_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    done = loaded(LOADER, PLUGIN, swift(tmp_path, ""))
    assert "ImportError: no table `orms` of rewards in swift.rewards or swift.plugin" in done.stderr


def test_a_swift_that_cannot_be_imported_is_not_passed_over(tmp_path: Path) -> None:
    swift(tmp_path, "swift.rewards")
    (tmp_path / "swift" / "rewards.py").write_text("import a_package_that_is_not_there\n")
    assert "a_package_that_is_not_there" in loaded(LOADER, PLUGIN, tmp_path).stderr


def test_without_ms_swift_nothing_happens() -> None:
    assert loaded(LOADER, PLUGIN).returncode == 0


def test_the_plugin_s_folder_shadows_no_package() -> None:
    beside = {path.stem for path in PLUGIN.parent.iterdir()} - {"__init__", "__pycache__"}
    assert beside == {"verdict_plugin"}


def test_the_page_names_the_file_that_stands_alone() -> None:
    page = ADAPTERS.parents[1] / "docs" / "trainers" / "ms_swift.md"
    assert f"/{PLUGIN.relative_to(ADAPTERS)}" in page.read_text(encoding="utf-8")
