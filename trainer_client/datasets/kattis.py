"""Problem packages of the Kattis kind: a directory, or the same as one row.

Format: https://www.kattis.com/problem-package-format (legacy and 2025-09). Read are `problem.yaml`
(validation, validator_flags, limits, type), `data/`, `output_validators/` and `submissions/`. Multi-pass
problems are refused.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.datasets.pairs import code_prompt
from trainer_client.datasets.rows import DatasetError, Row
from trainer_client.datasets.task import Known, Task

_LANGUAGES = {
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".go": "go",
    ".java": "java",
    ".js": "javascript",
    ".kt": "kotlin",
    ".py": "python",
    ".rs": "rust",
}
_TOLERANCES = {
    "float_tolerance": ("abs", "rel"),
    "float_relative_tolerance": ("rel",),
    "float_absolute_tolerance": ("abs",),
}
_RIGHT = "accepted"
_WRONG = ("wrong_answer", "time_limit_exceeded", "run_time_error", "partially_accepted")


def package_row(row: Row) -> Task:
    """One package a row.

    `{problem_id, title?, time_limit_s?, memory_mb?, checker: {type: default | float | special |
    interactive, flags, files}, tests: [{name, input, output}]}`.
    """
    checker = row.inner("checker")
    files = checker.values.get("files") or {}
    flags = checker.text_or("", "flags")
    tests = [Row(f"{row.where}: tests[{i}]", one) for i, one in enumerate(row.array("tests"))]
    pairs = [(test.text("input"), test.text_or("", "output")) for test in tests]
    task = _task(row, pairs, checker.text("type"), flags, files)
    task.limits.cpu_seconds = float(row.values.get("time_limit_s") or 0)
    task.limits.memory_bytes = int(row.values.get("memory_mb") or 0) << 20
    return Task(row.id("problem_id"), code_prompt(row.text_or("", "statement", "title")), task)


def package(directory: Path) -> Task:
    """A package's directory, with its annotated submissions as known programs. Raises DatasetError.

    The time limit is `limits.time_limit` of problem.yaml or the file `.timelimit`; a package with neither
    leaves it to the server (Kattis would measure its own solutions). Directories of several files under
    submissions are left out.
    """
    settings = _settings(directory)
    row = Row(str(directory / "problem.yaml"), settings)
    kind = _kind(row)
    validators = _texts(directory / "output_validators") or _texts(directory / "output_validator")
    limits = row.inner("limits").values if row.has("limits") else {}
    task = _task(row, list(_cases(directory)), kind, row.text_or("", "validator_flags"), validators)
    task.limits.cpu_seconds = float(limits.get("time_limit") or _time_limit(directory))
    task.limits.memory_bytes = int(limits.get("memory") or 0) << 20
    return Task(directory.name, code_prompt(_statement(directory)), task, tuple(_submissions(directory)))


def _task(
    row: Row, pairs: list[tuple[str, str]], kind: str, flags: str, files: Mapping[str, str]
) -> pb.CodeTask:
    if not pairs:
        raise row.fault("tests", "is empty: a problem without tests cannot be judged")
    task = pb.CodeTask(language="python")
    if kind == "interactive":
        program = pb.Program(**_validator(row, files, flags))
        cases = [pb.InteractiveCase(input=given, answer=answer) for given, answer in pairs]
        task.interactive.CopyFrom(pb.InteractiveTests(interactor=program, cases=cases, protocol="kattis"))
        return task
    task.stdio.cases.extend(pb.StdioCase(input=given, output=answer) for given, answer in pairs)
    if kind == "special":
        task.checker.program.CopyFrom(pb.CheckerProgram(protocol="kattis", **_validator(row, files, flags)))
    elif kind in ("default", "float"):
        task.checker.CopyFrom(_default_checker(row, flags))
    else:
        raise row.fault("checker.type", f"{kind!r} is none of default, float, special, interactive")
    return task


def _default_checker(row: Row, flags: str) -> pb.Checker:
    """The default validator's arguments; without `case_sensitive`, letters count in any case.

    `space_change_sensitive` is refused: no checker of ours keeps blanks and takes a tolerance or any case.
    """
    words, tolerance = shlex.split(flags), pb.FloatTolerance()
    while words:
        word = words.pop(0)
        if word in _TOLERANCES:
            bound = _number(row, words)
            for name in _TOLERANCES[word]:
                setattr(tolerance, name, bound)
        elif word == "space_change_sensitive":
            return _sensitive(row, flags)
        elif word != "case_sensitive":
            raise row.fault("validator_flags", f"unknown flag {word!r}")
    if tolerance.HasField("abs") or tolerance.HasField("rel"):
        return pb.Checker(floats=tolerance)
    return pb.Checker(name="tokens" if "case_sensitive" in flags else "case_insensitive_tokens")


def _sensitive(row: Row, flags: str) -> pb.Checker:
    if set(flags.split()) == {"space_change_sensitive", "case_sensitive"}:
        return pb.Checker(name="exact")
    raise row.fault("validator_flags", "space_change_sensitive is judged only together with case_sensitive")


def _number(row: Row, words: list[str]) -> float:
    try:
        return float(words.pop(0))
    except (IndexError, ValueError):
        raise row.fault("validator_flags", "a tolerance has no number") from None


def _validator(row: Row, files: Mapping[str, str], flags: str) -> dict[str, Any]:
    """The one validator: its program, and what it includes under the names it uses.

    Several validators, which the format lets judge together, are refused.
    """
    groups: dict[str, dict[str, str]] = {}
    for path, text in files.items():
        parts = PurePosixPath(path).parts
        below = parts[1:] if parts[0].startswith("output_validator") else parts
        name = below[0] if len(below) > 1 else ""
        groups.setdefault(name or below[-1], {})["/".join(below[1:]) or below[-1]] = text
    if len(groups) != 1:
        raise row.fault("output_validators", f"one validator is wanted, not {len(groups)}")
    (found,) = groups.values()
    programs = [path for path in found if PurePosixPath(path).suffix in _LANGUAGES]
    if len(programs) != 1:
        raise row.fault("output_validators", f"one source file is wanted, not {sorted(programs)}")
    source = found.pop(programs[0])
    language = _LANGUAGES[PurePosixPath(programs[0]).suffix]
    return {"language": language, "source": source, "files": found, "arguments": shlex.split(flags)}


def _settings(directory: Path) -> dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]  # PyYAML has no types; only packages need it
    except ImportError:
        raise DatasetError("problem packages need PyYAML: pip install pyyaml") from None
    path = directory / "problem.yaml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetError(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise DatasetError(f"{path}: settings by name are wanted")
    return found


def _kind(row: Row) -> str:
    """From `validation` (legacy) or `type` (2025-09); raises DatasetError for what cannot be judged."""
    kinds = row.values.get("type") or ()
    words = {
        *str(row.values.get("validation", "default")).split(),
        *(kinds.split() if isinstance(kinds, str) else kinds),
    }
    for refused in ("multi-pass", "multipass", "submit-answer"):
        if refused in words:
            raise row.fault(
                "type" if row.has("type") else "validation", f"{refused} problems cannot be judged"
            )
    if "interactive" in words:
        return "interactive"
    validators = Path(row.where).parent
    custom = "custom" in words or (validators / "output_validator").is_dir()
    return "special" if custom else "default"


def _cases(directory: Path) -> Iterator[tuple[str, str]]:
    for given in sorted((directory / "data").glob("s[ae]*/**/*.in")):  # sample before secret
        answer = given.with_suffix(".ans")
        if not answer.exists():
            raise DatasetError(f"{answer}: a test has no answer")
        yield _text(given), _text(answer)


def _time_limit(directory: Path) -> float:
    path = directory / ".timelimit"
    try:
        return float(path.read_text()) if path.exists() else 0.0
    except ValueError:
        raise DatasetError(f"{path}: seconds are wanted") from None


def _statement(directory: Path) -> str:
    found = sorted(directory.glob("problem_statement/problem*")) + sorted(
        directory.glob("statement/problem*")
    )
    english = [path for path in found if path.stem in ("problem", "problem.en")]
    return _text((english or found)[0]) if found else directory.name


def _submissions(directory: Path) -> Iterator[Known]:
    for label in (_RIGHT, *_WRONG):
        for path in sorted((directory / "submissions" / label).glob("*")):
            if path.suffix in _LANGUAGES:
                name, language = f"{label}/{path.name}", _LANGUAGES[path.suffix]
                yield Known(name, _text(path), right=label == _RIGHT, language=language, label=label)


def _texts(directory: Path) -> dict[str, str]:
    files = (
        path for path in sorted(directory.rglob("*")) if path.is_file() and not path.name.startswith(".")
    )
    return {str(path.relative_to(directory.parent)): _text(path) for path in files}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: {error}") from None
