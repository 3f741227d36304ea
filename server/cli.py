"""The command `reward-server`.

Exit codes: 0 done; 1 something was not judged, or cannot be served; 2 the command
line or a setting is wrong; 3 the host gives less isolation than the floor; 130 Ctrl-C.
Everything heavy is imported by the command that needs it, so that `--help` is instant.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.config import Settings, load_settings, load_with_origins, to_toml
from server.errors import StartupError

if TYPE_CHECKING:
    from server.app import Core

DONE, FAILED, USAGE, UNFIT, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = parser().parse_args(argv)
    try:
        settings = load_settings(arguments.config, flags=_flags(arguments))
    except StartupError as error:
        return _fail(str(error), USAGE)
    try:
        return int(arguments.run(settings, arguments))
    except StartupError as error:
        return _report_refused_start(settings, error)
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The command line; every setting is a flag of every command."""
    top = argparse.ArgumentParser(prog="reward-server", description="Judges completions over gRPC and HTTP.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    shared = _settings_parser()

    def add(
        name: str, run: Callable[[Settings, argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, parents=[shared], help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("serve", _serve, "serve both faces until SIGTERM or Ctrl-C, then drain")
    add("doctor", _doctor, "say what this host gives and what to do about the rest")
    verify = add("verify", _verify, "judge a file of requests here, without a server")
    verify.add_argument("file", metavar="FILE.jsonl", help="one VerifyRequest in JSON per line; - is stdin")
    instead = verify.add_mutually_exclusive_group()
    instead.add_argument("--tasks", action="store_true", help="check tasks instead, with known programs")
    instead.add_argument(
        "--replay", action="store_true", help="FILE has requests with their verdicts: print what has changed"
    )
    instead.add_argument(
        "--record", type=Path, metavar="OUT.jsonl", help="write requests with their verdicts, for --replay"
    )
    add("languages", _languages, "list the languages with their versions")
    bench = add("bench", _bench, "load this machine with easy requests and print verdicts per second")
    bench.add_argument("-n", type=int, default=200, help="requests of each kind (default 200)")
    shell = add("shell", _shell, "look around in a jail, as a program of the language would")
    shell.add_argument("language", metavar="LANGUAGE")
    config = add("config", _config, "show the settings as they are in effect, as a file for --config")
    config.add_argument("action", choices=["show"])
    _add_keys_parser(add("keys", _keys, "add, list or remove the API keys of keys_file"))
    return top


def _add_keys_parser(keys: argparse.ArgumentParser) -> None:
    keys.add_argument("action", choices=["add", "list", "remove"])
    keys.add_argument("name", metavar="NAME", nargs="?", help="the key's name, for add and remove")
    keys.add_argument("--max-concurrent", type=int, default=0, help="most requests inside at once; 0: any")
    keys.add_argument("--cost-per-second", type=float, default=0.0, help="most units of cost; 0: any")


def _settings_parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("settings (also REWARD_SERVER_* in the environment, or in the file)")
    group.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
    for item in fields(Settings):
        group.add_argument(
            f"--{item.name.replace('_', '-')}",
            metavar="VALUE",
            default=argparse.SUPPRESS,
            help=f"{item.metadata['help']} (default {item.default})",
        )
    return shared


def _flags(arguments: argparse.Namespace) -> dict[str, str]:
    given = vars(arguments)
    return {item.name: given[item.name] for item in fields(Settings) if item.name in given}


def _fail(message: str, code: int) -> int:
    print(f"reward-server: {message}", file=sys.stderr)
    return code


def _report_refused_start(settings: Settings, error: StartupError) -> int:
    from server import doctor

    if not isinstance(error, doctor.HostUnfit):
        return _fail(str(error), FAILED)
    print(doctor.to_text(doctor.examine(settings)), file=sys.stderr)
    return _fail(f"refusing to start: {error}", UNFIT)


def _run(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # an optional speed-up
        return None
    return uvloop.new_event_loop


def _new_core(settings: Settings) -> Core:
    from server.core import RewardCore

    return RewardCore(settings)


# serve


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    if settings.front_processes > 1:
        from server import fronts

        return _run(fronts.serve(settings))
    return _run(serve(settings, _new_core(settings)))


async def serve(settings: Settings, core: Core) -> int:
    """Serves until a signal, drains, and returns 0; a second signal cuts the drain short."""
    from server.app import App

    app, stop = App(settings, core), asyncio.Event()
    _on_signals(stop, app.reload if settings.has_files_to_reread else None)
    try:
        await app.start()
        _settle_memory()
        print(f"serving http={app.http_address} grpc={app.grpc_address}", flush=True)
        await app.serve(stop)
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    finally:
        await app.close()
    return DONE


def _settle_memory() -> None:
    """What the start made lasts as long as the server: no collection need look through it again."""
    gc.collect()
    gc.freeze()


def _on_signals(stop: asyncio.Event, reload: Callable[[], None] | None) -> None:
    """Stops at SIGTERM and SIGINT, and with the terminal where SIGHUP has no other meaning."""
    loop, serving = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if stop.is_set() and serving is not None:
            serving.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    if reload is not None:
        loop.add_signal_handler(signal.SIGHUP, reload)
    elif signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
        loop.add_signal_handler(signal.SIGHUP, on_signal)


# doctor, languages, config


def _doctor(settings: Settings, _: argparse.Namespace) -> int:
    from server import doctor

    findings = doctor.examine(settings)
    print(doctor.to_text(findings))
    return DONE if doctor.is_fit(findings) else FAILED


def _languages(settings: Settings, _: argparse.Namespace) -> int:
    return _run(_with_core(_new_core(settings), _print_languages))


async def _print_languages(core: Core) -> int:
    await core.test_languages()
    for language in core.capabilities().languages:
        state = language.version if language.available else f"unavailable: {language.reason}"
        print(f"{language.name:<12} {', '.join(language.aliases):<24} {state}")
    return DONE


def _shell(settings: Settings, arguments: argparse.Namespace) -> int:
    from sandbox.errors import UnknownLanguage
    from server.core import RewardCore
    from server.shell import shell

    async def run(core: Core) -> int:
        assert isinstance(core, RewardCore)
        try:
            return await shell(core.sandbox, arguments.language)
        except UnknownLanguage as error:
            return _fail(str(error), USAGE)

    return _run(_with_core(_new_core(settings), run))


def _config(settings: Settings, arguments: argparse.Namespace) -> int:
    _, origins = load_with_origins(arguments.config, flags=_flags(arguments))
    print(to_toml(settings, origins), end="")
    return DONE


async def _with_core(core: Core, work: Callable[[Core], Coroutine[Any, Any, int]]) -> int:
    from sandbox.errors import SandboxUnavailable
    from server.doctor import HostUnfit

    try:
        try:
            await core.start()
        except (StartupError, SandboxUnavailable) as error:
            raise HostUnfit(str(error)) from error
        return await work(core)
    finally:
        await core.close()


# keys


def _keys(settings: Settings, arguments: argparse.Namespace) -> int:
    from server import auth

    path, name = settings.keys_path, arguments.name
    if path is None:
        return _fail("keys: keys_file is not set (--keys-file FILE)", USAGE)
    if (arguments.action == "list") == (name is not None):
        return _fail(f"keys {arguments.action}: NAME is {'not ' if name else ''}wanted", USAGE)
    if arguments.action == "add":
        print(auth.add_key(path, name, arguments.max_concurrent, arguments.cost_per_second))
        print("this key is shown only now; the file keeps its hash", file=sys.stderr)
    elif arguments.action == "remove":
        auth.remove_key(path, name)
    else:
        for row in auth.read_keys(path).values():
            limits = f"max_concurrent={row.max_concurrent} cost_per_second={row.cost_per_second:g}"
            print(f"{row.name:<24} sha256:{row.sha256[:12]} {limits}")
    return DONE


# verify, bench


def _verify(settings: Settings, arguments: argparse.Namespace) -> int:
    try:
        body = sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()
    except OSError as error:
        return _fail(f"{arguments.file}: {error.strerror}", USAGE)
    return _run(_with_core(_new_core(settings), lambda core: _verify_body(core, settings, arguments, body)))


async def _verify_body(core: Core, settings: Settings, arguments: argparse.Namespace, body: bytes) -> int:
    from server.errors import RequestError
    from server.offline import check_lines, replay_lines, verify_lines

    if arguments.tasks:
        return await check_lines(core, body)
    if arguments.replay:
        try:
            return await replay_lines(core, body, settings.stream_window)
        except RequestError as error:
            return _fail(f"{arguments.file}: {error.message}", USAGE)
    if arguments.record is None:
        return await verify_lines(core, body, settings.stream_window)
    with arguments.record.open("w", encoding="utf-8") as record:
        return await verify_lines(core, body, settings.stream_window, record)


def _bench(settings: Settings, arguments: argparse.Namespace) -> int:
    from server.offline import bench

    window = settings.stream_window
    return _run(_with_core(_new_core(settings), lambda core: bench(core, arguments.n, window)))
