"""Making a job repeat, in Chromium."""

import psycopg
import pytest
from browsing import Shelf, looked_at
from playwright.async_api import expect

from agent_tools.settings import Settings

pytestmark = pytest.mark.browser


async def test_a_job_is_made_to_repeat_on_a_phone_and_every_state_is_accessible_and_fits(
    shelf: Shelf, settings: Settings
) -> None:
    page = await shelf.open(width=390, color_scheme="dark")
    found: dict[str, object] = {}
    await page.get_by_role("link", name="Schedules").click()
    await expect(page.get_by_role("heading", name="Nothing is created by the clock")).to_be_visible()
    await page.goto("/new/page")
    await page.get_by_role("textbox", name="Content").fill("# Tides")
    await page.get_by_text("Repeat it").click()
    await page.get_by_role("textbox", name="Name").fill("Nightly tides")
    await page.get_by_role("textbox", name="When").fill("0 25 * * *")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("textbox", name="When")).to_have_attribute("aria-invalid", "true")
    found |= await looked_at(page, "refused", (1280, 320))
    await page.get_by_role("textbox", name="When").fill("0 2 * * *")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Nightly tides")).to_be_visible()
    await page.get_by_role("button", name="Run now Nightly tides").click()
    await expect(page.get_by_role("link", name="By the schedule “Nightly tides”")).to_be_visible()
    await page.goto("/schedules")
    await page.get_by_role("button", name="Pause Nightly tides").click()
    await page.get_by_role("button", name="Resume Nightly tides").click()
    await expect(page.get_by_role("button", name="Pause Nightly tides")).to_be_visible()
    with psycopg.connect(settings.database_url, options="-c search_path=backburner") as connection:
        connection.execute(
            "UPDATE schedules SET next_at = now() - interval '1 h', retry_at = now() + interval '1 h', error_since = now(),"
            " last_error = 'There is no kind.', skipped = 2, skipped_at = now(), missed = 3, missed_at = now()"
        )
    await page.goto("/schedules")
    await expect(page.get_by_text("There is no kind.")).to_be_visible()
    await page.get_by_text("Delete…").click()
    found |= await looked_at(page, "failing", (1280, 390, 320))
    await page.emulate_media(color_scheme="light")
    found |= await looked_at(page, "failing by day", (320,))
    await page.get_by_role("button", name="Delete it Nightly tides").click()
    await expect(page.get_by_role("heading", name="Nothing is created by the clock")).to_be_visible()

    assert found == {}
