"""Which programs may have one run after another in a process."""

from __future__ import annotations

import importlib

import pytest

from sandbox.launcher import WARM_MODULES
from sandbox.repeatable import MOST_SOURCE_BYTES, is_repeatable

for _name in WARM_MODULES:  # as where programs run
    importlib.import_module(_name)

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
    "annotations": "from typing import List, Optional\ndef f(x: List[int], y: Optional[List[str]] = None) -> bool: pass",
    "asking for a type": "from fractions import Fraction\nx = 1\nprint(type(x) == int, isinstance(x, (Fraction, int)))",
    "functions handed on": "import math\nfrom functools import reduce\nprint(reduce(math.gcd, map(int, '12')))",
    "types of C handed on": "from collections import defaultdict, deque\nd = defaultdict(deque)",
    "a data class": "from dataclasses import dataclass, field\n@dataclass\nclass A:\n x: list = field(default_factory=list)",
    "a tuple with names": "from typing import NamedTuple\nclass A(NamedTuple):\n x: int",
    "an error of its own": "class E(ValueError):\n def __init__(self): ValueError.__init__(self, 1)",
    "stars that share names": "from typing import *\nfrom collections import *\nprint(Counter('ab'))",
    "fast input": "from os import fstat, read\nprint(read(0, fstat(0).st_size))",
    "another name for a stream": "import sys\nout = sys.stdout\nout.write('x')",
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
    "another name for a class": "import collections\nC = collections.Counter\nC.seen = 1",
    "another name for a method": "import collections\nf = collections.Counter.most_common\nf.seen = 1",
    "another name for a function": "from copy import deepcopy\nd = deepcopy\nd.seen = 1",
    "a name from a star": "from collections import *\nCounter.seen = 1",
    "a class out of a list": "import fractions\nfor c in [fractions.Fraction]: c.seen = 1",
    "a class handed on": "from collections import Counter\ndef f(c): c.seen = 1\nf(Counter)",
    "a class handed to a namesake": "from numbers import Number\ndef isinstance(a, b): b.seen = 1\nisinstance(1, Number)",
    "the class of an instance": "from collections import Counter\nC = type(Counter())\nC.seen = 1",
    "a class to compare with": "class A:\n def __eq__(self, other): other.seen = 1\ntype(1) == A()",
    "a class of another meaning": "list = A()\ntype(1) == list",
    "a base for a metaclass": "from numbers import Number\nclass A(Number, metaclass=lambda n, b, d: b[0]): pass",
    "the order of bases": "from numbers import Number\nclass A(Number): pass\nA.mro()[1].seen = 1",
    "an error's object": "from collections import Counter\ntry: Counter.x\nexcept AttributeError as e: e.obj.seen = 1",
    "what is missing": "import math\nmath.missing",
    "a table of a module": "import copy\ncopy.dispatch_table['seen'] = 1",
    "a module of a module": "import statistics\nstatistics.sys.modules['seen'] = 1",
    "a module out of a module": "from statistics import sys\nsys.modules['seen'] = 1",
    "a class told of": "from collections.abc import Sized\nSized.register(int)",
    "the names of a module": "from enum import IntEnum\nIntEnum._convert_('A', 'math', bool)",
    "its own names": "globals()['__built' 'ins__'].seen = 1",
    "a frame": "def f(): yield\nf().gi_frame.f_builtins['seen'] = 1",
    "a traceback": "class A:\n def __exit__(self, kind, error, trace): trace.tb_frame",
    "names in a pattern": "match print:\n case object(__self__=builtins): builtins.seen = 1",
    "names in a format": "import string\nstring.Formatter().get_field('0.__class__', (1,), {})",
    "text in an annotation": "from functools import singledispatch\n@singledispatch\ndef f(x): pass",
    "names by a wrapper": "import functools\nfunctools.update_wrapper(print, len, assigned=('__self__',))",
    "descriptors of ours": "import os\nos.read(7, 1)",
    "descriptors by another name": "from os import read\nf = read",
    "a class that ends as a finaliser": "class A:\n class __del__: pass",
    "an attribute of exit": "exit.seen = 1",
    "a stream's chunks": "import sys\ns = sys.stdin\ns._CHUNK_SIZE = 1",
    "an enumeration, whose functions are all enumerations'": "from enum import Enum",
    "a base's method": "from collections import Counter\nclass A(Counter): pass\nA.most_common.seen = 1",
    "a method given by a decorator": (
        "from functools import total_ordering\n@total_ordering\nclass A:\n def __lt__(self, o): pass\nA.__gt__.seen = 1"
    ),
    "the kind of an error": "class A:\n def __exit__(self, kind, error, trace): kind.seen = 1",
    "the kind of an error, for a class": "class A:\n class __exit__: pass",
    "a method bound by a pattern": "class A:\n match f:\n  case __del__: pass",
    "a method bound by the rest of a pattern": "class A:\n match f:\n  case {**__exit__}: pass",
    "the class of who asks": "class A:\n def __subclasshook__(cls, other): other.seen = 1",
    "the bases of others": "class A:\n def __mro_entries__(self, bases): bases[0].seen = 1",
    "a copy of its own making": "class A:\n def __reduce_ex__(self, n): return f, (), (None, {'__del__': g})",
    "text as a type": "import typing\nr = typing.ForwardRef('print')\nr._evaluate({}, {}, frozenset())",
    "a module's own namespace": "import typing\nx = typing.io()\nx.IO.seen = 1",
    "a module's list": "import typing\ntyping.EXCLUDED_ATTRIBUTES.append('seen')",
    "a module's only instance": "import re\nf = re.RegexFlag(2)\nf.seen = 1",
    "a stream made anew": "import sys\nsys.stdout.__init__(sys.stdout.buffer, newline='\\r\\n')",
    "a stream made anew by another name": "import sys\ns = sys.stdin\ns.__init__(s.buffer, 'latin-1')",
    "a stream of a class's name": "import sys\nclass s: pass\ns = sys.stdin\ns.__init__(s.buffer, 'latin-1')",
    "a name of two things": (
        "from collections import Counter as c\nx = c\nx.seen = 1\nif 0:\n from math import gcd as c"
    ),
    "a module of two names": "import collections as m\nm.Counter\nif 0:\n import math as m",
    "its equals in a cache": "import struct\nclass S(str):\n def __hash__(self): return 7\nstruct.calcsize(S('i'))",
    "its equals in an annotation": (
        "from typing import List\nclass K:\n __hash__ = f\nk = K()\ndef f(x: List[k]): pass"
    ),
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


def test_what_a_setup_imports_is_known() -> None:
    setup = b"import json\nfrom numbers import Number\ngetattr(json, 'loads')\n"
    assert is_repeatable(b"print(isinstance(1, Number))", setup)
    assert not is_repeatable(b"A = Number\nA.seen = 1", setup)
    assert not is_repeatable(b"json.seen = 1", setup)
