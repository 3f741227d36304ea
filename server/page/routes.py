"""The paths of the page: `/`, its static files, and the JSON that its scripts ask for."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server import __version__
from server.errors import ErrorCode, RequestError, invalid
from server.faces import json_wire
from server.faces.dialects.common import Route
from server.faces.http_body import json_response
from server.page.recent import REWARDS, Entry, Filter, RecentVerdicts
from server.page.watched import Watched

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
# Model text is shown here: no script but the page's own, nothing from elsewhere, no markup made from text.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_DEFAULT_LIMIT, _LARGEST_LIMIT = 100, 500
_RUNS_NAMED = 100


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the page, read once; `tag` is its entity tag."""

    content: bytes
    media_type: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> StaticFile:
        """Reads the file; its type follows from its name."""
        content = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "text/plain"
        return cls(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def response(self, request: Request) -> Response:
        """The file, or 304 for a browser that has it."""
        headers = {**HEADERS, "etag": self.tag}
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.media_type)


def static_files() -> Mapping[str, StaticFile]:
    """Every file of the page by its path below `static/`."""
    paths = (path for path in STATIC.rglob("*") if path.is_file())
    return {path.relative_to(STATIC).as_posix(): StaticFile.read(path) for path in paths}


def routes(service: Watched, queue_depth: Callable[[], int]) -> Sequence[Route]:
    """The page over a watched service; `queue_depth` gives the requests that wait for a slot."""
    page = Page(service, queue_depth)
    return (
        Route("GET", "/", page.index),
        Route("GET", "/page/static/{name:path}", page.static),
        Route("GET", "/page/live", page.live),
        Route("GET", "/page/verdicts", page.verdicts),
        Route("GET", "/page/verdicts/{number:int}", page.verdict),
    )


class Page:
    """The endpoints of the page."""

    def __init__(self, service: Watched, queue_depth: Callable[[], int]) -> None:
        self._service = service
        self._queue_depth = queue_depth
        self._files = static_files()

    @property
    def _recent(self) -> RecentVerdicts:
        return self._service.recent

    async def index(self, request: Request) -> Response:
        """`GET /`: the page."""
        return self._files[INDEX].response(request)

    async def static(self, request: Request) -> Response:
        """`GET /page/static/{name}`: a file of the page."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise RequestError(ErrorCode.NOT_FOUND, "the page has no such file")
        return found.response(request)

    async def live(self, request: Request) -> Response:
        """`GET /page/live`: what the server does now and did in the last two minutes."""
        body = {
            "version": __version__,
            "ready": self._service.ready,
            "queue_depth": self._queue_depth(),
            **self._service.timeline.snapshot(),
        }
        return _private(orjson.dumps(body))

    async def verdicts(self, request: Request) -> Response:
        """`GET /page/verdicts?run=&status=&reward=&below=&limit=`: kept verdicts, newest first."""
        wanted, below, limit = _query(request)
        found = self._recent.latest(wanted, below=below, at_most=limit)
        body = {
            "budget_bytes": self._recent.budget_bytes,
            "size_bytes": self._recent.size_bytes,
            "kept": len(self._recent),
            "runs": self._recent.runs(_RUNS_NAMED),
            "verdicts": [entry.summary() for entry in found],
        }
        return _private(orjson.dumps(body))

    async def verdict(self, request: Request) -> Response:
        """`GET /page/verdicts/{number}`: one kept verdict and its request."""
        entry = self._recent.find(request.path_params["number"])
        if entry is None:
            raise RequestError(ErrorCode.NOT_FOUND, "this verdict is not kept, or no longer")
        return _private(_whole(entry))


def _private(content: bytes) -> Response:
    return json_response(content, headers={"cache-control": "no-store"})


def _whole(entry: Entry) -> bytes:
    """The request is text inside the JSON: a browser's numbers would not keep its integers."""
    request = json_wire.dumps(pb.VerifyRequest.FromString(entry.request)).decode("utf-8")
    verdict = json_wire.to_json(pb.Verdict.FromString(entry.verdict))
    return orjson.dumps({**entry.summary(), "request_json": request, "verdict": verdict})


def _query(request: Request) -> tuple[Filter, int | None, int]:
    query = request.query_params
    status, reward = query.get("status", ""), query.get("reward", "")
    if status and status not in pb.Status.keys():  # noqa: SIM118  # an enum wrapper, not a dict
        raise invalid("status", f"is not one of {', '.join(pb.Status.keys())}")
    if reward and reward not in REWARDS:
        raise invalid("reward", f"is not one of {', '.join(REWARDS)}")
    limit = min(_integer(request, "limit") or _DEFAULT_LIMIT, _LARGEST_LIMIT)
    return Filter(query.get("run", ""), status, reward), _integer(request, "below"), limit


def _integer(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16 and int(text) > 0):
        raise invalid(name, "must be an integer above 0")
    return int(text)
