"""Assembles the C++ units that call one function of a program, or run asserts against it.

Both units keep the program's own line numbers in diagnostics, survive a
`main()` that the program brings along, and take back every macro that the
program defined before anything else is read, so that `#define int long long`
or `#define NDEBUG` reaches neither the harness nor the tests.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

SOURCE_NAME = "solution.cpp"  # no such file: a compiler must not quote lines of the unit
_PROGRAM_MAIN = "verdict_program_main"
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_DEFINE = re.compile(r"^[ \t]*(?:#|%:)[ \t]*define[ \t]+([A-Za-z_]\w*)", re.MULTILINE | re.ASCII)
_SOLUTION = re.compile(r"\b(?:class|struct)\s+Solution\b[^;{]{0,500}\{")
# Comments and literals; a quote between digits (1'000) opens no literal. An unfinished one
# reaches to the end of its line or text, so that no position is ever scanned twice.
_NOT_CODE = re.compile(
    r"""//[^\n]*"""
    r"""|/\*.*?(?:\*/|\Z)"""
    r"""|R"(?P<mark>[^(\s"]{0,16})\(.*?(?:\)(?P=mark)"|\Z)"""
    r"""|"(?:\\.|[^"\\\n])*"?"""
    r"""|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'?""",
    re.DOTALL,
)
_MAIN = re.compile(rf"{_NOT_CODE.pattern}|\bmain\b(?=\s*\()", re.DOTALL)
# What the harness and the tests are written with, however the program hid its definition.
_ALWAYS_UNDEFINED = (
    "main",
    "assert",
    "NDEBUG",
    "int",
    "bool",
    "true",
    "false",
    "return",
    "if",
    "void",
    "std",
)


def cpp_call_unit(source: str, function: str) -> str:
    """The unit that calls `function`, or `Solution::function`; ValueError for a bad name."""
    name = function.removeprefix("Solution.").removeprefix("Solution::")
    if not _IDENTIFIER.match(name):
        raise ValueError(f"not a function name: {function!r}")
    # ::name, so that `using namespace std` does not mix in std::unique and its like.
    target = f"&Solution::{name}" if _is_method(source, name) else f"&::{name}"
    return "\n".join(
        (
            *_program("", source),
            '#line 1 "harness"',
            _text("call.hpp"),
            f"int main() {{ return verdict_harness::serve({target}); }}",
            "",
        )
    )


def cpp_asserts_unit(source: str, setup: str, tests: str) -> str:
    """The unit that runs `tests`, a text with a main() of asserts, after `setup` and the program."""
    return "\n".join(
        (
            *_program(setup, source),
            "#include <cassert>",
            '#line 1 "tests.cpp"',
            tests,
            '#line 1 "harness"',
            _text("asserts.hpp"),
        )
    )


def strip_literals(source: str) -> str:
    """The source with each comment and literal replaced by a blank; line splices undone."""
    return _NOT_CODE.sub(" ", source.replace("\\\n", ""))


def _program(setup: str, source: str) -> list[str]:
    undefined = dict.fromkeys((*_ALWAYS_UNDEFINED, *_macros(source)))
    return [
        *([setup] if setup else []),
        f'#line 1 "{SOURCE_NAME}"',
        _rename_main(source),
        *(f"#undef {name}" for name in undefined),
    ]


def _rename_main(source: str) -> str:
    """Gives the program's main() another name, in the text: a macro would void a precompiled header."""
    return _MAIN.sub(lambda found: _PROGRAM_MAIN if found.group() == "main" else found.group(), source)


def _macros(source: str) -> list[str]:
    """The names that the program defines; reserved ones belong to the system headers."""
    return [name for name in _DEFINE.findall(strip_literals(source)) if not name.startswith("_")]


def _is_method(source: str, name: str) -> bool:
    """Whether class Solution, if the program has one, mentions the function in its body."""
    code = strip_literals(source)
    found = _SOLUTION.search(code)
    if found is None:
        return False
    body = code[found.end() : _closing_brace(code, found.end())]
    return re.search(rf"\b{name}\s*\(", body) is not None


def _closing_brace(code: str, start: int) -> int:
    depth = 1
    for brace in re.finditer(r"[{}]", code[start:]):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return start + brace.start()
    return len(code)


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
