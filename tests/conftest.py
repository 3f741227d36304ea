"""What every test may use: the repository's root, and tools that a host may lack."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import side_by_side

# A deadline for each example would be a test on the clock.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `pytest -n 2`; a run in one process has no scheduler, and the order of the files."""
    config.option.loadscopereorder = False
    return side_by_side.scheduler()(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # this is one of the processes
        side_by_side.sort(items, config.rootpath)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.toolchain("g++")` skips, and says why in the summary, where the tool is missing."""
    for marker in item.iter_markers("toolchain"):
        missing = [tool for tool in marker.args if shutil.which(tool) is None]
        if missing:
            pytest.skip(f"not on this host: {', '.join(missing)}")
