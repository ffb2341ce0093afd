"""The operators' page in Chromium: it fits, it can be read by anybody, and it keeps itself up to date."""

import pytest
from browsing import Shelf, looked_at
from given import Book
from playwright.async_api import expect

from agent_tools.jobs.job import JobStatus

pytestmark = pytest.mark.browser


async def test_it_fits_and_is_accessible_empty_busy_and_broken(shelf: Shelf, database_url: str) -> None:
    page = await shelf.open(admin=True, color_scheme="light")
    found: dict[str, object] = {}
    book = Book(database_url)

    async def look(name: str, heading: str) -> None:
        await page.goto("/ops")
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        found.update(await looked_at(page, name, (1280, 390, 320)))

    await look("empty", "All is well")
    await shelf.done(args={"result_bytes": 100})
    await shelf.done(args={"fail": "error", "fail_times": 0, "steps": 0})
    await look("busy", "All is well")
    long_ago = "now() - interval '3 h'"
    for kind in ("nobody_runs_this", "nor_this_one_with_quite_a_long_name"):
        book.put(JobStatus.QUEUED, kind=f"'{kind}'", created_at=long_ago, run_after=long_ago)
    book.ask(book.put(JobStatus.WAITING), "publish", asked_at="now() - interval '20 days'")
    await page.emulate_media(color_scheme="dark")
    await look("broken", "3 things to look at")
    book.close()

    assert found == {}


async def test_it_tells_at_a_glance_and_keeps_itself_up_to_date(shelf: Shelf, database_url: str) -> None:
    page = await shelf.open(admin=True)
    await page.clock.install()
    await page.get_by_role("link", name="Operations").click()
    await expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    bottom = await page.locator(".chart").evaluate("each => each.getBoundingClientRect().bottom")
    assert bottom < 800

    book = Book(database_url)
    book.put(
        JobStatus.QUEUED,
        kind="'nobody_runs_this'",
        created_at="now() - interval '3 h'",
        run_after="now() - interval '3 h'",
    )
    book.close()
    await page.clock.fast_forward(20_000)

    await expect(page.get_by_role("heading", name="One thing to look at")).to_be_visible()
