"""Settings: defaults < TOML file < REWARD_SERVER_* environment < command-line flags.

Every setting has one flat name in all four places: `max_queue` in the file is
`REWARD_SERVER_MAX_QUEUE` in the environment and `--max-queue` on the command
line. A name that does not exist is an error in each, never silently ignored.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sandbox.errors import UnknownLanguage
from sandbox.types import Limits
from server.errors import StartupError

ENVIRONMENT_PREFIX = "REWARD_SERVER_"
ISOLATION_BACKENDS = ("namespaces", "landlock", "docker")
DIALECTS = (
    "sandbox_fusion",
    "openrlhf",
    "slime",
    "open_instruct",
    "piston",
    "code_judge",
    "judge0",
    "nemo_gym",
)
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("json", "console")
# The black-box suite's: it may share a shell with a server.
_NOT_SETTINGS = ("REWARD_SERVER_TEST_HTTP", "REWARD_SERVER_TEST_GRPC")
_MIB = 1 << 20
_GIB = 1 << 30
_BYTE_UNITS = {"KiB": 1 << 10, "MiB": _MIB, "GiB": _GIB, "B": 1}


def _setting(default: Any, help_text: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"help": help_text, "choices": choices})


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may choose. Sizes are bytes, times seconds, 0 means "derive it" where said."""

    http: str = _setting("127.0.0.1:8080", "HTTP address, host:port (port 0: any free one)")
    grpc: str = _setting("127.0.0.1:50051", "gRPC address, host:port (port 0: any free one)")
    front_processes: int = _setting(1, "server processes on these two ports, each with its part of the slots")
    front_port: int = _setting(0, "HTTP port of the first front's own, one more for each next; 0: none")
    share_ports: str = _setting("off", "let other servers listen on the same two ports", ("off", "on"))
    keys_file: str = _setting("none", "file of API keys (`reward-server keys`); none: anybody may ask")
    tls_certificate: str = _setting("none", "PEM file of this server's certificate chain; none: plain text")
    tls_key: str = _setting("none", "PEM file of the certificate's private key")
    tls_client_ca: str = _setting("none", "PEM file; a client needs a certificate signed by one of these")
    slots: int = _setting(0, "jobs that run at once; 0: the cores this process may use")
    max_queue: int = _setting(10_000, "requests that may wait; one more is refused with QUEUE_FULL")
    max_queue_cost: int = _setting(1_000_000, "units of cost that may be in the server at once")
    max_queue_bytes: int = _setting(2 * _GIB, "bytes of requests that may be in the server at once")
    run_slots: int = _setting(0, "most slots that one run holds at once; 0: no ceiling")
    lend_after_seconds: float = _setting(2.0, "a slot held for so long is lent: its program may be asleep")
    lent_slots: int = _setting(0, "slots that may be lent at once; 0: two for each slot, at most 64")
    stream_window: int = _setting(256, "requests of one batch or stream that are in flight at once")
    request_bytes_ceiling: int = _setting(64 * _MIB, "largest HTTP body or gRPC message")
    receive_seconds: float = _setting(120.0, "time in which an HTTP request must have come in whole")
    max_connections: int = _setting(20_000, "HTTP connections at once; one more is answered with 503")
    isolation: str = _setting("auto", "sandbox backend, or auto", ("auto", *ISOLATION_BACKENDS))
    min_isolation: str = _setting(
        "namespaces", "weakest backend the server may start with", ISOLATION_BACKENDS
    )
    docker_image: str = _setting("reward-server", "image of the docker backend's containers")
    docker_runtime: str = _setting("default", "their runtime, such as runsc; or the engine's default")
    drain_seconds: float = _setting(30.0, "time that accepted requests get to end after SIGTERM")
    test_sets_bytes: int = _setting(_GIB, "memory for test sets kept by hash")
    test_sets_directory: str = _setting("none", "directory that keeps test sets on disk as well; or none")
    test_sets_disk_bytes: int = _setting(10 * _GIB, "disk for test sets, if there is a directory for them")
    test_order: str = _setting(
        "learned", "learned: what finds failures cheaply first; given: as sent", ("learned", "given")
    )
    test_processes: str = _setting(
        "shared",
        "shared: a harmless Python program has several tests in one; own: a fork each",
        ("shared", "own"),
    )
    replay_bytes: int = _setting(64 * _MIB, "memory for verdicts of requests that may be sent again; 0: none")
    replay_window_seconds: float = _setting(600.0, "time in which a request sent again is not judged again")
    verdict_cache_bytes: int = _setting(64 * _MIB, "memory for code verdicts; 0: none are kept")
    artefact_cache_bytes: int = _setting(_GIB, "memory for compiled programs")
    languages: str = _setting("python,cpp", "tested before the server is ready: names with commas, or all")
    cache_directory: str = _setting("auto", "precompiled headers; auto: the user's cache; empty: none")
    default_cpu_seconds: float = _setting(4.0, "CPU time of one test when the request sets none")
    default_wall_seconds: float = _setting(0.0, "wall backstop of one test; 0: max(10, 5 x CPU limit)")
    default_memory_bytes: int = _setting(512 * _MIB, "peak memory of a jail when the request sets none")
    default_output_bytes: int = _setting(8 * _MIB, "stdout, and again stderr, when the request sets none")
    default_processes: int = _setting(64, "processes and threads together when the request sets none")
    max_cpu_seconds: float = _setting(60.0, "largest cpu_seconds a request may ask for")
    max_wall_seconds: float = _setting(600.0, "largest wall_seconds a request may ask for")
    max_memory_bytes: int = _setting(8 * _GIB, "largest memory_bytes a request may ask for")
    max_output_bytes: int = _setting(64 * _MIB, "largest output_bytes a request may ask for")
    max_processes: int = _setting(512, "largest processes a request may ask for")
    math_workers: int = _setting(0, "jailed math worker processes; 0: as many as slots")
    math_cpu_seconds: float = _setting(5.0, "CPU budget of one math check; beyond it: UNDECIDED")
    math_memory_bytes: int = _setting(_GIB, "memory of one math worker; a check beyond it: UNDECIDED")
    math_cache_bytes: int = _setting(64 * _MIB, "memory for decided pairs; 0: none are kept")
    dialects: str = _setting("all", "other systems' wires on the HTTP port: all, none, or names with commas")
    ungradable_reward: str = _setting(
        "error", "what a dialect without `no reward` answers for a task at fault: a number, or error"
    )
    telemetry_endpoint: str = _setting("none", "OTLP/HTTP address that takes traces; none: none are made")
    page: str = _setting("on", "the page at / of the HTTP port: on or off", ("on", "off"))
    recent_verdicts_bytes: int = _setting(
        0, "memory for the page's recent verdicts with their completions; 0: none are kept"
    )
    log_level: str = _setting("info", "least severe level that is logged", LOG_LEVELS)
    log_format: str = _setting("json", "one JSON object per line, or console for people", LOG_FORMATS)

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name), item.metadata["choices"])
        for address in ("http", "grpc"):
            split_address(getattr(self, address), address)
        for name in ("cpu_seconds", "wall_seconds", "memory_bytes", "output_bytes", "processes"):
            self._check_ceiling(name)

        if self.front_port + self.front_processes > 1 << 16:
            raise StartupError(f"front_port: {self.front_port} leaves no ports for every front")
        _ = self.dialect_names, self.reward_if_ungradable, self.tested_languages

    @property
    def tested_languages(self) -> tuple[str, ...]:
        """The languages to test before the server is ready; raises StartupError for an unknown one."""
        from sandbox.languages import LANGUAGES, find

        if self.languages == "all":
            return tuple(row.name for row in LANGUAGES)
        names = tuple(name for item in self.languages.split(",") if (name := item.strip()))
        try:
            return tuple(find(name).name for name in names)
        except UnknownLanguage as error:
            raise StartupError(f"languages: {error}") from None

    @property
    def dialect_names(self) -> tuple[str, ...]:
        """The dialects that are on; raises StartupError for an unknown one."""
        if self.dialects in ("all", "none", ""):
            return DIALECTS if self.dialects == "all" else ()
        names = tuple(name.strip() for name in self.dialects.split(","))
        for name in names:
            if name not in DIALECTS:
                raise StartupError(f"dialects: {name!r} is not one of all, none, {', '.join(DIALECTS)}")
        return names

    @property
    def reward_if_ungradable(self) -> float | None:
        """`ungradable_reward` as a number; None where it is "error"."""
        if self.ungradable_reward == "error":
            return None
        try:
            return float(self.ungradable_reward)
        except ValueError:
            why = f"{self.ungradable_reward!r} is neither a number nor 'error'"
            raise StartupError(f"ungradable_reward: {why}") from None

    @property
    def keys_path(self) -> Path | None:
        """Where the API keys are, if any are asked for."""
        return None if self.keys_file in ("", "none") else Path(self.keys_file)

    @property
    def has_files_to_reread(self) -> bool:
        """Whether there are API keys or certificates, which SIGHUP has read again."""
        return self.keys_path is not None or self.tls_certificate not in ("", "none")

    @property
    def open_addresses(self) -> tuple[str, ...]:
        """The addresses that other machines may reach."""
        addresses = (self.http, self.grpc)
        return tuple(address for address in addresses if not _is_loopback(split_address(address)[0]))

    def _check_ceiling(self, name: str) -> None:
        default, ceiling = getattr(self, f"default_{name}"), getattr(self, f"max_{name}")
        if default > ceiling:
            raise StartupError(f"default_{name} ({default}) is above max_{name} ({ceiling})")

    @property
    def effective_slots(self) -> int:
        """Jobs that run at once: `slots`, or the cores this process may use."""
        return self.slots or usable_cores()

    @property
    def effective_math_workers(self) -> int:
        """Math workers: `math_workers`, or one per slot."""
        return self.math_workers or self.effective_slots

    @property
    def effective_lent_slots(self) -> int:
        """Slots that may be lent: `lent_slots`, or two for each slot, at most 64."""
        return self.lent_slots or min(2 * self.effective_slots, 64)

    def default_limits(self) -> Limits:
        """The limits of a request that sets none, the wall backstop derived."""
        return Limits(
            cpu_seconds=self.default_cpu_seconds,
            wall_seconds=self.default_wall_seconds or self.derived_wall_seconds(self.default_cpu_seconds),
            memory_bytes=self.default_memory_bytes,
            output_bytes=self.default_output_bytes,
            processes=self.default_processes,
        )

    def limit_ceilings(self) -> Limits:
        """The largest limits a request may ask for."""
        return Limits(
            cpu_seconds=self.max_cpu_seconds,
            wall_seconds=self.max_wall_seconds,
            memory_bytes=self.max_memory_bytes,
            output_bytes=self.max_output_bytes,
            processes=self.max_processes,
        )

    def derived_wall_seconds(self, cpu_seconds: float) -> float:
        """The wall backstop of a test that sets none: generous, because the CPU limit decides."""
        return min(max(10.0, 5.0 * cpu_seconds), self.max_wall_seconds)


_KINDS: Mapping[str, type] = {item.name: type(item.default) for item in fields(Settings)}
_MAY_BE_ZERO = {
    "front_port",
    "recent_verdicts_bytes",
    "slots",
    "default_wall_seconds",
    "math_workers",
    "drain_seconds",
    "max_queue",
    "run_slots",
    "lent_slots",
    "math_cache_bytes",
    "verdict_cache_bytes",
    "replay_bytes",
}


def load_settings(
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Merges the four sources. Raises StartupError that names the setting at fault."""
    return load_with_origins(config_file, environment, flags)[0]


def load_with_origins(
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> tuple[Settings, dict[str, str]]:
    """`load_settings`, and for each setting that is no default where its value came from."""
    sources: list[tuple[Callable[[str], str], dict[str, Any]]] = []
    if config_file is not None:
        sources.append((lambda _: str(config_file), _from_file(config_file)))
    found = _from_environment(os.environ if environment is None else environment)
    sources.append((lambda name: f"{ENVIRONMENT_PREFIX}{name.upper()}", found))
    given = {name: _convert(name, value, f"--{_dashed(name)}") for name, value in (flags or {}).items()}
    sources.append((lambda name: f"--{_dashed(name)}", given))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, source in sources:
        values |= source
        origins |= {name: origin(name) for name in source}
    return Settings(**values), origins


def to_toml(settings: Settings, origins: Mapping[str, str] | None = None) -> str:
    """The settings as a TOML file that `--config` reads back; the comments say where each came from."""
    lines = []
    for item in fields(settings):
        value = getattr(settings, item.name)
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
        origin = (origins or {}).get(item.name, "default")
        lines.append(f"{item.name} = {shown}  # {origin}: {item.metadata['help']}")
    return "\n".join(lines) + "\n"


def split_address(address: str, name: str = "address") -> tuple[str, int]:
    """`host:port` as a pair; an IPv6 host is written in brackets. Raises StartupError."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 1 << 16):
        raise StartupError(f"{name}: {address!r} is not host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def usable_cores() -> int:
    """Cores this process may use: its CPU affinity, cut by a cgroup v2 or v1 quota, at least 1."""
    cores = len(os.sched_getaffinity(0))
    quota = _quota_v2() or _quota_v1()
    return max(1, min(cores, math.ceil(quota))) if quota else cores


def _quota_v2() -> float | None:
    words = _words("/sys/fs/cgroup/cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1() -> float | None:
    quota = _words("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = _words("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None


def _words(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").split()
    except OSError:  # this host has no such cgroup file
        return []


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StartupError(f"config file {path}: {error}") from error
    return {_known(name, name, str(path)): _convert(name, value, name) for name, value in table.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for variable, value in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in _NOT_SETTINGS:
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            values[_known(name, variable, "environment")] = _convert(name, value, variable)
    return values


def _known(name: str, written: str, where: str) -> str:
    if name in _KINDS:
        return name
    nearest = difflib.get_close_matches(name, _KINDS, n=1)
    in_environment = written.startswith(ENVIRONMENT_PREFIX)
    suggestions = [f"{ENVIRONMENT_PREFIX}{n.upper()}" if in_environment else n for n in nearest]
    hint = f"; did you mean {suggestions[0]}?" if suggestions else ""
    raise StartupError(f"{where}: unknown setting {written}{hint}")


def _convert(name: str, value: Any, written: str) -> Any:
    kind = _KINDS.get(name)
    if kind is None or type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if kind is not str and isinstance(value, str):
        return _number(kind, name, value, written)
    raise StartupError(f"{written}: {value!r} is not of type {_type_name(kind)}")


def _number(kind: type, name: str, text: str, written: str) -> int | float:
    unit = next((u for u in _BYTE_UNITS if text.endswith(u)), "") if _is_bytes(name) else ""
    try:
        number: int | float = kind(text.removesuffix(unit).strip())
    except ValueError:
        raise StartupError(f"{written}: {text!r} is not of type {_type_name(kind)}") from None
    return number * _BYTE_UNITS.get(unit, 1)


def _is_bytes(name: str) -> bool:
    return "bytes" in name


def _check(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if not _is_of_kind(name, value):
        raise StartupError(f"{name}: {value!r} is not of type {_type_name(_KINDS[name])}")
    if choices and value not in choices:
        raise StartupError(f"{name}: {value!r} is not one of {', '.join(choices)}")
    if _KINDS[name] is not str:
        _check_number(name, value)


def _is_of_kind(name: str, value: Any) -> bool:
    return type(value) is _KINDS[name]


def _check_number(name: str, value: float) -> None:
    if not math.isfinite(value) or value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
        raise StartupError(f"{name}: {value} is not {'0 or more' if name in _MAY_BE_ZERO else 'above 0'}")


def _type_name(kind: type) -> str:
    return {int: "integer", float: "number", str: "text"}[kind]


def _dashed(name: str) -> str:
    return name.replace("_", "-")
