"""The paper's findings in small: variants of the default recipe side by side on several seeds, and pictures.

    reward-server serve &
    python -m bench.recipe.ablations updates --seeds 0 1 2
    python -m bench.recipe.ablations --list

Every variant of a seed goes on from the same warm start, so that it is the stages alone that differ;
learning rates stay as they are in a stage. A run that is there already is not made again: a stopped
ablation goes on with the same command. Results are kept beside this file as `NAME.json` and `NAME.png`, with
date, commit and machine. The findings are of arXiv 2505.16400.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.recipe.noise import Noise, noisy_server
from bench.recipe.seeds import circumstances
from trainer_client.checkpoint import find_checkpoints
from trainer_client.metrics import Line, read_metrics
from trainer_client.recipe import Loss, Recipe, Stage, load_recipe, recipe_as_toml

HERE = Path(__file__).parent
STEPS = 24  # policy updates of a variant: short, for two cores
NO_NOISE = Noise(0.0, 0.0)


@dataclass(frozen=True)
class Variant:
    """One way to train after the warm start; `noise` falsifies rewards on their way to the trainer."""

    name: str
    stages: tuple[Stage, ...]
    loss: Loss = field(default_factory=Loss)
    noise: Noise = NO_NOISE


@dataclass(frozen=True)
class Ablation:
    """A finding of the paper and the variants that it compares; `watched` are the metrics of its picture."""

    finding: str
    watched: tuple[str, ...]
    variants: Callable[[Stage, Stage], tuple[Variant, ...]]


def _updates(math: Stage, _: Stage) -> tuple[Variant, ...]:
    return tuple(Variant(f"{count} a batch", (math,), Loss(updates_per_batch=count)) for count in (1, 2, 4))


def _lengths(math: Stage, _: Stage) -> tuple[Variant, ...]:
    """As many updates of each; the first limit is what the shorter half of the right answers needs."""
    half = math.steps // 2
    short = replace(math, name="short", steps=half, max_response_tokens=24)
    return (
        Variant("growing", (short, replace(math, name="long", steps=math.steps - half))),
        Variant("long", (math,)),
    )


def _order(math: Stage, code: Stage) -> tuple[Variant, ...]:
    """As many updates of each; in the first two half of them are of math."""
    half = math.steps // 2
    first = replace(math, steps=half)
    return (
        Variant("math, then code", (first, replace(code, steps=code.steps - half))),
        Variant("in turns", tuple(_in_turns(math, code))),
        Variant("code", (code,)),
    )


def _in_turns(math: Stage, code: Stage) -> Iterator[Stage]:
    """An eighth of the updates of math, then of code, and so on: the nearest thing to mixed batches."""
    turn = max(1, math.steps // 8)
    for count, first in enumerate(range(0, math.steps, turn)):
        stage = code if count % 2 else math
        yield replace(stage, name=f"{stage.domain}-{count}", steps=min(turn, math.steps - first))


def _prompts(math: Stage, _: Stage) -> tuple[Variant, ...]:
    return Variant("all", (math,)), Variant("hard", (replace(math, min_level=2, problems=200),))


def _noise(math: Stage, _: Stage) -> tuple[Variant, ...]:
    """A tenth of the wrong answers accepted, or a tenth of the right ones rejected."""
    return (
        Variant("clean", (math,)),
        Variant("false positives", (math,), noise=Noise(false_positives=0.1, false_negatives=0.0)),
        Variant("false negatives", (math,), noise=Noise(false_positives=0.0, false_negatives=0.1)),
    )


ABLATIONS = {
    "updates": Ablation("several updates for a batch collapse entropy", ("entropy", "math"), _updates),
    "lengths": Ablation("growing lengths learn more in the same time", ("reward", "math"), _lengths),
    "order": Ablation("code learns better after math", ("math", "code"), _order),
    "prompts": Ablation("hard prompts teach more than all", ("reward", "math"), _prompts),
    "noise": Ablation("wrong rewards make a worse policy", ("reward", "math"), _noise),
}


def main() -> None:
    """Runs one ablation and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", choices=tuple(ABLATIONS))
    parser.add_argument("--list", action="store_true", help="print the ablations")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=STEPS, help="policy updates of each variant")
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "ablations")
    parser.add_argument("--keep", type=Path, default=HERE, help="where NAME.json and NAME.png go")
    options = parser.parse_args()
    if options.list or not options.name:
        print("\n".join(f"{name}: {one.finding}" for name, one in ABLATIONS.items()))
        return
    found = [
        run_variant(variant, seed, options)
        for seed in options.seeds
        for variant in variants_of(options.name, options.steps)
    ]
    print(table(found))
    watched = ABLATIONS[options.name].watched
    summary = circumstances() | {"ablation": options.name, "steps": options.steps, "runs": found}
    (options.keep / f"{options.name}.json").write_text(json.dumps(summary, indent=1) + "\n")
    draw(found, watched, options.keep / f"{options.name}.png")


def variants_of(name: str, steps: int) -> tuple[Variant, ...]:
    """An ablation's variants, made of the default recipe's code stage and the math stage before it."""
    stages = load_recipe().stage
    math, code = next(pair for pair in itertools.pairwise(stages) if pair[1].domain == "code")
    both = (replace(stage, steps=steps, name=stage.domain, final_learning_rate=0.0) for stage in (math, code))
    return ABLATIONS[name].variants(*both)


def recipe_of(variant: Variant, seed: int, server: str) -> Recipe:
    """A variant as a recipe; what it trains is what is evaluated."""
    base = load_recipe()
    return replace(
        base,
        seed=seed,
        stage=variant.stages,
        loss=variant.loss,
        evaluation=replace(
            base.evaluation, every_steps=max(1, sum(one.steps for one in variant.stages) // 4)
        ),
        rewards=replace(base.rewards, server=server),
    )


def run_variant(variant: Variant, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run from the seed's warm start, if it is not there yet; its curves."""
    folder = options.runs / f"{options.name}-{options.steps}-{variant.name.replace(' ', '_')}-{seed}"
    if not (folder / "model").exists():
        with noisy_server(options.server, variant.noise, seed) as address:
            _prepare(folder, recipe_of(variant, seed, address), warm_start(seed, options))
            _train(folder, address)
    return {"variant": variant.name, "seed": seed} | curves(read_metrics(folder / "metrics.jsonl"))


def warm_start(seed: int, options: argparse.Namespace) -> Path:
    """The checkpoint after the warm start, made once for each seed; its one update moves nothing."""
    folder: Path = options.runs / f"warm-{seed}"
    if not (folder / "model").exists():
        base = load_recipe()
        still = replace(base.stage[0], steps=1, learning_rate=1e-12, final_learning_rate=0.0)
        recipe = replace(
            base, seed=seed, stage=(still,), rewards=replace(base.rewards, server=options.server)
        )
        _prepare(folder, recipe, None)
        _train(folder, options.server)
    return find_checkpoints(folder)[0].folder


def _prepare(folder: Path, recipe: Recipe, start: Path | None) -> None:
    """A run's folder as `--resume` wants it."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "recipe.toml").write_text(recipe_as_toml(recipe))
    if start is not None:
        shutil.copytree(start, folder / "checkpoints" / start.name)


def _train(folder: Path, server: str) -> None:
    resume = ["--resume"] if find_checkpoints(folder) else []
    recipe = folder / "recipe.toml"
    if not resume:
        recipe = recipe.rename(folder / "start.toml")
    command = [sys.executable, "-m", "trainer_client", "run", str(recipe), "--out", str(folder)]
    subprocess.run([*command, "--server", server, *resume], check=True)


def curves(lines: Sequence[Line]) -> dict[str, Any]:
    """What the pictures need: metrics by update, held-out accuracy by update, and the steps' seconds."""
    train = [line for line in lines if line["kind"] == "train"]
    held = [line for line in lines if line["kind"] == "eval"]
    return {
        "train": {key: [round(line[key], 5) for line in train] for key in ("reward", "entropy")},
        "step_seconds": [round(line["step_seconds"], 2) for line in train],
        "evaluated": [line["step"] for line in held],
        "held_out": {
            domain: [line[domain] for line in held] for domain in ("math", "code") if domain in held[0]
        },
    }


def table(found: Sequence[dict[str, Any]]) -> str:
    """The figures for a person: entropy of the last updates, held-out accuracy at start and end, seconds."""
    rows = [f"{'variant':<18} {'seed':>4}  {'entropy':>7}  {'held out':<40} {'seconds':>7}"]
    for one in found:
        held = ", ".join(
            f"{key} {values[0]:.1%} -> {values[-1]:.1%}" for key, values in one["held_out"].items()
        )
        entropy = one["train"]["entropy"][-4:]
        rows.append(
            f"{one['variant']:<18} {one['seed']:>4}  {sum(entropy) / len(entropy):7.4f}  {held:<40} "
            f"{sum(one['step_seconds']):7.0f}"
        )
    return "\n".join(rows)


def draw(found: Sequence[dict[str, Any]], watched: Sequence[str], path: Path) -> None:
    """A panel for each watched metric, a line for each run, a colour for each variant."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(watched), 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(watched), squeeze=False)[0]
    colours = {name: f"C{place}" for place, name in enumerate(dict.fromkeys(one["variant"] for one in found))}
    for axes, metric in zip(panels, watched, strict=True):
        for one in found:
            axes.plot(*points(one, metric), color=colours[one["variant"]], alpha=0.8)
        axes.set(xlabel="policy updates", ylabel=metric)
        axes.grid(alpha=0.3)
    for name, colour in colours.items():
        panels[0].plot([], [], color=colour, label=name)
    panels[0].legend()
    figure.savefig(path, dpi=120)


def points(one: dict[str, Any], metric: str) -> tuple[list[int], list[float]]:
    """A run's curve: of training, or of held-out accuracy where `metric` is a domain."""
    if metric in one["train"]:
        values: list[float] = one["train"][metric]
        return list(range(1, len(values) + 1)), values
    held: list[float] = one["held_out"].get(metric, [])
    return one["evaluated"][: len(held)], held


if __name__ == "__main__":
    main()
