"""The page in a real browser, Debian's chromium: what it shows, what it refuses to run, and where it asks."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from tests.wire.conftest import Server, started

pytestmark = [pytest.mark.toolchain("chromium"), pytest.mark.asyncio(loop_scope="module")]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
PATIENCE_MS = 120_000  # a limit for a machine under load, not an expectation
BUDGET = 64 * 1024
VIEWS = ("overview", "playground", "verdicts")
# What each hostile text would do if anything in it ran.
WITNESS = "window.witness=1"


@pytest.fixture(scope="module")
def serving() -> Iterator[Server]:
    with started(
        "--recent-verdicts-bytes", str(BUDGET), "--languages", "python", "--max-cpu-seconds", "20"
    ) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        await browser.close()


@dataclass
class Tab:
    """One tab with empty storage, and what went wrong in it."""

    page: Page
    origin: str
    outside: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def open(self, view: str) -> None:
        await self.page.goto(f"{self.origin}/#{view}")

    async def verify(self) -> None:
        """Presses the button and waits for the verdict."""
        await self.page.click("#verify")
        await self.page.wait_for_selector("#answer .verdict")

    async def example(self, name: str) -> None:
        await self.open("playground")
        await self.page.get_by_role("button", name=name).click()

    def listen(self) -> None:
        self.page.on(
            "request",
            lambda asked: None if asked.url.startswith(self.origin) else self.outside.append(asked.url),
        )
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))


@pytest_asyncio.fixture(loop_scope="module")
async def tab(browser: Browser, serving: Server) -> AsyncIterator[Tab]:
    """A tab; afterwards no request had left the server's origin, and no script had failed."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    tab = Tab(await context.new_page(), f"http://{serving.http}")
    tab.listen()
    yield tab
    await context.close()
    assert tab.outside == []
    assert tab.faults == []


def post(tab: Tab, **request: Any) -> dict[str, Any]:
    answer = httpx.post(f"{tab.origin}/v1/verify", json=request, timeout=PATIENCE_MS / 1000)
    return dict(answer.json())


async def test_math_is_drawn_as_it_was_read(tab: Tab) -> None:
    await tab.example("equal roots")
    await tab.verify()
    await expect(tab.page.locator("#answer h2")).to_have_text("accepted")
    await expect(tab.page.locator("#answer .reading .katex")).to_have_count(2)
    drawn = await tab.page.locator("#answer .reading annotation").all_text_contents()
    assert drawn == [r"\frac{3}{\sqrt{2}}", r"\frac{3\sqrt{2}}{2}"]
    await expect(tab.page.locator("#answer .rule strong")).to_have_text("exact value")


async def test_the_first_difference_stands_at_the_test_that_decided(tab: Tab) -> None:
    await tab.example("one test fails")
    await tab.verify()
    await expect(tab.page.locator("#answer .tests .badge")).to_have_text(
        ["accepted", "wrong answer", "accepted"]
    )
    await expect(tab.page.locator("#answer .deciding .difference")).to_have_text(
        "token 1: expected '4', got '16'"
    )
    await expect(tab.page.locator("#answer .deciding .case pre")).to_have_text(["4\n4 4 4 4\n", "4\n"])


async def test_the_limits_that_held_are_shown(tab: Tab) -> None:
    await tab.example("time limit")
    await tab.verify()
    await expect(tab.page.locator("#answer h2")).to_have_text("time limit")
    await tab.page.get_by_text("Limits of one test").click()
    row = tab.page.locator("#answer details tr", has_text="CPU time")
    await expect(row.locator("td").last).to_have_text("1.00 s")


async def test_integers_of_any_size_reach_the_server(tab: Tab) -> None:
    await tab.example("calls")
    await tab.page.fill("#completion", "```python\ndef f(x): return x + 1\n```")
    await tab.page.fill("#function", "f")
    await tab.page.get_by_label("Remove test 2").click()
    await tab.page.get_by_label("Arguments, a JSON array of test 1").fill("[90071992547409930001]")
    await tab.page.get_by_label("Expected, JSON of test 1").fill("90071992547409930002")
    await tab.verify()
    await expect(tab.page.locator("#answer h2")).to_have_text("accepted")


async def test_a_form_that_is_not_complete_says_what_is_missing(tab: Tab) -> None:
    await tab.example("equal roots")
    await tab.page.fill("#gold", "")
    await tab.page.click("#verify")
    await expect(tab.page.locator("#ask-error")).to_have_text("a gold answer is needed")


async def test_a_refused_request_names_its_field(tab: Tab) -> None:
    await tab.example("one test fails")
    await tab.page.fill("#cpu-seconds", "21")
    await tab.verify()
    await expect(tab.page.locator("#answer .message")).to_contain_text("code.limits.cpu_seconds")


async def test_the_keyboard_alone_is_enough(tab: Tab) -> None:
    await tab.open("playground")
    await tab.page.focus("#completion")
    await tab.page.keyboard.press("Control+Enter")
    await expect(tab.page.locator("#answer h2")).to_have_text("accepted")


@pytest.mark.toolchain("curl")
async def test_the_command_shown_gives_the_same_verdict(tab: Tab) -> None:
    await tab.example("equal roots")
    await tab.page.fill("#completion", "it's `$HOME` \"quoted\"\n\\boxed{'7'} \\boxed{7}")
    await tab.page.fill("#gold", "7")
    command = await tab.page.locator("#curl").text_content()
    assert command is not None
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=120)
    assert '"status":"ACCEPTED"' in done.stdout


HOSTILE_ANSWERS = [
    f"<script>{WITNESS}</script>",
    f"<img src=x onerror='{WITNESS}'>",
    rf"\href{{javascript:{WITNESS}}}{{x}}",
    rf"\htmlData{{x=1}}{{\includegraphics{{https://example.com/x.png}}}}\url{{javascript:{WITNESS}}}",
    r"\def\a{\a\a}\a",
    r"\def\a#1{#1#1#1#1}" + r"\a{" * 40 + "x" + "}" * 40,
    r"\rule{100000em}{100000em}",
    "{" * 3000,
    "x" * 50_000,
]


async def inert(tab: Tab, place: str) -> None:
    """Nothing of the text became an element that does something, and the page still answers."""
    assert await tab.page.evaluate("window.witness") is None
    live = f"{place} :is(script, img, iframe, object, embed, a, link, style)"
    await expect(tab.page.locator(live)).to_have_count(0)
    await expect(tab.page.locator("#state-text")).not_to_have_text("")


@pytest.mark.parametrize("text", HOSTILE_ANSWERS[:3], ids=range(3))
async def test_a_hostile_answer_does_nothing(tab: Tab, text: str) -> None:
    await tab.open("playground")
    await tab.page.fill("#completion", f"\\boxed{{{text}}}")
    await tab.page.fill("#gold", text.replace("\n", " "))
    await tab.verify()
    await inert(tab, "#answer")


@pytest.mark.parametrize("text", HOSTILE_ANSWERS, ids=range(len(HOSTILE_ANSWERS)))
async def test_a_hostile_formula_is_shown_as_text_or_harmlessly(tab: Tab, text: str) -> None:
    await tab.open("playground")
    draw = """async (text) => {
        const { formula } = await import("/page/static/math.js");
        document.getElementById("answer").replaceChildren(formula(text));
        return document.querySelectorAll("#answer *").length;
    }"""
    assert await tab.page.evaluate(draw, text) < 20_000
    await inert(tab, "#answer")


async def test_a_hostile_program_and_its_output_do_nothing(tab: Tab) -> None:
    markup = f"<script>{WITNESS}</script><img src=x onerror={WITNESS}>"
    await tab.example("one test fails")
    program = f"import sys\nprint({markup!r})\nsys.stderr.write({markup!r})\nsys.exit(3)"
    await tab.page.fill("#completion", f"```python\n{program}\n```")
    await tab.verify()
    await expect(tab.page.locator("#answer .deciding pre").first).to_have_text(markup)
    await inert(tab, "#answer")


async def test_markup_put_into_the_page_by_force_does_not_run(tab: Tab) -> None:
    await tab.open("overview")
    refused = """() => {
        try { document.body.innerHTML = "<b>x</b>"; } catch (error) { return error.name; }
    }"""
    assert await tab.page.evaluate(refused) == "TypeError"


async def test_a_kept_hostile_verdict_does_nothing(tab: Tab) -> None:
    markup = f"<img src=x onerror={WITNESS}>"
    post(tab, id=markup, run=markup, completion=f"\\boxed{{{markup}}}", math={"gold": ["1"]})
    await tab.open("verdicts")
    await tab.page.locator("#kept-rows button").first.click()
    await tab.page.wait_for_selector("#kept-one .verdict")
    await inert(tab, "#kept-one")
    await inert(tab, "#kept")


async def test_live_figures_move(tab: Tab) -> None:
    await tab.open("overview")
    total = tab.page.locator("#total")
    await expect(total).not_to_have_text("–")
    before = int((await total.text_content() or "").replace(",", ""))
    post(tab, completion="\\boxed{1}", math={"gold": ["1"]})
    await expect(total).to_have_text(f"{before + 1:,}")
    await expect(tab.page.locator("#mix .badge.good").first).to_have_text("accepted")
    await expect(tab.page.locator("#chart .layer.good")).to_have_attribute("d", re.compile("^M.*z$"))


async def test_a_lost_connection_is_said_and_mended(tab: Tab) -> None:
    await tab.open("overview")
    await expect(tab.page.locator("#state-text")).to_have_text(re.compile("Ready|Idle"))

    async def cut(route: Route) -> None:
        await route.abort()

    await tab.page.route("**/page/live", cut)
    await expect(tab.page.locator("#lost")).to_contain_text("the server does not answer")
    await expect(tab.page.locator("#state-text")).to_have_text("No connection")
    await tab.page.unroute("**/page/live", cut)
    await expect(tab.page.locator("#lost")).to_be_hidden()


async def test_kept_verdicts_can_be_filtered_and_explained(tab: Tab) -> None:
    post(tab, id="right", run="grpo", completion="\\boxed{1}", math={"gold": ["1"]})
    post(tab, id="wrong", run="grpo", completion="\\boxed{2}", math={"gold": ["1"]})
    await tab.open("verdicts")
    await tab.page.fill("#filter-run", "grpo")
    await tab.page.select_option("#filter-reward", "zero")
    await expect(tab.page.locator("#kept-rows button")).to_have_text(["wrong"])
    await tab.page.get_by_role("button", name="Explain wrong").click()
    await expect(tab.page.locator("#kept-one h2")).to_have_text("wrong answer")
    await expect(tab.page.locator("#kept-one .reading code")).to_have_text(["1", "2"])
    await tab.page.get_by_role("button", name="Open in the playground").click()
    await tab.verify()
    await expect(tab.page.locator("#answer h2")).to_have_text("wrong answer")


async def test_no_more_is_kept_than_the_budget(tab: Tab) -> None:
    many = [{"id": str(index), "completion": "x" * 1000, "math": {"gold": ["1"]}} for index in range(100)]
    httpx.post(f"{tab.origin}/v1/verify/batch", json={"requests": many}, timeout=PATIENCE_MS / 1000)
    answer = httpx.get(f"{tab.origin}/page/verdicts", timeout=PATIENCE_MS / 1000).json()
    assert 0 < answer["size_bytes"] <= BUDGET
    await tab.open("verdicts")
    await expect(tab.page.locator("#kept-size")).to_contain_text(f"{answer['kept']} kept")
    assert answer["kept"] < 100


async def test_an_api_key_is_sent_and_kept_in_the_tab_only(tab: Tab) -> None:
    async def guarded(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer secret":
            await route.continue_()
        else:
            await route.fulfill(
                status=401, json={"code": "UNAUTHENTICATED", "detail": "an API key is needed"}
            )

    await tab.page.route("**/page/live", guarded)
    await tab.open("overview")
    await expect(tab.page.locator("#lost")).to_contain_text("wants an API key")
    await tab.page.fill("#key", "secret")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#lost")).to_be_hidden()
    assert "secret" in await tab.page.evaluate("JSON.stringify(sessionStorage)")
    assert "secret" not in await tab.page.evaluate(
        "JSON.stringify(localStorage) + document.cookie + location.href"
    )
    assert "secret" not in (await tab.page.locator("#curl").text_content() or "")


@pytest.mark.parametrize("view", VIEWS)
async def test_every_control_has_a_name(tab: Tab, view: str) -> None:
    await tab.example("one test fails")
    await tab.open(view)
    nameless = """() => [...document.querySelectorAll("input, select, textarea, button")]
        .filter((item) => !item.labels?.length && !item.ariaLabel && !item.textContent.trim())
        .map((item) => item.outerHTML)"""
    assert await tab.page.evaluate(nameless) == []


@pytest.mark.parametrize("view", VIEWS)
async def test_a_narrow_screen_needs_no_sideways_scrolling(tab: Tab, view: str) -> None:
    await tab.page.set_viewport_size({"width": 360, "height": 740})
    await tab.example("one test fails")
    await tab.verify()
    await tab.open(view)
    assert await tab.page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_both_themes_can_be_chosen(tab: Tab) -> None:
    await tab.open("overview")
    colour = "getComputedStyle(document.body).backgroundColor"
    before = await tab.page.evaluate(colour)
    await tab.page.click("#theme")
    assert await tab.page.evaluate(colour) != before
