"""Math checks per CPU second: the exact fast path, the worker's rules, and bare math-verify.

    python bench/math_checks.py [--limit N]

Reads golds and completions from `../shared/data/math`. Everything runs in this
process, on one core, without the jail; seconds are CPU seconds of the process.
Prints a table for people and one JSON line last for machines. (The file is not
called math.py: beside a script of that name nothing could import Python's own.)
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import platform
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "math"

Pair = tuple[str, str]


def read_rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of one JSON-lines file, gzipped or not."""
    content = (DATA / name).read_bytes()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    yield from map(json.loads, text.splitlines())


def workloads(limit: int) -> dict[str, list[Pair]]:
    """Named lists of (gold, answer)."""
    from server.verify.extraction import extract

    golds = [row["gold"] for row in read_rows("gold_math500.jsonl")][:limit]
    completions = list(read_rows("completions_gsm8k.jsonl.gz"))[:limit]
    found = [(row["gold"], extract(row["completion"], "final_answer")) for row in completions]
    return {
        "MATH-500 gold = itself": [(gold, gold) for gold in golds],
        "MATH-500 gold vs next": list(pairwise(golds)),
        "GSM8K completions": [(gold, answer.text) for gold, answer in found if answer],
    }


def fast_path(gold: str, answer: str) -> bool | None:
    """The server's own half; None where it leaves the decision to a worker."""
    from server.verify.math.fast import decide

    decision = decide(gold, answer)
    return None if decision is None else decision.correct


def worker_rules(gold: str, answer: str) -> bool | None:
    """What a worker does with one pair, the fast path first."""
    from server.verify.math.judge import judge
    from server.verify.math.symbolic import SymbolicAlgebra

    return judge(gold, answer, SymbolicAlgebra()).status == "correct"


def math_verify_alone(gold: str, answer: str) -> bool | None:
    """math-verify as most trainers call it: both sides wrapped in dollars, timers off."""
    from math_verify import parse, verify

    one, other = (parse(f"${side}$", parsing_timeout=None) for side in (gold, answer))
    return verify(one, other, timeout_seconds=None)


def measure(check: Callable[[str, str], bool | None], pairs: list[Pair]) -> dict[str, float]:
    """Checks per CPU second, in the second of two passes, and what they said."""
    from server.verify.math import symbolic

    for gold, answer in pairs:
        check(gold, answer)
    symbolic.parse.cache_clear()  # grammar tables stay warm, answers do not
    start = time.process_time()
    said = [check(gold, answer) for gold, answer in pairs]
    seconds = time.process_time() - start
    return {
        "checks": len(pairs),
        "checks_per_cpu_second": round(len(pairs) / seconds, 1),
        "correct": said.count(True),
        "incorrect": said.count(False),
        "left_open": said.count(None),
    }


def main() -> int:
    """Runs every checker on every workload; 1 if the data is not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--limit", type=int, default=2000, help="pairs of a workload (default 2000)")
    limit = parser.parse_args().limit
    if not DATA.exists():
        print("no ../shared/data/math beside this checkout: nothing to measure", file=sys.stderr)
        return 1
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    checkers = {"fast path": fast_path, "worker": worker_rules, "math-verify": math_verify_alone}
    results = []
    print(f"{'workload':26}{'checker':14}{'checks/CPU s':>14}{'correct':>9}{'incorrect':>11}{'open':>7}")
    for workload, pairs in workloads(limit).items():
        for name, check in checkers.items():
            result = measure(check, pairs)
            results.append({"workload": workload, "checker": name, **result})
            row = (
                result["checks_per_cpu_second"],
                result["correct"],
                result["incorrect"],
                result["left_open"],
            )
            print(f"{workload:26}{name:14}{row[0]:>14,.0f}{row[1]:>9}{row[2]:>11}{row[3]:>7}", flush=True)
    print(json.dumps({"bench": "math", "python": platform.python_version(), "results": results}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
