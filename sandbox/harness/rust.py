"""Rust: tests with a main() of asserts, `#[test]` functions run by libtest, or files as Cargo has them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from sandbox.harness.lexing import RUST, blanked, rename
from sandbox.harness.unit import Unit
from sandbox.types import Program

_TEST_ATTRIBUTE = re.compile(r"#\s*\[\s*test\s*\]")
_MAIN = r"(?<=\bfn )main(?=\s*\()"
# A runner of our own around libtest's: it returns only if every test passed.
_ATTRIBUTES = "#![feature(custom_test_frameworks, test)] #![test_runner(crate::verdict_run)] "
_RUN_TESTS = """
extern crate test as verdict_test;
pub fn verdict_run(tests: &[&verdict_test::TestDescAndFn]) {
    verdict_label_assertions();
    verdict_test::test_main_static(tests);
    verdict_done();
}
"""
_RUN_MAIN = """
fn main() {
    verdict_label_assertions();
    let _ = verdict_tests_main();
    verdict_done();
}
"""
_COMMON = """
fn verdict_done() {
    use std::os::unix::io::FromRawFd;
    let mut record = unsafe { std::fs::File::from_raw_fd(4) };
    if std::io::Write::write_all(&mut record, b"done").is_err() {
        std::process::exit(3);
    }
}
fn verdict_label_assertions() {
    let plain = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        plain(info);
        let text = info.to_string();
        if text.contains("assertion") {
            let line = format!("AssertionError: {}\\n", text.replace('\\n', " "));
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        }
    }));
}
"""


def rust_asserts(program: Program) -> Unit:
    """The program, its tests below it, and who runs them; the program's own main() is renamed."""
    setup = f"{program.setup}\n" if program.setup.strip() else ""
    source = rename(program.source, RUST, _MAIN, "verdict_program_main")
    lead, source = _lifted(source)
    if _TEST_ATTRIBUTE.search(blanked(program.tests, RUST)):
        text = f"{lead}{_ATTRIBUTES}{setup}{source}\n{program.tests}\n{_RUN_TESTS}{_COMMON}"
        # The runner's attributes are nightly's; this lets a stable compiler take them.
        environment = {"RUSTC_BOOTSTRAP": "1"}
        return Unit({"main.rs": text}, {"sources": ("--test", "main.rs")}, environment)
    tests = rename(program.tests, RUST, _MAIN, "verdict_tests_main")
    text = f"{lead}{setup}{source}\n{tests}\n{_RUN_MAIN}{_COMMON}"
    return Unit({"main.rs": text}, {"sources": ("main.rs",)})


LIBRARY = "solution"  # the crate whose names the tests use, unless a Cargo.toml says otherwise
_UNIT_ATTRIBUTES = "#![feature(custom_test_frameworks, test)] #![test_runner(crate::verdict_harness::run)] "
_UNIT_PREFIX = "verdict_unit_"  # before the name of a test file's module
_CRATE_NAME = re.compile(r"""^\s*name\s*=\s*["']([A-Za-z_][\w-]*)["']""", re.MULTILINE)
_MODULE = re.compile(r"\bmod\s+\w+\s*\{")
# What may stand before the first item only, with the blanks and plain comments before each.
_INNER = re.compile(
    r"(?:(?>\s|//(?!!|/(?!/))[^\n]*|/\*(?!!|\*(?![*/])).*?\*/)*+"
    r'(?>#!\[(?:"(?:\\.|[^"\\])*+"|[^\]"])*+\]|//![^\n]*\n|/\*!.*?\*/))*+',
    re.DOTALL,
)
_DENIED = re.compile(r"(#!\[\s*)(?:deny|forbid)\s*\(")
# What tests are written with; a glob import of the program's names must not replace it.
_MACROS = ("assert", "assert_eq", "assert_ne", "debug_assert", "matches", "panic", "unreachable")


def rust_unit_tests(program: Program) -> Unit:
    """One crate: the runner, a module for each file of tests, then the program.

    The tests come first, so that no macro of the program is in their scope, and find the program under its
    crate's name as they would from outside; what may stand before any item only, does. Debug assertions are
    on, as with `cargo test`.
    """
    files = dict(program.files)
    library = crate_name(files)
    tests = {path: text for path, text in files.items() if is_test_file(path)}
    modules = "".join(
        _module(path, f"{_UNIT_PREFIX}{PurePosixPath(path).stem}", program.path) for path in tests
    )
    lead, source = _lifted(rename(program.source, RUST, _MAIN, "verdict_program_main"))
    head = f"{_UNIT_ATTRIBUTES}extern crate self as {library}; "
    root = f"{lead}{head}{_module('verdict_harness.rs', 'verdict_harness', program.path)}{modules}{source}\n"
    placed = {
        **files,
        **{path: _guarded(text) for path, text in tests.items()},
        program.path: root,
        "verdict_harness.rs": _text("unit_tests.rs"),
    }
    words = {"sources": ("--test", "-C", "debug-assertions=on", program.path)}
    return Unit(placed, words, {"RUSTC_BOOTSTRAP": "1"})


def rust_declares_tests(tests: str) -> bool:
    """Whether assert tests hold something to run: `#[test]` functions or a main()."""
    code = blanked(tests, RUST)
    return bool(_TEST_ATTRIBUTE.search(code) or re.search(_MAIN, code))


def rust_complaint(files: Mapping[str, str]) -> str:
    """What makes these unit tests none that can be run here; empty if nothing does."""
    texts = [text for path, text in files.items() if is_test_file(path)]
    if not any(_TEST_ATTRIBUTE.search(blanked(text, RUST)) for text in texts):
        return "no file tests/*.rs has a #[test] function"
    return ""


def is_test_file(path: str) -> bool:
    """Whether Cargo would make a test of its own of it."""
    return re.fullmatch(r"tests/\w+\.rs", path) is not None


def crate_name(files: Mapping[str, str]) -> str:
    """The library's name: that of the package in Cargo.toml, where there is one."""
    found = _CRATE_NAME.search(files.get("Cargo.toml", ""))
    return found[1].replace("-", "_") if found else LIBRARY


def _lifted(source: str) -> tuple[str, str]:
    """A program's leading inner attributes and inner doc comments, and the rest of it.

    Lints that are denied become warnings: the harness and the tests are none of the program's text.
    """
    found = _INNER.match(source)
    end = found.end() if found else 0
    return _DENIED.sub(r"\1warn(", source[:end]), source[end:]


def _module(path: str, name: str, root: str) -> str:
    """A declaration in the crate's root, for which paths begin at the root's directory."""
    return f'#[path = "{posixpath.relpath(path, posixpath.dirname(root))}"] mod {name}; '


def _guarded(text: str) -> str:
    """A test file whose macros are the standard ones in each of its modules, whatever it imports by glob."""
    wanted = [name for name in _MACROS if not re.search(rf"\buse\b[^;]*\b{name}\b", text)]
    uses = f"#[allow(unused_imports)] use ::std::{{{', '.join(wanted)}}}; "
    code = blanked(text, RUST)
    start = _after_inner_attributes(code)
    places = [start, *(found.end() for found in _MODULE.finditer(code) if found.end() > start)]
    for place in reversed(places):
        text = f"{text[:place]}{uses}{text[place:]}"
    return text


def _after_inner_attributes(code: str) -> int:
    """Where the first item may stand: inner attributes come before everything."""
    position = 0
    while found := re.compile(r"\s*#!\[[^\]]*\]").match(code, position):
        position = found.end()
    return position


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
