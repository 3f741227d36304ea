"""A program in a fork of the warmed interpreter behaves as under `python3 file.py`.

Each program runs both ways with the same input; stdout and the exit status must
be equal byte for byte, and so must the last line of stderr.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.sandbox import Sandbox
from sandbox.types import Case, Outcome, Program, RunResult
from tests.sandbox.conftest import LIMITS, Run

pytestmark = pytest.mark.asyncio(loop_scope="module")

STDIN = b"3\n1 2 3\nlast line without newline"
PROGRAMS = {
    "input": "n = int(input()); print(n * 2)",
    "input_to_the_end": "while True:\n    print(repr(input()))",
    "stdin_iteration": "import sys\nfor line in sys.stdin: print(repr(line))",
    "stdin_buffer": "import sys\nprint(sys.stdin.buffer.read())",
    "stdin_readlines": "import sys\nprint(sys.stdin.readlines())",
    "open_0": "print(open(0).read())",
    "open_0_binary": "print(open(0, 'rb').readline())",
    "os_read": "import os\nprint(os.read(0, 10))",
    "dev_stdin": "print(open('/dev/stdin').readline())",
    "dev_stdout": "with open('/dev/stdout', 'w') as f: f.write('by name')",
    "dev_stderr": "with open('/dev/stderr', 'w') as f: f.write('by name')",
    "stdin_attributes": "import sys\nprint(sys.stdin.name, sys.stdin.encoding, sys.stdin.errors, sys.stdin.fileno())",
    "stdout_attributes": "import sys\nprint(sys.stdout.name, sys.stdout.mode, sys.stdout.encoding, sys.stdout.errors)",
    "stdout_buffer": "import sys\nsys.stdout.buffer.write(b'\\xff\\x00raw')",
    "os_write_order": "import os\nprint('buffered'); os.write(1, b'direct\\n')",
    "open_1": "with open(1, 'w', closefd=False) as f: f.write('through one\\n')",
    "stderr": "import sys\nprint('to stderr', file=sys.stderr)",
    "exit_none": "import sys\nsys.exit()",
    "exit_code": "import sys\nprint('before'); sys.exit(3); print('after')",
    "exit_256": "import sys\nsys.exit(256)",
    "exit_negative": "import sys\nsys.exit(-1)",
    "exit_text": "import sys\nsys.exit('a reason')",
    "exit_in_function": "def f():\n    raise SystemExit(4)\nf()",
    "builtin_exit": "print('x'); exit(5)",
    "quit": "quit()",
    "os_exit": "import os\nprint('lost'); os._exit(6)",
    "os_exit_flushed": "import os\nprint('kept', flush=True); os._exit(0)",
    "uncaught": "def f():\n    return 1 // 0\nf()",
    "uncaught_chain": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e",
    "keyboard_interrupt_class": "try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n    print('caught')",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('hooked', a[0].__name__)\n1/0",
    "name": "print(__name__, __doc__, __spec__ if '__spec__' in globals() else None)",
    "doc": "'''the doc'''\nprint(__doc__)",
    "main_guard": "if __name__ == '__main__':\n    print('main')",
    "main_module": "import sys\nx = 5\nprint(sys.modules['__main__'].x)",
    "argv_length": "import sys\nprint(len(sys.argv))",
    "pickle_main_class": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__name__)",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(1))",
    "future_annotations": "from __future__ import annotations\ndef f(x: Undefined): pass\nprint(f.__annotations__)",
    "recursion_limit": "import sys\nprint(sys.getrecursionlimit())",
    "recursion_error": "def f(n): return f(n + 1)\ntry:\n    f(0)\nexcept RecursionError as e:\n    print(e)",
    "deep_recursion": "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(50000))",
    "deep_recursion_in_a_thread": (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(64 << 20)\n"
        "def f(n): return 0 if n == 0 else 1 + f(n - 1)\n"
        "t = threading.Thread(target=lambda: print(f(50000))); t.start(); t.join()"
    ),
    "deep_c_recursion": "import sys\nsys.setrecursionlimit(10**5)\nx = []\nfor _ in range(20000): x = [x]\nprint(len(repr(x)))",
    "thread": "import threading\nt = threading.Thread(target=print, args=('in thread',)); t.start()",
    "thread_outlives_main": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print('late'))).start()",
    "daemon_thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(9), print('never')), daemon=True).start()",
    "thread_pool": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(3) as p: print(list(p.map(abs, [-1, -2])))",
    "atexit": "import atexit\natexit.register(print, 'at exit')\nprint('end')",
    "atexit_after_threading": "import atexit, threading\natexit.register(lambda: print(threading.main_thread().is_alive()))",
    "atexit_after_exception": "import atexit\natexit.register(print, 'at exit')\n1/0",
    "del_at_exit": "class A:\n    def __del__(self): print('deleted')\na = A()\nprint('end')",
    "del_of_a_cycle": "class A:\n    def __del__(self): print('deleted')\na = A(); a.me = a\nprint('end')",
    "generator_finally": "def g():\n    try:\n        yield 1\n    finally:\n        print('closed')\nx = g(); next(x)",
    "closed_stdout": "import sys\nsys.stdout.close()",
    "replaced_stdout": "import sys, io\nsys.stdout = io.StringIO()\nprint('hidden')",
    "restored_stdout": "import sys, io\nsys.stdout = io.StringIO()\nprint('hidden')\nsys.stdout = sys.__stdout__\nprint('shown')",
    "unicode": "print('héllo ∑ 你好')",
    "surrogates_in": "import sys\nprint(ascii(sys.stdin.readline()))",
    "print_surrogate": "print('\\udcff')",
    "subprocess": "import subprocess\nprint(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout)",
    "os_system": "import os, sys\nsys.stdout.flush()\nprint(os.system('echo shell; exit 3') >> 8)",
    "fork": "import os, sys\nif os.fork() == 0:\n    print('child'); sys.stdout.flush(); os._exit(0)\nos.wait(); print('parent')",
    "multiprocessing": (
        "from multiprocessing import Process\n"
        "if __name__ == '__main__':\n    p = Process(target=print, args=('other process',)); p.start(); p.join()"
    ),
    "asyncio": "import asyncio\nasync def f(): await asyncio.sleep(0); return 7\nprint(asyncio.run(f()))",
    "signal_default": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "signal_handler": "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *a: print('got it'))\nos.kill(os.getpid(), signal.SIGUSR1)",
    "abort": "import os\nos.abort()",
    "random_seeded": "import random\nrandom.seed(1)\nprint(random.random(), random.sample(range(99), 3))",
    "decimal_context": "from decimal import *\ngetcontext().prec = 5\nprint(Decimal(1) / 3)",
    "big_int": "print(2**4000)",
    "int_digits_limit": "try:\n    print(str(10**5000)[:5])\nexcept ValueError as e:\n    print(e)",
    "write_and_read_a_file": "open('out.txt', 'w').write('x')\nprint(open('out.txt').read())",
    "temporary_file": "import tempfile\nwith tempfile.TemporaryFile() as f: print(f.write(b'abc'))",
    "lru_cache": "from functools import lru_cache\n@lru_cache(None)\ndef f(n): return n if n < 2 else f(n-1) + f(n-2)\nprint(f(90))",
    "star_imports": "from math import *\nfrom collections import *\nfrom itertools import *\nprint(gcd(4, 6), Counter('aab'), list(accumulate([1, 2])))",
    "warnings": "import warnings\nwarnings.warn('careful')",
    "traceback_of_source": "import traceback\ndef f():\n    traceback.print_stack()\nf()",
    "inspect_source": "import inspect\ndef f(): return 1\nprint(inspect.getsource(f))",
    "empty": "",
    "comment_only": "# nothing\n",
    "encoding_cookie": "# -*- coding: latin-1 -*-\nprint('ok')",
    "crlf": "x = 1\r\nprint(x)\r\n",
    "no_final_newline": "print('end')",
    "gc_counts": "import gc\nprint(gc.isenabled(), gc.get_threshold())",
    "builtins_untouched": "import builtins\nprint(builtins.__dict__['print'] is print, len(dir(builtins)) > 100)",
    "no_module_of_ours": "import sys\nprint([m for m in sys.modules if 'sandbox' in m])",
}


def _bare(source: str, tmp_path: Path) -> subprocess.CompletedProcess[bytes]:
    (tmp_path / "box").mkdir()
    (tmp_path / "work").mkdir()
    program = tmp_path / "box" / "main.py"
    program.write_bytes(source.encode())
    environment = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"}
    interpreter = Path(sys.executable).resolve()
    return subprocess.run(
        [interpreter, "-s", program],
        input=STDIN,
        capture_output=True,
        env=environment,
        cwd=tmp_path / "work",
        timeout=60,
        check=False,
    )


def _last_line(stderr: bytes) -> bytes:
    lines = stderr.strip().splitlines()
    return lines[-1].strip() if lines else b""


@pytest.mark.parametrize("name", PROGRAMS)
async def test_same_as_a_plain_interpreter(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    plain = _bare(PROGRAMS[name], tmp_path)
    for jailed in await _runs(sandbox, PROGRAMS[name]):
        status = jailed.exit_code if jailed.signal is None else -jailed.signal
        assert jailed.stdout == plain.stdout
        assert status == plain.returncode
        assert _last_line(jailed.stderr) == _last_line(plain.stderr)


async def _runs(sandbox: Sandbox, source: str) -> list[RunResult]:
    """In a fork, and where the program may, twice more in a process that takes several runs."""
    compilation = await sandbox.compile(Program("python", source))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        return await session.run_all([Case(STDIN)] * 3, repeat=True)


async def test_arguments_are_handed_over(run: Run) -> None:
    result = await run("import sys; print(sys.argv[1:])", case=Case(arguments=("a", "b c")))
    assert result.stdout == b"['a', 'b c']\n"


async def test_a_traceback_shows_the_programs_own_lines_only(run: Run) -> None:
    result = await run("def f():\n    return 1 // 0\nf()")
    text = result.stderr.decode()
    assert 'File "/box/main.py", line 2, in f' in text
    assert "return 1 // 0" in text
    assert "sandbox" not in text


@pytest.mark.parametrize("source", ["def f(:", "x = '\\ud800' + \x00", "(" * 300 + ")" * 300, "return 1"])
async def test_what_does_not_parse_is_a_compile_error(source: str, run: Run) -> None:
    result = await run(source)
    assert result.outcome is Outcome.COMPILE_ERROR
    assert b"Error" in result.stderr


async def test_the_compiled_program_is_the_same_in_later_runs(sandbox, run: Run) -> None:  # type: ignore[no-untyped-def]
    from sandbox.types import Program

    source = "import builtins\nprint(input())\nbuiltins.print = None\nopen('/work/left', 'w').write('x')"
    compilation = await sandbox.compile(Program("python", source))
    async with sandbox.session(compilation.artefact, _limits()) as session:
        results = [await session.run(Case(f"{n}\n".encode())) for n in range(5)]
    assert [r.stdout for r in results] == [b"0\n", b"1\n", b"2\n", b"3\n", b"4\n"]


async def test_one_run_leaves_no_file_to_the_next(sandbox) -> None:  # type: ignore[no-untyped-def]
    from sandbox.types import Program

    source = "import os\nprint(sum(map(len, map(os.listdir, ('/work', '/tmp', '/dev/shm')))))\n" + "\n".join(
        f"open('{path}/left', 'w').write('x')" for path in ("/work", "/tmp", "/dev/shm")
    )
    compilation = await sandbox.compile(Program("python", source))
    async with sandbox.session(compilation.artefact, _limits()) as session:
        results = [await session.run(Case()) for _ in range(3)]
    assert [r.stdout for r in results] == [b"0\n"] * 3


def _limits():  # type: ignore[no-untyped-def]
    from tests.sandbox.conftest import LIMITS

    return LIMITS
