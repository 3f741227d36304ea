"""The command `trainer_client`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_client.curation.command import add_arguments as add_curation_arguments
from trainer_client.datasets.convert import add_arguments as add_conversion_arguments
from trainer_client.errors import Interrupted, RecipeError, TrainerError
from trainer_client.evaluation.command import add_arguments as add_evaluation_arguments
from trainer_client.recipe import (
    DEFAULT_RECIPE,
    ENGINES,
    Recipe,
    load_recipe,
    recipe_as_toml,
    shipped_recipes,
)
from trainer_client.reporting.command import add_arguments as add_report_arguments

if TYPE_CHECKING:
    from trainer_client.client import RewardClient
    from trainer_client.progress import Progress

_HELLO_SECONDS = 10.0  # patience with a server that does not answer at the start


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status.

    0 is done, 1 failed, 2 a wrong recipe or argument, 128 + n ended by signal n; what failed is on stderr.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except Interrupted as error:
        return 128 + error.signal_number
    except KeyboardInterrupt:  # a second Ctrl-C, or one before training began
        return 130
    except TrainerError as error:
        print(f"trainer_client: {error}", file=sys.stderr)
        return 2 if isinstance(error, RecipeError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "trainer_client", description="Reinforcement learning from a reward server."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="train a policy as a recipe says")
    run.set_defaults(command=_run)
    run.add_argument(
        "recipe",
        nargs="?",
        help=f"a TOML file, or one of: {', '.join(shipped_recipes())} (default: {DEFAULT_RECIPE})",
    )
    run.add_argument("--out", type=Path, help="the run's folder (default: runs/NAME-SEED)")
    run.add_argument(
        "--resume", action="store_true", help="go on from the newest checkpoint in the run's folder"
    )
    run.add_argument(
        "--dry-run", action="store_true", help="print the plan and stop; needs no server and no torch"
    )
    run.add_argument(
        "--server", metavar="HOST:PORT", help="the reward server's gRPC address (overrides the recipe)"
    )
    run.add_argument("--engine", help=f"who samples: {', '.join(ENGINES)} (overrides the recipe)")
    run.add_argument("--vllm-python", metavar="PATH", help="overrides the recipe's vllm.python")
    run.add_argument("--seed", type=int, help="overrides the recipe's seed")
    evaluation = commands.add_parser("eval", help="sample a model on benchmarks and judge the answers")
    add_evaluation_arguments(evaluation)
    report = commands.add_parser("report", help="a page and pictures of one run, or of several")
    add_report_arguments(report)
    curation = commands.add_parser("curate", help="turn raw problems into a training set, with reasons")
    add_curation_arguments(curation)
    conversion = commands.add_parser("convert", help="turn a published data set into requests or problems")
    add_conversion_arguments(conversion)
    return parser


def _run(options: argparse.Namespace) -> int:
    recipe = _resolve(options)
    if options.dry_run:
        print(plan(recipe))
        return 0
    folder = options.out or Path("runs") / f"{recipe.name}-{recipe.seed}"
    if options.resume:
        recipe = _recorded(folder, recipe)
    from trainer_client.first_verdicts import show_first_verdicts

    with _connected(recipe) as client, _display(recipe) as progress:
        if not options.resume and _is_first():
            _refuse_taken(folder)
            show_first_verdicts(recipe, client, progress)
            _claim(folder, recipe)
        _prepare_libraries()
        _train(recipe, folder, client, progress, resume=options.resume)
    if _is_first():
        print(f"done: {folder} (metrics.jsonl, report.png, model/, checkpoints/, tensorboard/)")
    return 0


def _is_first() -> bool:
    """Whether this is the only process, or the one of torchrun's that writes."""
    return os.environ.get("RANK", "0") == "0"


def _resolve(options: argparse.Namespace) -> Recipe:
    recorded = options.out / "recipe.toml" if options.resume and options.out else None
    source = options.recipe or (recorded if recorded and recorded.exists() else DEFAULT_RECIPE)
    recipe = load_recipe(source)
    if options.seed is not None:
        if options.seed < 0:
            raise RecipeError(f"--seed: must not be below 0, it is {options.seed}")
        recipe = replace(recipe, seed=options.seed)
    if options.engine is not None:
        if options.engine not in ENGINES:
            raise RecipeError(f"--engine: {options.engine!r} is none of {', '.join(ENGINES)}")
        recipe = replace(recipe, compute=replace(recipe.compute, engine=options.engine))
    if options.vllm_python:
        recipe = replace(recipe, vllm=replace(recipe.vllm, python=options.vllm_python))
    if options.server:
        recipe = replace(recipe, rewards=replace(recipe.rewards, server=options.server))
    return recipe


def plan(recipe: Recipe) -> str:
    """The resolved recipe with what it amounts to, for a person."""
    from trainer_client.cost import estimate
    from trainer_client.stopping import has_rule

    at_most = "at most " if any(map(has_rule, recipe.stage)) else ""
    lines = [
        f"{recipe.warm_start.steps} supervised steps, then {at_most}{recipe.total_steps} policy updates",
        *estimate(recipe).splitlines(),
    ]
    return "\n".join([recipe_as_toml(recipe), *(f"# {line}" for line in lines)])


def _refuse_taken(folder: Path) -> None:
    """Raises RecipeError when the folder holds a run."""
    if (folder / "recipe.toml").exists():
        raise RecipeError(
            f"--out: {folder} already holds a run; go on with --resume, or choose another folder"
        )


def _claim(folder: Path, recipe: Recipe) -> None:
    """Makes the run's folder with the resolved recipe in it: after all that can refuse the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(recipe_as_toml(recipe))


def _recorded(folder: Path, recipe: Recipe) -> Recipe:
    """The recipe that the folder's run was started with; only the server's address may differ now.

    Raises RecipeError when `recipe` is another one: its metrics would not continue the same curve.
    """
    if not (folder / "recipe.toml").exists():
        raise RecipeError(f"--resume: {folder} holds no run")
    recorded = load_recipe(folder / "recipe.toml")
    if replace(recipe, rewards=recorded.rewards) != recorded:
        raise RecipeError(f"--resume: {folder} was started with another recipe or seed (see its recipe.toml)")
    return replace(recorded, rewards=recipe.rewards)


def _prepare_libraries() -> None:
    """Settings that libraries read when they are imported."""
    # Threads that spin while they wait would take the reward server's core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from transformers.utils import logging

    logging.disable_progress_bar()


@contextlib.contextmanager
def _connected(recipe: Recipe) -> Iterator[RewardClient]:
    """A client whose server answers. Raises ServerUnreachable, naming the address, when it does not."""
    from trainer_client.client import RetryPolicy, RewardClient

    rewards = recipe.rewards
    policy = RetryPolicy(rewards.deadline_seconds, rewards.attempt_seconds)
    with RewardClient(rewards.server, policy=policy, max_in_flight=rewards.max_in_flight) as client:
        client.capabilities(deadline_seconds=_HELLO_SECONDS)
        yield client


@contextlib.contextmanager
def _display(recipe: Recipe) -> Iterator[Progress]:
    from trainer_client.progress import LiveProgress, NoProgress, PlainProgress, is_terminal

    if not _is_first():
        yield NoProgress()
    elif is_terminal():
        with LiveProgress(recipe) as progress:
            yield progress
    else:
        yield PlainProgress()


def _train(recipe: Recipe, folder: Path, client: RewardClient, progress: Progress, *, resume: bool) -> None:
    from trainer_client.checkpoint import newest_checkpoint
    from trainer_client.metrics import rewind
    from trainer_client.parallel import leave_world
    from trainer_client.report import draw_report
    from trainer_client.stop import StopSignal
    from trainer_client.trainer import Trainer

    checkpoint = newest_checkpoint(folder) if resume else None
    if checkpoint:
        progress.note(f"going on from {checkpoint.folder}")
    if checkpoint and _is_first():
        rewind(folder / "metrics.jsonl", phase=checkpoint.position.phase, step=checkpoint.position.step)
    with StopSignal() as stop:
        trainer = Trainer(recipe, folder, client, progress=progress, stop=stop, checkpoint=checkpoint)
        try:
            trainer.run()
        except Interrupted as error:
            saved = trainer.save()
            progress.note(f"{error}; checkpoint saved in {saved}")
            progress.note(f"go on with: trainer_client run --resume --out {folder}")
            raise
        finally:
            leave_world()
            if _is_first():
                draw_report(folder, recipe)
