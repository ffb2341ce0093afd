"""Episodes from an agent's call to the registry, with real servers and a real model."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, text_of
from mcp import Client
from rig.book import Book
from spoken import words

from agent_tools.app import Backburner
from agent_tools.server.mcp import Desk, server
from agent_tools.settings import Settings
from agent_tools.view import Addresses
from sql.door import EpisodeFilter
from worker.hands import Hands

pytestmark = pytest.mark.speech


@pytest.fixture
def book(settings: Settings) -> Any:
    opened = Book(settings.database_url)
    yield opened
    opened.close()


@pytest.fixture
async def working(hands: Hands) -> AsyncIterator[None]:
    """Hands that take what is rung in either queue."""

    async def take() -> None:
        while True:
            for queue in hands.queues:
                await hands.take_all(await hands.bell.take(queue, hands.room()))
            await asyncio.sleep(0.05)

    task = asyncio.create_task(take())
    yield
    task.cancel()


async def made(backburner: Backburner, **args: Any) -> Any:
    receipt = await backburner.create("episode", args, again=True)
    (job,) = await backburner.wait([receipt.id], 50)
    assert job.status == "completed", job.error
    return job


async def test_an_agent_asks_for_an_episode_and_reads_what_was_said(backburner: Backburner, working: None) -> None:
    desk = Desk(backburner.acting_as(backburner.who._replace(scopes=("admin",))), Addresses("http://127.0.0.1:8808"))

    async def at_desk() -> Desk:
        return desk

    async with Client(server(backburner, at_desk)) as client:
        agent = Agent(client)
        receipt = await agent.get("create_episode", source="file:news.wav", title="Harbour news", subject="Radio")
        (job,) = (await agent.get("job_status", job_ids=[receipt["job_id"]], wait_seconds=50))["jobs"]
        read = text_of(await agent.ask("read_result", job_id=receipt["job_id"]))
        subtitles = text_of(await agent.ask("read_result", job_id=receipt["job_id"], artifact="harbour-news.srt"))
        wrong = await agent.refused("create_episode", source="news.wav")

    assert job["status"] == "completed", job
    assert "harbour" in words(read)
    assert "## Summary" in read
    assert "base64" not in read
    assert "00:00:0" in subtitles
    assert "source: is nothing that can be listened to" in wrong


async def test_equal_stages_are_taken_over_from_other_jobs_and_done_anew_where_that_is_forced(
    backburner: Backburner, book: Book, working: None
) -> None:
    def recorded(job: str) -> dict[str, float]:
        rows = book.rows("SELECT name, took_s FROM job_steps WHERE job_id = %(job)s", job=job)
        return {row["name"]: row["took_s"] for row in rows}

    first = await made(backburner, source="file:short.wav", target_stage="transcribe")
    second = await made(backburner, source="file:short.wav")
    forced = await made(backburner, source="file:short.wav", force_reprocess=True)

    assert set(recorded(first.id)) == {"audio", "transcribe"}
    assert "transcribe" not in recorded(second.id)  # found under its content address, and not done
    assert (
        recorded(second.id)["audio"] == recorded(first.id)["audio"]
    )  # its file was taken along, with how long it took then
    assert set(recorded(forced.id)) == {"audio", "transcribe", "enrich", "render"}
    assert recorded(forced.id)["audio"] != recorded(first.id)["audio"]
    assert second.result["words"] == first.result["words"]


async def test_the_registry_says_how_far_each_recording_is(
    backburner: Backburner, working: None, recordings: Path
) -> None:
    listing = await made(backburner, source="file:.", target_stage="discover")
    before = await backburner.episodes()
    await made(backburner, source="file:short.wav", target_stage="transcribe")
    after = {each.source: each for each in (await backburner.episodes()).episodes}
    unasked = await backburner.episodes(EpisodeFilter(unasked=True))

    sources = {each["source"] for each in listing.result["sources"]}
    assert len(sources) == 3
    assert {(each.source, each.stage, each.found_in) for each in before.episodes} == {
        (source, "discover", "file:.") for source in sources
    }
    assert {source: each.stage for source, each in after.items()} == {
        source: "transcribe" if "short" in source else "discover" for source in sources
    }
    assert {each.source for each in unasked.episodes} == {source for source in sources if "short" not in source}
