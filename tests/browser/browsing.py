"""The served shelf, and browsers that look at it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

from agent_tools.app import Backburner


@dataclass
class Shelf:
    """The served shelf, whom it serves, and what browsers complained of."""

    url: str
    backburner: Backburner
    chromium: Browser
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def open(
        self,
        *,
        is_signed_in: bool = True,
        person: str = "owner",
        admin: bool = False,
        width: int = 1280,
        **options: Any,
    ) -> Page:
        """A browser of its own, on the shelf; a person who is new is let in."""
        context = await self.chromium.new_context(
            base_url=self.url, viewport={"width": width, "height": 800}, reduced_motion="reduce", **options
        )
        self.contexts.append(context)
        context.set_default_timeout(10_000)
        await context.expose_binding("violated", lambda _, what: self.complaints.append(what))
        await context.add_init_script(
            "addEventListener('securitypolicyviolation', e => violated(`${e.violatedDirective} ${e.blockedURI} on ${location}`))"
        )
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(f"{error.error}"))
        page = await context.new_page()
        if is_signed_in:
            await page.goto(f"/sign-in?key={await self.backburner.people.sign_in_link(person, new=True, admin=admin)}")
            await page.get_by_role("button", name="Sign in").click()
            await page.wait_for_url("**/")
        return page

    async def done(self, kind: str = "drill", args: Any = None, **asked: Any) -> str:
        """A job that has ended."""
        receipt = await self.backburner.create(kind, args or {}, again=True, **asked)
        await self.backburner.wait([receipt.id], 20)
        return receipt.id

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)


async def looked_at(page: Page, name: str, widths: Sequence[int]) -> dict[str, object]:
    """What is wrong with the page as it stands: where it is too wide, and what axe finds at the last of these widths."""
    found: dict[str, object] = {}
    for width in widths:
        await page.set_viewport_size({"width": width, "height": 800})
        if wide := await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"):
            found[f"{name} is too wide at {width}"] = wide
    result = await Axe().run(page)
    if result.violations_count:
        found[name] = result.generate_report()
    return found
