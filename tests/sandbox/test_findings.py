"""What self-tests found is kept for as long as the tools stay the same, and no longer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import findings
from sandbox.findings import Finding, Findings, tools_digest
from sandbox.languages import find

GOOD = Finding("1.2", True, "")


def test_a_good_finding_is_there_at_the_next_start(tmp_path: Path) -> None:
    Findings(str(tmp_path)).put("digest", GOOD)
    assert Findings(str(tmp_path)).get("digest") == GOOD


def test_a_bad_finding_is_not_believed_twice(tmp_path: Path) -> None:
    kept = Findings(str(tmp_path))
    kept.put("digest", Finding("", False, "hello-world: no"))
    assert kept.get("digest") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"digest": {"version": 1}}'])
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "languages.json").write_text(text)
    assert Findings(str(tmp_path)).get("digest") is None


def test_without_a_directory_nothing_is_kept() -> None:
    kept = Findings("")
    kept.put("digest", GOOD)
    assert kept.get("digest") is None


def test_a_directory_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    Findings(str(tmp_path / "missing")).put("digest", GOOD)
    assert not (tmp_path / "missing").exists()


def test_another_binary_row_or_isolation_is_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bash"
    tool.write_text("one")
    tool.chmod(0o755)
    monkeypatch.setattr(findings, "SEARCH_PATH", str(tmp_path))
    row = find("bash")
    digests = {str(tools_digest(row, "namespaces")), str(tools_digest(row, "landlock"))}
    digests.add(str(tools_digest(replace(row, hello="echo hi"), "namespaces")))
    tool.write_text("another")
    digests.add(str(tools_digest(row, "namespaces")))
    assert len(digests) == 4


def test_missing_tools_are_named() -> None:
    row = replace(find("bash"), run_command=("no-such-tool", "x"))
    assert tools_digest(row, "namespaces") == ["no-such-tool"]


def test_another_linker_is_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gfortran").write_text("")
    (tmp_path / "gfortran").chmod(0o755)
    monkeypatch.setattr(findings, "SEARCH_PATH", str(tmp_path))
    before = tools_digest(find("fortran"), "namespaces")
    (tmp_path / "ld.gold").write_text("")
    (tmp_path / "ld.gold").chmod(0o755)
    assert tools_digest(find("fortran"), "namespaces") != before
