"""A curation plan: which files, which steps and which bounds, as typed values from a TOML file.

Defaults are the paper's (arXiv 2505.16400, section on data curation) where it states one; docs/curation.md
says where it does not.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from trainer_client.datasets.loaders import LOADERS
from trainer_client.errors import RecipeError
from trainer_client.recipe import build_settings

QUESTIONS = "questions"
FORMATS = (QUESTIONS, *sorted(LOADERS))
MATH_RULES = (
    "figure",
    "proof",
    "multiple_choice",
    "true_false",
    "multi_part",
    "non_english",
    "too_short",
    "no_answer",
    "answer_too_long",
    "answer_prose",
)
CODE_RULES = ("several_solutions", "interactive", "image", "released_late", "too_few_tests")


@dataclass(frozen=True)
class Source:
    """Files of one format: JSONL (also .gz) or Parquet. `name` begins the ids of its problems."""

    name: str
    files: tuple[str, ...]
    format: str = QUESTIONS


@dataclass(frozen=True)
class Duplicates:
    """Which duplicates leave; the earliest row of a group stays.

    `similarity` is the least Jaccard index of two statements' sets of `shingle_words` consecutive words.
    With `same_symbols` two statements whose numerals or operators differ are two problems.
    """

    exact: bool = True
    url: bool = True
    near: bool = True
    similarity: float = 0.8
    shingle_words: int = 5
    same_symbols: bool = True


@dataclass(frozen=True)
class Contamination:
    """Files of benchmark problems, and how many consecutive words must not be shared with them."""

    benchmarks: tuple[str, ...] = ()
    math_words: int = 9
    code_words: int = 14


@dataclass(frozen=True)
class Filters:
    """Rules on a problem's text. `skip` names rules that are left out."""

    skip: tuple[str, ...] = ()
    shortest_characters: int = 20
    longest_answer_characters: int = 100
    most_answer_words: int = 6
    english_share: float = 0.9
    released_until: str = ""
    fewest_tests: int = 1


@dataclass(frozen=True)
class Verifier:
    """What the reward server is asked about golds, reference solutions and mutants of them.

    `time_factor` is what a reference must leave between its slowest test and the time limit. `mutants` 0
    makes none; `rejected_share` is the least share of them that the tests must reject.
    """

    server: str = "127.0.0.1:50051"
    golds: bool = True
    references: bool = True
    reference_required: bool = False
    time_factor: float = 2.0
    mutants: int = 8
    rejected_share: float = 0.5
    deadline_seconds: float = 300.0
    max_in_flight: int = 32


@dataclass(frozen=True)
class Rollouts:
    """Attempts of a strong model at each problem: from an OpenAI-compatible endpoint, or from files.

    `samples` 0 makes none. A problem of math stays only if its majority answer is right (`majority`); one
    that no attempt solved leaves (`unsolved`).
    """

    samples: int = 0
    completions: tuple[str, ...] = ()
    endpoint: str = ""
    model: str = ""
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 32768
    majority: bool = True
    unsolved: bool = True


@dataclass(frozen=True)
class Band:
    """Problems of math whose mean response is shorter than `below_tokens`: the share `keep` of them stays."""

    below_tokens: int
    keep: float


@dataclass(frozen=True)
class Plan:
    """A whole curation."""

    name: str
    source: tuple[Source, ...]
    seed: int = 0
    duplicates: Duplicates = field(default_factory=Duplicates)
    contamination: Contamination = field(default_factory=Contamination)
    filters: Filters = field(default_factory=Filters)
    verifier: Verifier = field(default_factory=Verifier)
    rollouts: Rollouts = field(default_factory=Rollouts)
    band: tuple[Band, ...] = ()


def load_plan(path: Path) -> Plan:
    """Reads and validates a plan. Raises RecipeError, naming the key at fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    plan = typing.cast(Plan, build_settings(Plan, text, str(path)))
    _validate(plan)
    return plan


def _validate(plan: Plan) -> None:
    _check_sources(plan)
    _check_shares(plan)
    _check_counts(plan)
    rules = MATH_RULES + CODE_RULES
    for rule in plan.filters.skip:
        _demand(rule in rules, "filters.skip", f"{rule!r} is none of {', '.join(rules)}")
    if plan.filters.released_until:
        _check_date(plan.filters.released_until)
    _check_rollouts(plan)


def _check_sources(plan: Plan) -> None:
    _demand(plan.source, "source", "at least one is needed")
    names = [source.name for source in plan.source]
    _demand(len(set(names)) == len(names), "source", "names must differ")
    for index, source in enumerate(plan.source):
        where = f"source[{index}]"
        _demand(source.files, f"{where}.files", "at least one is needed")
        _demand(
            source.format in FORMATS, f"{where}.format", f"{source.format!r} is none of {', '.join(FORMATS)}"
        )
        _check_files(source.files, f"{where}.files")
    _check_files(plan.contamination.benchmarks, "contamination.benchmarks")
    _check_files(plan.rollouts.completions, "rollouts.completions")


def _check_files(files: Iterable[str], where: str) -> None:
    for name in files:
        _demand(Path(name).is_file(), where, f"{name} is no file")


def _check_shares(plan: Plan) -> None:
    shares = {
        "duplicates.similarity": plan.duplicates.similarity,
        "filters.english_share": plan.filters.english_share,
        "verifier.rejected_share": plan.verifier.rejected_share,
        **{f"band[{index}].keep": band.keep for index, band in enumerate(plan.band)},
    }
    for name, value in shares.items():
        _demand(0 <= value <= 1, name, f"must lie between 0 and 1, it is {value}")


def _check_counts(plan: Plan) -> None:
    """Every other number is a count or a duration; 0 turns off what can be turned off."""
    optional = {"mutants", "samples", "fewest_tests", "shortest_characters", "temperature", "seed"}
    for table in dataclasses.fields(plan):
        for item in _settings(getattr(plan, table.name)):
            name, value = item
            if isinstance(value, int | float) and not isinstance(value, bool):
                bound = 0 if name in optional else 1 if isinstance(value, int) else 1e-9
                _demand(value >= bound, f"{table.name}.{name}", f"is too small: {value}")
    limits = [band.below_tokens for band in plan.band]
    _demand(limits == sorted(set(limits)), "band", "below_tokens must rise from band to band")


def _settings(value: object) -> list[tuple[str, object]]:
    if not dataclasses.is_dataclass(value):
        return []
    shares = {"similarity", "english_share", "rejected_share", "keep"}
    found = [(item.name, getattr(value, item.name)) for item in dataclasses.fields(value)]
    return [(name, setting) for name, setting in found if name not in shares]


def _check_date(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise RecipeError(f"filters.released_until: a date like 2024-08-01 is wanted, not {text!r}") from None


def _check_rollouts(plan: Plan) -> None:
    rollouts = plan.rollouts
    if rollouts.samples:
        chosen = bool(rollouts.completions) + bool(rollouts.endpoint)
        _demand(chosen == 1, "rollouts.completions", "either completions or an endpoint is needed")
        _demand(not rollouts.endpoint or rollouts.model, "rollouts.model", "missing: the endpoint wants one")
    _demand(not plan.band or rollouts.samples, "band", "needs rollouts: set rollouts.samples")


def _demand(condition: object, where: str, why: str) -> None:
    if not condition:
        raise RecipeError(f"{where}: {why}")
