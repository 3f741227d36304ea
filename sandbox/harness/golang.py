"""Go: tests in a file of their own beside the program, with the imports that they use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from sandbox.harness.lexing import GO, blanked, rename
from sandbox.harness.unit import Unit
from sandbox.types import Program

_PACKAGE = re.compile(r"^[ \t]*package[ \t]+\w+", re.MULTILINE)
_IMPORTS = re.compile(r"^[ \t]*import[ \t]*(?:\((?P<many>[^)]*)\)|(?P<one>[^\n;]*))", re.MULTILINE)
_SPEC = re.compile(r"""(?P<name>[\w.]+)?[ \t]*["`](?P<path>[^"`\n]+)["`]""")
_TEST = re.compile(r"^func[ \t]+(Test(?![a-z])\w*)[ \t]*\([ \t]*\w+[ \t]+\*testing\.T\b", re.MULTILINE)
_TEST_MAIN = re.compile(r"^func[ \t]+TestMain[ \t]*\([ \t]*\w+[ \t]+\*testing\.M\b", re.MULTILINE)
_EXTERNAL = re.compile(r"^[ \t]*package[ \t]+\w+_test\b", re.MULTILINE)
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
        "testify.go": _text("testify.go"),
    }
    return Unit(files, {"sources": tuple(files)})


def go_unit_tests(program: Program) -> Unit:
    """Every file in package main, the `_test.go` ones with a runner of their TestX functions.

    Nothing else is changed: as with `go test`, an import that is not used does not compile. Of testify,
    `assert` and `require` are there in the part that `testify.go` has.
    """
    texts = {program.path: rename(program.source, GO, _MAIN, "verdictProgramMain"), **dict(program.files)}
    names = [name for text in test_texts(texts) for name in _TEST.findall(blanked(text, GO))]
    files = {_flat(path): _in_package_main(_without_testify(text)) for path, text in texts.items()}
    files["verdict_harness.go"] = _text("unit_tests.go").replace("/*TESTS*/", _table(names))
    if any(_TESTIFY in text for text in texts.values()):
        files["testify.go"] = _text("testify.go")
    return Unit(files, {"sources": tuple(files)})


def go_complaint(files: Mapping[str, str]) -> str:
    """What makes these unit tests none that can be run here; empty if nothing does."""
    texts = [blanked(text, GO) for text in test_texts(files)]
    if not any(_TEST.search(text) for text in texts):
        return "no file *_test.go has a function TestX(t *testing.T)"
    if any(_TEST_MAIN.search(text) for text in texts):
        return "TestMain is not supported"
    if any(_EXTERNAL.search(text) for text in texts):
        return "tests in an external package (package x_test) are not supported"
    return ""


def go_declares_tests(tests: str) -> bool:
    """Whether assert tests hold something to run: TestX functions or a main()."""
    code = blanked(tests, GO)
    return bool(_TEST.search(code) or re.search(_MAIN, code))


def test_texts(files: Mapping[str, str]) -> list[str]:
    """The files that `go test` takes for tests."""
    return [text for path, text in files.items() if path.endswith("_test.go")]


def _flat(path: str) -> str:
    """A name in one directory; the compiler is given files, and `_test.go` means nothing to it."""
    return path.replace("/", "__").replace("_test.go", "_tests.go")


def _without_testify(source: str) -> str:
    """The source without its imports of testify, which is in the package itself."""
    return re.sub(
        rf'(?m)^[ \t]*(?:import[ \t]+)?"{re.escape(_TESTIFY)}(?:assert|require)"[ \t]*$', "", source
    )


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
    own_main = (
        "verdictTestsMain(); verdictDone(); return" if not names and re.search(_MAIN, tests_code) else ""
    )
    return _text("verdict.go").replace("/*TESTS*/", _table(names)).replace("/*MAIN*/", own_main)


def _table(names: Iterable[str]) -> str:
    return "".join(f'{{"{name}", {name}}},' for name in names)


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
