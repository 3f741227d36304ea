"""A program for test_vllm.py: the trainer with vLLM in its process, and one hand-over of weights lost."""

from __future__ import annotations

import sys

from trainer_client import cli, first_verdicts, report
from trainer_client.rollout import vllm_engine

LOST = 3  # counted from 1


def main() -> int:
    first_verdicts.show_first_verdicts = lambda recipe, client, progress: None
    report.draw_report = lambda folder, recipe: None
    hand_over = vllm_engine.VllmEngine.sync
    count = 0

    def forgetful(engine, weights):
        nonlocal count
        count += 1
        if count != LOST:
            hand_over(engine, weights)

    vllm_engine.VllmEngine.sync = forgetful
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
