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
import gc
import marshal
import os
import sys
import threading
import traceback
import types
from typing import Any, NoReturn

from sandbox import values
from sandbox.supervise import CODE_DESCRIPTOR, RECORD_DESCRIPTOR, Order
from sandbox.types import Mode

_USUAL_PATH = "/box/main.py"  # what can be prepared in the launcher, is
CALL_MODULE = "solution"
_HIDDEN: list[types.ModuleType] = []
_MAINS: dict[str, types.ModuleType] = {}
DONE = b"done"
UNSUPPORTED = b"!"  # first byte of a record that names a type outside the closed set


def execute(order: Order) -> NoReturn:
    """Runs the program to its end and leaves the process."""
    code = _code(order)
    main = _main_of(order)
    status = _guarded(lambda: _enter(order, code, main))
    _leave(main, status)


def prepare() -> None:
    """In the launcher, once everything is imported: what every program will find.

    Whatever is done here, each fork has for nothing. Our modules leave sys.modules;
    references in their functions keep them alive.
    """
    ours = [name for name in sys.modules if name == "sandbox" or name.startswith("sandbox.")]
    _HIDDEN.extend(sys.modules.pop(name) for name in ours)
    for name in ("__main__", CALL_MODULE):
        module = types.ModuleType(name)
        module.__dict__.update(__file__=_USUAL_PATH, __builtins__=builtins, __cached__=None)
        _MAINS[name] = module
    sys.path[0] = os.path.dirname(_USUAL_PATH)


def _code(order: Order) -> types.CodeType:
    """The compiled program: from the first run's parser, or parsed now and handed over."""
    if order.code is not None:
        return marshal.loads(order.code)  # type: ignore[no-any-return]  # noqa: S302 - our own parser's output
    try:
        code = compile(order.source, order.places.script, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        text = "".join(traceback.format_exception_only(type(error), error))
        os.write(CODE_DESCRIPTOR, b"E" + text.encode("utf-8", "replace"))
        os._exit(1)
    with open(CODE_DESCRIPTOR, "wb") as sink:
        sink.write(b"C" + marshal.dumps(code))
    return code


def _main_of(order: Order) -> types.ModuleType:
    """The module to run in; under CALL the guard `if __name__ == "__main__"` must not run."""
    name = "__main__" if order.mode is not Mode.CALL else CALL_MODULE
    main = _MAINS[name]
    sys.modules["__main__"] = sys.modules[name] = main
    if order.places.script != _USUAL_PATH:
        main.__file__ = order.places.script
        sys.path[0] = order.places.box
    sys.argv = [order.places.script, *order.argv]
    sys.orig_argv = ["python3", *sys.argv]
    if order.environment:
        os.environ.update(order.environment)
    gc.enable()
    return main


def _enter(order: Order, code: types.CodeType, main: types.ModuleType) -> None:
    if order.setup:
        exec(compile(order.setup, f"{order.places.box}/setup.py", "exec", dont_inherit=True), main.__dict__)  # noqa: S102
    exec(code, main.__dict__)  # noqa: S102 - this is what the jail is for
    if order.mode is Mode.CALL:
        _call(order, main)
    elif order.mode is Mode.ASSERTS:
        exec(compile(order.tests, f"{order.places.box}/tests.py", "exec", dont_inherit=True), main.__dict__)  # noqa: S102
        _hand_over(DONE)


def _call(order: Order, main: types.ModuleType) -> None:
    returned = _target(order.function, main)(*values.decode(order.call))
    try:
        record = values.encode(returned)
    except values.Unsupported as unsupported:
        record = UNSUPPORTED + str(unsupported).encode("utf-8", "replace")
    _hand_over(record)


def _target(name: str, main: types.ModuleType) -> Any:
    if name in main.__dict__:
        return main.__dict__[name]
    solution = main.__dict__.get("Solution")
    if solution is not None and hasattr(solution, name):
        return getattr(solution(), name)
    raise NameError(f"the program defines neither {name}() nor Solution.{name}()")


def _hand_over(record: bytes) -> None:
    view = memoryview(record)
    while view:
        view = view[os.write(RECORD_DESCRIPTOR, view) :]
    os.close(RECORD_DESCRIPTOR)


def _guarded(body: Any) -> int:
    """Runs `body` and returns the exit status that python3 would end with."""
    try:
        body()
    except SystemExit as ended:
        return _exit_status(ended.code)
    except BaseException as error:  # noqa: BLE001 - python3 prints whatever escapes
        _print_uncaught(error)
        return 1
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
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        status = _flush() or status
        main.__dict__.clear()
        gc.collect()
        status = _flush() or status
    except BaseException as error:  # noqa: BLE001 - as at interpreter exit: reported, status kept
        _print_uncaught(error)
    os._exit(status)


def _flush() -> int:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            return 120  # the status that python3 gives when its last flush fails
    return 0
