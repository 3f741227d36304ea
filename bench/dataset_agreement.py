"""How far verdicts agree with the labels of published code sets: the table of docs/datasets.md.

    python -m bench.dataset_agreement [SET ...] [--language NAME] [--every N] [--disagreements FILE]
                                      [--verdicts FILE]

Prints one line a set and language, then one JSON line. Every disagreement is written to the file, with
the verdict's message; which of them are known and why stands in tests/datasets/explained.py. With
`--verdicts`, each verdict is written down as soon as it is found, and those that stand there already are
not made again: a run that was ended goes on where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import SandboxError
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Limits
from server.locations import user_cache
from server.verify.code.verifier import CodeVerifier
from tests.datasets.explained import reason_of
from tests.datasets.programs import SETS, Labelled, labelled

LIMITS = Limits(cpu_seconds=10.0, wall_seconds=120.0, memory_bytes=1 << 30, processes=64)
_AT_ONCE = 4


def main() -> None:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; none: all")
    parser.add_argument("--language", help="programs of this language only")
    parser.add_argument("--every", type=int, default=1, help="each N-th program only")
    parser.add_argument("--disagreements", type=Path, help="JSONL of every disagreement")
    parser.add_argument("--verdicts", type=Path, help="JSONL of every verdict, made or continued")
    options = parser.parse_args()
    asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> None:
    sandbox = Sandbox(SandboxConfig(cache_directory=str(user_cache())))
    await sandbox.start()
    found: list[dict[str, Any]] = []
    try:
        for name in options.sets or SETS:
            chosen = [one for one in labelled(name) if options.language in (None, one.language)][
                :: options.every
            ]
            for language in sorted({one.language for one in chosen}):
                found.append(
                    await _agreement(sandbox, [one for one in chosen if one.language == language], options)
                )
                print(_line(found[-1]), flush=True)
    finally:
        await sandbox.close()
    print(json.dumps(found))


async def _agreement(
    sandbox: Sandbox, programs: list[Labelled], options: argparse.Namespace
) -> dict[str, Any]:
    start, free = time.monotonic(), asyncio.Semaphore(_AT_ONCE)
    verifier, kept = CodeVerifier(sandbox), _Kept(options.verdicts)

    async def one(item: Labelled) -> pb.Verdict:
        async with free:
            try:
                return kept.of(item) or kept.keep(item, await verdict_of(verifier, item))
            except SandboxError as error:  # no verdict on the program, and no end of the measurement
                return pb.Verdict(status=pb.INTERNAL_ERROR, message=str(error))

    verdicts = await asyncio.gather(*(one(item) for item in programs))
    wrong = [(item, found) for item, found in zip(programs, verdicts, strict=True) if not agrees(item, found)]
    if options.disagreements:
        _write(options.disagreements, wrong)
    return {
        "set": programs[0].dataset,
        "language": programs[0].language,
        "programs": len(programs),
        "right": sum(item.right for item in programs),
        "agree": len(programs) - len(wrong),
        "explained": sum(reason_of(item) is not None for item, _ in wrong),
        "outside": sum(found.trust == pb.OUTSIDE for found in verdicts),
        "statuses": Counter(pb.Status.Name(found.status) for found in verdicts),
        "seconds": round(time.monotonic() - start, 1),
    }


class _Kept:
    """Verdicts of this run and of an earlier one that was ended, by program."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found: dict[str, pb.Verdict] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self._found[row["key"]] = json_format.ParseDict(row["verdict"], pb.Verdict())

    def of(self, item: Labelled) -> pb.Verdict | None:
        """The verdict that was found before."""
        return self._found.get(_key(item))

    def keep(self, item: Labelled, verdict: pb.Verdict) -> pb.Verdict:
        """Writes a verdict down."""
        if self._path is not None:
            row = {"key": _key(item), "verdict": json_format.MessageToDict(verdict)}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        return verdict


def _key(item: Labelled) -> str:
    content = hashlib.sha256(item.request.SerializeToString(deterministic=True)).hexdigest()
    return f"{item.dataset} {item.id} {content[:16]}"


async def verdict_of(verifier: CodeVerifier, item: Labelled) -> pb.Verdict:
    """The verdict, under the task's own limits where it has some."""
    asked = item.request.code.limits
    limits = Limits(
        cpu_seconds=asked.cpu_seconds or LIMITS.cpu_seconds,
        wall_seconds=LIMITS.wall_seconds,
        memory_bytes=asked.memory_bytes or LIMITS.memory_bytes,
        processes=LIMITS.processes,
    )
    return await verifier.verify(item.request, item.request.code, limits)


def agrees(item: Labelled, found: pb.Verdict) -> bool:
    """Accepted if and only if the label says right; a task that could not be judged agrees with nothing."""
    return found.HasField("reward") and item.right == (found.status == pb.ACCEPTED)


def _write(path: Path, wrong: Iterable[tuple[Labelled, pb.Verdict]]) -> None:
    with path.open("a", encoding="utf-8") as file:
        for item, found in wrong:
            status = pb.Status.Name(found.status)
            line = {"id": item.id, "right": item.right, "label": item.label, "status": status}
            text = found.code.compile.diagnostics[:600]
            file.write(json.dumps({**line, "message": found.message[:400], "compile": text}) + "\n")


def _line(found: dict[str, Any]) -> str:
    names = ("set", "language", "programs", "right", "agree", "explained", "outside", "seconds")
    return " | ".join(str(found[name]) for name in names) + f" | {dict(found['statuses'])}"


if __name__ == "__main__":
    main()
