"""TRL's own loss code on seeded tensors, recorded for tests/trainer_client/grpo/test_losses_beside_trl.py.

    .venv/bin/pip install --no-deps --target .side -r bench/trl.txt
    python -m bench.trl_losses

`GRPOTrainer._compute_loss` runs as it is, with the log-probabilities given in place of a model's: what is
compared is the loss, its denominators and its gradient. Writes tests/data/trl_losses.json: the tensors
(float64), and for each case TRL's settings, its loss and the gradient of it by the log-probabilities.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "data" / "trl_losses.json"
LENGTHS = (7, 3, 5, 1, 7, 6)
ADVANTAGES = (1.2, -0.4, -0.8, 0.9, -1.5, 0.6)
LIMIT, CAP = 9, 1.5
# Ours beside TRL's names. `dapo` divides by the tokens of the whole batch, `bnpo` by those of the rows at
# hand; for one whole batch they are the same.
SAME = {
    "token_mean": [("dapo", "token"), ("bnpo", "token")],
    "sequence_mean": [("grpo", "token")],
    "dr_grpo": [("dr_grpo", "token")],
    "gspo": [("grpo", "sequence")],
    "cispo": [("cispo", "token")],
}
# On-policy; a policy that moved, with narrow, usual and lopsided clipping; and truncated weights beside it.
SETTINGS = [
    {"moved": False, "weighted": False, "clip_low": 0.2, "clip_high": 0.2},
    {"moved": True, "weighted": False, "clip_low": 0.2, "clip_high": 0.2},
    {"moved": True, "weighted": False, "clip_low": 0.2, "clip_high": 0.28},
    {"moved": True, "weighted": False, "clip_low": 3e-4, "clip_high": 4e-4},
    {"moved": True, "weighted": True, "clip_low": 0.2, "clip_high": 0.28},
]


def tensors() -> dict[str, Tensor]:
    """Log-probabilities of trainer, trainer before the update, and sampler; mask; advantages."""
    generator = torch.Generator().manual_seed(0)

    def drawn(spread: float) -> Tensor:
        return spread * torch.randn(len(LENGTHS), max(LENGTHS), generator=generator, dtype=torch.float64)

    logprobs = -drawn(1.0).abs() - 0.1
    old = (logprobs + drawn(0.25)).clamp(max=-0.01)
    mask = (torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]).long()
    advantages = torch.tensor(ADVANTAGES, dtype=torch.float64)
    return {
        "logprobs": logprobs,
        "old": old,
        "sampled": old + drawn(0.3),
        "mask": mask,
        "advantages": advantages,
    }


def trainer_of(loss_type: str, level: str, setting: dict[str, Any]) -> Any:
    """What `_compute_loss` reads of its trainer: one process and micro-batch, no KL term or entropy bonus."""
    # TRL's CISPO takes the bound itself, the others how far it lies from 1.
    high = setting["clip_high"] + (1.0 if loss_type == "cispo" else 0.0)
    accelerator = SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x)
    return SimpleNamespace(
        _metrics=defaultdict(lambda: defaultdict(list)),
        _entropy_bonus_enabled=False,
        accelerator=accelerator,
        args=SimpleNamespace(delta=None, steps_per_generation=1, use_bias_correction_kl=False),
        aux_loss_enabled=False,
        beta=0.0,
        current_gradient_accumulation_steps=1,
        epsilon_high=high,
        epsilon_low=setting["clip_low"],
        importance_sampling_level=level,
        loss_type=loss_type,
        max_completion_length=LIMIT,
        model=SimpleNamespace(training=True),
        off_policy_mask_threshold=None,
        top_entropy_quantile=1.0,
        use_vllm=setting["weighted"],
        vllm_importance_sampling_correction=setting["weighted"],
    )


def trl_loss(given: dict[str, Tensor], loss_type: str, level: str, setting: dict[str, Any]) -> dict[str, Any]:
    """TRL's loss and its gradient by the log-probabilities."""
    from trl import GRPOTrainer

    logprobs = given["logprobs"].clone().requires_grad_()
    trainer = trainer_of(loss_type, level, setting)
    trainer._get_per_token_logps_and_entropies = lambda *_, **more: (
        logprobs,
        torch.zeros_like(logprobs),
        None,
    )
    before = given["old"] if setting["moved"] else given["logprobs"]
    inputs = {
        "prompt_ids": torch.zeros(len(LENGTHS), 1, dtype=torch.long),
        "prompt_mask": torch.ones(len(LENGTHS), 1, dtype=torch.long),
        "completion_ids": torch.zeros_like(given["mask"]),
        "completion_mask": given["mask"],
        "advantages": given["advantages"],
        "old_per_token_logps": given["old"] if setting["moved"] else None,
        "num_items_in_batch": given["mask"].sum(),
        # min(pi_train / pi_sampler, cap) for each token: TRL's mode "token_truncate".
        "importance_sampling_ratio": (before - given["sampled"]).exp().clamp(max=CAP),
    }
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    assert logprobs.grad is not None
    return {"loss": float(loss.detach()), "gradient": logprobs.grad.tolist()}


def main() -> None:
    """Writes the table."""
    sys.path.append(str(ROOT / ".side"))
    import trl

    given = tensors()
    cases = [
        {
            "ours": ours,
            "trl": loss_type,
            "level": level,
            **setting,
            **trl_loss(given, loss_type, level, setting),
        }
        for ours, theirs in SAME.items()
        for loss_type, level in theirs
        for setting in SETTINGS
    ]
    table = {
        "trl": trl.__version__,
        "limit": LIMIT,
        "cap": CAP,
        "tensors": {name: tensor.tolist() for name, tensor in given.items()},
        "cases": cases,
    }
    rows = json.dumps(table).replace('{"ours"', '\n{"ours"').replace('"tensors"', '\n"tensors"')
    TABLE.write_text(rows + "\n")
    print(f"TRL {trl.__version__}: {len(cases)} cases in {TABLE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
