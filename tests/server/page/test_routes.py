"""The page's paths: what they answer, with which headers, and to whom."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from server.app import App
from server.config import Settings
from server.logs import make_logger
from server.page.routes import STATIC
from tests.server.stub_core import FULL, StubCore


async def page_of(**settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running App over the stub core."""
    chosen = Settings(http="127.0.0.1:0", grpc="127.0.0.1:0", **settings)  # type: ignore[arg-type]
    app = App(chosen, StubCore(), make_logger("error", "json", io.StringIO()))
    await app.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{app.http_address}", timeout=30) as client:
            yield client
    finally:
        await app.close()


@pytest.fixture
async def page() -> AsyncIterator[httpx.AsyncClient]:
    async for client in page_of(recent_verdicts_bytes=1 << 20):
        yield client


async def ask(page: httpx.AsyncClient, completion: str = "\\boxed{42}", **fields: object) -> httpx.Response:
    return await page.post("/v1/verify", json={"completion": completion, "math": {"gold": ["42"]}, **fields})


async def test_the_page_forbids_scripts_and_loads_from_elsewhere(page: httpx.AsyncClient) -> None:
    answer = await page.get("/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_every_file_the_page_names_is_there(page: httpx.AsyncClient) -> None:
    text = (await page.get("/")).text
    for path in set(re.findall(r'(?:src|href)="(/page/[^"]+)"', text)):
        assert (await page.get(path)).status_code == 200, path


async def test_scripts_and_styles_have_their_types(page: httpx.AsyncClient) -> None:
    for name, kind in (("page.js", "javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg")):
        answer = await page.get(f"/page/static/{name}")
        assert kind in answer.headers["content-type"]
        assert "content-security-policy" in answer.headers


def test_no_file_of_ours_names_another_host() -> None:
    own = [path for path in STATIC.iterdir() if path.is_file()]
    for path in own:
        found = set(re.findall(r"https?://[^\s\"'`]+", path.read_text(encoding="utf-8")))
        assert found <= {"http://www.w3.org/2000/svg"}, path


def test_every_file_is_shipped_with_the_package(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    globs = project["tool"]["setuptools"]["package-data"]["server.page"]
    shipped = {path for glob in globs for path in STATIC.parent.glob(glob) if path.is_file()}
    assert shipped == {path for path in STATIC.rglob("*") if path.is_file()}


def test_no_file_of_ours_makes_markup_from_text() -> None:
    sinks = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    for path in STATIC.glob("*.js"):
        assert not sinks.search(path.read_text(encoding="utf-8")), path


async def test_a_browser_that_has_a_file_is_not_sent_it_again(page: httpx.AsyncClient) -> None:
    tag = (await page.get("/page/static/page.js")).headers["etag"]
    again = await page.get("/page/static/page.js", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "../routes.py", "%2e%2e/routes.py", "katex/../../routes.py"])
async def test_only_the_pages_files_are_served(page: httpx.AsyncClient, name: str) -> None:
    assert (await page.get(f"/page/static/{name}")).status_code == 404


async def test_live_counts_what_was_asked(page: httpx.AsyncClient) -> None:
    await ask(page)
    await ask(page, completion=FULL)
    live = (await page.get("/page/live")).json()
    assert live["ready"] is True
    assert live["totals"] == {"verdicts": 1, "executions": 0, "refusals": 1}
    assert live["refusals"] == {"QUEUE_FULL": 1}
    assert live["in_flight"] == 0


async def test_kept_verdicts_are_listed_and_open(page: httpx.AsyncClient) -> None:
    await ask(page, id="x", run="grpo")
    listed = (await page.get("/page/verdicts", params={"run": "grpo"})).json()
    assert (listed["kept"], listed["runs"]) == (1, ["grpo"])
    (line,) = listed["verdicts"]
    whole = (await page.get(f"/page/verdicts/{line['number']}")).json()
    assert whole["verdict"]["status"] == "ACCEPTED"
    assert json.loads(whole["request_json"])["completion"] == "\\boxed{42}"


async def test_private_answers_are_not_stored_by_a_browser(page: httpx.AsyncClient) -> None:
    for path in ("/page/live", "/page/verdicts"):
        assert (await page.get(path)).headers["cache-control"] == "no-store"


async def test_a_batch_is_kept_too(page: httpx.AsyncClient) -> None:
    requests = [{"completion": "\\boxed{1}", "math": {"gold": ["1"]}}] * 3
    await page.post("/v1/verify/batch", json={"requests": requests})
    assert (await page.get("/page/verdicts")).json()["kept"] == 3


async def test_a_verdict_that_is_not_kept_is_not_found(page: httpx.AsyncClient) -> None:
    assert (await page.get("/page/verdicts/7")).status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [("status=MAYBE", "status"), ("reward=two", "reward"), ("below=x", "below"), ("limit=0", "limit")],
)
async def test_a_wrong_filter_names_its_field(page: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await page.get(f"/page/verdicts?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_a_list_is_as_long_as_asked(page: httpx.AsyncClient) -> None:
    for index in range(4):
        await ask(page, id=str(index))
    listed = (await page.get("/page/verdicts", params={"limit": 2, "below": 4})).json()
    assert [line["number"] for line in listed["verdicts"]] == [3, 2]


async def test_no_completion_is_kept_unless_asked_for() -> None:
    async for page in page_of():
        await ask(page)
        assert (await page.get("/page/verdicts")).json()["kept"] == 0


async def test_the_page_can_be_switched_off() -> None:
    async for page in page_of(page="off"):
        for path in ("/", "/page/live", "/page/verdicts", "/page/static/page.js"):
            assert (await page.get(path)).status_code == 404


def test_the_screenshot_in_the_docs_is_small(repository: Path) -> None:
    assert (repository / "docs" / "page.png").stat().st_size < 200_000
