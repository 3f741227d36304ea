"""pass@k of two checkpoints on the held-out problems: does training teach new ones, or only sharpen?

    reward-server serve &
    python -m bench.recipe.pass_at_k runs/ablations/warm-1/checkpoints/train-000000 runs/bench-1/model

Prints pass@k of both at each k and how many problems are solved at least once by one of them only; results
are kept beside this file as `pass_at_k.json` and `pass_at_k.png`, with date, commit and machine. The finding
is of arXiv 2505.16400: pass@k of the trained model lies above the start model's at every k.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.recipe.seeds import circumstances
from trainer_client.client import RewardClient
from trainer_client.evaluation.estimates import pass_at
from trainer_client.recipe import load_recipe
from trainer_client.rewards import Judged
from trainer_client.tasks.pools import problem_pool
from trainer_client.tasks.problem import DOMAINS, Domain, Problem

HERE = Path(__file__).parent
Right = list[list[bool]]  # for each problem, which of its samples were right


def main() -> None:
    """Samples both checkpoints and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs=2, metavar=("START", "END"))
    parser.add_argument("--samples", type=int, default=16, help="of each problem")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=["math"])
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--keep", type=Path, default=HERE, help="where pass_at_k.json and pass_at_k.png go")
    options = parser.parse_args()
    with RewardClient(options.server) as client:
        found = [
            compared(
                domain, *(sampled(path, domain, options.samples, client) for path in options.checkpoints)
            )
            for domain in options.domains
        ]
    for one in found:
        print(json.dumps(one))
    summary = circumstances() | {"samples": options.samples, "domains": found}
    (options.keep / "pass_at_k.json").write_text(json.dumps(summary, indent=1) + "\n")
    draw(found, options.keep / "pass_at_k.png")


def sampled(path: Path, domain: Domain, samples: int, client: RewardClient) -> Right:
    """Which samples of the held-out problems a checkpoint gets right."""
    problems = problem_pool(domain, load_recipe().evaluation.problems, seed=0, held_out=True)
    return right_samples(path, problems, samples, client, label=f"eval/{domain}")


def right_samples(
    path: Path, problems: Sequence[Problem], samples: int, client: RewardClient, *, label: str
) -> Right:
    """Which samples of some problems a checkpoint gets right, at the default recipe's evaluation settings.

    `label` begins the requests' ids, which must differ between calls.
    """
    from trainer_client.model import load_policy
    from trainer_client.rewards import roll_out
    from trainer_client.rollout.engine import SamplingSettings
    from trainer_client.rollout.transformers_engine import TransformersEngine

    policy, settings = load_policy(path), load_recipe().evaluation
    prompts = [(one, policy.prompt_ids(one.prompt)) for one in problems for _ in range(samples)]
    sampling = SamplingSettings(settings.max_response_tokens, settings.temperature, seed=0)
    engine = TransformersEngine(policy)
    rollouts = roll_out(engine, client, prompts, sampling, label=label, run=str(path))
    return by_problem(rollouts.judged, samples)


def by_problem(judged: Sequence[Judged], samples: int) -> Right:
    """Judged completions, problem after problem, as rows; those without a reward are left out."""
    rows = [judged[first : first + samples] for first in range(0, len(judged), samples)]
    return [[one.verdict.reward == 1.0 for one in row if one.verdict.reward is not None] for row in rows]


def compared(domain: str, start: Right, end: Right) -> dict[str, Any]:
    """pass@k for k = 1, 2, 4, ... of both, and the problems that only one of them solves at least once."""
    most = min(map(len, [*start, *end]))
    counts = [2**power for power in range(most.bit_length())]
    once = [(any(before), any(after)) for before, after in zip(start, end, strict=True)]
    return {
        "domain": domain,
        "k": counts,
        "start": [round(pass_at(k, start).value, 4) for k in counts],
        "end": [round(pass_at(k, end).value, 4) for k in counts],
        "standard_error": [round(pass_at(k, end).standard_error, 4) for k in counts],
        "problems": len(once),
        "solved_by_both": once.count((True, True)),
        "newly_solved": once.count((False, True)),
        "newly_lost": once.count((True, False)),
    }


def draw(found: Sequence[dict[str, Any]], path: Path) -> None:
    """A panel for each domain: both curves over k."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(found), 4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, one in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        for name in ("start", "end"):
            axes.plot(one["k"], one[name], marker="o", label=name)
        axes.set_xscale("log", base=2)
        axes.set(xlabel="k", ylabel=f"pass@k, {one['domain']}", ylim=(0, 1.02))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
