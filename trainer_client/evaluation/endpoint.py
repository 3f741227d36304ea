"""Sampling from any OpenAI-compatible endpoint: vLLM, SGLang, a hosted model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trainer_client.errors import TrainerError

if TYPE_CHECKING:
    import httpx

UNKNOWN_TOKENS = -1
_TRIES, _FIRST_WAIT_SECONDS = 6, 1.0
_RETRIED_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})


class EndpointError(TrainerError):
    """The endpoint refused a request or stayed silent after every try."""


@dataclass(frozen=True)
class SamplingOptions:
    """How to sample. The defaults are the paper's for evaluation."""

    model: str
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 32768
    seed: int = 0


@dataclass(frozen=True)
class Reply:
    """One completion; `tokens` is what the endpoint counted, UNKNOWN_TOKENS where it did not say."""

    text: str
    truncated: bool
    tokens: int


class Endpoint:
    """Chat completions with a bounded number in flight."""

    def __init__(self, url: str, options: SamplingOptions, *, key: str = "", max_in_flight: int = 64) -> None:
        import httpx

        headers = {"authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=max_in_flight)
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/"), headers=headers, limits=limits, timeout=httpx.Timeout(30.0, read=None)
        )
        self._options = options
        self._slots = asyncio.Semaphore(max_in_flight)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def complete(self, prompt: str, index: int) -> Reply:
        """The `index`-th sample for a prompt, with a seed of its own. Raises EndpointError."""
        body = {
            "model": self._options.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self._options.temperature,
            "top_p": self._options.top_p,
            "max_tokens": self._options.max_tokens,
            "seed": self._options.seed + index,
        }
        async with self._slots:
            return _reply((await self._post(body)).json())

    async def _post(self, body: dict[str, Any]) -> httpx.Response:
        import httpx

        why = ""
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
            try:
                answer = await self._client.post("/chat/completions", json=body)
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code == 200:
                return answer
            why = f"HTTP {answer.status_code}: {answer.text[:200]}"
            if answer.status_code not in _RETRIED_STATUSES:
                break
        raise EndpointError(f"{self._client.base_url}chat/completions: {why}")


def _reply(body: dict[str, Any]) -> Reply:
    """Reasoning that the endpoint took apart goes back in front, where extraction expects it."""
    choice = body["choices"][0]
    message = choice["message"]
    text, reasoning = message.get("content") or "", message.get("reasoning_content")
    if reasoning:
        text = f"<think>{reasoning}</think>{text}"
    tokens = token_count((body.get("usage") or {}).get("completion_tokens"))
    return Reply(text, choice.get("finish_reason") == "length", tokens)


def token_count(value: Any) -> int:
    """A number of tokens as somebody wrote it; UNKNOWN_TOKENS for what is none."""
    is_whole = isinstance(value, float) and value.is_integer()
    is_number = is_whole or (isinstance(value, int) and not isinstance(value, bool))
    return int(value) if is_number and value >= 0 else UNKNOWN_TOKENS
