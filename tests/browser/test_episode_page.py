"""An episode's page as it is served: sound and transcript in step, and nothing else that runs."""

from collections.abc import AsyncIterator

import episode_given
import pytest
from browsing import Shelf, looked_at
from playwright.async_api import Page

from agent_tools import Artifact, JobContext, Result, job_kind
from agent_tools.app import Backburner
from agent_tools.jobs.kinds import Kinds
from agent_tools.settings import Settings
from worker.hands import Hands, open_hands
from worker.kinds.episode.extract import extractive
from worker.kinds.episode.make import PAGE_TYPE
from worker.kinds.episode.page import cover, lay_out

pytestmark = pytest.mark.browser
EVIL = "<script>document.title = 'broken out'</script><img src=x onerror=\"document.title = 'broken out'\">"


@job_kind("recorded")
async def recorded(job: JobContext) -> Result:
    """Give the page of an episode, and pages that would like to run something."""
    about = episode_given.episode()
    about = about.enriched_by(extractive(about.transcript, about.duration_s))
    page = lay_out(about, episode_given.tone(about.duration_s))
    return Result(
        artifacts=[
            Artifact.text("page.html", page, title=about.title, media_type=PAGE_TYPE),
            Artifact.text("cover.svg", cover(about)),
            Artifact.text(
                "evil.html",
                page.replace("</h1>", f"</h1>{EVIL}").replace("http-equiv", "data-x"),
                title="Evil",
                media_type=PAGE_TYPE,
            ),
            Artifact.text("plain.html", page.replace("http-equiv", "data-x"), title="Plain"),
            Artifact.text("unknown.html", page, title="Unknown", media_type="text/html; script=other-1"),
        ]
    )


@pytest.fixture
async def backburner(settings: Settings) -> AsyncIterator[Backburner]:
    async with Backburner.open(settings, kinds=Kinds([recorded])) as opened:
        yield opened


@pytest.fixture
async def hands(settings: Settings) -> AsyncIterator[Hands]:
    async with open_hands(settings, Kinds([recorded])) as opened:
        yield opened


async def at(page: Page) -> float:
    return float(await page.evaluate("document.querySelector('audio').currentTime"))


async def test_the_transcript_follows_the_sound_and_the_sound_the_transcript(shelf: Shelf) -> None:
    page = await shelf.open()
    job = await shelf.done("recorded")
    await page.goto(f"/artifacts/{job}/page.html")

    await page.get_by_role("link", name="Library").first.click()
    await page.wait_for_function("document.querySelector('audio').currentTime > 109")
    await page.locator(".said.here", has_text="Our next subject is the library").wait_for()
    assert await page.locator("nav.chapters [aria-current]").count() == 1
    assert "Library" in str(await page.locator("nav.chapters [aria-current]").text_content())

    await page.locator(".said", has_text="sixty hives").click()
    await page.locator(".said.here", has_text="sixty hives").wait_for()
    await page.evaluate("document.querySelector('audio').currentTime = 60")
    await page.locator(".said.here", has_text="number nine bus").wait_for()
    await page.get_by_role("slider", name="Place in the recording").press("Home")
    await page.locator(".said.here", has_text="Welcome").wait_for()
    await page.get_by_role("button", name="Speed: 1").click()
    assert await page.evaluate("document.querySelector('audio').playbackRate") == 1.25
    assert await page.evaluate("origin") == "null"


async def test_a_page_within_the_page_of_its_job_plays_too(shelf: Shelf) -> None:
    page = await shelf.open()
    job = await shelf.done("recorded")
    await page.goto(f"/jobs/{job}")

    frame = page.frame_locator("iframe[title='The harbour hour']")
    await frame.get_by_role("link", name="Library").first.click()
    await frame.locator(".said.here", has_text="Our next subject is the library").wait_for()

    assert await page.locator("iframe[sandbox='allow-scripts']").count() == 2
    assert await page.locator("iframe").count() == 2  # what else the job made is on that page already
    shelf.complaints.clear()  # of the pages that would like to run something


async def test_only_our_script_runs_and_only_where_a_page_says_that_it_carries_it(shelf: Shelf) -> None:
    page = await shelf.open()
    job = await shelf.done("recorded")
    ran = {}
    for name in ("page", "evil", "plain", "unknown"):
        await page.goto(f"/artifacts/{job}/{name}.html")
        ran[name] = (await page.locator("html.in-step").count(), await page.title())

    assert ran == {
        "page": (1, "The harbour hour"), "evil": (1, "The harbour hour"),
        "plain": (0, "The harbour hour"), "unknown": (0, "The harbour hour"),
    }  # fmt: skip
    assert any("script-src" in each for each in shelf.complaints)
    shelf.complaints.clear()


async def test_without_scripts_the_page_is_read_and_its_links_lead_to_the_words(shelf: Shelf) -> None:
    page = await shelf.open(java_script_enabled=False, is_signed_in=True)
    job = await shelf.done("recorded")
    await page.goto(f"/artifacts/{job}/page.html")

    await page.get_by_role("link", name="Library").first.click()

    assert page.url.endswith("#c3")
    assert await page.locator("audio").is_visible()
    assert not await page.get_by_role("button").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_an_episodes_page_fits_every_width_and_stands_before_axe(shelf: Shelf, scheme: str) -> None:
    page = await shelf.open(color_scheme=scheme, bypass_csp=True)
    job = await shelf.done("recorded")
    await page.goto(f"/artifacts/{job}/page.html")

    found = await looked_at(page, "an episode", (320, 390, 768, 1280, 1920))

    assert found == {}
