"""Tests beside the program, per language: a pass is recorded, a failure and an early exit are not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sandbox.languages import find
from sandbox.sandbox import Sandbox
from sandbox.types import Case, Limits, Mode, Outcome, Program, RunResult

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = Limits(cpu_seconds=4.0, wall_seconds=60.0, memory_bytes=256 << 20, processes=32)


@dataclass(frozen=True)
class Sample:
    """A program that doubles, EXPRESSION standing for how, and its tests."""

    program: str
    tests: str
    setup: str = ""

    def doubling(self, expression: str) -> str:
        return self.program.replace("EXPRESSION", expression)


SAMPLES = {
    "java": Sample(
        "import java.util.*;\nclass Solution {\n  int twice(int x) { return EXPRESSION; }\n}\n",
        """public class Main {
  public static void main(String[] args) {
    Solution s = new Solution();
    List<Boolean> correct = Arrays.asList(s.twice(2) == 4, s.twice(-1) == -2);
    if (correct.contains(false)) throw new AssertionError();
  }
}
""",
    ),
    "javascript": Sample(
        "const assert = 1;\nconst twice = (x) => EXPRESSION;\n",
        "const assert = require('node:assert');\nassert.deepEqual(twice(2), 4);\nconsole.assert(twice(-1) === -2);\n",
    ),
    "typescript": Sample(
        "function twice(x: number): number { return EXPRESSION; }\n",
        "declare var require: any;\nconst assert = require('node:assert');\nassert.deepEqual(twice(2), 4);\n",
    ),
    "go": Sample(
        'import "os"\n\nfunc twice(x int) int { if x > 1000 { os.Exit(4) }; return EXPRESSION }\n\nfunc main() {}\n',
        "func TestTwice(t *testing.T) {\n  assert := assert.New(t)\n  assert.Equal(4, twice(2))\n"
        "  assert.Equal(true, math.Abs(float64(twice(-1)) + 2) < 1e-6)\n}\n",
        'package main\n\nimport (\n  "testing"\n  "github.com/stretchr/testify/assert"\n)\n',
    ),
    "rust": Sample(
        "fn twice(x: i32) -> i32 { EXPRESSION }\nfn main() {}\n",
        "#[cfg(test)]\nmod tests {\n  use super::*;\n  #[test]\n  fn test_twice() { assert_eq!(twice(2), 4); }\n}\n",
    ),
    "php": Sample(
        "<?php\nfunction twice($x) { return EXPRESSION; }\n?>\n",
        "<?php\nfunction test(): void {\n  if (twice(2) !== 4) { throw new Exception('Test failed!'); }\n}\ntest();\n",
    ),
    "ruby": Sample(
        "def twice(x)\n  EXPRESSION\nend\n",
        "raise 'AssertionError' unless twice(2) == 4\n",
    ),
    "perl": Sample(
        "sub twice { my ($x) = @_; return EXPRESSION; }\n1;\n__END__\nnotes\n",
        "die 'AssertionError' unless twice(2) == 4;\n",
    ),
}
EVERY = [pytest.param(name, id=name, marks=pytest.mark.toolchain(*find(name).tools)) for name in SAMPLES]


async def run(sandbox: Sandbox, language: str, expression: str) -> RunResult:
    sample = SAMPLES[language]
    if language in ("php", "perl"):
        expression = expression.replace("x ", "$x ")
    program = Program(
        language, sample.doubling(expression), Mode.ASSERTS, setup=sample.setup, tests=sample.tests
    )
    compilation = await sandbox.compile(program)
    assert compilation.artefact is not None, compilation.diagnostics
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        return await session.run(Case())


@pytest.mark.parametrize("language", EVERY)
async def test_a_pass_is_recorded(sandbox: Sandbox, language: str) -> None:
    result = await run(sandbox, language, "x * 2")
    assert (result.outcome, result.record) == (Outcome.OK, b"done"), result


@pytest.mark.parametrize("language", EVERY)
async def test_a_failure_is_an_error_exit(sandbox: Sandbox, language: str) -> None:
    result = await run(sandbox, language, "x + 3")
    assert result.outcome is Outcome.RUNTIME_ERROR, result
    assert result.exit_code
    assert result.record is None


LEAVES = {
    "javascript": "process.exit(0)",
    "typescript": "process.exit(0)",
    "go": "func() int { os.Exit(0); return 0 }()",
    "rust": "std::process::exit(0)",
    "php": "exit(0)",
    "ruby": "exit(0)",
    "perl": "exit(0)",
}


@pytest.mark.parametrize("language", [item for item in EVERY if item.id != "java"])
async def test_leaving_early_is_not_recorded(sandbox: Sandbox, language: str) -> None:
    result = await run(sandbox, language, LEAVES[language])
    assert result.record is None, result


@pytest.mark.toolchain("javac", "java")
async def test_leaving_early_is_not_recorded_in_java(sandbox: Sandbox) -> None:
    result = await run(sandbox, "java", "x * 2; } { System.exit(0)")
    assert (result.outcome, result.record) == (Outcome.OK, None), result


@pytest.mark.toolchain("javac", "java")
async def test_a_failed_java_assertion_is_named_on_stderr(sandbox: Sandbox) -> None:
    result = await run(sandbox, "java", "x + 3")
    assert b"\nAssertionError" in result.stderr


@pytest.mark.toolchain("javac", "java")
async def test_java_assertions_that_the_program_switched_off_are_not_passed(sandbox: Sandbox) -> None:
    off = "static { ClassLoader.getSystemClassLoader().setDefaultAssertionStatus(false); }"
    source = (
        f"class Base {{ {off} }}\nclass Problem extends Base {{ static int twice(int x) {{ return 0; }} }}\n"
    )
    tests = "public static void main(String[] a) { assert(twice(2) == 4); }\n}\n"
    compilation = await sandbox.compile(Program("java", source, Mode.ASSERTS, tests=tests))
    assert compilation.artefact is not None, compilation.diagnostics
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        result = await session.run(Case())
    assert (result.exit_code, result.record) == (1, None), result


@pytest.mark.toolchain("go")
async def test_go_tests_that_are_none_are_not_passed(sandbox: Sandbox) -> None:
    program = Program("go", "func f() {}\n", Mode.ASSERTS, tests="func helper() {}\n")
    compilation = await sandbox.compile(program)
    assert compilation.artefact is not None, compilation.diagnostics
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        result = await session.run(Case())
    assert (result.outcome, result.record) == (Outcome.RUNTIME_ERROR, None)


@pytest.mark.toolchain("node")
async def test_a_main_guard_is_the_tests_and_not_the_programs_in_javascript(sandbox: Sandbox) -> None:
    guarded = "if (require.main === module) process.exit({});"
    program = Program("javascript", guarded.format(4), Mode.ASSERTS, tests=guarded.format(3))
    compilation = await sandbox.compile(program)
    assert compilation.artefact is not None, compilation.diagnostics
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        result = await session.run(Case())
    assert (result.exit_code, result.record) == (3, None), result


@pytest.mark.toolchain("node")
@pytest.mark.parametrize(("factor", "record"), [(2, b"done"), (3, None)])
async def test_tests_may_require_beside_a_program_that_is_an_es_module(
    sandbox: Sandbox, factor: int, record: bytes | None
) -> None:
    source = f"import fs from 'fs';\nexport function twice(x) {{ return x * {factor}; }}\n"
    program = Program("javascript", source, Mode.ASSERTS, tests=SAMPLES["javascript"].tests)
    compilation = await sandbox.compile(program)
    assert compilation.artefact is not None, compilation.diagnostics
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        result = await session.run(Case())
    assert result.record == record, result


@pytest.mark.toolchain("node")
async def test_a_late_failure_in_javascript_is_not_passed(sandbox: Sandbox) -> None:
    program = Program(
        "javascript", "const f = 1;", Mode.ASSERTS, tests="setTimeout(() => { throw new Error('late'); }, 1);"
    )
    compilation = await sandbox.compile(program)
    assert compilation.artefact is not None, compilation.diagnostics
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        result = await session.run(Case())
    assert (result.outcome, result.record) == (Outcome.RUNTIME_ERROR, None), result
