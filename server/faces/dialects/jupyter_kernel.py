"""Runs notebook cells one after another in one interpreter: the program that `/run_jupyter` puts into a jail.

It imports the standard library only, and needs no Jupyter. Stdin is a JSON object,
`cells` (texts) and `cell_cpu_seconds` (0: none); stdout is one JSON line for each
cell that ended: `stdout`, `stderr`, `display` (MIME bundles), `error`. What a cell
prints is taken at the descriptors, so its child processes count too.

There: the last expression's value, `display`, `_repr_*_` methods, open matplotlib
figures as image/png, top-level await, `!command`. Not there: other magics, widgets,
`input`.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import builtins
import contextlib
import inspect
import json
import linecache
import os
import re
import signal
import subprocess
import sys
import tempfile
import traceback
import types
import warnings
from collections.abc import Callable
from typing import IO, Any

Bundle = dict[str, Any]
Result = dict[str, Any]
# MIME types by the method that gives them, in the order in which a notebook asks.
REPRESENTATIONS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
}
IGNORED_MAGICS = ("%matplotlib", "%config", "%autoreload", "%load_ext")
_SHELL = "__run_shell_command__"


class UsageError(Exception):
    """A magic that this kernel does not have."""


class CellTimeoutError(Exception):
    """A cell that used more CPU time than a cell may."""


class Kernel:
    """The interpreter's state between cells."""

    def __init__(self, cell_cpu_seconds: float) -> None:
        self.module = types.ModuleType("__main__")
        self._cell_cpu_seconds = cell_cpu_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._display: list[Bundle] = []
        builtins.display = self.display  # type: ignore[attr-defined]  # notebooks find it without an import
        self.module.__dict__[_SHELL] = run_shell
        sys.modules["__main__"] = self.module
        signal.signal(signal.SIGPROF, _on_cell_timeout)

    def display(self, *values: Any) -> None:
        """What notebooks call to show values."""
        self._display.extend(sendable(bundle_of(value)) for value in values)

    def run(self, number: int, source: str) -> Result:
        """One cell: what it printed, what it showed, and its error if it had one."""
        self._display = []
        reopen_closed_streams()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            error = captured(out, err, lambda: self._guarded(number, source))
            printed = [_text(file) for file in (out, err)]
        return {"stdout": printed[0], "stderr": printed[1], "display": self._display, "error": error}

    def _guarded(self, number: int, source: str) -> list[Bundle]:
        signal.setitimer(signal.ITIMER_PROF, self._cell_cpu_seconds)
        try:
            self._execute(f"<cell {number}>", source)
        except BaseException as error:  # noqa: BLE001  # a cell may raise anything; the next cell runs all the same
            signal.setitimer(signal.ITIMER_PROF, 0)
            return [sendable(error_of(error))]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return []

    def _execute(self, name: str, source: str) -> None:
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        tree = parse(source, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        self._evaluate(tree, name, "exec")
        if isinstance(last, ast.Expr):
            value = self._evaluate(ast.Expression(last.value), name, "eval")
            if value is not None and not source.rstrip().endswith(";"):
                self.module.__dict__["_"] = value
                self.display(value)
        self._display.extend(figures())

    def _evaluate(self, tree: ast.AST, name: str, mode: str) -> Any:
        code = compile(tree, name, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)  # type: ignore[call-overload]
        value = eval(code, self.module.__dict__)  # noqa: S307  # this is what the jail is for
        if code.co_flags & inspect.CO_COROUTINE:
            self._loop = self._loop or asyncio.new_event_loop()
            return self._loop.run_until_complete(value)
        return value


def parse(source: str, name: str) -> ast.Module:
    """The cell's syntax tree; `!` and `%` lines count only where it is no Python. Raises SyntaxError."""
    try:
        return ast.parse(source, name)
    except SyntaxError:
        translated = "\n".join(map(_translated, source.splitlines()))
        if translated == source.rstrip("\n"):
            raise
        return ast.parse(translated, name)


def _translated(line: str) -> str:
    indent, mark, rest = re.fullmatch(r"(\s*)([!%]?)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
    if mark == "!":
        return f"{indent}{_SHELL}({rest!r})"
    if mark == "%":
        magic = mark + rest.split(" ")[0]
        if magic not in IGNORED_MAGICS:
            raise UsageError(f"{magic} is not there: this kernel has no magics")
        return f"{indent}pass"
    return line


def run_shell(command: str) -> None:
    """`!command`: its output is the cell's."""
    subprocess.run(["/bin/sh", "-c", command], check=False, stdin=subprocess.DEVNULL)


def bundle_of(value: Any) -> Bundle:
    """A value by MIME type; `text/plain` always."""
    bundle: Bundle = {"text/plain": repr(value)}
    if isinstance(value, type):
        return bundle
    for method, mime in REPRESENTATIONS.items():
        give = getattr(value, method, None)
        found = give() if callable(give) else None
        if found is not None:
            bundle[mime] = base64.b64encode(found).decode() if isinstance(found, bytes) else found
    return bundle


def sendable(bundle: Bundle) -> Bundle:
    """As it can go into JSON: what JSON does not have is its repr, and half a surrogate pair `?`."""
    return {str(name): _plain(value) for name, value in bundle.items()}


def _plain(value: Any) -> Any:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except Exception:  # noqa: BLE001  # keys that are no texts, cycles, a repr that raises: a cell may show anything
        text = json.dumps(_text_of(value), ensure_ascii=False)
    return json.loads(text.encode("utf-8", "replace"))


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # a cell's own __str__
        return f"<a {type(value).__name__} that cannot be shown>"


def figures() -> list[Bundle]:
    """The figures that matplotlib has open, as PNG; they are closed. Nothing where it was not imported."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return []
    shown = [_png(pyplot.figure(number)) for number in pyplot.get_fignums()]
    pyplot.close("all")
    return shown


def _png(figure: Any) -> Bundle:
    with tempfile.TemporaryFile() as file:
        figure.savefig(file, format="png", bbox_inches="tight")
        file.seek(0)
        return {"image/png": base64.b64encode(file.read()).decode(), "text/plain": repr(figure)}


def error_of(error: BaseException) -> Bundle:
    """An exception in a notebook's form; the traceback is without this kernel's frames."""
    found = traceback.TracebackException.from_exception(error, limit=-100)
    frames = [frame for frame in found.stack if frame.filename.startswith("<cell ")]
    own = found.stack[:0] if not frames else found.stack[found.stack.index(frames[0]) :]
    found.stack = traceback.StackSummary.from_list(own)
    lines = [line.rstrip("\n") for line in found.format()]
    return {"ename": type(error).__name__, "evalue": _text_of(error), "traceback": lines}


def reopen_closed_streams() -> None:
    """A cell may close them; the next one prints all the same."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(getattr(sys, name), "closed", False):
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def captured(out: IO[bytes], err: IO[bytes], work: Callable[[], Any]) -> Any:
    """The work's result; what is written to descriptors 1 and 2 meanwhile goes to the files."""
    kept = [os.dup(1), os.dup(2)]
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    try:
        return work()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # a cell may have closed it, or put anything in its place
                stream.flush()
        for descriptor, number in zip(kept, (1, 2), strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _on_cell_timeout(_: int, __: Any) -> None:
    raise CellTimeoutError("the cell used more CPU time than a cell may")


def main() -> None:
    """Reads the cells, runs them all, and writes a line after each."""
    asked = json.load(sys.stdin)
    os.environ["MPLBACKEND"] = "agg"
    warnings.filterwarnings("ignore", message=".*is non-interactive, and thus cannot be shown")
    kernel = Kernel(asked["cell_cpu_seconds"])
    answers = os.dup(1)
    for number, source in enumerate(asked["cells"], start=1):
        line = json.dumps(kernel.run(number, source), default=repr) + "\n"
        with open(answers, "wb", closefd=False) as file:
            file.write(line.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
