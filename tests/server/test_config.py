"""Settings: four sources in their order, and no name that is silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import config
from server.config import Settings, load_settings, split_address, to_toml, usable_cores
from server.errors import StartupError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_later_sources_win(tmp_path: Path) -> None:
    path = write(tmp_path, "max_queue = 1\nslots = 1\nmath_workers = 1\n")
    environment = {"REWARD_SERVER_MAX_QUEUE": "2", "REWARD_SERVER_SLOTS": "2", "HOME": "/"}
    settings = load_settings(path, environment, {"max_queue": "3"})
    assert (settings.max_queue, settings.slots, settings.math_workers) == (3, 2, 1)
    assert settings.drain_seconds == 30.0


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1024", 1024), ("64KiB", 65536), ("64 MiB", 64 << 20), ("2GiB", 2 << 30), ("7B", 7)],
)
def test_sizes_may_have_a_unit(tmp_path: Path, written: str, expected: int) -> None:
    name = "REWARD_SERVER_TEST_SETS_BYTES"
    assert (
        load_settings(None, {"REWARD_SERVER_REQUEST_BYTES_CEILING": written}).request_bytes_ceiling
        == expected
    )
    assert load_settings(write(tmp_path, f'test_sets_bytes = "{written}"'), {}).test_sets_bytes == expected
    assert load_settings(None, {name: written}).test_sets_bytes == expected


def test_a_misspelt_variable_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(StartupError, match=r"REWARD_SERVER_MAX_QEUE; did you mean REWARD_SERVER_MAX_QUEUE\?"):
        load_settings(None, {"REWARD_SERVER_MAX_QEUE": "1"})


def test_a_misspelt_key_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"unknown setting max_qeue; did you mean max_queue\?"):
        load_settings(write(tmp_path, "max_qeue = 1"), {})


def test_a_name_far_from_any_is_an_error_without_a_guess() -> None:
    with pytest.raises(StartupError, match=r"REWARD_SERVER_ZZZZ$"):
        load_settings(None, {"REWARD_SERVER_ZZZZ": "1"})


def test_the_addresses_of_the_black_box_suite_are_not_settings() -> None:
    assert load_settings(None, {"REWARD_SERVER_TEST_HTTP": "x", "REWARD_SERVER_TEST_GRPC": "x"}) == Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slots = 'two'", "slots: 'two' is not of type integer"),
        ("slots = 1.5", "slots: 1.5 is not of type integer"),
        ("slots = true", "slots: True is not of type integer"),
        ("slots = -1", "slots: -1 is not 0 or more"),
        ("request_bytes_ceiling = 0", "is not above 0"),
        ("default_cpu_seconds = nan", "is not above 0"),
        ("http = 8080", "http: 8080 is not of type text"),
        ("http = 'localhost'", "is not host:port"),
        ("log_level = 'loud'", "is not one of debug, info, warning, error"),
        ("min_isolation = 'none'", "is not one of"),
        ("default_cpu_seconds = 61", r"default_cpu_seconds \(61.0\) is above max_cpu_seconds"),
        ("slots = ", "config file"),
    ],
)
def test_a_bad_value_is_an_error_that_names_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(StartupError, match=words):
        load_settings(write(tmp_path, text), {})


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"missing\.toml"):
        load_settings(tmp_path / "missing.toml", {})


def test_what_is_shown_can_be_read_back(tmp_path: Path) -> None:
    settings = Settings(slots=3, http="[::1]:0", drain_seconds=1.5)
    assert load_settings(write(tmp_path, to_toml(settings)), {}) == settings


def test_the_wall_backstop_is_derived_unless_it_is_set() -> None:
    assert Settings().default_limits().wall_seconds == 20.0
    assert Settings(default_cpu_seconds=1.0).default_limits().wall_seconds == 10.0
    assert Settings(default_wall_seconds=3.0).default_limits().wall_seconds == 3.0
    assert Settings(max_wall_seconds=15.0).derived_wall_seconds(50.0) == 15.0


def test_default_limits_are_within_the_ceilings() -> None:
    default, ceiling = Settings().default_limits(), Settings().limit_ceilings()
    assert default.cpu_seconds <= ceiling.cpu_seconds
    assert default.memory_bytes <= ceiling.memory_bytes


def test_slots_default_to_the_usable_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(
        config, "_words", lambda path: ["150000", "100000"] if path.endswith("cpu.max") else []
    )
    assert usable_cores() == Settings().effective_slots == Settings().effective_math_workers == 2
    assert Settings(slots=5).effective_math_workers == 5


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": ["max", "100000"]}, 8),
        ({"cpu.max": ["50000", "100000"]}, 1),
        ({"cpu.cfs_quota_us": ["-1"], "cpu.cfs_period_us": ["100000"]}, 8),
        ({"cpu.cfs_quota_us": ["300000"], "cpu.cfs_period_us": ["100000"]}, 3),
        ({"cpu.max": ["9900000", "100000"]}, 8),
    ],
)
def test_a_cgroup_quota_cuts_the_cores(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, list[str]], cores: int
) -> None:
    monkeypatch.setattr(config.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(config, "_words", lambda path: files.get(Path(path).name, []))
    assert usable_cores() == cores


@pytest.mark.parametrize(
    ("address", "pair"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("a.b:65535", ("a.b", 65535))],
)
def test_addresses(address: str, pair: tuple[str, int]) -> None:
    assert split_address(address) == pair


@pytest.mark.parametrize("address", ["", ":80", "a", "a:", "a:b", "a:65536", "a:-1"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(StartupError):
        split_address(address)


def test_a_language_that_is_none_is_named() -> None:
    with pytest.raises(StartupError, match="languages: unknown language 'klingon'"):
        Settings(languages="python,klingon")
