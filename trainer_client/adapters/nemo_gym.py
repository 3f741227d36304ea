"""NeMo Gym: the resources server that Gym starts, which asks our server's `/nemo_gym/verify`.

Gym starts every server from an entry point of its own, so this small one stands between:
it hands rows over HTTP and gives the answer back, `mask_sample` and `failure_kind`
included. A fault of the service stays a 5xx, which NeMo-RL dispatches anew.

    # app.py
    from trainer_client.adapters.nemo_gym import VerdictResourcesServer
    VerdictResourcesServer.run_webserver()

Contract: NeMo Gym 07d6b0d0, base_resources_server.py.
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
    """Hands every row on. Gym forbids httpx for its cost at thousands of requests; this is aiohttp."""

    config: VerdictConfig

    async def verify(self, body: VerdictRequest) -> VerdictResponse:
        """The row with its reward; an HTTP error of the server passes as it is."""
        import aiohttp

        url = f"{self.config.reward_server}/nemo_gym/verify"
        key = os.environ.get("REWARD_API_KEY")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json=body.model_dump()) as answer,
        ):
            content: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise HTTPException(answer.status, content.get("detail"))
            return VerdictResponse(**content)
