"""The checked-in protobuf code is what scripts/protos generates from the .proto file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

GENERATED = ("reward_pb2.py", "reward_pb2.pyi", "reward_pb2_grpc.py")


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(__file__).parents[1]
    folder = tmp_path_factory.mktemp("protos")
    subprocess.run([root / "scripts" / "protos", str(folder)], check=True, timeout=120)
    return folder / "protos" / "reward" / "v1"


@pytest.mark.parametrize("name", GENERATED)
def test_checked_in_code_is_current(regenerated: Path, repository: Path, name: str) -> None:
    checked_in = (repository / "protos" / "reward" / "v1" / name).read_text(encoding="utf-8")
    assert checked_in == (regenerated / name).read_text(encoding="utf-8"), "run scripts/protos"
