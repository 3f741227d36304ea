"""Runs a Python program in a fork of the warmed interpreter as `python3 /box/main.py` would.

The program gets real descriptors behind sys.stdin, stdout and stderr (the stream
objects are the launcher's own, unused, and the descriptors below them are the
program's), a fresh `__main__`, the usual handling of SystemExit and of uncaught exceptions, and the
usual end: threads joined, atexit run, objects of the module finalised, streams
flushed. Different from a plain start: modules already imported cost nothing,
the hash seed and the start of the `random` module's sequence are fixed (the same
program gets the same verdict every time), and the interpreter's own teardown is
skipped.
"""

from __future__ import annotations

import atexit
import builtins
import functools
import gc
import marshal
import os
import signal
import site
import sys
import threading
import traceback
import types
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from sandbox import persistent, streams, template, values
from sandbox.repeatable import is_repeatable
from sandbox.template import Brief, Job
from sandbox.types import Mode

_USUAL_PATH = "/box/main.py"  # what can be prepared in the launcher, is
CALLED_MODULE = "solution"
_MOST_LOADED_BYTES = 1 << 20  # what a template takes into its own memory
_REHEARSALS = 20  # the interpreter specialises a function after eight calls
_REHEARSAL = """
def double(text):
    return int(text) * 2
numbers = [double(part) for line in ("1 2", "3") for part in line.split()]
for line in stdin:
    pass
print(sum(numbers), *sorted(numbers), sep=" ", file=stdout)
print("".join(str(number) for number in numbers), file=stdout)
stdin.read()
"""
Entry = Callable[[types.CodeType], None]
_HIDDEN: list[types.ModuleType] = []
_MAINS: dict[str, types.ModuleType] = {}
DONE = b"done"
INTERRUPTED = -signal.SIGINT
# First bytes of a record that names a type outside the closed set: of a true object, a false one, and one
# that has no truth.
UNSUPPORTED = b"!1", b"!0", b"!?"


def execute(brief: Brief) -> NoReturn:
    """In a template: serves; in its forks: runs the program to its end and leaves the process."""
    main = _main_of(brief.job)
    sys.argv = [brief.job.places.script, *brief.argv]
    sys.orig_argv = ["python3", *sys.argv]
    enter = _entering(brief.job, main)
    own, code = template.serve(brief, _loaded)
    if own is not brief:
        sys.argv[1:] = own.argv
        sys.orig_argv[2:] = own.argv
    if code is None:
        code = _code(own.job)
        os.close(streams.CODE)
    gc.enable()
    process = persistent.staying(own.job, main.__dict__) if own.stays else None
    status = _guarded(enter, code)
    while process is not None and status == 0 and not _has_threads_or_callbacks():
        process.let_go()
        status = _finish(main)
        if status or not process.renew():
            os._exit(status)
        process.wait()
        status = _guarded(enter, code)
    _leave(main, status)


def _loaded() -> types.CodeType | None:
    """In the template: the program as its first run parsed it; a large one is left to each fork."""
    parsed = streams.parsed_code(_MOST_LOADED_BYTES)
    if not parsed:
        return None
    code: types.CodeType = marshal.loads(parsed)  # noqa: S302 - our own parser's output
    gc.freeze()
    return code


def prepare() -> None:
    """In the launcher, once everything is imported: what every program will find.

    Whatever is done here, each fork has for nothing. Our modules leave sys.modules;
    references in their functions keep them alive.
    """
    for usual in (
        site.setquit,
        site.setcopyright,
        site.sethelper,
    ):  # exit() and its kin, as `-S` leaves them out
        usual()
    ours = [name for name in sys.modules if name == "sandbox" or name.startswith("sandbox.")]
    _HIDDEN.extend(sys.modules.pop(name) for name in ours)
    for module in sys.modules.values():
        # The built-in ones lack it, and each `import sys` would make an exception of that.
        if (spec := getattr(module, "__spec__", None)) is not None and not hasattr(spec, "_initializing"):
            spec._initializing = False
    for name in ("__main__", CALLED_MODULE):
        module = types.ModuleType(name)
        module.__dict__.update(__file__=_USUAL_PATH, __builtins__=builtins, __cached__=None)
        _MAINS[name] = module
    sys.path[0] = os.path.dirname(_USUAL_PATH)
    for _ in range(_REHEARSALS):
        _rehearse()


def _rehearse() -> None:
    """Goes a program's way once, so that the interpreter has done what it does only at first.

    Method caches are filled and bytecode is specialised here: what a fork writes, it has to copy.
    """
    module = types.ModuleType("rehearsal")
    code = marshal.loads(marshal.dumps(compile(_REHEARSAL, _USUAL_PATH, "exec", dont_inherit=True)))  # noqa: S302
    with open(os.devnull, "w+") as stream:
        module.__dict__.update(stdin=stream, stdout=stream)
        _guarded(partial(_run, module.__dict__), code)
        _has_threads_or_callbacks()
        _flush()
        is_repeatable(_REHEARSAL.encode())
        module.__dict__.clear()
    gc.collect()


def _code(job: Job) -> types.CodeType:
    """The compiled program: from the first run's parser, or parsed now and handed over."""
    parsed = streams.parsed_code(sys.maxsize)
    if parsed:
        return marshal.loads(parsed)  # type: ignore[no-any-return]  # noqa: S302 - our own parser's output
    try:
        code = compile(job.source, job.places.script, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        text = "".join(traceback.format_exception_only(type(error), error))
        streams.refuse_code(text.encode("utf-8", "replace"))
        os._exit(1)
    streams.hand_over_code(marshal.dumps(code))
    return code


def _main_of(job: Job) -> types.ModuleType:
    """The module to run in; where others call the program, not "__main__", as if they had imported it."""
    beside_tests = job.mode is Mode.ASSERTS and bool(job.source)
    name = CALLED_MODULE if beside_tests or job.mode is Mode.CALL else "__main__"
    main = _MAINS[name]
    sys.modules["__main__"] = sys.modules[name] = main
    if job.places.script != _USUAL_PATH:
        main.__file__ = job.places.script
        sys.path[0] = job.places.box
        os.environ.update(HOME=job.places.work, TMPDIR=job.places.temporary)
    if os.listdir(job.places.work):  # elsewhere the program lies beside its files and can import them
        sys.path.insert(1, job.places.work)
    if job.environment:
        os.environ.update(job.environment)
    return main


def _entering(job: Job, main: types.ModuleType) -> Entry:
    """The way into the program, chosen before the fork."""
    if job.mode is Mode.SCRIPT and not job.setup:
        return partial(_run, main.__dict__)
    return partial(_enter, job, main)


def _run(namespace: dict[str, Any], code: types.CodeType) -> None:
    exec(code, namespace)  # noqa: S102 - this is what the jail is for


def _enter(job: Job, main: types.ModuleType, code: types.CodeType) -> None:
    arguments: list[Any] = _arguments() if job.mode is Mode.CALL else []
    if job.setup:
        _execute(job.setup, f"{job.places.box}/setup.py", main)
    _run(main.__dict__, code)
    if job.mode is Mode.CALL:
        _call(job.function, arguments, main)
    elif job.mode is Mode.ASSERTS:
        main.__name__ = "__main__"  # the tests' own guard is meant to run
        _execute(job.tests, f"{job.places.box}/tests.py", main)
        _hand_over(DONE)


def _arguments() -> list[Any]:
    arguments: list[Any] = values.decode(streams.read_whole(streams.CALL))
    os.close(streams.CALL)
    return arguments


def _execute(source: bytes, path: str, main: types.ModuleType) -> None:
    exec(_compiled(source, path), main.__dict__)  # noqa: S102


@functools.cache
def _compiled(source: bytes, path: str) -> types.CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def _call(function: str, arguments: list[Any], main: types.ModuleType) -> None:
    returned = _target(function, main)(*arguments)
    try:
        record = values.encode(returned)
    except values.Unsupported as unsupported:
        record = _mark(returned) + str(unsupported).encode("utf-8", "replace")
    _hand_over(record)


def _mark(returned: object) -> bytes:
    true, false, neither = UNSUPPORTED
    try:
        return true if returned else false
    except Exception:  # noqa: BLE001 - the program's own __bool__ may raise anything
        return neither


def _target(name: str, main: types.ModuleType) -> Any:
    found, solution = main.__dict__.get(name), main.__dict__.get("Solution")
    # `from heapq import *` brings a merge() that nobody asked for.
    its_own = name in main.__dict__ and getattr(found, "__module__", None) == main.__name__
    if solution is not None and hasattr(solution, name) and not its_own:
        return getattr(solution(), name)
    if name in main.__dict__:
        return found
    raise NameError(f"the program defines neither {name}() nor Solution.{name}()")


def _hand_over(record: bytes) -> None:
    view = memoryview(record)
    while view:
        view = view[os.write(streams.RECORD, view) :]
    os.close(streams.RECORD)


def _guarded(enter: Entry, code: types.CodeType) -> int:
    """Runs the program and returns the exit status that python3 would end with."""
    try:
        enter(code)
    except SystemExit as ended:
        return _exit_status(ended.code)
    except BaseException as error:  # noqa: BLE001 - python3 prints whatever escapes
        _print_uncaught(error)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _exit_status(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _print_uncaught(error: BaseException) -> None:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next  # the runner's own frames are nobody's business
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def _leave(main: types.ModuleType, status: int) -> NoReturn:
    """The order of Py_FinalizeEx: threads, atexit, flush, the module's objects, flush."""
    try:
        if _has_threads_or_callbacks():
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        status = _finish(main) or status
    except BaseException as error:  # noqa: BLE001 - as at interpreter exit: reported, status kept
        _print_uncaught(error)
    if status == INTERRUPTED:  # python3 ends as if the signal had ended it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


def _finish(main: types.ModuleType) -> int:
    """Flushes, ends the module's objects, flushes; returns the status that python3 gives where this fails."""
    status = _flush()
    try:
        main.__dict__.clear()
        gc.collect()
    except BaseException as error:  # noqa: BLE001 - as at interpreter exit: reported, status kept
        _print_uncaught(error)
    return _flush() or status


def _has_threads_or_callbacks() -> bool:
    """Whether there is anything to wait for; to find that out the long way costs a tenth of a fork.

    The main thread's own lock is always among the threads' locks.
    """
    others = len(threading._shutdown_locks) > 1 or threading._threading_atexits  # type: ignore[attr-defined]
    return bool(others or atexit._ncallbacks())


def _flush() -> int:
    named = getattr(sys, "stdout", None), getattr(sys, "stderr", None)
    for stream in (*named, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            return 120  # the status that python3 gives when its last flush fails
    return 0
