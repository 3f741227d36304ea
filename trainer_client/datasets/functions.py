"""Data sets that ask for a function and test it with asserts or unit-test files."""

from __future__ import annotations

import ast
from dataclasses import replace

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.datasets.evalplus import plain_asserts
from trainer_client.datasets.pairs import code_prompt
from trainer_client.datasets.rows import Row, syntax_tree
from trainer_client.datasets.task import Known, Task

_LANGUAGES = {"cpp", "go", "java", "javascript", "python", "rust"}
# What imports a crate, and how a program uses it.
_RUST_CRATES = {"use rand::Rng;\n": "rand::", "use regex::Regex;\n": "Regex", "use md5;\n": "md5::"}
_NAMES = {"js": "javascript", "c++": "cpp", "golang": "go", "py": "python", "rs": "rust", "ts": "typescript"}
# Languages of MultiPL-E whose tests can follow a whole program.
_MULTIPLE_LANGUAGES = {
    "cpp",
    "go",
    "java",
    "javascript",
    "python",
    "rust",
    "typescript",
    "php",
    "ruby",
    "perl",
}
_MULTIPLE_NAMES = {**_NAMES, "pl": "perl", "rb": "ruby", "go_test.go": "go"}
_FUNCTION_PROMPT = (
    "Complete this function. Answer with the whole program in one code block.\n```{language}\n{prompt}\n```"
)


def humaneval(row: Row) -> Task:
    """HumanEval (openai/openai_humaneval) and HumanEval+ (evalplus/humanevalplus).

    `{task_id, prompt, canonical_solution, test, entry_point}`; the program is prompt and solution.
    """
    prompt, function = row.text("prompt"), row.text("entry_point")
    task = _asserts("python", plain_asserts(row.text("test"), function), function)
    known = _solution(row, prompt)
    return Task(row.id("task_id", "id"), _function_prompt("python", prompt), task, known)


def mbpp(row: Row) -> Task:
    """MBPP (google-research-datasets/mbpp) and MBPP+ (evalplus/mbppplus).

    `{task_id, text | prompt, code | canonical_solution, test_list, test_setup_code? | test_imports?,
    test?}`; `test` is MBPP+'s and takes the place of test_list. The first test stands in the prompt: it
    names the function.
    """
    tests = [str(one) for one in row.array("test_list")]
    if not tests:
        raise row.fault("test_list", "is empty: a problem without tests cannot be judged")
    setup = row.text_or("", "test_setup_code") or "\n".join(row.values.get("test_imports") or ())
    # Behind the program, and not before it: some setups build values of classes that the program defines.
    task = pb.CodeTask(language="python", asserts=pb.AssertTests(tests=[setup, *tests] if setup else tests))
    code = row.text_or("", "code", "canonical_solution")
    if row.has("test"):
        function = _called(row, tests[0], code)
        task.asserts.tests[:] = [plain_asserts(row.text("test"), function)]
        task.asserts.entry_point = (
            function if task.asserts.tests[0].startswith("def check(candidate)") else ""
        )
    known = (Known("canonical", code, right=True),) if code else ()
    problem = f"{row.text('text', 'prompt')}\nIt must pass: {tests[0]}"
    return Task(row.id("task_id", "id"), code_prompt(problem), task, known)


def _called(row: Row, test: str, code: str) -> str:
    """The function under test: of the program's own, the one that the first assert calls."""
    try:
        defined = {node.name for node in syntax_tree(code).body if isinstance(node, ast.FunctionDef)}
        called = [node.func for node in ast.walk(syntax_tree(test)) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError) as error:
        raise row.fault("test_list", str(error)) from None
    for function in called:
        if isinstance(function, ast.Name) and function.id in defined:
            return function.id
    raise row.fault("test_list", "its first assert calls no function of the solution")


def humaneval_x(row: Row) -> Task:
    """HumanEval-X (THUDM/humaneval-x) and HumanEvalPack (bigcode/humanevalpack).

    `{task_id: LANGUAGE/NUMBER, prompt, declaration, canonical_solution, test, import?, buggy_solution?,
    bug_type?}`. The program is declaration and solution: Python's and Go's begin with the prompt, which has
    their imports.
    """
    language = _language(row)
    head = row.text("prompt") if language in ("python", "go") else row.text("declaration")
    function = row.text_or("", "entry_point") or _checked(row) if language == "python" else ""
    task = _asserts(language, row.text("test"), function)
    known = _solution(row, head)
    if row.has("buggy_solution"):
        bug = row.text_or("", "bug_type")
        known += (Known("buggy", head + row.text("buggy_solution"), right=False, label=bug),)
    if language == "rust":
        known = tuple(replace(one, completion=_without_unused_crates(one.completion)) for one in known)
    prompt = _function_prompt(language, row.text("prompt"))
    return Task(row.id("id", "task_id"), prompt, task, known)


def _without_unused_crates(program: str) -> str:
    for line, name in _RUST_CRATES.items():
        rest = program.replace(line, "", 1)
        if name not in rest:
            program = rest
    return program


def _language(row: Row) -> str:
    named = row.text_or("", "language") or row.text("task_id", "id").split("/")[-2]
    language = _NAMES.get(named.lower(), named.lower())
    if language not in _LANGUAGES:
        raise row.fault("task_id", f"the language {named!r} is none of HumanEval-X")
    return language


def _checked(row: Row) -> str:
    """The name in the tests' last `check(name)`."""
    _, found, rest = row.text("test").rpartition("check(")
    if not found:
        raise row.fault("test", "calls no check(name)")
    return rest.partition(")")[0].strip()


def multipl_e(row: Row) -> Task:
    """MultiPL-E (nuprl/MultiPL-E).

    `{name, language, prompt, tests, stop_tokens}`. Its tests close the function that a completion leaves
    open; where that is one line with a brace it is left away, because a chat model's program is whole.
    Java's go on inside the class. Languages whose tests cannot follow a whole program are refused.
    """
    named = row.text("language")
    language = _MULTIPLE_NAMES.get(named, named)
    if language not in _MULTIPLE_LANGUAGES:
        raise row.fault("language", f"{named!r} is not one of {', '.join(sorted(_MULTIPLE_LANGUAGES))}")
    tests, name = row.text("tests"), row.text("name")
    if language not in ("java", "python"):
        tests = tests.lstrip("\n").removeprefix("}").lstrip("\n")
    function = "_".join(name.split("_")[2:]) if language == "python" else ""
    return Task(name, _function_prompt(language, row.text("prompt")), _asserts(language, tests, function))


def kodcode(row: Row) -> Task:
    """KodCode (KodCode/KodCode-V1 and its subsets for RL).

    `{question_id, question, solution, test, test_info?}`; `test` is a pytest file that imports from
    `solution`.
    """
    test = row.text("test")
    tests = pb.UnitTests(files={"test_solution.py": test}, framework="pytest", solution_path="solution.py")
    known = (Known("solution", row.text("solution"), right=True),) if row.has("solution") else ()
    task = pb.CodeTask(language="python", unit_test=tests)
    declared = [
        one.get("function_declaration") for one in row.values.get("test_info") or () if isinstance(one, dict)
    ]
    starter = str(declared[0]) if declared and declared[0] else ""
    return Task(row.id("question_id"), code_prompt(row.text("question"), starter), task, known)


def _asserts(language: str, test: str, function: str) -> pb.CodeTask:
    return pb.CodeTask(language=language, asserts=pb.AssertTests(tests=[test], entry_point=function))


def _solution(row: Row, head: str) -> tuple[Known, ...]:
    if not row.has("canonical_solution"):
        return ()
    return (Known("canonical", head + row.text("canonical_solution"), right=True),)


def _function_prompt(language: str, prompt: str) -> str:
    return _FUNCTION_PROMPT.format(language=language, prompt=prompt)
