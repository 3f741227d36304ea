"""The command line, over the stub core where it needs one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandbox.errors import SandboxUnavailable
from server import cli, doctor
from server.config import Settings
from tests.server.conftest import until
from tests.server.stub_core import FULL, HELD, StubCore

HEAVY = {"fastapi", "grpc", "uvicorn", "sympy", "orjson", "google.protobuf", "structlog", "torch"}


@dataclass
class Seen:
    name: str = "namespaces"
    ok: bool = False
    detail: str = "user namespaces are off"
    remedy: str = "sysctl -w kernel.unprivileged_userns_clone=1"
    optional: bool = False


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Callable[[], StubCore]:
    """Puts a stub in the core's place; call it to get the one the command made."""
    made: list[StubCore] = []

    def make(_: Settings) -> StubCore:
        made.append(StubCore())
        return made[-1]

    monkeypatch.setattr(cli, "_new_core", make)
    monkeypatch.setattr(doctor, "examine", lambda _: [Seen()])
    return lambda: made[-1]


def requests_file(tmp_path: Path, *requests: object) -> str:
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(json.dumps(request) for request in requests), encoding="utf-8")
    return str(path)


def math(request_id: str, completion: str) -> dict[str, object]:
    return {"id": request_id, "completion": completion, "math": {"gold": ["42"]}}


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, server.cli; server.cli.parser().format_help(); print({HEAVY!r} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"


@pytest.mark.parametrize("argv", [["--help"], ["serve", "--help"], ["bench", "--help"]])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 0
    assert "usage: reward-server" in capsys.readouterr().out


def test_verify_prints_verdicts_and_a_summary(
    core: Callable[[], StubCore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = requests_file(tmp_path, math("a", r"\boxed{42}"), math("b", "none"))
    assert cli.main(["verify", file]) == 0
    out, err = capsys.readouterr()
    assert {v["id"]: v["reward"] for v in map(json.loads, out.splitlines())} == {"a": 1.0, "b": 0.0}
    assert err == "2 requests: 1 ACCEPTED, 1 WRONG_ANSWER; 2 judged, mean reward 0.500\n"
    assert core().closed


def test_verify_fails_when_something_was_not_judged(
    core: Callable[[], StubCore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = requests_file(tmp_path, math("a", r"\boxed{42}"), {"id": "b", "nonsense": 1}, math("c", FULL))
    assert cli.main(["verify", file]) == 1
    out, err = capsys.readouterr()
    errors = {v["id"]: v["error"]["code"] for v in map(json.loads, out.splitlines()) if "error" in v}
    assert errors == {"b": "INVALID_ARGUMENT", "c": "QUEUE_FULL"}
    assert "1 judged" in err
    assert core().closed


def recorded(tmp_path: Path) -> Path:
    file = requests_file(tmp_path, math("a", r"\boxed{42}"), {"nonsense": 1}, math("b", "none"))
    cli.main(["verify", file, "--record", str(tmp_path / "record.jsonl")])
    return tmp_path / "record.jsonl"


def test_a_recorded_file_judged_again_shows_no_change(
    core: Callable[[], StubCore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = recorded(tmp_path)
    capsys.readouterr()
    assert cli.main(["verify", "--replay", str(record)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "2 requests: 0 verdicts changed\n")


def test_replay_reports_a_verdict_that_changed(
    core: Callable[[], StubCore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = recorded(tmp_path)
    record.write_text(record.read_text().replace('"status":"ACCEPTED"', '"status":"WRONG_ANSWER"'))
    capsys.readouterr()
    assert cli.main(["verify", "--replay", str(record)]) == 1
    (changed,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert changed["id"] == "a"
    assert changed["then"] == {"status": "WRONG_ANSWER", "reward": 1.0}
    assert changed["now"] == {"status": "ACCEPTED", "reward": 1.0}


def test_replay_names_the_line_that_is_no_pair(
    core: Callable[[], StubCore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = requests_file(tmp_path, math("a", "42"))
    assert cli.main(["verify", "--replay", file]) == 2
    assert "line 1: is not" in capsys.readouterr().err


def test_verify_of_a_missing_file(core: Callable[[], StubCore], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "/nowhere.jsonl"]) == 2
    assert "/nowhere.jsonl: No such file" in capsys.readouterr().err


def test_languages(core: Callable[[], StubCore], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["languages"]) == 0
    assert capsys.readouterr().out.split() == ["python", "py"]


def test_bench_ends_with_a_line_for_machines(
    core: Callable[[], StubCore], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", "-n", "3"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["requests_of_each_kind"] == 3
    assert report["math_verdicts_per_second"] > 0


def test_doctor_fails_with_the_remedy(
    core: Callable[[], StubCore], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor"]) == 1
    assert "-> sysctl -w" in capsys.readouterr().out


def test_doctor_is_content_when_only_what_is_optional_is_missing(
    core: Callable[[], StubCore], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda _: [Seen(optional=True)])
    assert cli.main(["doctor"]) == 0
    assert "no   namespaces" in capsys.readouterr().out


def test_config_show_merges_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "show", "--max-queue", "7"]) == 0
    assert "max_queue = 7  #" in capsys.readouterr().out


def test_config_show_says_where_each_value_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.toml"
    file.write_text("slots = 3\nmax_queue = 5\n")
    monkeypatch.setenv("REWARD_SERVER_MAX_QUEUE", "6")
    monkeypatch.setenv("REWARD_SERVER_DOCKER_IMAGE", 'odd "name" \\ here')
    assert cli.main(["config", "show", "--config", str(file), "--run-slots", "7"]) == 0
    shown = capsys.readouterr().out
    for line in (
        f"slots = 3  # {file}: ",
        "max_queue = 6  # REWARD_SERVER_MAX_QUEUE: ",
        "run_slots = 7  # --run-slots: ",
        "drain_seconds = 30.0  # default: ",
    ):
        assert f"\n{line}" in shown
    file.write_text(shown)
    assert cli.main(["config", "show", "--config", str(file)]) == 0
    again = capsys.readouterr().out
    assert [line.partition("#")[0] for line in again.splitlines()] == [
        line.partition("#")[0] for line in shown.splitlines()
    ]


def test_a_wrong_setting_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--http", "nonsense"]) == 2
    assert "http: 'nonsense' is not host:port" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"], ["languages"]]
)
def test_too_little_isolation_is_exit_3_with_the_doctors_text(
    command: list[str],
    core: Callable[[], StubCore],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def start(_: StubCore) -> None:
        raise SandboxUnavailable("no user namespaces")

    monkeypatch.setattr(StubCore, "start", start)
    assert cli.main(command) == 3
    err = capsys.readouterr().err
    assert "FAIL namespaces: user namespaces are off" in err
    assert "refusing to start: no user namespaces" in err
    assert core().closed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_drains_and_ends_with_0(
    number: signal.Signals, capsys: pytest.CaptureFixture[str], hang_up: None
) -> None:
    core = StubCore()
    serving = asyncio.create_task(cli.serve(Settings(http="127.0.0.1:0", grpc="127.0.0.1:0"), core))
    await until(lambda: "serving http=" in capsys.readouterr().out)
    os.kill(os.getpid(), number)
    assert await serving == 0
    assert core.draining
    assert core.closed


async def test_under_nohup_the_terminals_end_is_ignored(
    capsys: pytest.CaptureFixture[str], hang_up: None
) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    core = StubCore()
    serving = asyncio.create_task(cli.serve(Settings(http="127.0.0.1:0", grpc="127.0.0.1:0"), core))
    await until(lambda: "serving http=" in capsys.readouterr().out)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    os.kill(os.getpid(), signal.SIGTERM)
    assert await serving == 0


async def test_a_second_signal_cuts_the_drain_short(capsys: pytest.CaptureFixture[str]) -> None:
    core = StubCore()
    settings = Settings(http="127.0.0.1:0", grpc="127.0.0.1:0", drain_seconds=1e6)
    serving = asyncio.create_task(cli.serve(settings, core))
    out = ""

    def listening() -> bool:
        nonlocal out
        out += capsys.readouterr().out
        return "serving http=" in out

    await until(listening)
    async with httpx.AsyncClient(base_url=f"http://{out.split()[1].removeprefix('http=')}") as http:
        asking = asyncio.create_task(http.post("/v1/verify", json=math("h", HELD)))
        await core.held.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: core.draining)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving == 0
        answer = (await asyncio.gather(asking, return_exceptions=True))[0]
    assert core.cancelled.is_set()
    # Whatever the client saw, it was no verdict.
    assert isinstance(answer, httpx.HTTPError) or not answer.is_success
