"""`trainer_client eval`: sample, judge, and report; or compare two folders of samples."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from trainer_client.errors import TrainerError
from trainer_client.evaluation.endpoint import Endpoint, SamplingOptions
from trainer_client.evaluation.page import page, text_table
from trainer_client.evaluation.results import compare, results_of
from trainer_client.evaluation.samples import Sample, read_samples
from trainer_client.evaluation.settings import EvaluationSettings, claim
from trainer_client.tasks.files import Question, read_questions

_DEFAULT_SERVER = "127.0.0.1:50051"
_EVERY = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(command=run)
    parser.add_argument("benchmarks", nargs="*", type=Path, help="JSONL files, one problem a line")
    parser.add_argument(
        "--endpoint", metavar="URL", help="OpenAI-compatible, for example http://HOST:8000/v1"
    )
    parser.add_argument("--model", help="the model's name at the endpoint")
    parser.add_argument("-k", "--samples", type=int, default=8, help="samples a problem (default: 8)")
    parser.add_argument("--out", type=Path, default=Path("eval"), help="folder of the samples and results")
    parser.add_argument("--server", metavar="HOST:PORT", default=_DEFAULT_SERVER, help="the reward server")
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--max-tokens", type=int, default=32768)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--in-flight", type=int, default=64, help="samples asked for at once")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="compare with another run's folder")


def run(options: argparse.Namespace) -> int:
    """Samples what is missing, then writes results.json and index.html. Raises TrainerError."""
    if options.benchmarks:
        asyncio.run(_evaluate(options))
    samples = list(read_samples(options.out))
    if not samples:
        raise TrainerError(f"{options.out}: no samples here; name benchmarks and an --endpoint")
    results = results_of(samples)
    comparisons = compare(read_samples(options.against), samples) if options.against else []
    found = {
        "results": [result.as_json() for result in results],
        "comparisons": [asdict(comparison) for comparison in comparisons],
    }
    (options.out / "results.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (options.out / "index.html").write_text(page(results, comparisons), encoding="utf-8")
    print(text_table(results))
    for comparison in comparisons:
        print(
            f"{comparison.benchmark}: {comparison.before:.1%} -> {comparison.after:.1%}, "
            f"{len(comparison.newly_solved)} newly solved, {len(comparison.newly_lost)} newly lost"
        )
    print(f"done: {options.out} (samples.jsonl, results.json, index.html)")
    return 0


async def _evaluate(options: argparse.Namespace) -> None:
    from trainer_client.client import AsyncRewardClient
    from trainer_client.evaluation.run import evaluate

    if not options.endpoint or not options.model:
        raise TrainerError("--endpoint and --model are needed to sample")
    questions = [question for path in options.benchmarks for question in read_questions(path)]
    sampling = SamplingOptions(
        options.model, options.temperature, options.top_p, options.max_tokens, options.seed
    )
    claim(options.out, EvaluationSettings.of(options.endpoint, sampling, options.benchmarks))
    key = os.environ.get("OPENAI_API_KEY", "")
    async with (
        Endpoint(options.endpoint, sampling, key=key, max_in_flight=options.in_flight) as endpoint,
        AsyncRewardClient(options.server, priority="evaluation") as client,
    ):
        counter = _Counter(questions, options.samples)
        await evaluate(questions, options.samples, endpoint, client, options.out, progress=counter.count)


class _Counter:
    """A line on stderr now and then."""

    def __init__(self, questions: Sequence[Question], samples: int) -> None:
        self._total = len(questions) * samples
        self._seen = self._right = 0

    def count(self, sample: Sample) -> None:
        self._seen += 1
        self._right += sample.reward == 1.0
        if self._seen % _EVERY == 0 or self._seen == self._total:
            print(f"{self._seen} of {self._total} judged, {self._right} right", file=sys.stderr)
