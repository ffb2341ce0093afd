"""Workers that stand still and come back: what they write then is refused, and they live on."""

import asyncio
import signal

from rig.book import Book
from rig.drills import drills
from rig.patience import Stopwatch, eventually
from rig.performing import performing
from rig.processes import StartWorker

from agent_tools import JobContext, job_kind
from agent_tools.app import Backburner
from agent_tools.settings import Settings


def is_overdue(book: Book) -> bool:
    """Whether some lease ran out and nobody has taken it yet."""
    return bool(book.rows("SELECT id FROM jobs WHERE status = 'running' AND lease_until < now()"))


def holds(book: Book, pid: int, number: int) -> bool:
    text = "SELECT count(*) FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE w.pid = %(pid)s AND j.status = 'running'"
    return book.number(text, pid=pid) == number


async def test_a_worker_stopped_beyond_its_lease_can_write_nothing_afterwards_and_works_on(
    backburner: Backburner, book: Book, worker: StartWorker
) -> None:
    zombie = await worker()
    plain = (await drills(backburner, 1, seconds=3, result_bytes=100_000))[0]
    stepping = (await drills(backburner, 1, seconds=3, steps=3))[0]
    await eventually(lambda: holds(book, zombie.pid, 2))
    heir = await worker(BACKBURNER_MAX_JOBS=3)

    zombie.send(signal.SIGSTOP)
    watch = Stopwatch()
    await eventually(
        lambda: book.one(plain)["crashes"] and book.one(stepping)["crashes"], what="the sweep by the other worker"
    )
    watch.say("a stopped worker's jobs were taken by the other's sweep (lease 2 s)")
    await eventually(book.running)
    others = await drills(backburner, 2, seconds=0.1)
    await eventually(lambda: all(book.one(job)["status"] == "completed" for job in others))
    zombie.send(signal.SIGCONT)
    await eventually(lambda: book.ended(4))

    book.assert_sound()
    assert {book.one(job)["result"]["pid"] for job in others} == {heir.pid}
    (artifact,) = book.rows("SELECT fence FROM artifacts")
    assert artifact["fence"] == book.one(plain)["fence"]
    assert zombie.log.count("is not ours any more") == 2
    heir.send(signal.SIGTERM)
    assert await heir.exit_code() == 0
    (alive,) = await drills(backburner, 1)
    await eventually(lambda: book.ended(5))
    assert book.one(alive)["result"]["pid"] == zombie.pid


async def test_a_worker_that_slept_alone_goes_on_with_its_jobs_and_none_counts_as_crashed(
    backburner: Backburner, book: Book, worker: StartWorker
) -> None:
    sleeper = await worker()
    jobs = await drills(backburner, 5, seconds=5)
    await eventually(lambda: holds(book, sleeper.pid, 5))

    for _ in range(2):
        sleeper.send(signal.SIGSTOP)
        await eventually(lambda: is_overdue(book))
        sleeper.send(signal.SIGCONT)
        await eventually(lambda: not is_overdue(book))
    await eventually(lambda: book.ended(5))

    book.assert_sound()
    assert sleeper.is_alive
    assert [(book.one(job)["status"], book.one(job)["crashes"], book.one(job)["attempt"]) for job in jobs] == [
        ("completed", 0, 1)
    ] * 5


async def test_an_attempt_that_was_taken_away_stops_when_its_worker_gets_the_job_again(
    settings: Settings, book: Book
) -> None:
    alive = set[int]()

    @job_kind("lasting")
    async def lasting(job: JobContext) -> None:
        """Last."""
        alive.add(job.fence)
        try:
            await asyncio.sleep(3600)
        finally:
            alive.remove(job.fence)

    no_beat_in_between = settings.model_copy(update={"lease_s": 60.0})
    async with performing(no_beat_in_between, lasting) as (hands, job):
        await eventually(lambda: alive)
        (first,) = alive
        book.rows("UPDATE jobs SET lease_until = now() - interval '1 s' RETURNING id")
        book.rows("SELECT id FROM reap_jobs('{}')")
        while await hands.take(job) is None:  # the sweep is just ringing it
            await asyncio.sleep(0)

        await eventually(lambda: alive and first not in alive)
        assert len(alive) == 1
        assert [held for held, _ in hands.held()] == [job]
    book.assert_sound()
    assert book.events(job) == ["created", "started", "crashed", "started", "given_back"]
