"""Files and entries of a unit, read off the text of program and tests."""

from __future__ import annotations

import pytest

from sandbox.harness import golang, javascript, jvm, naming, rust
from sandbox.types import Mode, Program


def test_java_tests_may_go_on_inside_the_programs_class() -> None:
    """MultiPL-E's way: the program is a class that is not closed, or closed by a model."""
    for closing in ("", "}\n"):
        program = f"class Problem {{\n  static int twice(int x) {{ return x * 2; }}\n{closing}"
        tests = "  public static void main(String[] a) { assert(twice(2) == 4); }\n}\n"
        unit = jvm.java_asserts(Program("java", program, Mode.ASSERTS, tests=tests))
        text = unit.files["Main.java"]
        assert text.count("{") == text.count("}")
        assert unit.words["main"] == ("VerdictRunner", "Problem")


_JAVA_TESTS = "  public static void main(String[] a) { assert(twice(2) == Arrays.asList(4).get(0)); }\n}\n"
_TWICE = "class Problem { static int twice(int x) { return x * 2; } "


def _continued(program: str) -> str:
    unit = jvm.java_asserts(Program("java", program, Mode.ASSERTS, tests=_JAVA_TESTS))
    text = unit.files["Main.java"]
    assert unit.words["main"] == ("VerdictRunner", "Problem")
    return text


@pytest.mark.parametrize(
    "behind", ["", " // the end: }", "\nclass Helper { static int half(int x) { return x; } }"]
)
def test_java_tests_go_on_in_the_class_that_they_call(behind: str) -> None:
    assert _continued(f"{_TWICE}}}{behind}") == f"{_TWICE}\n{_JAVA_TESTS}{behind}"


def test_a_main_in_the_class_of_the_java_tests_makes_way() -> None:
    assert "void programMain(String[]" in _continued(_TWICE + "public static void main(String[] b) { } }")


def test_java_types_that_would_stand_before_what_tests_judge_by_make_way() -> None:
    text = _continued(f"class Arrays {{ }}\nclass Objects {{ }}\n{_TWICE} java.util.Arrays all; }}")
    assert "class ProgramArrays { }\nclass Objects { }" in text
    assert " java.util.Arrays all;" in text


def test_a_java_program_is_named_by_its_public_class_and_entered_at_main() -> None:
    source = 'class A { String s = "public class B {"; }\npublic class C { }\nclass D { static void main(String[] a) {} }'
    unit = jvm.java_script(Program("java", source))
    assert list(unit.files) == ["C.java"]
    assert unit.words["main"] == ("D",)


def test_a_main_of_the_program_makes_way_for_that_of_the_tests() -> None:
    unit = jvm.java_asserts(
        Program("java", "class Main { }\nclass Solution { }", Mode.ASSERTS, tests="public class Main { }")
    )
    assert "class ProgramMain" in unit.files["Solution.java"]


def test_go_imports_are_completed_and_unused_ones_ignored() -> None:
    source = 'import (\n  "strings"\n  "os"\n)\nfunc f() float64 { return math.Abs(1) }\n'
    unit = golang.go_asserts(Program("go", source, Mode.ASSERTS, tests="func TestF(t *testing.T) {}"))
    text = unit.files["main.go"]
    assert '_ "strings"' in text
    assert 'import math "math"' in text
    assert text.splitlines()[0].startswith("package main;")


def test_literals_are_not_code() -> None:
    unit = rust.rust_asserts(
        Program("rust", 'fn f() { let s = "fn main()"; }', Mode.ASSERTS, tests="fn main() { f(); }")
    )
    assert '"fn main()"' in unit.files["main.rs"]


def test_declarations_of_typescript_tests_leave_the_block() -> None:
    unit = javascript.typescript_asserts(
        Program("typescript", "let a = 1;", Mode.ASSERTS, tests="declare var require: any;\na;")
    )
    assert unit.files["main.ts"].startswith("declare var require: any;")


def test_an_erlang_module_names_its_file() -> None:
    unit = naming.erlang(Program("erlang", "-module(solution).\n"))
    assert (list(unit.files), unit.words["main"]) == (["solution.erl"], ("solution",))


def test_scala_and_kotlin_are_entered_where_main_is() -> None:
    scala = naming.scala(Program("scala", "object Helper {}\nobject Entry extends App {}\n"))
    kotlin = naming.kotlin(Program("kotlin", "package judge.test\nfun main() {}\n"))
    assert (scala.words["main"], kotlin.words["main"]) == (("Entry",), ("judge.test.MainKt",))
