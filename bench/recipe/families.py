"""Which kinds of problems a checkpoint misses: accuracy by family, on training and on held-out problems.

    reward-server serve &
    python -m bench.recipe.families runs/bench-0/model runs/bench-1/model

What is wrong in training already wants more training; what is right there and wrong when held out wants other
problems.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from bench.recipe.pass_at_k import right_samples
from trainer_client.client import RewardClient
from trainer_client.recipe import load_recipe
from trainer_client.tasks.pools import problem_pool
from trainer_client.tasks.problem import DOMAINS, Problem


def main() -> None:
    """Samples each checkpoint and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--samples", type=int, default=4, help="of each problem")
    parser.add_argument("--problems", type=int, default=300, help="training problems; held out: the recipe's")
    parser.add_argument("--domain", choices=DOMAINS, default="math")
    parser.add_argument("--server", default="127.0.0.1:50051")
    options = parser.parse_args()
    held = problem_pool(options.domain, load_recipe().evaluation.problems, seed=0, held_out=True)
    trained = problem_pool(options.domain, options.problems, seed=0)
    with RewardClient(options.server) as client:
        for path in options.checkpoints:
            for name, problems in (("training", trained), ("held out", held)):
                right = right_samples(path, problems, options.samples, client, label=f"eval/{name}")
                print(f"{path}, {name}:", table(by_family(problems, right)))


def by_family(problems: Sequence[Problem], right: Sequence[Sequence[bool]]) -> dict[str, tuple[float, int]]:
    """Mean accuracy and number of problems for each family, and for `all`; unjudged problems are left out."""
    found: dict[str, list[float]] = {"all": []}
    for problem, samples in zip(problems, right, strict=True):
        if samples:
            family = problem.key.split("/")[1]
            found.setdefault(family, []).append(fmean(samples))
            found["all"].append(fmean(samples))
    return {family: (fmean(values), len(values)) for family, values in found.items() if values}


def table(found: dict[str, tuple[float, int]]) -> str:
    """One line: family, accuracy and number of problems."""
    return ", ".join(f"{family} {mean:.0%} of {count}" for family, (mean, count) in sorted(found.items()))


if __name__ == "__main__":
    main()
