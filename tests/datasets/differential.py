"""Random programs and inputs, and how the same bytes run in a plain process."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PLAIN_SECONDS = 60


@dataclass(frozen=True)
class Pair:
    """A program and one input."""

    source: str
    stdin: bytes


@dataclass(frozen=True)
class Ended:
    """What must be the same wherever it runs: a negative exit code is a signal."""

    stdout: bytes
    exit_code: int


def run_plainly(pair: Pair, directory: Path) -> Ended:
    """In a process of its own, as `python3 main.py`."""
    path = directory / "main.py"
    path.write_text(pair.source, encoding="utf-8")
    # -P and -I would change what the program sees; the hash seed is fixed as in a jail.
    environment = {"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(
        [sys.executable, str(path)],
        input=pair.stdin,
        capture_output=True,
        cwd=directory,
        env=environment,
        timeout=PLAIN_SECONDS,
        check=False,
    )
    return Ended(ended.stdout, ended.returncode)


def random_pairs(count: int, seed: int) -> list[Pair]:
    """Programs put together from what solutions are made of, with inputs that fit or do not."""
    rng = random.Random(seed)
    return [Pair(_program(rng), _stdin(rng)) for _ in range(count)]


def random_program(seed: str) -> str:
    """One such program."""
    return _program(random.Random(seed))


def random_stdin(seed: str) -> bytes:
    """One such input."""
    return _stdin(random.Random(seed))


_READERS = (
    "data = sys.stdin.read().split()",
    "data = input().split()",
    "data = list(sys.stdin.buffer.read().decode('utf-8', 'replace').split())",
    "data = [line.strip() for line in sys.stdin]",
    "data = open(0).read().split('\\n')",
)
_STEPS = (
    "data = sorted(data)",
    "data = data[::-1]",
    "data = [d for d in data if d.isdigit()]",
    "data = [str(int(d) * 7 % 13) for d in data]",
    "data = list(dict.fromkeys(data))",
    "data = [str(len(d)) for d in data]",
    "data = [d.upper() for d in data if d] or ['none']",
    "total = sum(int(d) for d in data)\ndata.append(str(total))",
    "data = [str(hash(d) % 97) for d in data]",
    "data = list(set(data))",
    "random.seed(3); random.shuffle(data)",
    "data = [str(collections.Counter(data).most_common(2))]",
    "data = ['%.6f' % math.sqrt(len(data) + 1)]",
    "data.append(str(2 ** (len(data) % 300)))",
    "sys.setrecursionlimit(500)",
    "print('to stderr', file=sys.stderr)",
    "data.append(repr(data[:2]))",
    "data.append('\\u00e9\\u4e2d')",
    "atexit.register(print, 'at exit', len(data))",
    "threading.Thread(target=data.append, args=('thread',)).start()",
)
_WRITERS = (
    "print(*data)",
    "print('\\n'.join(data))",
    "sys.stdout.write(' '.join(data))",
    "sys.stdout.buffer.write(' '.join(data).encode() + bytes(range(200, 256)))",
    "for d in data: print(d, end=' ')",
    "print(json.dumps(data))",
    "os.write(1, repr(data).encode())",
    "print(*data * 500, sep=',')",
)
_ENDS = (
    "",
    "",
    "",
    "sys.exit(0)",
    "sys.exit(3)",
    "exit()",
    "quit(2)",
    "raise SystemExit",
    "raise SystemExit('text')",
    "raise ValueError(data)",
    "os._exit(5)",
    "1 / 0",
    "os.kill(os.getpid(), 9)",
    "os.abort()",
    "assert len(data) > 3",
    "data[1000]",
    "(lambda f: f(f))(lambda f: f(f))",
    "raise KeyboardInterrupt",
    "sys.stdout.close()",
    "del sys.stdout",
)
_IMPORTS = "import sys, os, math, json, random, collections, threading, atexit\n"


def _program(rng: random.Random) -> str:
    steps = rng.sample(_STEPS, rng.randrange(5))
    lines = [rng.choice(_READERS), *steps, rng.choice(_WRITERS), rng.choice(_ENDS)]
    return f"{_IMPORTS}{chr(10).join(lines)}\n"


def _stdin(rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        return b""
    if kind == 1:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
    if kind == 2:
        return ("x" * rng.randrange(1, 10_000)).encode()
    words = [str(rng.randrange(-1000, 10**6)) for _ in range(rng.randrange(1, 50))]
    return (rng.choice((" ", "\n", "\r\n")).join(words) + rng.choice(("", "\n"))).encode()
