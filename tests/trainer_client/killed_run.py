"""A program for test_kill.py: runs the trainer in forked children and kills one in a chosen phase.

Each line of standard input is a job, `{"phase": ..., "entry": n, "share": x, "arguments": [...]}`. When the
child enters the phase for the n-th time, a thread is set to send SIGKILL after the share x of the time that
the first entry took: any moment of the phase, whatever runs then. Without a phase the run goes to its end.
Each line of output is the child's wait status and how often each phase was entered.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

from trainer_client import cli, first_verdicts, report, rewards, trainer, warm_start
from trainer_client.rollout import transformers_engine

PHASES = {
    "sampling": (transformers_engine._Batch, "step"),
    "grading": (rewards, "_wait_for"),
    "update": (trainer, "update_policy"),
    "checkpoint": (trainer, "save_checkpoint"),
}


class Watch:
    """Counts the entries of each phase, and kills the process in one of them."""

    def __init__(self, phase: str, entry: int, share: float) -> None:
        self.entries = dict.fromkeys(PHASES, 0)
        self._moment, self._share = (phase, entry), share
        self._first_seconds: dict[str, float] = {}

    def over(self, phase: str) -> None:
        """Watches a phase from now on."""
        owner, name = PHASES[phase]
        inner = getattr(owner, name)

        def watched(*arguments: Any, **more: Any) -> Any:
            self.entries[phase] += 1
            if (phase, self.entries[phase]) == self._moment:
                threading.Thread(target=self._kill, args=[self._first_seconds.get(phase, 0.0)]).start()
            began = time.perf_counter()
            result = inner(*arguments, **more)
            self._first_seconds.setdefault(phase, time.perf_counter() - began)
            return result

        setattr(owner, name, watched)

    def _kill(self, phase_seconds: float) -> None:
        time.sleep(self._share * phase_seconds)
        os.kill(os.getpid(), signal.SIGKILL)


def run_once(job: dict[str, Any], results: int) -> None:
    """In the child: the run, then the counts into the pipe."""
    first_verdicts.show_first_verdicts = lambda recipe, client, progress: None
    report.draw_report = lambda folder, recipe: None
    warm_start.CORPUS_EXAMPLES = 50
    watch = Watch(job["phase"], job["entry"], job["share"])
    for phase in PHASES:
        watch.over(phase)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        status = cli.main(job["arguments"])
    os.write(results, json.dumps(watch.entries).encode())
    os._exit(status)


def main() -> None:
    for line in sys.stdin:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                run_once(json.loads(line), writing)
            finally:
                os._exit(70)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            counts = pipe.read()
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": status, "entries": json.loads(counts or "{}")}), flush=True)


if __name__ == "__main__":
    main()
