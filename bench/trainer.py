"""Seconds per step and reward, beside TRL's GRPOTrainer on the same model, problems, tokens and rewards.

    .venv/bin/pip install --no-deps --target .side -r bench/trl.txt
    python -m bench.trainer [--steps N] [--warm-start N]

Both train the same warm-started model for as many steps on the same problems in the same order, with the same
batch, temperature, learning rate, optimizer and clipping, and ask the same reward server, which is started
here. The token mean is TRL's `dapo`. They run one after the other, each in a process of its own with one
thread; the first step is left out. Prints a table, and one JSON line last. Wall seconds: the ratio counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from trainer_client.recipe import Recipe, Stage, load_recipe, recipe_as_toml  # noqa: E402

SIDE = ROOT / ".side"
PROMPTS, GROUP, TOKENS = 8, 8, 48


# Ours' in TRL's words: the paper's loss, no KL, a constant rate.
TRL_SETTINGS: dict[str, Any] = {
    "per_device_train_batch_size": PROMPTS * GROUP,
    "num_generations": GROUP,
    "max_completion_length": TOKENS,
    "temperature": 1.0,
    "loss_type": "dapo",
    "beta": 0.0,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "constant",
    "adam_beta2": 0.98,
    "max_grad_norm": 1.0,
    "shuffle_dataset": False,
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": [],
    "logging_steps": 1,
    "save_strategy": "no",
    "disable_tqdm": True,
}


def recipe_of(model: Path, steps: int) -> Recipe:
    """One math stage of the tiny recipe, from a checkpoint, without evaluations in between."""
    tiny = load_recipe("tiny")
    stage = Stage(
        "math", "math", steps, TOKENS, GROUP, PROMPTS, temperature=1.0, learning_rate=1e-3, problems=600
    )
    return replace(
        tiny,
        stage=(stage,),
        model=replace(tiny.model, path=str(model)),
        warm_start=replace(tiny.warm_start, steps=0),
        evaluation=replace(tiny.evaluation, problems=8, every_steps=10**6),
        checkpoint_every_steps=10**6,
    )


def make_model(folder: Path, steps: int) -> None:
    """The tiny recipe's model after some of its supervised steps."""
    import torch

    from trainer_client.model import make_policy
    from trainer_client.warm_start import corpus, example_batches, learning_rate_at, supervised_step

    torch.set_num_threads(1)
    tiny = load_recipe("tiny")
    settings = replace(tiny.warm_start, steps=steps)
    policy = make_policy(tiny.model, corpus(0, settings.slip_rate), 0)
    optimizer = torch.optim.AdamW(policy.model.parameters(), betas=(0.9, 0.98), weight_decay=0.0)
    batches = example_batches(settings, 0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        supervised_step(policy, optimizer, next(batches))
    policy.save(folder)


def run_ours(model: Path, steps: int, server: str, folder: Path) -> list[dict[str, float]]:
    """Our trainer's steps."""
    from trainer_client.cli import main
    from trainer_client.metrics import read_metrics

    path = folder / "recipe.toml"
    path.write_text(recipe_as_toml(recipe_of(model, steps)))
    assert main(["run", str(path), "--out", str(folder / "run"), "--server", server]) == 0
    lines = [line for line in read_metrics(folder / "run" / "metrics.jsonl") if line["kind"] == "train"]
    return [{"seconds": line["step_seconds"], "reward": line["reward"]} for line in lines]


def run_trl(model: Path, steps: int, server: str, folder: Path) -> list[dict[str, float]]:
    """TRL's steps, as its own log has them."""
    sys.path.append(str(SIDE))
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    from trainer_client.adapters.scorer import ScorerSettings
    from trainer_client.adapters.trl import make_reward

    torch.set_num_threads(1)
    found: list[dict[str, float]] = []
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        reward_funcs=[make_reward(ScorerSettings(address=server))],
        args=GRPOConfig(output_dir=str(folder / "trl"), max_steps=steps, **TRL_SETTINGS),
        train_dataset=Dataset.from_list(_trl_rows(model, steps)),
        processing_class=AutoTokenizer.from_pretrained(model),
        callbacks=[_noting(found)],
    )
    trainer.train()
    return found


def _trl_rows(model: Path, steps: int) -> list[dict[str, str]]:
    """The same problems in the same order."""
    from google.protobuf import json_format

    from trainer_client.schedule import turns

    return [
        {
            "prompt": f"<|user|>{problem.prompt}<|assistant|>",
            "label": json.dumps({"math": json_format.MessageToDict(problem.task)}),
        }
        for turn in turns(recipe_of(model, steps))
        for problem in turn.problems
    ]


def _noting(found: list[dict[str, float]]) -> Any:
    """A callback that notes each step's wall time and mean reward."""
    from transformers import TrainerCallback

    class Note(TrainerCallback):
        """Knows the present step."""

        def on_step_begin(self, *_: Any, **more: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **more: Any) -> None:
            self.seconds = time.perf_counter() - self.began

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            if logs and "reward" in logs:
                found.append({"seconds": self.seconds, "reward": float(logs["reward"])})

    return Note()


@contextmanager
def reward_server() -> Iterator[str]:
    """A server of this checkout on free ports; yields its gRPC address."""
    command = [sys.executable, "-m", "server", "serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield line.rpartition("grpc=")[2].strip()
        finally:
            process.terminate()
            process.wait(60)


def in_process(which: str, model: Path, steps: int, server: str, folder: Path) -> list[dict[str, float]]:
    """One side, in a process of its own."""
    command = [sys.executable, "-m", "bench.trainer", "--side", which, "--model", str(model)]
    command += ["--steps", str(steps), "--server", server, "--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    rows: list[dict[str, float]] = json.loads((folder / f"{which}.json").read_text())
    return rows


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Median seconds of a step without the first, and the mean reward of the last quarter of steps."""
    last = rows[-max(1, len(rows) // 4) :]
    return {
        "seconds": statistics.median(row["seconds"] for row in rows[1:]),
        "reward": statistics.mean(row["reward"] for row in last),
    }


def compare(steps: int, warm_start: int) -> None:
    """Both sides, a table and a JSON line."""
    with tempfile.TemporaryDirectory() as name, reward_server() as server:
        folder = Path(name)
        make_model(folder / "model", warm_start)
        sides = {
            which: summary(in_process(which, folder / "model", steps, server, folder))
            for which in ("ours", "trl")
        }
    print(f"{'':6}{'s/step':>8}{'reward':>8}   {steps} steps of {PROMPTS} x {GROUP} x {TOKENS} tokens")
    for which, one in sides.items():
        print(f"{which:6}{one['seconds']:8.3f}{one['reward']:8.3f}")
    ratio = sides["ours"]["seconds"] / sides["trl"]["seconds"]
    print(f"ours / TRL, seconds per step: {ratio:.2f}")
    print(json.dumps({"steps": steps, "ratio": ratio, **sides}))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm-start", type=int, default=600)
    parser.add_argument("--side", choices=["ours", "trl"], help=argparse.SUPPRESS)
    for name in ("--model", "--server", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is None:
        compare(options.steps, options.warm_start)
        return
    side = {"ours": run_ours, "trl": run_trl}[options.side]
    folder = Path(options.folder)
    rows = side(Path(options.model), options.steps, options.server, folder)
    (folder / f"{options.side}.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
