"""The abuse corpus in every place a server may be in, under every backend; and the table of it.

    python -m tests.abuse.matrix [--place NAME ...] [--backend NAME ...] [--image IMAGE] [--share 1/2]
    python -m tests.abuse.matrix --table

Without names: every place and backend, which takes the better part of an hour. Places in containers need
an engine and an image of the server (docs/install.md) with the languages of the corpus:
LANGUAGES="cpp c java javascript go bash". All need root. What comes of a place is kept in `matrix.json`
beside this file, and docs/isolation.md holds the table that `--table` prints from it. Exits with 1 if
a program was not held that no entry of the corpus excuses.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.doctor import CAPABILITIES
from tests.abuse.corpus import read

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("matrix.json")
IMAGE = "reward-server"
ORDINARY_USERS = 20_000
FLAGS = (
    *(
        "--read-only",
        "--tmpfs=/var/tmp",
        "--tmpfs=/tmp:exec",
        "--cap-drop=ALL",
        *(f"--cap-add={name}" for name in CAPABILITIES),
    ),
    *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
)
GROUPS = ("-v", "/sys/fs/cgroup:/sys/fs/cgroup")
Findings = list[dict[str, str]]


@contextlib.contextmanager
def _root(image: str) -> Iterator[list[str]]:
    yield [sys.executable]


@contextlib.contextmanager
def _user(image: str) -> Iterator[list[str]]:
    """An ordinary user, with an interpreter and a copy of the package that it can read."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        os.chmod(home, 0o755)
        for name in ("sandbox", "tests"):
            shutil.copytree(ROOT / name, Path(home, name), ignore=shutil.ignore_patterns("__pycache__"))
        ids = (f"--reuid={_ordinary()}", f"--regid={_ordinary()}", "--clear-groups")
        environment = (f"PYTHONPATH={home}", f"HOME={home}", "PYTHONDONTWRITEBYTECODE=1")
        yield ["setpriv", *ids, "env", "-C", home, *environment, "/usr/bin/python3"]


def _ordinary() -> int:
    """A uid of this run's own: the kernel counts processes by user, over containers too."""
    return ORDINARY_USERS + os.getpid() % 10_000


def _container(*flags: str) -> Callable[[str], contextlib.AbstractContextManager[list[str]]]:
    @contextlib.contextmanager
    def enter(image: str) -> Iterator[list[str]]:
        mount = [f"-v={ROOT / name}:/abuse/{name}:ro" for name in ("sandbox", "tests")]
        mount.append("-e=PYTHONPATH=/abuse")
        yield ["docker", "run", "--rm", *flags, *mount, "--entrypoint=tini", image, "--", "python"]

    return enter


# Name, what the docs call it, and how a Python is started there.
PLACES = {
    "root": ("bare machine, root", _root),
    "user": ("bare machine, ordinary user", _user),
    "container": ("container, default flags", _container()),
    "container-user": ("container, default flags, `--user`", _container(f"--user={_ordinary()}")),
    "container-flags": ("container, the documented flags", _container(*FLAGS)),
    "container-groups": ("the same and the control groups", _container(*FLAGS, *GROUPS)),
}
# Only these are told apart: an engine's containers are the same whoever asks for them.
ROWS = (
    *((place, backend) for backend in ("namespaces", "landlock") for place in PLACES),
    ("root", "docker"),
)


def run(place: str, backend: str, image: str, more: Iterable[str]) -> int:
    """How many programs of one row were wrong; its findings are kept as they come."""
    with PLACES[place][1](image) as python:
        command = [*python, "-m", "tests.abuse.sweep", backend, *more]
        if backend == "docker":
            command += ["--image", image]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            wrong = sum(_noted(place, backend, json.loads(line)) for line in process.stdout)
    if process.returncode:
        raise SystemExit(f"{place}, {backend}: the sweep ended with status {process.returncode}")
    return wrong


def _noted(place: str, backend: str, finding: dict[str, str]) -> bool:
    """Keeps one finding; whether it is a wrong one."""
    if finding.get("kind") != "held":
        print(f"{place}, {backend}: {finding}", flush=True)
    keep(place, backend, [finding])
    return finding.get("kind") == "wrong"


def keep(place: str, backend: str, findings: Findings) -> None:
    """Merges a row's findings with those there are; a program that was run again has its new one."""
    with open(RESULTS, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # rows may be run beside each other
        file.seek(0)
        results = json.loads(file.read() or "{}")
        row = results.get(f"{place} {backend}", {"not_held": {}, "held": []})
        results[f"{place} {backend}"] = _row(row, findings)
        file.truncate(0)
        file.write(json.dumps(results, indent=1, sort_keys=True) + "\n")


def _row(row: dict[str, Any], findings: Findings) -> dict[str, Any]:
    seen = {"date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(), "kernel": platform.release()}
    if findings and "why" in findings[0]:
        return {**seen, "why": findings[0]["why"]}
    again = {finding["name"] for finding in findings}
    held = {finding["name"] for finding in findings if finding["kind"] == "held"}
    others = {
        finding["name"]: [finding["kind"], finding["detail"]]
        for finding in findings
        if finding["name"] not in held
    }
    kept = {name: found for name, found in row.get("not_held", {}).items() if name not in again}
    return {
        **seen,
        "held": sorted(held | (set(row.get("held", ())) - again)),
        "not_held": {**kept, **others},
    }


def counts(row: dict[str, Any]) -> dict[str, int]:
    """How many programs of the corpus came to what in a row, and how many of it have not been run there."""
    found = Counter(kind for kind, _ in row["not_held"].values())
    seen = {"held": len(row["held"]), "not_covered": found["not_covered"], "wrong": found["wrong"]}
    return {**seen, "not_run": len(read()) - sum(seen.values())}


def table(results: dict[str, Any]) -> str:
    """In Markdown, a line for each row that has been run."""
    lines = ["| place | backend | held | not covered | wrong | not run |", "|---|---|---|---|---|---|"]
    for place, backend in ROWS:
        if row := results.get(f"{place} {backend}"):
            lines.append(f"| {' | '.join([PLACES[place][0], backend, *_cells(row)])} |")
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    if "why" in row:
        return [f"**no**: {row['why']}", "", "", ""]
    return [str(number) for number in counts(row).values()]


def reasons(results: dict[str, Any]) -> str:
    """In Markdown, a line for each reason for which programs are not covered: which, and where."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for place, backend in ROWS:
        for name, (kind, detail) in results.get(f"{place} {backend}", {}).get("not_held", {}).items():
            if kind == "not_covered":
                programs, places = found.setdefault(detail, (set(), set()))
                programs.add(f"`{name}`")
                places.add(f"{backend}, {PLACES[place][0]}")
    return "\n".join(
        f"- {reason}: {', '.join(sorted(programs))} ({'; '.join(sorted(places))})."
        for reason, (programs, places) in sorted(found.items())
    )


def wrong(results: dict[str, Any]) -> str:
    """In Markdown, a line for each program that was wrong in its last run."""
    return "\n".join(
        f"- `{name}` ({backend}, {PLACES[place][0]}): {' '.join(detail.split())[:90]}"
        for place, backend in ROWS
        for name, (kind, detail) in results.get(f"{place} {backend}", {}).get("not_held", {}).items()
        if kind == "wrong"
    )


def main() -> int:
    """Runs what is asked for; 1 if something was wrong."""
    asked = _asked()
    if asked.table:
        results = json.loads(RESULTS.read_text())
        print(table(results), reasons(results), wrong(results), sep="\n\n")
        return 0
    failures = 0
    for place, backend in ROWS:
        if place in asked.place and backend in asked.backend:
            more = [f"--only={asked.only}", f"--share={asked.share}", f"--runtime={asked.runtime}"]
            names = _not_held(place, backend) if asked.again else ""
            if asked.again and not names:
                continue
            failures += run(place, backend, asked.image, [*more, f"--names={names}"])
    return int(bool(failures))


def _not_held(place: str, backend: str) -> str:
    """The programs of a row that were wrong when they ran last, and those that have not run."""
    with open(RESULTS) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        row = json.load(file).get(f"{place} {backend}", {})
    done = {name for name, (kind, _) in row.get("not_held", {}).items() if kind != "wrong"}
    every = [f"{abuse.language} {abuse.name}" for abuse in read()]
    return ",".join(name for name in every if name not in done.union(row.get("held", ())))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--place", nargs="*", choices=tuple(PLACES), default=tuple(PLACES))
    parser.add_argument("--backend", nargs="*", default=("namespaces", "landlock", "docker"))
    parser.add_argument("--image", default=IMAGE)
    parser.add_argument("--runtime", default="", help="of the engine, for the docker backend")
    parser.add_argument("--only", default="", help="programs whose language and name match this")
    parser.add_argument("--share", default="1/1", help="1/3: every third program, from the first on")
    parser.add_argument("--again", action="store_true", help="only what was wrong, or has not run")
    parser.add_argument("--table", action="store_true", help="print the table of the docs, run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
