"""What is compiled ahead: that compilers take it, what is in it, and what happens where it cannot be made."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sandbox import ahead, languages
from sandbox.ahead import Ahead
from sandbox.errors import JailLost
from sandbox.harness.unit import Unit
from sandbox.languages import Language

pytestmark = pytest.mark.toolchain("g++")

CPP = languages.find("cpp")
HEADER = "vector"
HELLO = Unit({"main.cpp": CPP.hello}, {"sources": ("main.cpp",)})
INSTANTIATING = """
template <class T> void refuse() { static_assert(sizeof(T) == 0, "instantiated"); }
inline void use() { refuse<int>(); }
#pragma reward instantiate
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A cache directory that no jail's own places hide."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        yield Path(path)


class OnThisHost:
    """Builds without a jail; counts."""

    def __init__(self, changes: dict[str, str] | None = None) -> None:
        self._changes = changes or {}
        self.builds = 0

    async def __call__(self, row: Language, command: Sequence[str], unit: Unit, product: str) -> bytes | None:
        self.builds += 1
        with tempfile.TemporaryDirectory() as here:
            for name, text in {**unit.files, **self._changes}.items():
                Path(here, name).write_text(text)
            done = await asyncio.to_thread(
                subprocess.run, command, cwd=here, capture_output=True, check=False
            )
            return Path(here, product).read_bytes() if done.returncode == 0 else None


def _as_they_are(command: Sequence[str], unit: Unit, words: object) -> Sequence[str]:
    return command


async def _prepared(directory: Path, build: ahead.Build, monkeypatch: pytest.MonkeyPatch) -> Ahead:
    monkeypatch.setattr(ahead, "_HEADERS", (HEADER,))
    made = Ahead(str(directory), build)
    made.prepare(CPP, "1", HELLO, _as_they_are)
    await asyncio.gather(*made._running)
    return made


def _headers_read(options: Sequence[str]) -> list[str]:
    """What g++ says of the headers it opens: `!` before a precompiled one that it took."""
    command = ("g++", "-O2", "-std=gnu++20", *options, "-H", "-fsyntax-only", "-x", "c++", "-")
    text = f"#include <{HEADER}>\n"
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stderr.splitlines()


def _plugin(directory: Path) -> str:
    source = Path(ahead.__file__).with_name("harness") / "instantiate.cc"
    made = directory / "instantiate.so"
    subprocess.run(["g++", "-shared", "-fPIC", str(source), "-o", str(made)], check=True)
    return f"-fplugin={made}"


def _precompile(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    header = directory / "header.h"
    header.write_text(INSTANTIATING)
    command = ["g++", *options, "-x", "c++-header", str(header), "-o", str(directory / "header.gch")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_a_compiler_takes_the_header_that_was_made(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await _prepared(directory, OnThisHost(), monkeypatch)
    words = made.words(CPP, "1")["precompiled"]
    assert _headers_read(words)[0] == f"! {words[0].removeprefix('-I')}/{HEADER}.gch"


@pytest.mark.parametrize(
    "before",
    [
        f"#include <{HEADER}>",
        f"#include <string>\n#include <{HEADER}>",
        f"#include <{HEADER}>\n#include <bits/stdc++.h>",
        "#define NDEBUG",
        '#pragma GCC optimize("O3")',
    ],
)
async def test_the_header_can_be_included_wherever_the_text_could(
    before: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (await _prepared(directory, OnThisHost(), monkeypatch)).words(CPP, "1")["precompiled"]
    command = ("g++", "-O2", "-std=gnu++20", *options, "-fsyntax-only", "-x", "c++", "-")
    text = f"{before}\n#include <{HEADER}>\nstd::{HEADER}<int> numbers;\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_with_the_plugin_a_header_holds_its_instantiations(tmp_path: Path) -> None:
    assert "instantiated" in _precompile(tmp_path, _plugin(tmp_path)).stderr


def test_without_the_plugin_the_pragma_means_nothing(tmp_path: Path) -> None:
    done = _precompile(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


async def test_without_a_plugin_that_fits_the_header_is_made_all_the_same(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = OnThisHost({"instantiate.cc": "#error another compiler"})
    made = await _prepared(directory, build, monkeypatch)
    assert _headers_read(made.words(CPP, "1")["precompiled"])[0].startswith("! ")


async def test_what_is_made_is_not_made_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = OnThisHost()
    for _ in range(2):
        await _prepared(directory, build, monkeypatch)
    assert build.builds == 1


async def test_after_a_fault_compilations_go_without(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(row: Language, command: Sequence[str], unit: Unit, product: str) -> bytes | None:
        raise JailLost("a jail ended without an answer")

    made = await _prepared(directory, lost, monkeypatch)
    assert made.words(CPP, "1") == {}
    assert list(directory.iterdir()) == []


async def test_what_an_image_brings_along_is_not_made(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "SHIPPED", tmp_path)
    monkeypatch.setattr(ahead, "_HEADERS", (HEADER,))
    ahead.make_for_image(tmp_path)
    build, version = OnThisHost(), next(tmp_path.glob("g++-*")).name.split("-")[1]
    made = Ahead(str(directory), build)
    made.prepare(CPP, version, HELLO, _as_they_are)
    assert _headers_read(made.words(CPP, version)["precompiled"])[0].startswith(f"! {tmp_path}")
    assert build.builds == 0


@pytest.mark.parametrize(("language", "named"), [("cpp", "precompiled"), ("kotlin", "")])
def test_in_another_image_only_what_may_be_missing_is_named(language: str, named: str) -> None:
    words = Ahead("", OnThisHost(), remote=True).words(languages.find(language), "1")
    assert "".join(words) == named


async def test_a_directory_that_jails_do_not_see_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    build = OnThisHost()
    await _prepared(Path("/tmp/hidden"), build, monkeypatch)
    assert build.builds == 0


def _full_disk(path: Path, content: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_on_a_full_disk_compilations_go_without(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead.Path, "write_bytes", _full_disk)
    made = await _prepared(directory, _at_once, monkeypatch)
    assert made.words(CPP, "1") == {}
    assert list(directory.iterdir()) == []


async def test_what_a_killed_server_of_the_same_pid_left_is_in_nobodys_way(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / f"g++-1-gnu++20-{HEADER}.{os.getpid()}").mkdir()
    made = await _prepared(directory, _at_once, monkeypatch)
    assert "precompiled" in made.words(CPP, "1")


async def _at_once(row: Language, command: Sequence[str], unit: Unit, product: str) -> bytes | None:
    return b"precompiled"
