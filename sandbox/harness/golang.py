"""Go: tests in a file of their own beside the program, with the imports that they use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from sandbox.harness.lexing import GO, blanked, rename
from sandbox.harness.unit import Unit
from sandbox.types import Program

_PACKAGE = re.compile(r"^[ \t]*package[ \t]+\w+", re.MULTILINE)
_IMPORTS = re.compile(r"^[ \t]*import[ \t]*(?:\((?P<many>[^)]*)\)|(?P<one>[^\n;]*))", re.MULTILINE)
_SPEC = re.compile(r"""(?P<name>[\w.]+)?[ \t]*["`](?P<path>[^"`\n]+)["`]""")
_TEST = re.compile(r"^func[ \t]+(Test\w*)[ \t]*\(", re.MULTILINE)
_MAIN = r"(?<=\bfunc )main(?=\s*\()"
_TESTIFY = "github.com/stretchr/testify/"
_TOP_LEVEL = re.compile(r"^(?:var|func|type|const)[ \t]+(\w+)", re.MULTILINE)
# What a function is published with is often not what it needs (HumanEval-X's evaluator drops the imports and
# adds these where they are used). Each has one of its names, to count as used whatever the code does with it.
_STANDARD = {
    "bufio": "NewReader",
    "bytes": "Equal",
    "container/heap": "Init",
    "container/list": "New",
    "crypto/md5": "New",
    "encoding/hex": "EncodeToString",
    "encoding/json": "Marshal",
    "errors": "New",
    "fmt": "Sprint",
    "io": "EOF",
    "math": "Abs",
    "math/big": "NewInt",
    "math/bits": "Len",
    "math/rand": "Int",
    "os": "Exit",
    "reflect": "DeepEqual",
    "regexp": "Compile",
    "sort": "Ints",
    "strconv": "Itoa",
    "strings": "Join",
    "sync": "NewCond",
    "testing": "Init",
    "time": "Now",
    "unicode": "IsSpace",
    "unicode/utf8": "RuneLen",
}
_PATHS = {path.rsplit("/", 1)[-1]: path for path in _STANDARD}


def go_script(program: Program) -> Unit:
    """One file; a program without a package clause is package main."""
    return Unit({"main.go": _in_package_main(program.source)}, {"sources": ("main.go",)})


def go_asserts(program: Program) -> Unit:
    """The program, its tests, and a main() that runs every TestX(*testing.T) or the tests' own main().

    Imports are not what is tested: missing ones of the standard library are added, unused ones ignored.
    """
    tests = _without_head(f"{program.setup}\n{program.tests}")
    named = {**_imports(program.source), **_imports(program.setup), **_imports(program.tests)}
    files = {
        "main.go": _completed(rename(_ignoring_unused(program.source), GO, _MAIN, "verdictProgramMain"), {}),
        "tests.go": _completed(rename(tests, GO, _MAIN, "verdictTestsMain"), named),
        "verdict.go": _runner(blanked(tests, GO)),
    }
    return Unit(files, {"sources": tuple(files)})


def _in_package_main(source: str, imports: str = "") -> str:
    """The source with the package clause of a program, and further imports behind it on its line."""
    found = _PACKAGE.search(blanked(source, GO))
    head, body = (source[: found.start()], source[found.end() :]) if found else ("", f" {source}")
    return f"{head}package main;{imports}{body}"


def _without_head(source: str) -> str:
    """The declarations below package clause and imports; lines stay where they were."""
    code = blanked(source, GO)
    for pattern in (_IMPORTS, _PACKAGE):
        for found in pattern.finditer(code):
            lines = "\n" * source.count("\n", found.start(), found.end())
            blank = lines.ljust(found.end() - found.start())
            source = source[: found.start()] + blank + source[found.end() :]
    return source


def _imports(source: str) -> Mapping[str, str]:
    """Import paths by the name under which code uses them."""
    named = {}
    for block in _IMPORTS.finditer(_without_comments(source)):
        for spec in _SPEC.finditer(block["many"] or block["one"] or ""):
            named[spec["name"] or spec["path"].rsplit("/", 1)[-1]] = spec["path"]
    return named


def _without_comments(source: str) -> str:
    return GO.sub(lambda found: " " if found.group().startswith("/") else found.group(), source)


def _completed(source: str, named: Mapping[str, str]) -> str:
    """The source with imports for what it uses and does not import, by `named` or of the standard library."""
    code = blanked(source, GO)
    used = set(re.findall(r"\b(\w+)\.[A-Z]", code)) - {*_imports(source), *_TOP_LEVEL.findall(code)}
    paths = {
        name: path
        for name, path in {**_PATHS, **named}.items()
        if name in used and not path.startswith(_TESTIFY)
    }
    imports = "".join(f'import {name} "{path}";' for name, path in paths.items())
    uses = "".join(f"var _ = {name}.{_STANDARD[path]};" for name, path in paths.items() if path in _STANDARD)
    return f"{_in_package_main(source, imports)}\n{uses}\n"


def _ignoring_unused(source: str) -> str:
    """The source with its unused imports as blank ones."""
    code = blanked(source, GO)
    for name, path in _imports(source).items():
        if name not in "_." and not re.search(rf"\b{re.escape(name)}\.", code):
            spec = rf'(?:\b{re.escape(name)}[ \t]+)?"{re.escape(path)}"'
            source = re.sub(spec, f'_ "{path}"', source, count=1)
    return source


def _runner(tests_code: str) -> str:
    names = _TEST.findall(tests_code)
    table = "".join(f'{{"{name}", {name}}},' for name in names)
    own_main = (
        "verdictTestsMain(); verdictDone(); return" if not names and re.search(_MAIN, tests_code) else ""
    )
    return _text("verdict.go").replace("/*TESTS*/", table).replace("/*MAIN*/", own_main)


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
