"""What a framework's files become: nothing of the tests is the program's to change, and what cannot run is named."""

from __future__ import annotations

import pytest

from sandbox.harness import golang, javascript, jvm, rust
from sandbox.types import Mode, Program

GO_TEST = 'package f\n\nimport "testing"\n\nfunc TestF(t *testing.T) {}\n'


def program(source: str, path: str, **files: str) -> Program:
    return Program("x", source, Mode.UNIT_TESTS, path=path, files=tuple(files.items()))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GO_TEST, ""),
        ("package f\n// func TestF(t *testing.T) {}\n", "no file"),
        ("package f\n\nfunc Testing(t *testing.T) {}\n", "no file"),
        ("package f\n\nfunc TestF(n int) {}\n", "no file"),
        (f"{GO_TEST}\nfunc TestMain(m *testing.M) {{}}\n", "TestMain"),
        (GO_TEST.replace("package f", "package f_test"), "external package"),
    ],
)
def test_go_files_that_hold_no_tests_are_named(text: str, complaint: str) -> None:
    found = golang.go_complaint({"f_test.go": text})
    assert found.startswith(complaint) if not complaint else complaint in found
    assert bool(found) == bool(complaint)


def test_go_tests_are_those_of_test_files_alone() -> None:
    unit = golang.go_unit_tests(
        program(GO_TEST.replace("TestF", "TestMine"), "f.go", **{"f_test.go": GO_TEST})
    )
    assert '{"TestF", TestF},' in unit.files["verdict_harness.go"]
    assert "TestMine" not in unit.files["verdict_harness.go"]
    assert unit.files["f_tests.go"].startswith("package main;")


def test_go_keeps_its_lines_without_testify() -> None:
    text = 'package f\n\nimport (\n\t"testing"\n\t"github.com/stretchr/testify/assert"\n)\n\nfunc TestF(t *testing.T) {}\n'
    unit = golang.go_unit_tests(program("package f\n", "f.go", **{"f_test.go": text}))
    assert "testify/assert" not in unit.files["f_tests.go"]
    assert unit.files["f_tests.go"].count("\n") == text.count("\n")
    assert "testify.go" in unit.files


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"tests/a.rs": "#[test]\nfn a() {}"}, False),
        ({"tests/a.rs": "// #[test]\nfn a() {}"}, True),
        ({"a.rs": "#[test]\nfn a() {}"}, True),
        ({"tests/common/mod.rs": "#[test]\nfn a() {}"}, True),
    ],
)
def test_rust_files_that_hold_no_tests_are_named(files: dict[str, str], complaint: bool) -> None:
    assert bool(rust.rust_complaint(files)) == complaint


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ({}, "solution"),
        ({"Cargo.toml": '[package]\nname = "two-words"\n'}, "two_words"),
        ({"Cargo.toml": '[package]\nname = "x; panic!()"\n'}, "solution"),
    ],
)
def test_a_crate_is_named_by_its_manifest(manifest: dict[str, str], name: str) -> None:
    assert rust.crate_name(manifest) == name


def test_rust_tests_stand_before_the_program_with_macros_of_their_own() -> None:
    tests = '#![allow(dead_code)]\nuse solution::*;\nuse std::panic;\nmod inner { #[test] fn b() { let _ = "mod x {"; } }\n'
    unit = rust.rust_unit_tests(program("pub fn f() {}", "src/lib.rs", **{"tests/a.rs": tests}))
    root, placed = unit.files["src/lib.rs"], unit.files["tests/a.rs"]
    assert root.index('#[path = "../tests/a.rs"] mod verdict_unit_a;') < root.index("pub fn f")
    assert "extern crate self as solution;" in root
    assert placed.startswith("#![allow(dead_code)]#[allow(unused_imports)] use ::std::{assert, assert_eq,")
    assert placed.count("use ::std::{") == 2
    assert "panic}" not in placed.replace(" ", "")
    assert placed.count("\n") == tests.count("\n")


@pytest.mark.parametrize(
    ("source", "lead", "rest"),
    [
        ("//! Adds.\n\npub fn f() {}", "//! Adds.\n", "\npub fn f() {}"),
        ("/*! Adds. */ pub fn f() {}", "/*! Adds. */", " pub fn f() {}"),
        (
            "// old\n#![allow(dead_code)]\n/// Adds.\npub fn f() {}",
            "// old\n#![allow(dead_code)]",
            "\n/// Adds.",
        ),
        ('#![doc = "a ] b"] use x;', '#![doc = "a ] b"]', " use x;"),
        ("#![forbid(unsafe_code)]\nuse x;", "#![warn(unsafe_code)]", "\nuse x;"),
        ("/** Adds. */ pub fn f() {}", "", "/** Adds. */"),
    ],
)
@pytest.mark.parametrize("mode", ["cargo", "asserts"])
def test_what_begins_a_rust_program_begins_its_crate(mode: str, source: str, lead: str, rest: str) -> None:
    if mode == "cargo":
        text = rust.rust_unit_tests(program(source, "src/lib.rs")).files["src/lib.rs"]
    else:
        asserted = Program("rust", source, Mode.ASSERTS, setup="use y;", tests="fn main() {}")
        text = rust.rust_asserts(asserted).files["main.rs"]
    assert text.startswith(lead)
    assert rest in text[len(lead) :]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("piece", ["/*", "//", " ", "#![a]", '#!["', "//!\n", "/*!*/"])
def test_no_beginning_of_a_rust_program_is_slow_to_find(piece: str) -> None:
    rust.rust_unit_tests(program(piece * (200_000 // len(piece)), "src/lib.rs"))


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("a.test.js", False),
        ("src/a.spec.jsx", False),
        ("__tests__/a.js", False),
        ("test.js", False),
        ("a.js", True),
        ("contest.js", True),
    ],
)
def test_javascript_files_that_jest_would_not_run_are_named(path: str, complaint: bool) -> None:
    assert bool(javascript.jest_complaint({path: "test('a', () => {});"})) == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("class A { @Test void a() {} }", False),
        ("class A { @org.junit.jupiter.api.RepeatedTest(2) void a() {} }", False),
        ("class A { /* @Test */ void a() {} }", True),
        ("class A { @Testing void a() {} }", True),
    ],
)
def test_java_files_without_a_test_are_named(text: str, complaint: bool) -> None:
    assert bool(jvm.junit_complaint({"A.java": text})) == complaint


def test_a_java_program_goes_to_the_file_of_its_public_class() -> None:
    unit = jvm.junit_unit_tests(program("public class Score {}", "", **{"A.java": "class A {}"}))
    assert set(unit.files) == {"Score.java", "A.java", "VerdictUnitTests.java"}
    assert unit.words["main"] == ("VerdictUnitTests", "{box}")
