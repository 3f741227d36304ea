"""Other systems' wires over our one service: thin translators, each switchable.

A dialect keeps its own paths, shapes and error forms, so that a client written for
that system needs no change. What its wire cannot say - that a completion was not
judged - becomes whatever makes that client try again, never a reward of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.faces.dialects import (
    code_judge,
    judge0,
    nemo_gym,
    open_instruct,
    openrlhf,
    piston,
    sandbox_fusion,
    slime,
)
from server.faces.dialects.common import Context, Route

ROUTES: dict[str, Callable[[Context], Sequence[Route]]] = {
    "sandbox_fusion": sandbox_fusion.routes,
    "openrlhf": openrlhf.routes,
    "slime": slime.routes,
    "open_instruct": open_instruct.routes,
    "piston": piston.routes,
    "code_judge": code_judge.routes,
    "judge0": judge0.routes,
    "nemo_gym": nemo_gym.routes,
}
