"""Saying where one is told, in Chromium."""

from collections.abc import Iterator

import pytest
from browsing import Shelf, looked_at
from playwright.async_api import expect
from stubs.ntfy import HOST, StubNtfy

from agent_tools.jobs.notices import TEST
from agent_tools.settings import Settings

pytestmark = pytest.mark.browser


@pytest.fixture
def ntfy() -> Iterator[StubNtfy]:
    with StubNtfy() as served:
        yield served


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"notice_hosts": (HOST,)})


@pytest.mark.parametrize(("scheme", "scripts"), [("light", False), ("dark", True)])
async def test_an_address_is_given_on_a_phone_and_every_state_is_accessible_and_fits(
    shelf: Shelf, ntfy: StubNtfy, scheme: str, scripts: bool
) -> None:
    page = await shelf.open(width=390, color_scheme=scheme, java_script_enabled=scripts)
    found: dict[str, object] = {}

    async def look(name: str) -> None:
        if scripts:
            found.update(await looked_at(page, name, (1280, 390, 320)))

    await page.get_by_role("link", name="Notices").click()
    await look("empty")
    await page.get_by_role("textbox", name="Address").fill("json://example.org/" + "x" * 90)
    await page.get_by_role("button", name="Keep").click()
    await expect(page.get_by_role("textbox", name="Address")).to_have_attribute("aria-invalid", "true")
    await look("refused")
    await page.get_by_role("textbox", name="Address").fill(ntfy.address("my-topic"))
    await page.get_by_role("checkbox", name="Something is done").uncheck()
    await page.get_by_role("button", name="Keep").click()
    await expect(page.get_by_text("You are told at")).to_be_visible()
    await page.get_by_role("button", name="Send me a test").click()
    await expect(page.get_by_role("status")).to_contain_text("The test was taken.")
    await look("kept")
    await page.get_by_role("button", name="Send me a test").click()
    await expect(page.get_by_role("alert")).to_contain_text("wait ten seconds")
    await look("tested too soon")
    await expect(page.get_by_role("checkbox", name="Something is done")).not_to_be_checked()

    assert ntfy.of("my-topic") == [TEST]
    assert found == {}
