"""The run: warm start, then the stages; evaluation, checkpoints and metrics on the way.

Read it from the bottom: `Trainer.run` is the whole story.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainer_client.checkpoint import Checkpoint, Position, gathered_weights, save_checkpoint
from trainer_client.client import RewardClient
from trainer_client.errors import RecipeError
from trainer_client.evaluate import evaluate
from trainer_client.grpo.update import UpdateResult, training_rows, update_policy
from trainer_client.lora import add_adapters
from trainer_client.metrics import MetricsLog, NoMetrics, read_metrics
from trainer_client.model import Policy, load_policy, make_policy
from trainer_client.parallel import World, join_world, layers_of, place_model, whole_weights
from trainer_client.progress import Progress
from trainer_client.recipe import Recipe
from trainer_client.rewards import Rollouts, roll_out
from trainer_client.rollout import make_engine
from trainer_client.rollout.agreement import assert_agreement, draw_probe
from trainer_client.rollout.engine import RolloutEngine, SamplingSettings
from trainer_client.sample_log import log_samples
from trainer_client.schedule import Turn, sampling_seed, stage_at, stage_starts, turns
from trainer_client.stop import StopSignal
from trainer_client.stopping import has_rule, reason_to_stop
from trainer_client.warm_start import corpus, example_batches, learning_rate_at, supervised_step

START = Position("warm_start", 0)
WARM_START_CHECKPOINT_STEPS = 200
SYNC_PROBE_PROMPTS = 4


def starting_policy(recipe: Recipe) -> Policy:
    """The policy before the first step: the recipe's checkpoint, or a new model."""
    if recipe.model.path:
        return load_policy(recipe.model.path)
    return make_policy(recipe.model, corpus(recipe.seed, recipe.warm_start.slip_rate), recipe.seed)


def policy_at(recipe: Recipe, checkpoint: Checkpoint | None) -> Policy:
    """The policy at a checkpoint; without one, before the first step. Raises CheckpointError, RecipeError."""
    if not recipe.model.lora_rank:
        return load_policy(checkpoint.folder) if checkpoint else starting_policy(recipe)
    policy = starting_policy(recipe)
    add_adapters(policy.model, layers_of(policy.model), recipe.model, recipe.seed)
    if checkpoint:
        checkpoint.restore_adapters(policy)
    return policy


def _check_world(world: World, recipe: Recipe) -> None:
    """Raises RecipeError for what cannot be had with several processes."""
    if world.size > 1 and recipe.compute.engine == "vllm":
        raise RecipeError(
            "compute.engine: vllm samples within a single process; with several take vllm_server"
        )


class Trainer:
    """Holds what changes during a run: policy, optimizer and position.

    The state is always that after a whole number of steps when an exception leaves `run`, except inside
    an optimizer's step: signals are only noticed between the parts of a step.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        client: RewardClient,
        *,
        progress: Progress,
        stop: StopSignal,
        checkpoint: Checkpoint | None = None,
        world: World | None = None,
    ) -> None:
        torch.set_num_threads(recipe.compute.threads)
        self._world = world or join_world(recipe.compute.device)
        _check_world(self._world, recipe)
        self._recipe, self._folder, self._client = recipe, folder, client
        self._progress, self._stop = progress, stop
        self._run_name = f"{recipe.name}-{recipe.seed}"
        self.policy = policy_at(recipe, checkpoint)
        self.position = checkpoint.position if checkpoint else START
        self._engine = self._make_engine()
        place_model(self.policy.model, self._world, recipe.compute)
        self._optimizer = self._new_optimizer()
        if checkpoint:
            checkpoint.restore_optimizer(self._optimizer)
        self._stage_ends = {
            first + stage.steps for (_, first), stage in zip(stage_starts(recipe), recipe.stage, strict=True)
        }
        lines = read_metrics(folder / "metrics.jsonl")
        evaluated = {line["step"] for line in lines if line["kind"] == "eval"}
        self._evaluated = self._world.from_first(lambda: evaluated)

    def run(self) -> None:
        """Goes from the position to the end of the recipe. Raises Interrupted when a signal comes.

        With several processes all must call it; the first one writes.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._engine.close)
            self._metrics: MetricsLog | NoMetrics = NoMetrics()
            if self._world.is_first:
                self._metrics = stack.enter_context(MetricsLog(self._folder, self._recipe.logging))
            if self.position.phase == "warm_start":
                self._warm_start()
                self._begin_training()
            self._evaluate_if_due()
            self._end_stage_early()  # for a run that was stopped in the evaluation that decides
            for turn in turns(self._recipe, self.position.step):
                if turn.step >= self.position.step:  # a stage that has ended early is passed over
                    self._step(turn)
        weights = gathered_weights(self.policy, self._world)
        if self._world.is_first:
            self.policy.save(self._folder / "model", weights)

    def save(self) -> Path:
        """Writes a checkpoint of the present position."""
        return save_checkpoint(self._folder, self.policy, self._optimizer, self.position, self._world)

    def _make_engine(self) -> RolloutEngine:
        """This process's sampler; made before the model is moved or sharded."""
        compute = self._recipe.compute
        if self._world.device.type != "cpu" and compute.engine == "transformers":
            self.policy.model.to(self._world.device)
        return make_engine(compute.engine, self.policy, self._recipe.vllm, replica=self._world.size > 1)

    def _warm_start(self) -> None:
        settings = self._recipe.warm_start
        batches = example_batches(settings, self._recipe.seed)
        for step in range(settings.steps):
            examples = next(batches)
            if step < self.position.step:
                continue  # a resumed run passes over the examples it has seen
            self._world.from_each(self._stop.check)
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate_at(step, settings)
            loss = supervised_step(self.policy, self._optimizer, examples)
            self.position = Position("warm_start", step + 1)
            self._metrics.write("warm_start", step, {"loss": loss})
            self._progress.warm_start(step, loss)
            if (step + 1) % WARM_START_CHECKPOINT_STEPS == 0:
                self.save()

    def _begin_training(self) -> None:
        """Crosses from supervised to reinforced steps, which have an optimizer of their own."""
        self._optimizer = self._new_optimizer()
        self.position = Position("train", 0)
        self.save()
        self._sync(next(turns(self._recipe)))

    def _step(self, turn: Turn) -> None:
        self._world.from_each(self._stop.check)
        began = time.perf_counter()
        rollouts = self._roll_out(turn)
        rolled_out = time.perf_counter()
        stage = turn.stage
        loss = self._recipe.loss
        rows = training_rows(
            rollouts.judged,
            stage.group_size,
            mask_truncated=stage.mask_truncated,
            scale=loss.scale_advantages,
        )
        paced = replace(stage, learning_rate=stage.learning_rate_at(turn.stage_step))
        result = update_policy(
            self.policy, self._optimizer, rows, paced, self._recipe.compute, loss=loss, world=self._world
        )
        updated = time.perf_counter()
        gap = self._sync(turn)
        synced = time.perf_counter()
        self.position = Position("train", turn.step + 1)
        values = train_metrics(turn, rollouts, result) | {
            "learning_rate": paced.learning_rate,
            "update_seconds": updated - rolled_out - result.old_logprob_seconds,
            "sync_seconds": synced - updated,
            "sync_gap": gap,
            "step_seconds": synced - began,
        }
        self._metrics.write("train", turn.step, values)
        if self._world.is_first and turn.step % self._recipe.evaluation.every_steps == 0:
            log_samples(self._folder, turn, rollouts.judged)
        self._progress.train(turn, values)
        self._evaluate_if_due()
        self._end_stage_early()
        if (
            self.position.step in self._stage_ends
            or self.position.step % self._recipe.checkpoint_every_steps == 0
        ):
            self.save()

    def _sync(self, turn: Turn) -> float:
        """Hands the weights over; the largest difference that is left, in nats. Raises StaleSamplerError."""
        if self._engine.shares_weights:
            return 0.0
        weights = whole_weights(self.policy.model)
        self._engine.sync(weights)
        for _ in weights:
            pass  # gathering takes every process, and each must go through all of them
        prompts = [self.policy.prompt_ids(problem.prompt) for problem in turn.problems[:SYNC_PROBE_PROMPTS]]
        seed = sampling_seed(self._recipe.seed, turn.step, "sync")
        drawn = self._world.from_each(lambda: draw_probe(self._engine, prompts, seed))[self._world.rank]
        tolerance = self._recipe.compute.logprob_tolerance
        return assert_agreement(self.policy, prompts, drawn, tolerance=tolerance, world=self._world)

    def _roll_out(self, turn: Turn) -> Rollouts:
        stage = turn.stage
        seed = sampling_seed(self._recipe.seed, turn.step, "train")
        return roll_out(
            self._engine,
            self._client,
            [
                (problem, self.policy.prompt_ids(problem.prompt))
                for problem in turn.problems
                for _ in range(stage.group_size)
            ],
            SamplingSettings(stage.max_response_tokens, stage.temperature, seed),
            label=f"step{turn.step}",
            run=self._run_name,
            check=self._stop.check,
            world=self._world,
        )

    def _evaluate_if_due(self) -> None:
        """Evaluates at the ends of stages and every so many steps, once for each such step.

        Whether it was done is read from the metrics: a run that was stopped in an evaluation makes up for it.
        """
        step = self.position.step
        due = step in self._stage_ends or step % self._recipe.evaluation.every_steps == 0
        if due and step not in self._evaluated:
            self._evaluate(step)
            self._evaluated.add(step)

    def _end_stage_early(self) -> None:
        """Moves on to the next stage's first step where the stage's rule says so.

        The steps left out keep their numbers. The evaluation is written again as the one at the stage's end.
        """
        step = self.position.step
        stage, first = stage_at(self._recipe, step - 1)
        end = first + stage.steps
        if step in (first, end) or step not in self._evaluated or not has_rule(stage):
            return
        lines = self._world.from_first(lambda: read_metrics(self._folder / "metrics.jsonl"))
        reason = reason_to_stop(stage, first, lines)
        if reason is None:
            return
        values = {key: value for key, value in lines[-1].items() if key not in ("kind", "step")}
        self._metrics.write("eval", end, values | {"stopped": stage.name, "stopped_because": reason})
        self._progress.note(f"{stage.name} ends after {step - first} steps: {reason}")
        self._evaluated.add(end)
        self.position = Position("train", end)

    def _evaluate(self, step: int) -> None:
        began = time.perf_counter()
        results = evaluate(
            self.policy,
            self._engine,
            self._client,
            self._recipe,
            step=step,
            run=self._run_name,
            check=self._stop.check,
            world=self._world,
        )
        values: dict[str, Any] = {"eval_seconds": time.perf_counter() - began}
        for domain, accuracy in results.items():
            values |= {
                domain: accuracy.mean,
                f"{domain}_judged": accuracy.judged,
                f"{domain}_unjudged": accuracy.unjudged,
            }
        self._metrics.write("eval", step, values)
        self._progress.evaluated(step, values)

    def _new_optimizer(self) -> torch.optim.Optimizer:
        """AdamW without decay. The paper names no more than AdamW; betas as is usual for language models."""
        trained = [one for one in self.policy.model.parameters() if one.requires_grad]
        return torch.optim.AdamW(trained, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)


def train_metrics(turn: Turn, rollouts: Rollouts, result: UpdateResult) -> dict[str, Any]:
    """The metrics of one step.

    `reward` is the mean over judged completions (None when there was none); `entropy` is estimated by
    the mean negative log-probability of the sampled tokens, in nats, at the stage's temperature.
    """
    completions = [one.completion for one in rollouts.judged]
    logprobs = [value for completion in completions for value in completion.logprobs]
    rewards = [one.verdict.reward for one in rollouts.judged if one.verdict.reward is not None]
    return {
        "stage": turn.stage.name,
        "reward": _mean(rewards),
        "unjudged": len(completions) - len(rewards),
        "trained_rows": result.trained_rows,
        "entropy": -sum(logprobs) / len(logprobs),
        "response_tokens": len(logprobs) / len(completions),
        "truncated": sum(completion.truncated for completion in completions) / len(completions),
        "gradient_norm": result.gradient_norm,
        "logprob_gap": result.logprob_gap,
        "clipped": result.clipped,
        "retries": sum(one.verdict.attempts - 1 for one in rollouts.judged),
        "sample_seconds": rollouts.sample_seconds,
        "exposed_reward_seconds": rollouts.exposed_seconds,
        "hidden_reward_seconds": rollouts.hidden_seconds,
        "old_logprob_seconds": result.old_logprob_seconds,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
