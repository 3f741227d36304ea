"""A report decides only with the proof of the end, and a task without tests is nobody's failure."""

from __future__ import annotations

import json

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Limits, Mode, Outcome
from server.errors import RequestError
from server.verify.code import pytest_copy
from server.verify.code.checkers import make_checker
from server.verify.code.findings import Ungradable
from server.verify.code.plan import make_plan
from server.verify.code.unit_tests import FRAMEWORKS, pytest_configuration
from server.verify.code.verifier import CodeVerifier
from tests.server.verify.code.scripted import Row, ScriptedSandbox, ran

FILES = {
    "go": {"f_test.go": 'package f\n\nimport "testing"\n\nfunc TestF(t *testing.T) {}\n'},
    "junit": {"FTest.java": "class FTest { @Test void f() {} }"},
    "jest": {"f.test.js": "test('f', () => {});"},
    "cargo": {"tests/f.rs": "#[test]\nfn f() {}"},
}


class Sandbox(ScriptedSandbox):
    """Has every language."""

    def language(self, name: str) -> Row:
        return Row(name)


def record(*, done: bool = True, **tests: str) -> bytes:
    return json.dumps({"tests": tests}).encode() + (b"\ndone" if done else b"")


async def judge(sandbox: Sandbox, framework: str, language: str = "", **tests: object) -> pb.Verdict:
    fields = {
        "framework": framework,
        "files": FILES.get(framework, {"test_f.py": "def test_f(): pass"}),
        **tests,
    }
    code = pb.CodeTask(
        language=language or FRAMEWORKS[framework].languages[0],
        unit_test=pb.UnitTests(**fields),  # type: ignore[arg-type]
    )
    request = pb.VerifyRequest(completion="program", extraction="whole", code=code)
    return await CodeVerifier(sandbox).verify(request, code, Limits())


async def judged(exit_code: int, handed_over: bytes | None) -> pb.Verdict:
    outcome = Outcome.RUNTIME_ERROR if exit_code else Outcome.OK
    return await judge(Sandbox([ran(b"", outcome, exit_code=exit_code, record=handed_over)]), "go")


@pytest.mark.parametrize(
    ("exit_code", "handed_over", "status"),
    [
        (0, record(TestF="passed"), pb.ACCEPTED),
        (1, record(TestF="failed"), pb.WRONG_ANSWER),
        (0, record(TestF="skipped"), pb.WRONG_ANSWER),
        (0, record(), pb.WRONG_ANSWER),
        (0, b"[]\ndone", pb.WRONG_ANSWER),
        (0, b'{"tests": []}\ndone', pb.WRONG_ANSWER),
        (0, record(TestF="passed", done=False), pb.PREMATURE_EXIT),
        (0, None, pb.PREMATURE_EXIT),
        (1, record(TestF="passed"), pb.RUNTIME_ERROR),
        (2, None, pb.RUNTIME_ERROR),
    ],
)
async def test_report_and_proof(exit_code: int, handed_over: bytes | None, status: pb.Status) -> None:
    verdict = await judged(exit_code, handed_over)
    assert (verdict.status, verdict.trust) == (status, pb.IN_PROCESS), verdict.message
    assert verdict.reward == (1.0 if status == pb.ACCEPTED else 0.0)


@pytest.mark.parametrize("framework", FILES)
async def test_a_framework_gets_the_program_among_its_files(framework: str) -> None:
    sandbox = Sandbox([ran(record=record(f="passed"))])
    await judge(sandbox, framework, solution_path="dir/program")
    program = sandbox.programs[0]
    assert (program.language, program.mode) == (FRAMEWORKS[framework].row, Mode.UNIT_TESTS)
    assert (program.source, program.path) == ("program", "dir/program")
    assert dict(program.files) == FILES[framework]


@pytest.mark.parametrize("framework", [*FILES, "unittest"])
async def test_files_without_tests_are_the_tasks_fault(framework: str) -> None:
    sandbox = Sandbox([])
    verdict = await judge(sandbox, framework, files={"notes.txt": "none", "f_spec.py": "def test_f(): pass"})
    assert (verdict.status, verdict.HasField("reward")) == (pb.UNGRADABLE, False)
    assert not sandbox.programs


@pytest.mark.parametrize(
    ("framework", "path", "complaint"),
    [
        ("pytest", "a/test_f.py", False),
        ("pytest", "f_test.py", False),
        ("pytest", "conftest.py", False),
        ("pytest", "pytest.ini", False),
        ("pytest", "f_spec.py", True),
        ("unittest", "a/my_tests.py", False),
        ("unittest", "f_spec.py", True),
    ],
)
def test_python_files_that_no_framework_would_run_are_named(
    framework: str, path: str, complaint: bool
) -> None:
    assert bool(FRAMEWORKS[framework].complaint({"f.py": "", path: ""})) == complaint


def test_a_task_without_files_that_pytest_collects_cannot_be_judged() -> None:
    tests = pb.UnitTests(framework="pytest", files={"f_spec.py": "def test_f(): pass"})
    with pytest.raises(Ungradable, match=r"test_\*\.py"):
        make_plan("python", pb.CodeTask(unit_test=tests), make_checker("tokens"))


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"pyproject.toml": "[tool.pytest.ini_options]"}, "pyproject.toml"),
        ({"pyproject.toml": "[project]", "setup.cfg": "[tool:pytest]"}, "setup.cfg"),
        ({"tox.ini": "[pytest]", "pytest.ini": ""}, "pytest.ini"),
        ({"tox.ini": "[tox]", "a/pytest.ini": ""}, ""),
    ],
)
def test_what_configures_pytest(files: dict[str, str], found: str) -> None:
    assert pytest_configuration(files) == found


@pytest.mark.parametrize(
    ("language", "tests", "gradable"),
    [
        ("go", "func helper() {}", False),
        ("go", "// func TestF(t *testing.T) {}", False),
        ("go", "func TestF(t *testing.T) {}", True),
        ("go", "func main() { if f() != 1 { panic(1) } }", True),
        ("rust", "/*\n#[test]\nfn f() {}\n*/", False),
        ("rust", "#[test]\nfn f() {}", True),
        ("rust", "fn main() { assert_eq!(f(), 1); }", True),
    ],
)
async def test_asserts_that_nothing_runs_are_the_tasks_fault(
    language: str, tests: str, gradable: bool
) -> None:
    code = pb.CodeTask(language=language, asserts=pb.AssertTests(tests=[tests]))
    request = pb.VerifyRequest(completion="program", extraction="whole", code=code)
    verdict = await CodeVerifier(Sandbox([ran(record=b"done")])).verify(request, code, Limits())
    assert verdict.status == (pb.ACCEPTED if gradable else pb.UNGRADABLE)
    assert verdict.HasField("reward") == gradable


async def test_a_language_that_the_framework_does_not_run_is_refused() -> None:
    with pytest.raises(RequestError) as refused:
        await judge(Sandbox([]), "cargo", "python")
    assert (refused.value.field, str(refused.value)) == (
        "code.language",
        "code.language: cargo runs rust programs",
    )


def test_pytest_needs_a_directory_that_jails_see() -> None:
    assert pytest_copy.below("") == ""


async def test_an_image_shows_its_own_pytest() -> None:
    found = pytest_copy.PytestCopy(Sandbox([ran()], isolation="docker/runsc"), "/not/in/the/image")
    assert [await found.directory() for _ in range(2)] == [pytest_copy.IN_IMAGE] * 2


async def test_an_image_without_pytest_is_no_programs_fault() -> None:
    missing = ran(b"", Outcome.RUNTIME_ERROR, stderr=b"ModuleNotFoundError: No module named 'pytest'")
    with pytest.raises(RequestError, match=r"code\.unit_test\.framework"):
        await judge(Sandbox([missing], isolation="docker"), "pytest")
