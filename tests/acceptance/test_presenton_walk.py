"""The walk of a deck by Presenton: an agent's call, a chat that goes on, a call back, files on the shelf, a link to edit it."""

import asyncio
from typing import Any

import httpx2
from installed import Installation
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ImageContent
from stubs.presenton import PASSWORD, USER, serving_presenton


async def test_an_agent_asks_for_a_topic_and_finds_the_deck_filed_shown_and_ready_to_be_edited(
    installation: Installation,
) -> None:
    async with serving_presenton(profile="B", auth="basic", seconds_per_stage=0.3, webhook="wrong_secret") as presenton:
        installation.environment |= {
            "PRESENTON_URL": presenton.url,
            "PRESENTON_USERNAME": USER,
            "PRESENTON_PASSWORD": PASSWORD,
        }
        await asyncio.to_thread(installation.run, "run", "page", "content=# A", "--watch")
        doctor = (await asyncio.to_thread(installation.run, "doctor")).stdout
        url = installation.runtime["http_url"]
        headers = {"Authorization": f"Bearer {installation.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as agent,
        ):

            async def ask(tool: str, **arguments: Any) -> Any:
                answer = await agent.call_tool(tool, arguments)
                assert not answer.is_error, answer.content
                return answer

            receipt = (
                await ask("create_presentation", topic="The tides", n_slides=2, subject="Sea")
            ).structured_content
            job = receipt["job_id"]
            chat_goes_on = (await ask("list_jobs", kind="presentation")).structured_content["jobs"][0]
            waited = await ask("job_status", job_ids=[job], wait_seconds=50)
            read = await ask("read_result", job_id=job)
        page = await asyncio.to_thread(page_of, installation, job)
        subscribed = dict(presenton.subscriptions)

    (done,) = waited.structured_content["jobs"]
    assert "minutes" in receipt["usually"]
    assert chat_goes_on["status"] in ("queued", "running", "waiting")
    assert (done["status"], done["subject"]) == ("completed", "Sea")
    assert done["artifacts"][:2] == ["why-the-tides-rise.pptx", "why-the-tides-rise.pdf"]
    assert any(isinstance(block, ImageContent) for block in read.content)
    (deck,) = presenton.decks
    assert f"{presenton.url}/presentation?id={deck}" in read.structured_content["text"]
    assert f'href="{presenton.url}/presentation?id={deck}"' in page
    assert subscribed == {}
    assert [(address.startswith(f"{url}/callbacks/{job}/"), status) for address, status in presenton.told] == [
        (True, 202)
    ]
    assert presenton.calls["generate"] == 1
    assert f"presenton {presenton.url}" in " ".join(doctor.replace("✓", "").split())


def page_of(installation: Installation, job: str) -> str:
    """The job's page, as its person sees it."""
    link = next(line for line in installation.run("link").stdout.splitlines() if line.startswith("http"))
    base, key = link.split("/sign-in?key=")
    with httpx2.Client(base_url=base, headers={"Accept": "text/html", "Origin": base}) as browser:
        browser.post("/sign-in", data={"key": key})
        return browser.get(f"/jobs/{job}").text


async def test_doctor_says_what_is_wrong_with_presenton(installation: Installation) -> None:
    async with serving_presenton(auth="basic") as presenton:
        installation.environment |= {"PRESENTON_URL": presenton.url}

        said = " ".join((await asyncio.to_thread(installation.run, "doctor", check=False)).stdout.split())

    assert "Presenton wants us to sign in (HTTP 401): set PRESENTON_USERNAME" in said
