"""Echo servers to compare with: FastAPI with a typed model, grpc.aio with the service's own messages.

And the floor of any batch: an application that reads the JSON and answers each entry with a constant.

    python -m bench.echo

Prints `serving http=HOST:PORT grpc=HOST:PORT` and runs until SIGTERM.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import orjson
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from protos.reward.v1 import reward_pb2 as pb


class MathTask(BaseModel):
    """As in the wire's JSON."""

    gold: list[str]


class VerifyRequest(BaseModel):
    """As in the wire's JSON."""

    id: str
    run: str
    completion: str
    math: MathTask


class Batch(BaseModel):
    """As in the wire's JSON."""

    requests: list[VerifyRequest]


_VERDICT = {
    "status": "ACCEPTED",
    "reward": 1.0,
    "message": r"equals the gold: integer (answer: last \boxed{} after </think>)",
    "extracted": "1234",
    "trust": "OUTSIDE",
    "isolation": "namespaces",
    "timing": {"queue_seconds": 0.0, "compile_seconds": 0.0, "run_seconds": 1.2e-5, "total_seconds": 1.2e-5},
    "flags": [],
    "cached": False,
    "math": {"gold_parsed": "1234", "answer_parsed": "1234", "rule": "integer"},
}


def http_app() -> FastAPI:
    """One endpoint for a request, one for a batch, one for the floor of a batch."""
    app = FastAPI()

    @app.post("/v1/verify")
    async def echo(request: VerifyRequest) -> VerifyRequest:
        return request

    @app.post("/v1/verify/batch")
    async def echo_batch(batch: Batch) -> Batch:
        return batch

    @app.post("/v1/floor")
    async def floor(request: Request) -> Response:
        entries = orjson.loads(await request.body())["requests"]
        verdicts = [{"id": entry["id"], **_VERDICT} for entry in entries]
        return Response(orjson.dumps({"verdicts": verdicts}), media_type="application/json")

    return app


async def _echo(request: pb.VerifyRequest, _: Any) -> pb.VerifyRequest:
    return request


async def _echo_stream(requests: AsyncIterator[pb.VerifyRequest], _: Any) -> AsyncIterator[pb.VerifyRequest]:
    async for request in requests:
        yield request


async def grpc_server() -> tuple[grpc.aio.Server, int]:
    """Both methods of the reward service that matter, under their names."""
    codecs = {
        "request_deserializer": pb.VerifyRequest.FromString,
        "response_serializer": pb.VerifyRequest.SerializeToString,
    }
    methods = {
        "Verify": grpc.unary_unary_rpc_method_handler(_echo, **codecs),
        "VerifyStream": grpc.stream_stream_rpc_method_handler(_echo_stream, **codecs),
    }
    server = grpc.aio.server()
    name = pb.DESCRIPTOR.services_by_name["RewardService"].full_name
    handler = grpc.method_handlers_generic_handler(name, methods)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def main() -> None:
    """Serves both until SIGTERM."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(http_app(), lifespan="off", log_config=None, access_log=False)
    http = uvicorn.Server(config)
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    server, port = await grpc_server()
    print(f"serving http=127.0.0.1:{listener.getsockname()[1]} grpc=127.0.0.1:{port}", flush=True)
    await serving
    await server.stop(None)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
