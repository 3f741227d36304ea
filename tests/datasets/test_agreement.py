"""Verdicts agree with the labels of published code sets, but for the programs listed with a reason.

A sample here, the same in every run; `python -m bench.dataset_agreement` takes every program and
prints the table of docs/datasets.md.
"""

from __future__ import annotations

import pytest

from bench.dataset_agreement import agrees, verdict_of
from protos.reward.v1 import reward_pb2 as pb
from server.verify.code.verifier import CodeVerifier
from tests.datasets.conftest import Judge, for_each
from tests.datasets.explained import reason_of
from tests.datasets.programs import Labelled, labelled

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

# Set, language, and each how manyth program is judged: compiled languages cost seconds a program.
SAMPLES = (
    ("mbpp", "python", 8),
    ("mbpp+", "python", 24),
    ("humaneval-x", "python", 8),
    ("humaneval-x", "cpp", 16),
    ("humaneval-x", "java", 24),
    ("humaneval-x", "javascript", 8),
    ("humaneval-x", "go", 24),
    ("humaneval-x", "rust", 18),
    ("humanevalpack", "python", 5),
    ("humanevalpack", "javascript", 16),
    ("humanevalpack", "go", 40),
    ("reflexion", "python", 24),
    ("olympiad", "python", 17),
    ("olympiad", "cpp", 75),
)
COMPILERS = {"cpp": "g++", "java": "javac", "javascript": "node", "go": "go", "rust": "rustc"}


def _samples() -> list[object]:
    return [
        pytest.param(
            *sample,
            id="-".join(sample[:2]),
            marks=pytest.mark.toolchain(COMPILERS[sample[1]]) if sample[1] in COMPILERS else (),
        )
        for sample in SAMPLES
    ]


def _chosen(dataset: str, language: str, every: int) -> list[Labelled]:
    try:
        found = [item for item in labelled(dataset) if item.language == language]
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return found[::every]


def _differing(items: list[Labelled], verdicts: list[pb.Verdict]) -> dict[str, str]:
    return {
        item.id: f"{item.label or item.right}: {pb.Status.Name(found.status)} {found.message}"
        for item, found in zip(items, verdicts, strict=True)
        if not agrees(item, found)
    }


@pytest.mark.parametrize(("dataset", "language", "every"), _samples())
async def test_verdicts_agree_with_labels(judge: Judge, dataset: str, language: str, every: int) -> None:
    items = _chosen(dataset, language, every)
    verifier = CodeVerifier(judge.sandbox)
    verdicts = await for_each(items, lambda item: verdict_of(verifier, item))
    unexplained = {item.id for item in items if reason_of(item) is None}
    differing = _differing(items, verdicts)
    assert {name: why for name, why in differing.items() if name in unexplained} == {}
    assert len(items) > 3
