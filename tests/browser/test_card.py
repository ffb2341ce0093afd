"""The card of a job in a chat: in a sandboxed frame, beside a host that speaks MCP Apps as the specification says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from browsing import Shelf
from mcp import Client
from mcp.types import TextResourceContents
from playwright.async_api import FrameLocator, Page, expect

from agent_tools.server import card
from agent_tools.server.mcp import server
from agent_tools.server.tools import Desk
from agent_tools.view import Addresses

pytestmark = pytest.mark.browser

HOST = """
<!doctype html><html lang="en"><title>Chat</title><main><h1>Chat</h1><iframe title="Card" sandbox="allow-scripts" width="400"></iframe></main>
<script>
  const frame = document.querySelector("iframe"), heard = window.heard = [];
  const reply = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
  window.addEventListener("message", async ({ source, data }) => {
    if (source !== frame.contentWindow) return;
    heard.push(data);
    if (data.method === "ui/initialize") reply({ id: data.id, result: { protocolVersion: "2026-01-26", hostInfo: { name: "test", version: "1" },
      hostCapabilities: { openLinks: {}, serverTools: {} }, hostContext: { theme: window.theme, styles: { variables: { "--font-sans": "serif" } } } } });
    else if (data.method === "ui/notifications/initialized") {
      reply({ method: "ui/notifications/tool-input", params: { arguments: window.call.arguments } });
      reply({ method: "ui/notifications/tool-result", params: await callTool(window.call) });
    }
    else if (data.method === "ui/notifications/size-changed") frame.height = data.params.height;
    else if (data.method === "tools/call") reply({ id: data.id, result: await callTool(data.params) });
    else if (data.id !== undefined && data.method) reply({ id: data.id, result: {} });
  });
</script>
"""


@asynccontextmanager
async def client_of(shelf: Shelf) -> AsyncIterator[Client]:
    async def at_desk() -> Desk:
        return Desk(shelf.backburner.acting_as(shelf.backburner.who._replace(scopes=("admin",))), Addresses(shelf.url))

    async with Client(server(shelf.backburner, at_desk)) as client:
        yield client


async def shown(
    shelf: Shelf, client: Client, tool: str, theme: str = "light", **arguments: Any
) -> tuple[Page, FrameLocator]:
    """A chat in which the tool was called, and the card in it."""
    listed = {each.name: each for each in (await client.list_tools()).tools}
    (contents,) = (await client.read_resource((listed[tool].meta or {})["ui"]["resourceUri"])).contents
    assert isinstance(contents, TextResourceContents)
    page = await (await shelf.chromium.new_context(color_scheme="light")).new_page()
    shelf.contexts.append(page.context)

    async def call(_: Any, params: dict[str, Any]) -> dict[str, Any]:
        answer = await client.call_tool(params["name"], params["arguments"])
        return answer.model_dump(by_alias=True, mode="json", exclude_none=True)

    await page.expose_binding("callTool", call)
    await page.set_content(HOST)
    await page.evaluate(
        "([theme, call]) => Object.assign(window, { theme, call })", [theme, {"name": tool, "arguments": arguments}]
    )
    await page.evaluate("html => { document.querySelector('iframe').srcdoc = html }", contents.text)
    return page, page.frame_locator("iframe")


async def said(page: Page, method: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await page.evaluate("method => heard.filter(each => each.method === method)", method)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_card_follows_its_job_to_the_end_and_tells_the_model(shelf: Shelf, theme: str) -> None:
    async with client_of(shelf) as client:
        page, frame = await shown(
            shelf, client, "create_page", theme, content="# Tides", title="<b>Tides</b>", subject="Sea"
        )

        await expect(frame.get_by_role("heading", name="<b>Tides</b>")).to_be_visible(timeout=20_000)
        await expect(frame.locator(".about")).to_have_text("page · completed · Sea", timeout=20_000)
        await expect(frame.get_by_role("progressbar")).to_be_hidden()
        await frame.get_by_role("button", name="Open").click()
        found = await Axe().run(page)

    (job,) = (await shelf.backburner.jobs()).jobs
    assert [each["params"] for each in await said(page, "ui/open-link")] == [{"url": f"{shelf.url}/jobs/{job.id}"}]
    (told,) = await said(page, "ui/update-model-context")
    assert f"Job {job.id} has ended: completed." in told["params"]["content"][0]["text"]
    assert (await said(page, "ui/notifications/size-changed"))[-1]["params"]["height"] > 60
    assert found.violations_count == 0, found.generate_report()


async def test_a_card_asks_its_person_where_the_job_does(shelf: Shelf) -> None:
    async with client_of(shelf) as client:
        page, frame = await shown(shelf, client, "create_approval", question="Publish this?")

        await expect(frame.get_by_role("status")).to_have_text("Publish this?", timeout=20_000)
        await frame.get_by_role("button", name="Answer").click()

    (job,) = (await shelf.backburner.jobs()).jobs
    assert [each["params"] for each in await said(page, "ui/open-link")] == [{"url": f"{shelf.url}/jobs/{job.id}"}]


async def test_what_was_refused_has_no_card(shelf: Shelf) -> None:
    async with client_of(shelf) as client:
        page, frame = await shown(shelf, client, "create_page", contnt="# Tides")
        await page.wait_for_function("heard.some(each => each.method === 'ui/notifications/initialized')")

        await expect(frame.get_by_role("main")).to_be_hidden()
        assert await said(page, "tools/call") == []


def test_the_card_reaches_nothing_outside() -> None:
    html = card.contents().text

    assert not [word for word in ("http:", "https:", "src=", "href=", "import ", "innerHTML", "eval(") if word in html]
