"""What the stream of news promises, over a real port."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from given import Book
from shelf_given import open_site, serving

from agent_tools.app import Backburner
from agent_tools.settings import Settings
from sql.hands import Principal
from web.app import app
from web.site import Site

SCOPES = ("jobs:read", "jobs:organise")


@pytest.fixture
async def site(settings: Settings, backburner: Backburner) -> AsyncIterator[Site]:
    async with open_site(settings, backburner, Principal(*backburner.who[:3], SCOPES)) as opened:
        yield opened


class News:
    """An open stream, event by event."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer, self.lines = answer, answer.aiter_lines()

    async def next(self, within_s: float = 10) -> dict[str, Any]:
        event: dict[str, Any] = {}
        async with asyncio.timeout(within_s):
            async for line in self.lines:
                if not line and "event" in event:
                    return {**event, "data": json.loads(event["data"])}
                name, _, value = line.partition(": ")
                event[name] = value
        raise AssertionError("the stream ended")


@asynccontextmanager
async def following(site: Site) -> AsyncIterator[News]:
    """The stream as a page opens it that has missed nothing."""
    async with (
        serving(app(site, allowed_hosts=["127.0.0.1"])) as url,
        httpx2.AsyncClient() as client,
        client.stream("GET", f"{url}/events", params={"after": site.tail.place}) as answer,
    ):
        yield News(answer)


async def test_a_change_is_told_once_with_its_job(site: Site, backburner: Backburner) -> None:
    async with following(site) as news:
        assert (await news.next())["event"] == "hello"

        job = (await backburner.create("drill", {"seconds": 60})).id
        told = await news.next()

        assert (told["event"], told["data"]) == ("changed", {"jobs": [job], "gone": []})
        assert news.answer.headers["x-accel-buffering"] == "no"
        assert "no-store" in news.answer.headers["cache-control"]


async def test_many_changes_are_told_together(site: Site, backburner: Backburner) -> None:
    async with following(site) as news:
        await news.next()

        made = {(await backburner.create("drill", {"seconds": 60}, again=True)).id for _ in range(20)}
        told: list[dict[str, Any]] = []
        while {job for each in told for job in each["data"]["jobs"]} != made:
            told.append(await news.next())

        assert len(told) < 10


async def test_whoever_missed_something_is_told_to_look_at_everything(site: Site, backburner: Backburner) -> None:
    place = site.tail.place
    await backburner.create("drill", {"seconds": 60})
    while site.tail.place == place:
        await asyncio.sleep(0.05)

    async with serving(app(site, allowed_hosts=["127.0.0.1"])) as url, httpx2.AsyncClient() as client:
        for asked in ({"params": {"after": place}}, {"headers": {"last-event-id": place}}, {}):
            async with client.stream("GET", f"{url}/events", **asked) as answer:
                assert (await News(answer).next())["event"] == "resync"
        async with client.stream("GET", f"{url}/events", headers={"last-event-id": site.tail.place}) as answer:
            assert (await News(answer).next())["event"] == "hello"


async def test_nobody_is_told_of_a_foreign_job(site: Site, backburner: Backburner, database_url: str) -> None:
    book = Book(database_url)
    other = book.tenant("other")
    book.close()
    them = Site(
        site.backburner, site.keys, site.tail, site.addresses, Principal(other.id, other.principal, "o", SCOPES)
    )
    async with following(them) as news:
        await news.next()

        ours = (await backburner.create("drill", {"seconds": 60})).id
        await backburner.organise([ours], subject="Ours")
        with pytest.raises(TimeoutError):
            await news.next(within_s=3)


async def test_open_streams_do_not_hold_up_the_end(site: Site) -> None:
    async with httpx2.AsyncClient() as client:
        async with serving(app(site, allowed_hosts=["127.0.0.1"])) as url:
            stream = await client.send(client.build_request("GET", f"{url}/events"), stream=True)
            await News(stream).next()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 2.5
        await stream.aclose()
