"""`trainer_client curate` on real sets with planted faults, and on a million synthetic rows.

    python -m bench.curation real --server 127.0.0.1:50051      # needs ../shared/data and a reward server
    python -m bench.curation synthetic --folder F --rows 1000000   # needs neither: a stand-in reads golds
    python -m bench.curation synthetic --folder F --rows 1000000 --until near --part-seconds 500

`real` prints for each kind of planted fault how many were found by which rule, and every other rejected row;
it fails when one is missed, when a row is lost that the clean set keeps, or when counts do not add up.
`synthetic` runs the whole pipeline without rollouts. It prints seconds for each step, the peak resident
memory of the curating process, and beside it what `datasketch` (if it is installed) needs for near duplicates
of the same rows; it fails when a planted row is missed, another is lost, or the peak is above `--most-bytes`.
In parts: `--until STEP` kills the curating process after that step, `--part-seconds` after that time; the
same command again goes on in the same folder. CPU seconds are summed over the parts, the peak is the largest.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc

DATA = Path(__file__).parents[2] / "shared" / "data"
WORDS = [
    f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "rt", "lso", "mik", "dar", "vu")
]
PLANTED_EACH = 30
MOST_BYTES = 200_000_000
UNREADABLE = "\\frac{"  # what an unreadable gold begins with
Rows = list[dict[str, Any]]


def main() -> None:
    """Runs one of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("real", "synthetic", "datasketch"))
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--compared-rows", type=int, default=50_000, help="rows for datasketch; 0: none")
    parser.add_argument("--most-bytes", type=int, default=MOST_BYTES, help="bound of the peak memory")
    parser.add_argument(
        "--clean-rows", type=int, help="real: undamaged rows of a domain at most; default all"
    )
    parser.add_argument("--until", default="", help="synthetic: the step that this part ends with")
    parser.add_argument("--part-seconds", type=float, help="synthetic: how long this part may take")
    parser.add_argument("--folder", type=Path, required=True, help="scratch; a gigabyte for a million rows")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    {"real": real, "synthetic": synthetic, "datasketch": datasketch}[options.kind](options)


def real(options: argparse.Namespace) -> None:
    """Clean rows once through the steps on text, then clean and damaged ones through all steps."""
    sets = Sets(options.data, options.folder, options.clean_rows)
    sets.write()
    clean = curate(
        sets.plan("clean", ("clean",), "golds = false\nreferences = false\n"), options.folder / "clean"
    )
    found = curate(
        sets.plan("all", ("clean", "planted"), f'server = "{options.server}"\nmutants = 2\n'),
        options.folder / "all",
    )
    missed = [
        (where, rule, found.get(where))
        for where, rule in sets.planted.items()
        if found.get(where, ("", ""))[1] != rule
    ]
    others = {where: reason for where, reason in found.items() if where not in sets.planted}
    on_text = {where: reason for where, reason in others.items() if reason[0] not in ("golds", "references")}
    print("planted:", dict(Counter(sets.planted.values())), "missed:", missed)
    print("other rows rejected:", dict(Counter(rule for _, rule in others.values())))
    for where, reason in others.items():
        print("  ", where, *reason)
    lost = sorted(on_text.keys() ^ clean.keys())
    print("rows on which clean and planted runs differ:", lost)
    report = json.loads((options.folder / "all" / "report.json").read_text())
    adds_up = report["raw"] == report["kept"] + len(found)
    summary = {
        "raw": report["raw"],
        "kept": report["kept"],
        "planted": len(sets.planted),
        "missed": len(missed),
    }
    print(json.dumps(summary | {"lost": len(lost), "counts_add_up": adds_up}))
    sys.exit(bool(missed or lost or not adds_up))


def curate(plan: Path, out: Path) -> dict[str, tuple[str, str]]:
    """Rejected rows: where -> step and rule."""
    command = [sys.executable, "-m", "trainer_client", "curate", str(plan), "--out", str(out)]
    subprocess.run(command, check=True)
    rows = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    return {row["where"]: (row["step"], row["rule"]) for row in rows}


class Sets:
    """Real rows in two parts: those that stay as they are, and those that are damaged, each in its way."""

    def __init__(self, data: Path, folder: Path, most: int | None) -> None:
        self._folder, self._most, self._rng = folder, most, random.Random(0)
        self._math = read(data / "math" / "gold_gsm8k_test.jsonl") + read(
            data / "math" / "gold_math500.jsonl"
        )
        self._code = read(data / "code" / "mbpp.jsonl.gz")
        self._humaneval = data / "code" / "humaneval.jsonl.gz"
        self.planted: dict[str, str] = {}

    def write(self) -> None:
        """The files, and in `planted` which row of them must meet which rule."""
        for rows in (self._math, self._code):
            self._rng.shuffle(rows)
        # Of math the long ones, so that a run of nine words is in them; the same rows make the benchmark.
        wordy = [row for row in self._math if is_wordy(row)]
        taken = wordy[: 3 * PLANTED_EACH]
        ids = {id(row) for row in taken}
        clean = [row for row in self._math if id(row) not in ids]
        clean.sort(key=lambda row: not is_wordy(row))  # first those that _damaged_math doubles
        clean = clean[: self._most]
        secret, unreadable, broken = (taken[k::3] for k in range(3))
        faulty, untested = self._code[:PLANTED_EACH], self._code[PLANTED_EACH : 2 * PLANTED_EACH]
        self._lines("clean-math", clean)
        self._lines("clean-code", self._code[2 * PLANTED_EACH :][: self._most])
        self._lines("benchmark", secret)
        self._plant("planted-math", list(self._damaged_math(clean, secret, unreadable, broken)))
        self._plant("planted-code", list(self._damaged_code(faulty, untested)))

    def _damaged_math(
        self, clean: Rows, secret: Rows, unreadable: Rows, broken: Rows
    ) -> Iterator[tuple[str, dict[str, Any] | str]]:
        doubled = [row for row in clean if is_wordy(row)]
        for row in doubled[:PLANTED_EACH]:
            yield "exact_duplicate", row | {"problem": row["problem"].upper().replace(" ", "  ") + " "}
        for row in doubled[PLANTED_EACH : 2 * PLANTED_EACH]:
            yield "near_duplicate", row | {"problem": "Please read: " + row["problem"]}
        for row in secret:
            words = row["problem"].split()
            yield (
                "contaminated",
                row | {"problem": " ".join(["Somebody said:", *words[: len(words) // 2], "Why?"])},
            )
        for row in unreadable:
            yield "gold_unreadable", row | {"gold": "\\frac{" + str(row["gold"])}
        for row in broken:
            yield "broken_row", json.dumps(row)[:-20]

    def _damaged_code(self, faulty: Rows, untested: Rows) -> Iterator[tuple[str, dict[str, Any]]]:
        for row in faulty:
            name = called(row)
            yield "reference_fails", row | {"canonical_solution": f"def {name}(*given):\n    return None\n"}
        for row in untested:
            name = called(row)
            yield "tests_too_weak", row | {"test_list": [f"assert {name} is not None"]}

    def _plant(self, name: str, rows: list[tuple[str, Any]]) -> None:
        path = self._lines(name, [row for _, row in rows])
        self.planted |= {f"{path}:{number}": rule for number, (rule, _) in enumerate(rows, start=1)}

    def _lines(self, name: str, rows: list[Any]) -> Path:
        path = self._folder / f"{name}.jsonl"
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return path

    def plan(self, name: str, parts: tuple[str, ...], verifier: str) -> Path:
        """A plan over the parts."""
        sources = "".join(
            f'[[source]]\nname = "{part}-{kind}"\nfiles = ["{self._folder}/{part}-{kind}.jsonl"]\n'
            f'format = "{form}"\n'
            for part in parts
            for kind, form in (("math", "questions"), ("code", "mbpp"))
        )
        path = self._folder / f"{name}.toml"
        path.write_text(
            f'name = "{name}"\n{sources}[contamination]\n'
            f'benchmarks = ["{self._folder}/benchmark.jsonl", "{self._humaneval}"]\n[verifier]\n{verifier}'
        )
        return path


def is_wordy(row: dict[str, Any]) -> bool:
    """Whether a math problem has words enough to be damaged, and none of a figure."""
    return len(row["problem"].split()) > 40 and "[asy]" not in row["problem"]


def read(path: Path) -> Rows:
    """The rows of a file."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [json.loads(line) for line in text.splitlines()]


def called(row: dict[str, Any]) -> str:
    """The function of a problem of MBPP: of those that the solution defines, the one its first test calls."""
    defined = [part.partition("(")[0].strip() for part in row["canonical_solution"].split("def ")[1:]]
    return next(name for name in defined if f"{name}(" in row["test_list"][0].replace(" (", "("))


def synthetic(options: argparse.Namespace) -> None:
    """A child curates the rows, so that its peak is its own."""
    planted = planted_rows(options)
    with gold_reader() as address:
        ended = curate_part(synthetic_plan(options.folder, address), options)
    parts = [json.loads(line) for line in (options.folder / "parts.jsonl").read_text().splitlines()]
    print("parts:", *parts, sep="\n  ")
    if not ended:
        print("not at its end: the same command goes on")
        return
    summary = synthetic_summary(options, planted, parts)
    print(json.dumps(summary))
    sys.exit(not (summary["within_bound"] and summary["all_found"] and summary["counts_add_up"]))


def planted_rows(options: argparse.Namespace) -> Counter[str]:
    """What is planted in the raw rows, which are written if they are not there."""
    raw, kept = options.folder / "raw.jsonl", options.folder / "planted.json"
    if not kept.exists():
        began = time.perf_counter()
        kept.write_text(json.dumps(write_rows(raw, options.rows)))
        spent = time.perf_counter() - began
        print(f"{options.rows} rows, {raw.stat().st_size / 1e6:.0f} MB, written in {spent:.0f} s")
    return Counter(json.loads(kept.read_text()))


def synthetic_plan(folder: Path, server: str) -> Path:
    """Every step but the rollouts."""
    plan = folder / "plan.toml"
    plan.write_text(
        f'name = "synthetic"\n[[source]]\nname = "s"\nfiles = ["{folder}/raw.jsonl"]\n'
        '[filters]\nskip = ["non_english"]\n'
        f'[contamination]\nbenchmarks = ["{folder}/benchmark.jsonl"]\n[verifier]\nserver = "{server}"\n'
    )
    return plan


def curate_part(plan: Path, options: argparse.Namespace) -> bool:
    """Curates as far as this part may go, and adds a line to `parts.jsonl`; whether that was the end."""
    command = [sys.executable, "-m", "trainer_client", "curate", str(plan)]
    child = subprocess.Popen(
        [*command, "--out", str(options.folder / "out")], stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    late = threading.Timer(options.part_seconds or threading.TIMEOUT_MAX, child.kill)
    late.daemon = True
    late.start()
    for note in child.stderr:
        print(note, end="")
        if options.until and note.startswith(f"{options.until}:"):
            child.kill()
    late.cancel()
    status = child.wait()
    if status not in (0, -signal.SIGKILL):
        raise subprocess.CalledProcessError(status, child.args)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    part = {"cpu_seconds": spent.ru_utime + spent.ru_stime, "peak_rss_bytes": spent.ru_maxrss * 1024}
    with (options.folder / "parts.jsonl").open("a") as file:
        file.write(json.dumps(part | {"ended": status == 0}) + "\n")
    return status == 0


def synthetic_summary(options: argparse.Namespace, planted: Counter[str], parts: Rows) -> dict[str, Any]:
    """The figures of all parts together."""
    rejected = (options.folder / "out" / "rejected.jsonl").read_text().splitlines()
    found = Counter(json.loads(line)["rule"] for line in rejected)
    report = json.loads((options.folder / "out" / "report.json").read_text())
    print("planted", dict(planted), "found", dict(found))
    ours = sum(part["cpu_seconds"] for part in parts) / options.rows
    peak = max(part["peak_rss_bytes"] for part in parts)
    summary = {
        "rows": options.rows,
        "seconds": {step["name"]: round(step["seconds"], 1) for step in report["steps"]},
        "rows_per_cpu_second": round(1 / ours),
        "peak_rss_bytes": peak,
        "within_bound": peak <= options.most_bytes,
        "all_found": found == planted,
        "counts_add_up": report["raw"] == options.rows == report["kept"] + len(rejected),
    }
    return summary | (compared(options, ours) if options.compared_rows else {})


class GoldReader(reward_pb2_grpc.RewardServiceServicer):
    """A stand-in for the reward server that knows golds by their first characters: as cheap as can be."""

    def CheckTask(self, request: pb.CheckTaskRequest, _: grpc.ServicerContext) -> pb.TaskReport:
        """Fit, but for what cannot be read."""
        problems = ["wrong[0] is not rejected"] if unreadable(request.math) else []
        return pb.TaskReport(id=request.id, fit=not problems, problems=problems)

    def Verify(self, request: pb.VerifyRequest, _: grpc.ServicerContext) -> pb.Verdict:
        """Asked after an unfit task: why it is unfit."""
        if unreadable(request.math):
            return pb.Verdict(id=request.id, status=pb.UNGRADABLE, message="the gold cannot be read")
        return pb.Verdict(id=request.id, status=pb.ACCEPTED, reward=1.0)

    def GetCapabilities(self, _: pb.GetCapabilitiesRequest, __: grpc.ServicerContext) -> pb.Capabilities:
        """Somebody is there."""
        return pb.Capabilities(version="stand-in")


def unreadable(task: pb.MathTask) -> bool:
    """Whether a gold was planted to be unreadable."""
    return any(gold.startswith(UNREADABLE) for gold in task.gold)


@contextmanager
def gold_reader() -> Iterator[str]:
    """A `GoldReader` in this process; its address."""
    server = grpc.server(ThreadPoolExecutor(4))
    reward_pb2_grpc.add_RewardServiceServicer_to_server(GoldReader(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def compared(options: argparse.Namespace, our_seconds_per_row: float) -> dict[str, Any]:
    """CPU seconds and memory a row of datasketch, if it is there: near duplicates alone against all steps."""
    command = [sys.executable, "-m", "bench.curation", "datasketch", "--folder", str(options.folder)]
    done = subprocess.run(
        [*command, "--rows", str(options.compared_rows)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return {"datasketch": done.stderr.strip().splitlines()[-1]}
    theirs = json.loads(done.stdout)
    return {"datasketch": theirs, "cpu_ratio": round(theirs["cpu_seconds_per_row"] / our_seconds_per_row, 1)}


def datasketch(options: argparse.Namespace) -> None:
    """MinHashLSH over the same five-word runs with as many permutations, in one process."""
    from datasketch import MinHash, MinHashLSH

    from trainer_client.curation.text import words_of

    index = MinHashLSH(threshold=0.8, num_perm=120)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began, found = time.process_time(), 0
    with (options.folder / "raw.jsonl").open() as file:
        for row, line in zip(range(options.rows), file, strict=False):
            try:
                words = words_of(json.loads(line)["problem"])
            except ValueError:
                continue
            sketch = MinHash(num_perm=120)
            sketch.update_batch([" ".join(words[k : k + 5]).encode() for k in range(max(1, len(words) - 4))])
            found += bool(index.query(sketch))
            index.insert(str(row), sketch)
    spent = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    per_row = {"cpu_seconds_per_row": spent / options.rows, "bytes_per_row": (peak - before) / options.rows}
    print(json.dumps({"rows": options.rows, "found": found} | per_row))


def write_rows(path: Path, count: int) -> Counter[str]:
    """Random statements, of which 2 % are planted; how many of each kind."""
    rng, planted = random.Random(0), Counter[str]()
    kinds = ("exact_duplicate", "near_duplicate", "contaminated", "broken_row", "gold_unreadable")
    secret = [rng.choices(WORDS, k=40) for _ in range(100)]
    with (path.parent / "benchmark.jsonl").open("w") as file:
        file.writelines(json.dumps({"problem": " ".join(words), "gold": "1"}) + "\n" for words in secret)
    seen: dict[str, list[list[str]]] = defaultdict(list)
    with path.open("w") as file:
        for number in range(count):
            words = rng.choices(WORDS, k=rng.randrange(30, 70))
            kind = kinds[number // 50 % 5] if number % 50 == 49 else ""
            if kind.endswith("duplicate"):
                earlier = seen[kind].pop()
                words = earlier if kind == "exact_duplicate" else ["look", *earlier]
            elif kind == "contaminated":
                words = [*words, *rng.choice(secret)[5:15]]
            elif number % 250 in (1, 2):
                seen[kinds[number % 250 - 1]].append(words)
            gold = (UNREADABLE if kind == "gold_unreadable" else "") + str(number)
            line = json.dumps({"id": number, "problem": " ".join(words), "gold": gold})
            file.write((line[:-9] if kind == "broken_row" else line) + "\n")
            planted.update([kind] if kind else [])
    return planted


if __name__ == "__main__":
    main()
