"""What an evaluation's folder was sampled with: a sample says nothing about another model or benchmark."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer_client.errors import TrainerError
from trainer_client.evaluation.endpoint import SamplingOptions
from trainer_client.evaluation.samples import read_samples
from trainer_client.files import written_whole

FILE_NAME = "settings.json"


class SettingsError(TrainerError):
    """A folder that holds samples of other settings; the message names what differs."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Who was asked and how, and the SHA-256 of each benchmark's file by the benchmark's name."""

    endpoint: str
    sampling: SamplingOptions
    benchmarks: dict[str, str]

    @classmethod
    def of(cls, endpoint: str, sampling: SamplingOptions, files: Sequence[Path]) -> EvaluationSettings:
        """The settings of a call. Raises SettingsError for a file that cannot be read, or two of one name."""
        found: dict[str, str] = {}
        for path in files:
            if path.stem in found:
                raise SettingsError(f"{path}: two benchmarks of the name {path.stem!r}")
            found[path.stem] = _hash_of(path)
        return cls(endpoint.rstrip("/"), sampling, found)

    def as_json(self) -> dict[str, Any]:
        """Plain values, one level deep but for `benchmarks`."""
        return {"endpoint": self.endpoint, **asdict(self.sampling), "benchmarks": self.benchmarks}


def claim(folder: Path, settings: EvaluationSettings) -> None:
    """Makes the folder one of these settings; benchmarks that it does not hold yet are added.

    Raises SettingsError when its samples are of others.
    """
    wanted = settings.as_json()
    if next(read_samples(folder), None) is not None:
        before = _recorded(folder)
        differing = ", ".join(_differences(before, wanted))
        if differing:
            raise SettingsError(f"--out: {folder} holds samples of other settings: {differing}")
        wanted["benchmarks"] = before["benchmarks"] | wanted["benchmarks"]
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / FILE_NAME) as file:
        file.write(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")


def _recorded(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"--out: {folder} holds samples, but no {FILE_NAME} that says of what"
        raise SettingsError(message) from None
    return found


def _differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for name, value in now.items():
        if name != "benchmarks" and before.get(name) != value:
            yield f"{name} was {before.get(name)!r} and is {value!r}"
    for name, digest in now["benchmarks"].items():
        if before["benchmarks"].get(name, digest) != digest:
            yield f"the file of {name} has changed"


def _hash_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SettingsError(f"{path}: {error}") from error
