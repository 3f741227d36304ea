"""Every command line of `reward-server` and `trainer_client` in the pages is one that they take."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import cli as server_cli
from trainer_client import cli as trainer_cli

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]
PARSERS = {"reward-server": server_cli.parser, "trainer_client": trainer_cli._parser}
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`((?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(?:reward-server|trainer_client) [^`\n]+)`")
COMMAND = re.compile(
    r"(?:^|[;&|] *|\$ +)(?:[A-Z_]+=\S+ +)*(?:\S*/)?(reward-server|trainer_client) +([^#|;&>]*)"
)


def commands_of(page: Path) -> Iterator[tuple[str, str]]:
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from COMMAND.findall(line)
    for inline in INLINE.findall(BLOCK.sub("", text)):
        yield from COMMAND.findall(inline)


FOUND = sorted(
    {(page.relative_to(ROOT).as_posix(), *command) for page in PAGES for command in commands_of(page)}
)


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (commands,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return commands.choices


def fault(program: str, arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the program's parser has against these arguments; placeholders stand for values."""
    words = shlex.split(re.sub(r"\[[^\]]*\]|\.\.\.", "", arguments))
    words = ["1" if word in ("N", "X") else word for word in words]
    parser = PARSERS[program]()
    if len(words) == 1 and words[0] in _commands(parser):
        return ""  # a command that is only named
    try:
        parser.parse_args(words)
    except SystemExit as end:
        return capsys.readouterr().err if end.code else ""
    return ""


def test_there_are_commands_of_both() -> None:
    assert {program for _, program, _ in FOUND} == set(PARSERS)
    assert len(FOUND) > 15


@pytest.mark.parametrize(("page", "program", "arguments"), FOUND)
def test_a_command_in_the_pages_is_one(
    page: str, program: str, arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fault(program, arguments, capsys) == "", page


@pytest.mark.parametrize("arguments", ["serv", "serve --htp 1", "verify --tasks"])
def test_a_command_that_is_none_would_be_found(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fault("reward-server", arguments, capsys)


def test_every_flag_of_the_server_is_documented() -> None:
    page = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    for name, command in _commands(server_cli.parser()).items():
        for action in command._actions:
            for flag in action.option_strings:
                setting = flag.removeprefix("--").replace("-", "_")
                assert (
                    f"`{setting}`" in page or re.search(rf"`[^`]*{flag}\b", page) or flag in ("-h", "--help")
                ), f"{name} {flag}"
