"""NeMo Gym: the resources server that Gym starts, which asks our server's `/nemo_gym/verify`.

Gym starts every server from an entry point of its own, so this small one stands between:
it hands rows over HTTP and gives the answer back, `mask_sample` and `failure_kind`
included. A fault of the service stays a 5xx, which NeMo-RL dispatches anew (an agent of Gym's makes
a 500 of every error, which is dispatched anew, too).

    # app.py
    from trainer_client.adapters.nemo_gym import VerdictResourcesServer
    VerdictResourcesServer.run_webserver()

Contract: NeMo Gym 0.4.0, base_resources_server.py and server_utils.py.
"""

from __future__ import annotations

import os
from typing import Any

from fastapi import HTTPException
from nemo_gym.base_resources_server import (
    BaseResourcesServerConfig,
    BaseVerifyRequest,
    BaseVerifyResponse,
    SimpleResourcesServer,
)
from nemo_gym.server_utils import get_response_json, request
from pydantic import ConfigDict


class VerdictConfig(BaseResourcesServerConfig):  # type: ignore[misc]  # its package has no types
    """Where our server listens."""

    reward_server: str


class VerdictRequest(BaseVerifyRequest):  # type: ignore[misc]
    """A row of the data set, whatever its fields."""

    model_config = ConfigDict(extra="allow")


class VerdictResponse(BaseVerifyResponse):  # type: ignore[misc]
    """The row with its reward."""

    model_config = ConfigDict(extra="allow")


class VerdictResourcesServer(SimpleResourcesServer):  # type: ignore[misc]
    """Hands every row on, by Gym's own client, which waits as long as it takes, also for a restart."""

    config: VerdictConfig

    async def verify(self, body: VerdictRequest) -> VerdictResponse:
        """The row with its reward; an HTTP error of the server passes as it is."""
        key = os.environ.get("REWARD_API_KEY")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = f"{self.config.reward_server}/nemo_gym/verify"
        answer = await request("POST", url, json=body.model_dump(), headers=headers)
        content: dict[str, Any] = await get_response_json(answer)
        if answer.status != 200:
            raise HTTPException(answer.status, content.get("detail"))
        return VerdictResponse(**content)
