"""Our application on Ray Serve, in a process of its own: Ray's packages stay out of the other tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_SECONDS = 840


@pytest.mark.timeout(900)  # a cluster starts in half a minute on idle cores and in many on busy ones
def test_the_application_runs_on_a_cluster(repository: Path) -> None:
    if not (packages := repository / ".ray").is_dir():
        pytest.skip("Ray is not installed in .ray: scripts/test does it")
    # Ray leaves sockets to the collector, which may find them outside of any test: nothing there is an error.
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:unraisableexception", "-W", "default"]
    command = [sys.executable, "-m", "pytest", *options, "tests/deploy/ray_cluster.py"]
    environment = os.environ | {"PYTHONPATH": str(packages)}
    done = subprocess.run(
        command,
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
