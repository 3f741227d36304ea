"""verifiers 0.4 and prime-rl: a task whose reward is our verdict.

    class Data(VerdictData): ...
    class MyTaskset(vf.Taskset[VerdictTask, ...]): ...

`label` of the task's data is the label. A completion that was not judged raises
NotJudged: verifiers records the error, and prime-rl leaves the trace out.
Needs Python 3.12, as verifiers does.
Contract: verifiers 0.4, v1/task.py.
"""

from __future__ import annotations

from typing import Any

import verifiers.v1 as vf

from trainer_client.adapters.scorer import default_scorer
from trainer_client.errors import NotJudged


class VerdictData(vf.TaskData):  # type: ignore[misc]  # its package has no types here
    """A problem with what judges its answers."""

    label: Any


class VerdictTask(vf.Task[VerdictData]):  # type: ignore[misc]
    """One answer, one verdict."""

    @vf.reward  # type: ignore[untyped-decorator]
    async def verdict(self, trace: Any) -> float:
        """The reward of the trace's last reply. Raises NotJudged."""
        verdict = await default_scorer().verdict(self.data.label, trace.last_reply)
        if verdict.reward is None:
            raise NotJudged(verdict.status, verdict.message)
        return verdict.reward
