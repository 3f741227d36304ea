"""An evaluation over a real wire to the reward server, with an endpoint of our own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.trainer_client.fake_server import FakeServer, verdict
from trainer_client import cli
from trainer_client.evaluation.endpoint import UNKNOWN_TOKENS, Endpoint, EndpointError, SamplingOptions
from trainer_client.evaluation.samples import read_samples


class Model(BaseHTTPRequestHandler):
    """Answers `\\boxed{seed % 2}`; fails as often as it is told to first."""

    fail: ClassVar[list[int]] = []
    bodies: ClassVar[list[dict[str, Any]]] = []
    usage: ClassVar[dict[str, Any] | None] = None

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.fail:
            self.send_response(self.fail.pop())
            self.end_headers()
            return
        self.bodies.append(body)
        message = {"content": f"so \\boxed{{{body['seed'] % 2}}}", "reasoning_content": "hm \\boxed{7}"}
        choice = {"message": message, "finish_reason": "stop"}
        answer = json.dumps({"choices": [choice], "usage": self.usage}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def model() -> Iterator[str]:
    Model.fail, Model.bodies, Model.usage = [], [], {"completion_tokens": 5}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def benchmark_file(tmp_path: Path) -> Path:
    path = tmp_path / "aime.jsonl"
    path.write_text('{"id": "a", "problem": "?", "gold": "1"}\n{"id": "b", "problem": "?", "gold": "0"}\n')
    return path


def arguments(benchmark_file: Path, server: FakeServer, model: str, *more: str) -> list[str]:
    out = str(benchmark_file.parent / "out")
    where = ["--endpoint", model, "--model", "m", "--server", server.address, "--out", out]
    return ["eval", str(benchmark_file), *where, "-k", "4", *more]


def test_samples_are_judged_and_reported(benchmark_file, server, model, capsys):
    assert cli.main(arguments(benchmark_file, server, model)) == 0
    out = benchmark_file.parent / "out"
    found = json.loads((out / "results.json").read_text())["results"][0]
    assert (found["benchmark"], found["problems"], found["k"]) == ("aime", 2, 4)
    assert found["average"]["value"] == 0.5
    assert "aime" in capsys.readouterr().out
    assert "<table>" in (out / "index.html").read_text()


def test_reasoning_stays_reasoning(benchmark_file, server, model):
    cli.main(arguments(benchmark_file, server, model))
    sample = next(read_samples(benchmark_file.parent / "out"))
    assert sample.completion.startswith("<think>hm")
    assert sample.reward is not None


def test_a_second_call_asks_only_for_what_is_missing(benchmark_file, server, model):
    server.faults = lambda request, attempt: (
        verdict("UNGRADABLE") if request.id == "aime/a/1" and not Model.fail else None
    )
    cli.main(arguments(benchmark_file, server, model))
    asked = len(Model.bodies)
    server.faults = lambda request, attempt: None
    cli.main(arguments(benchmark_file, server, model))
    assert (asked, len(Model.bodies)) == (8, 9)


def test_a_line_that_was_cut_off_is_sampled_again(benchmark_file, server, model):
    cli.main(arguments(benchmark_file, server, model))
    path = benchmark_file.parent / "out" / "samples.jsonl"
    path.write_text(path.read_text()[:-20])
    assert len(list(read_samples(path.parent))) == 7


def test_a_line_that_was_cut_off_is_taken_away_before_the_next_one(benchmark_file, server, model):
    cli.main(arguments(benchmark_file, server, model))
    path = benchmark_file.parent / "out" / "samples.jsonl"
    path.write_text(path.read_text()[:-20])
    cli.main(arguments(benchmark_file, server, model))
    assert len([sample for sample in read_samples(path.parent) if sample.reward is not None]) == 8


def test_a_whole_sample_without_its_line_feed_is_taken_again(benchmark_file, server, model):
    cli.main(arguments(benchmark_file, server, model))
    path = benchmark_file.parent / "out" / "samples.jsonl"
    path.write_text(path.read_text().removesuffix("\n"))
    cli.main(arguments(benchmark_file, server, model))
    assert len(list(read_samples(path.parent))) == 8


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--model", "other"), "model was 'm' and is 'other'"),
        (("--temperature", "1"), "temperature was 0.6 and is 1.0"),
        (("--top-p", "1"), "top_p was 0.95 and is 1.0"),
        (("--max-tokens", "7"), "max_tokens was 32768 and is 7"),
        (("--seed", "7"), "seed was 0 and is 7"),
        (("--endpoint", "http://127.0.0.1:9/v1"), "is 'http://127.0.0.1:9/v1'"),
    ],
)
def test_samples_of_other_settings_are_refused(benchmark_file, server, model, capsys, more, named):
    cli.main(arguments(benchmark_file, server, model))
    asked = len(Model.bodies)
    assert cli.main(arguments(benchmark_file, server, model, *more)) == 1
    assert named in capsys.readouterr().err
    assert len(Model.bodies) == asked


def test_samples_of_a_benchmark_that_has_changed_are_refused(benchmark_file, server, model, capsys):
    cli.main(arguments(benchmark_file, server, model))
    benchmark_file.write_text(benchmark_file.read_text().replace('"1"', '"2"'))
    assert cli.main(arguments(benchmark_file, server, model)) == 1
    assert "the file of aime has changed" in capsys.readouterr().err


def test_samples_without_settings_are_refused(benchmark_file, server, model, capsys):
    cli.main(arguments(benchmark_file, server, model))
    (benchmark_file.parent / "out" / "settings.json").unlink()
    assert cli.main(arguments(benchmark_file, server, model)) == 1
    assert "no settings.json" in capsys.readouterr().err


def test_a_folder_without_samples_takes_any_settings(benchmark_file, server, model):
    Model.fail = [400] * 100
    cli.main(arguments(benchmark_file, server, model, "--model", "mistaken"))
    Model.fail = []
    assert cli.main(arguments(benchmark_file, server, model)) == 0


def test_another_benchmark_joins_the_folder(benchmark_file, server, model):
    cli.main(arguments(benchmark_file, server, model))
    other = benchmark_file.with_name("other.jsonl")
    other.write_text(benchmark_file.read_text())
    cli.main(arguments(other, server, model))
    recorded = json.loads((benchmark_file.parent / "out" / "settings.json").read_text())
    assert sorted(recorded["benchmarks"]) == ["aime", "other"]


@pytest.mark.parametrize("usage", [None, {}, {"completion_tokens": None}])
def test_an_endpoint_that_counts_no_tokens_leaves_the_length_unknown(model, usage):
    Model.usage = usage

    async def ask() -> int:
        async with Endpoint(model, SamplingOptions("m")) as endpoint:
            return (await endpoint.complete("?", 0)).tokens

    assert asyncio.run(ask()) == UNKNOWN_TOKENS


def test_an_endpoint_that_is_busy_is_asked_again(model):
    Model.fail = [503]

    async def ask() -> str:
        async with Endpoint(model, SamplingOptions("m")) as endpoint:
            return (await endpoint.complete("?", 0)).text

    assert asyncio.run(ask()).endswith("\\boxed{0}")


def test_an_endpoint_that_refuses_ends_the_evaluation(benchmark_file, server, model, capsys):
    Model.fail = [400] * 100
    assert cli.main(arguments(benchmark_file, server, model)) == 1
    assert "HTTP 400" in capsys.readouterr().err


def test_a_silent_endpoint_is_named():
    async def ask() -> None:
        async with Endpoint("http://127.0.0.1:9/v1", SamplingOptions("m")) as endpoint:
            await endpoint.complete("?", 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer_client.evaluation.endpoint._FIRST_WAIT_SECONDS", 0.0)
        with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9"):
            asyncio.run(ask())


def test_two_runs_are_compared(benchmark_file, server, model, capsys):
    cli.main(arguments(benchmark_file, server, model))
    first = benchmark_file.parent / "out"
    second = benchmark_file.parent / "second"
    again = arguments(benchmark_file, server, model, "--seed", "1", "--against", str(first))
    again[again.index(str(first))] = str(second)
    assert cli.main(again) == 0
    assert "50.0% -> 50.0%" in capsys.readouterr().out


def test_without_samples_or_an_endpoint_it_says_so(tmp_path, capsys):
    assert cli.main(["eval", "--out", str(tmp_path / "none")]) == 1
    assert "no samples here" in capsys.readouterr().err
