"""Executables started by a template of their own uid: what they find, and what they cannot do to it."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox import backends, template
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.session import Session
from sandbox.types import Case, Limits, Outcome, Program

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = Limits(cpu_seconds=2.0, wall_seconds=2.0, memory_bytes=128 << 20, output_bytes=1 << 20, processes=16)
SOURCE = r"""
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int others_opened(void) {
  int opened = 0;
  char path[64];
  static const char *files[] = {"mem", "environ", "maps", "fd", "root"};
  for (int pid = 1; pid < 400; pid++)
    for (int i = 0; pid != getpid() && i < 5; i++) {
      snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
      int flags = i < 3 ? O_RDONLY : O_RDONLY | O_DIRECTORY;
      opened += open(path, flags) >= 0;
    }
  return opened;
}

static int descriptors(void) {
  int count = 0;
  for (int i = 0; i < 1024; i++) count += fcntl(i, F_GETFD) != -1;
  return count;
}

int main(void) {
  char word[64] = "";
  scanf("%63s", word);
  if (!strcmp(word, "stop")) kill(-1, SIGSTOP);
  if (!strcmp(word, "kill")) kill(-1, SIGKILL);
  if (!strcmp(word, "others")) printf("%d\n", others_opened());
  if (!strcmp(word, "descriptors")) printf("%d\n", descriptors());
  if (!strcmp(word, "session")) puts(getsid(0) == getpid() ? "own" : "shared");
  if (!strcmp(word, "pipe")) puts(signal(SIGPIPE, SIG_DFL) == SIG_DFL ? "default" : "other");
  if (!strcmp(word, "uid")) printf("%d\n", setresuid(0, 0, 0) == 0 || seteuid(0) == 0);
  puts("end");
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["namespaces", "landlock"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """In place of the one in conftest.py: every test of this module, under each backend."""
    if why := backends.problem(request.param):
        pytest.skip(f"{request.param}: {why}")
    box = Sandbox(SandboxConfig(slots=2, isolation=request.param, languages=("c",)))
    await box.start()
    yield box
    await box.close()


@pytest_asyncio.fixture(loop_scope="module")
async def session(sandbox: Sandbox) -> AsyncIterator[Session]:
    artefact = (await sandbox.compile(Program("c", SOURCE))).artefact
    assert artefact is not None
    async with sandbox.session(artefact, LIMITS) as session:
        yield session


FOUND = {"others": b"0", "descriptors": b"3", "session": b"own", "pipe": b"default", "uid": b"0"}


@pytest.mark.parametrize("word", FOUND)
async def test_a_program_finds(word: str, session: Session) -> None:
    result = await session.run(Case(word.encode()))
    assert result.stdout.split() == [FOUND[word], b"end"]


async def test_a_stopped_template_is_woken(session: Session) -> None:
    result = await session.run(Case(b"stop"))
    assert (result.outcome, result.stdout) == (Outcome.OK, b"end\n")


@pytest.mark.parametrize("word", [b"kill", b"stop"])
async def test_a_template_that_was_attacked_changes_nothing_for_the_next_run(
    word: bytes, session: Session
) -> None:
    attacked = await session.run(Case(word))
    assert attacked.outcome in (Outcome.OK, Outcome.RUNTIME_ERROR)
    following = await session.run(Case(b"session"))
    assert (following.outcome, following.stdout) == (Outcome.OK, b"own\nend\n")


async def test_a_command_that_is_not_there_ends_as_in_a_shell(session: Session) -> None:
    result = await session.run(Case(b""), command=("/nowhere/program", "argument"))
    assert (result.exit_code, result.outcome) == (127, Outcome.RUNTIME_ERROR)
    assert result.stderr == b"/nowhere/program: No such file or directory\n"


async def test_no_process_to_be_had_is_not_the_programs_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is told from a template that its program has killed, which gives none."""
    told: list[bytes] = []

    def refuse(*arguments: object, **options: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    def end(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(os, "posix_spawnp", refuse)
    monkeypatch.setattr(os, "write", lambda descriptor, data: told.append(bytes(data)) or len(data))
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(SystemExit):
        template._spawn(("/bin/true",), {})
    assert told == [template.UNFIT]


async def test_a_command_of_its_own_gets_its_arguments(session: Session) -> None:
    result = await session.run(Case(b"", arguments=("b", "c d")), command=("printf", "%s,", "a"))
    assert result.stdout == b"a,b,c d,"
