"""Which programs may have one run after another in a process."""

from __future__ import annotations

import pytest

from sandbox.repeatable import MOST_SOURCE_BYTES, is_repeatable

USUAL = {
    "reads by input": "n = int(input())\nprint(n * 2)",
    "reads sys.stdin": "import sys\nfor line in sys.stdin: print(line, end='')",
    "short names for streams": "import sys\ninput = sys.stdin.readline\nwrite = sys.stdout.write\nwrite(input())",
    "streams put in place": "import io, sys\nsys.stdin = io.StringIO(sys.stdin.read())\nprint(input())",
    "descriptors": "import io, os\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\nprint(input())",
    "standard input by number": "print(open(0).read())",
    "deep recursion": "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and f(n - 1)\nf(10)",
    "a class": "class Node:\n def __init__(self, x): self.x = x\n def __lt__(self, o): return self.x < o.x",
    "stars": "from collections import *\nfrom math import *\nfrom heapq import *\nprint(deque([gcd(4, 6)]))",
    "a cache": "from functools import lru_cache\n@lru_cache(None)\ndef f(n): return n\nf(1)",
    "another name for a module": "import collections as c\nprint(c.Counter('ab'))",
    "an end in the middle": "import sys\nif not input(): sys.exit()\nexit()",
    "a guard": "def main(): pass\nif __name__ == '__main__': main()",
    "a solution": "class Solution:\n def f(self, xs):\n  self.best = {}\n  self.best['a'] = 1\n  return sorted(xs)",
    "a base's own": "class A(list):\n def __init__(self):\n  super().__init__()",
}
FAR = {
    "an unknown module": "import socket",
    "threads": "import threading\nthreading.stack_size(1 << 27)",
    "a module below one": "import os.path",
    "the interpreter's modules": "import sys\nprint(sys.modules)",
    "a hidden name of a module": "import random\nrandom._inst.seed(1)",
    "a hidden name out of a module": "from collections import _chain",
    "files": "open('input.txt').read()",
    "files by another name": "f = open\nf(0)",
    "leaving at once": "import os\nos._exit(0)",
    "duplicated descriptors": "import os\nos.dup2(1, 2)",
    "closed descriptors": "import os\nos.close(0)",
    "text as code": "exec('import socket')",
    "text as a value": "print(eval(input()))",
    "names out of text": "getattr(int, '__subclasses__')()",
    "names out of text, by operator": "import operator\noperator.attrgetter('__class__')(1)",
    "special names": "().__class__.__base__.__subclasses__()",
    "the builtins": "__builtins__.print = None",
    "an attribute of a module": "import math\nmath.pi = 3",
    "an attribute of a module's object": "import collections\ncollections.Counter.seen = 1",
    "an attribute of an imported object": "from collections import Counter\nCounter.seen = 1",
    "an attribute of a stream": "import sys\nsys.stdout.seen = 1",
    "a deleted attribute": "import sys\ndel sys.stdin",
    "a module handed on": "import math\ndef f(m): m.pi = 3\nf(math)",
    "a module in a variable": "import math\nm = math",
    "a finaliser": "class A:\n def __del__(self): print(1)",
    "a stream made another": "import sys\nsys.stdout.reconfigure(line_buffering=True)",
    "a stream taken apart": "import sys\nsys.stdin.detach()",
    "a relative import": "from . import x",
    "no Python": "def f(:",
    "much text": "#" * (MOST_SOURCE_BYTES + 1),
}


@pytest.mark.parametrize("source", USUAL.values(), ids=USUAL)
def test_a_usual_program_may(source: str) -> None:
    assert is_repeatable(source.encode())


@pytest.mark.parametrize("source", FAR.values(), ids=FAR)
def test_a_program_that_reaches_further_may_not(source: str) -> None:
    assert not is_repeatable(source.encode())
