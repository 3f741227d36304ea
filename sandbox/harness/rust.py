"""Rust: tests with a main() of asserts, or `#[test]` functions run by libtest."""

from __future__ import annotations

import re

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
    if _TEST_ATTRIBUTE.search(blanked(program.tests, RUST)):
        text = f"{_ATTRIBUTES}{setup}{source}\n{program.tests}\n{_RUN_TESTS}{_COMMON}"
        # The runner's attributes are nightly's; this lets a stable compiler take them.
        environment = {"RUSTC_BOOTSTRAP": "1"}
        return Unit({"main.rs": text}, {"sources": ("--test", "main.rs")}, environment)
    tests = rename(program.tests, RUST, _MAIN, "verdict_tests_main")
    text = f"{setup}{source}\n{tests}\n{_RUN_MAIN}{_COMMON}"
    return Unit({"main.rs": text}, {"sources": ("main.rs",)})
