"""What a handler has recorded and said: kept once, found again, and refused to attempts that were lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rig.book import Book
from rig.patience import eventually

from agent_tools import JobContext, job_kind
from agent_tools.app import Backburner
from agent_tools.jobs.errors import BookUnavailable
from agent_tools.jobs.job import Progress
from agent_tools.jobs.kinds import Kind, Kinds
from agent_tools.settings import Settings
from sql.hands import Claim
from worker.hands import Hands, open_hands
from worker.progress import ProgressBoard

CLAIM = Claim("0c3k9x2mq7f4w", 1, "drill", "", {}, 7, 1, 60)


@asynccontextmanager
async def opened(settings: Settings, kind: Kind) -> AsyncIterator[tuple[Hands, Backburner]]:
    kinds = Kinds([kind])
    async with open_hands(settings, installed=kinds) as hands, Backburner.open(settings, kinds=kinds) as backburner:
        yield hands, backburner


async def test_a_step_is_found_again_by_its_content_address_in_another_job(settings: Settings, book: Book) -> None:
    fetched: list[str] = []

    async def fetch(url: str) -> str:
        fetched.append(url)
        return url.upper()

    @job_kind("fetching")
    async def fetching(job: JobContext, url: str, address: str) -> dict[str, str]:
        """Fetch."""
        return {"text": await job.step("fetch", fetch, url, reuse=address)}

    async with opened(settings, fetching) as (hands, backburner):
        jobs = [
            (await backburner.create("fetching", {"url": "a", "address": address}, again=True)).id
            for address in ("sha256:one", "sha256:one", "sha256:two")
        ]
        for job in jobs:
            attempt = await hands.take(job)
            assert attempt
            await attempt

    book.assert_sound()
    assert [book.one(job)["result"] for job in jobs] == [{"text": "A"}] * 3
    assert fetched == ["a", "a"]


async def test_a_step_of_a_lost_attempt_is_refused_and_stops_its_handler(settings: Settings, book: Book) -> None:
    begun, may_end, reached = asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        begun.set()
        await may_end.wait()

    @job_kind("working")
    async def working(job: JobContext) -> None:
        """Take two steps."""
        await job.step("one", work)
        reached.append("two")

    no_beat_in_between = settings.model_copy(update={"lease_s": 60.0})
    async with opened(no_beat_in_between, working) as (hands, backburner):
        job = (await backburner.create("working")).id
        attempt = await hands.take(job)
        assert attempt
        await begun.wait()
        book.rows("UPDATE jobs SET lease_until = now() - interval '1 s' RETURNING id")
        book.rows("SELECT id FROM reap_jobs('{}')")
        may_end.set()
        await attempt

        assert reached == []
        assert book.number("SELECT count(*) FROM job_steps") == 0
        assert (book.one(job)["status"], book.one(job)["crashes"]) == ("queued", 1)
    book.assert_sound()


async def test_a_lost_attempt_gets_no_turn_and_its_handler_stops(settings: Settings, book: Book) -> None:
    begun, may_go_on, reached = asyncio.Event(), asyncio.Event(), list[bool]()

    @job_kind("queueing")
    async def queueing(job: JobContext) -> None:
        """Wait for a turn."""
        begun.set()
        await may_go_on.wait()
        reached.append(await job.turn(place="counter"))

    no_beat_in_between = settings.model_copy(update={"lease_s": 60.0})
    async with opened(no_beat_in_between, queueing) as (hands, backburner):
        job = (await backburner.create("queueing", labels={"place": "counter"})).id
        attempt = await hands.take(job)
        assert attempt
        await begun.wait()
        book.rows("UPDATE jobs SET lease_until = now() - interval '1 s' RETURNING id")
        await eventually(lambda: book.rows("SELECT id FROM reap_jobs('{}')"), what="a sweep")
        may_go_on.set()
        await attempt

        assert reached == []
        assert book.number("SELECT count(*) FROM job_steps") == 0
    book.assert_sound()


async def test_progress_is_written_at_most_once_a_second_and_the_last_word_is_kept(
    settings: Settings, book: Book
) -> None:
    @job_kind("chatty")
    async def chatty(job: JobContext) -> None:
        """Talk for more than a second."""
        for number in range(150):
            job.progress(f"Word {number}", number, 150)
            await asyncio.sleep(0.01)

    async with opened(settings, chatty) as (hands, backburner):
        job = (await backburner.create("chatty")).id
        attempt = await hands.take(job)
        assert attempt
        await attempt

    created_claimed_settled = 3
    words_written = book.one(job)["version"] - created_claimed_settled
    assert 1 <= words_written <= 3
    assert book.one(job)["progress"] == {"message": "Word 149", "done": 149, "of": 150}
    book.assert_sound()


async def test_a_last_word_that_is_just_being_written_is_settled_as_well() -> None:
    written: list[Sequence[dict[str, Any]]] = []
    may_write = asyncio.Event()

    async def write(said: Sequence[dict[str, Any]]) -> None:
        written.append(said)
        await may_write.wait()

    board = ProgressBoard(write, every_s=0)
    task = asyncio.create_task(board.write_forever())
    board.say(CLAIM, Progress("Done"))
    await eventually(lambda: written)

    assert board.take(CLAIM) == {"message": "Done"}
    task.cancel()


async def test_a_word_that_could_not_be_written_is_written_later() -> None:
    written: list[Sequence[dict[str, Any]]] = []

    async def write(said: Sequence[dict[str, Any]]) -> None:
        written.append(said)
        if len(written) == 1:
            raise BookUnavailable("away")

    board = ProgressBoard(write, every_s=0.01)
    task = asyncio.create_task(board.write_forever())
    board.say(CLAIM, Progress("Half"))
    await eventually(lambda: len(written) == 2)

    assert written[0] == written[1] == [{"id": CLAIM.id, "fence": CLAIM.fence, "progress": {"message": "Half"}}]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
