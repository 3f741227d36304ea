"""The default recipe on several seeds against a running reward server: a table, a picture, one JSON line.

    reward-server serve &
    python -m bench.recipe.seeds --seeds 0 1 2

    python -m bench.recipe.seeds --seeds 0 1 2 --reachable

Runs go one after another, each into `runs/bench-SEED`; with `--resume` a run that is there goes on from its
newest checkpoint. Results are kept beside this file as `seeds.json` and `seeds.png`, with date, commit and
machine.

`--reachable` trains nothing by rewards: it prints the held-out accuracy of the same model after as many
supervised steps on worked examples without a slip, which is what a run is compared with.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer_client.metrics import Line, read_metrics
from trainer_client.recipe import Recipe, load_recipe, recipe_as_toml

HERE = Path(__file__).parent
DOMAINS = ("math", "code")


def main() -> None:
    """Runs the seeds and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--resume", action="store_true", help="go on with runs that are there")
    parser.add_argument("--reachable", action="store_true", help="accuracy without slips; no run")
    parser.add_argument("--keep", type=Path, default=HERE, help="where seeds.json and seeds.png go")
    options = parser.parse_args()
    if options.reachable:
        found = [reachable(options.recipe, seed, options.server) for seed in options.seeds]
        print(json.dumps(circumstances() | {"recipe": options.recipe, "reachable": found}))
        return
    results = [
        run_seed(options.recipe, seed, options.server, resume=options.resume) for seed in options.seeds
    ]
    print(table(results))
    summary = circumstances() | {"recipe": options.recipe, "stages": stages(options.recipe), "seeds": results}
    (options.keep / "seeds.json").write_text(json.dumps(summary, indent=1) + "\n")
    draw(options.seeds, options.keep / "seeds.png")
    print(json.dumps(summary))


def run_seed(recipe: str, seed: int, server: str, *, resume: bool = False) -> dict[str, Any]:
    """One run, from nothing unless it goes on; its figures.

    `total_seconds` and the trainer's `cpu_seconds` are those of this start; on a shared machine the second
    says more.
    """
    folder = folder_of(seed)
    goes_on = resume and (folder / "checkpoints").exists()
    if not goes_on:
        shutil.rmtree(folder, ignore_errors=True)
    began, cpu_began = time.perf_counter(), children_cpu_seconds()
    command = [sys.executable, "-m", "trainer_client", "run", recipe, "--seed", str(seed)]
    command += ["--resume"] if goes_on else []
    subprocess.run([*command, "--out", str(folder), "--server", server], check=True)
    return figures(read_metrics(folder / "metrics.jsonl"), load_recipe(recipe)) | {
        "seed": seed,
        "resumed": goes_on,
        "total_seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(children_cpu_seconds() - cpu_began, 1),
    }


def children_cpu_seconds() -> float:
    """CPU time of all ended children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def reachable(recipe: str, seed: int, server: str) -> dict[str, Any]:
    """Held-out accuracy after the recipe's warm start on right examples alone."""
    base = load_recipe(recipe)
    still = {
        "steps": 1,
        "prompts_per_step": 1,
        "learning_rate": 1e-12,
        "final_learning_rate": 0.0,
    }
    taught = replace(
        base,
        name=f"{base.name}-reachable",
        seed=seed,
        warm_start=replace(base.warm_start, slip_rate=0.0),
        stage=tuple(replace(stage, **still) for stage in base.stage),
    )
    folder = Path("runs") / f"reachable-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(recipe_as_toml(taught))
        file.flush()
        command = [sys.executable, "-m", "trainer_client", "run", file.name]
        subprocess.run([*command, "--out", str(folder), "--server", server], check=True)
    start = next(line for line in read_metrics(folder / "metrics.jsonl") if line["kind"] == "eval")
    return {"seed": seed} | {domain: round(start[domain], 4) for domain in DOMAINS}


def folder_of(seed: int) -> Path:
    """Where a seed's run lies."""
    return Path("runs") / f"bench-{seed}"


def figures(lines: Sequence[Line], recipe: Recipe) -> dict[str, Any]:
    """Held-out accuracy at the start, after each stage and at the end, and what training cost."""
    evaluations = [line for line in lines if line["kind"] == "eval"]
    train = [line for line in lines if line["kind"] == "train"]
    accuracy = {
        f"{domain}_{when}": round(line[domain], 4)
        for domain in DOMAINS
        for when, line in (("start", evaluations[0]), ("end", evaluations[-1]))
    }
    at = {line["step"]: {domain: round(line[domain], 4) for domain in DOMAINS} for line in evaluations}
    ends = itertools.accumulate(stage.steps for stage in recipe.stage)
    return accuracy | {
        "after": {stage.name: at[end] for stage, end in zip(recipe.stage, ends, strict=True)},
        "held_out_problems": evaluations[0]["math_judged"],
        "unjudged": sum(line["unjudged"] for line in train),
        "step_seconds": round(
            sum(
                line["sample_seconds"] + line["exposed_reward_seconds"] + line["update_seconds"]
                for line in train
            ),
            1,
        ),
        "exposed_reward_seconds": round(sum(line["exposed_reward_seconds"] for line in train), 1),
        "largest_logprob_gap": max(line["logprob_gap"] for line in train),
    }


def stages(recipe: str) -> list[str]:
    """The schedule as it was run: figures outlive the recipe file's numbers."""
    return [
        f"{one.name}: {one.steps} steps, learning rate {one.learning_rate:g}"
        + (f" to {one.final_learning_rate:g}" if one.final_learning_rate else "")
        for one in load_recipe(recipe).stage
    ]


def circumstances() -> dict[str, Any]:
    """When, on what and of which commit."""
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": git.stdout.strip(),
        "cpus": os.cpu_count(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """The figures for a person: both domains at the start and after each stage, in percent."""
    rows = []
    for one in results:
        paths = (
            f"{domain} "
            + " -> ".join(
                f"{value:.1%}"
                for value in (one[f"{domain}_start"], *(after[domain] for after in one["after"].values()))
            )
            for domain in DOMAINS
        )
        minutes = one["total_seconds"] / 60
        rows.append(
            f"seed {one['seed']}: {', '.join(paths)}, {minutes:.1f} minutes, {one['unjudged']} unjudged"
        )
    return "\n".join(rows)


def draw(seeds: Sequence[int], path: Path) -> None:
    """Held-out accuracy of all seeds over the policy updates."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for domain, colour in zip(DOMAINS, ("C0", "C1"), strict=True):
        for seed in seeds:
            lines = [
                line for line in read_metrics(folder_of(seed) / "metrics.jsonl") if line["kind"] == "eval"
            ]
            points = [(line["step"], line[domain]) for line in lines]
            axes.plot(
                *zip(*points, strict=True),
                color=colour,
                marker="o",
                label=domain if seed == seeds[0] else None,
            )
    axes.set(xlabel="policy updates", ylabel="held-out accuracy", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
