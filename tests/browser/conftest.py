"""The pages as people meet them: a real server, a worker, and Chromium."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator

import pytest
from browsing import Shelf
from playwright.async_api import Browser, Error, async_playwright
from shelf_given import open_site, serving

from agent_tools.app import Backburner
from agent_tools.settings import Settings
from web.app import app
from worker.hands import Hands

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        path = next((found for name in NAMES if (found := shutil.which(name))), None)
        try:
            browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            reason = f"No Chromium could be started; as root: make setup-system. {str(error).splitlines()[0]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        yield browser
        await browser.close()


@pytest.fixture
async def shelf(settings: Settings, backburner: Backburner, hands: Hands, chromium: Browser) -> AsyncIterator[Shelf]:
    async with (
        open_site(settings, backburner) as site,
        serving(app(site, allowed_hosts=["127.0.0.1"])) as url,
    ):
        working = asyncio.create_task(_work(hands))
        served = Shelf(url, backburner, chromium)
        yield served
        for context in served.contexts:
            await context.close()
        working.cancel()
    assert served.complaints == []


async def _work(hands: Hands) -> None:
    while True:
        await hands.take_all(await hands.bell.take("default", hands.room()) if hands.room() else [])
        await asyncio.sleep(0.05)
