"""Postgres and Valkey killed, stopped, emptied and cut off while jobs run."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rig.book import Book
from rig.drills import drills
from rig.patience import Stopwatch, eventually
from rig.processes import StartWorker
from rig.receiver import Receiver

from agent_tools.app import Backburner
from agent_tools.embedded import Home, Servers
from agent_tools.settings import Settings
from sql.migrate import migrate

LONGER_THAN_A_LEASE_S = 3


@pytest.fixture
def home(folder: Path) -> Home:
    return Home(folder / "home")


@pytest.fixture
def mortal(home: Home) -> Iterator[Servers]:
    """Servers of this test alone: they may be killed."""
    with home.hold(), Servers(home) as running:
        migrate(str(running.database_url))
        yield running


@pytest.fixture
def settings(mortal: Servers, tmp_path: Path) -> Settings:
    return Settings(
        DATABASE_URL=mortal.database_url,
        REDIS_URL=mortal.redis_url,
        BACKBURNER_HOME=tmp_path / "home",
        BACKBURNER_DRILLS=True,
        BACKBURNER_LEASE_S=2,
        BACKBURNER_SWEEP_S=0.2,
    )


def postmaster(home: Home) -> int:
    return int((home.postgres / "postmaster.pid").read_text().split()[0])


def completed(book: Book) -> int:
    return book.statuses()["completed"]


@pytest.mark.slow
async def test_a_killed_and_a_stopped_postgres_lose_nothing_repeat_nothing_and_count_no_crash(
    backburner: Backburner, book: Book, worker: StartWorker, receiver: Receiver, mortal: Servers, home: Home
) -> None:
    batched, stock = await asyncio.gather(worker("batched"), worker("stock"))
    jobs = await drills(backburner, 200, seconds=0.4, effect_url=receiver.url)
    await eventually(lambda: completed(book) >= 20)

    os.kill(postmaster(home), signal.SIGKILL)
    await eventually(mortal.restart_dead)
    killed_at = completed(book)
    await eventually(lambda: completed(book) >= killed_at + 20)

    os.kill(postmaster(home), signal.SIGINT)
    await eventually(lambda: not (home.postgres / "postmaster.pid").exists())
    await asyncio.sleep(LONGER_THAN_A_LEASE_S)
    assert mortal.restart_dead() == ["postgres"]
    watch = Stopwatch()
    stopped_at = completed(book)
    await eventually(lambda: completed(book) > stopped_at)
    watch.say("first settle after Postgres was back")
    await eventually(lambda: book.ended(200), 30)

    book.assert_sound()
    assert book.number("SELECT coalesce(sum(crashes), 0) FROM jobs") == 0
    assert book.statuses() == {"completed": 200}
    assert {job: receiver.of(job) for job in jobs} == dict.fromkeys(jobs, 1)
    assert batched.is_alive
    assert stock.is_alive


@pytest.mark.slow
async def test_while_valkey_is_killed_and_away_creates_return_receipts_workers_live_on_and_all_is_done(
    backburner: Backburner, book: Book, worker: StartWorker, receiver: Receiver, mortal: Servers, settings: Settings
) -> None:
    batched, stock = await asyncio.gather(worker("batched"), worker("stock"))
    jobs = await drills(backburner, 120, seconds=0.3, effect_url=receiver.url)
    await eventually(lambda: completed(book) >= 20)

    with redis.Redis.from_url(settings.redis_url) as valkey:
        os.kill(valkey.info("server")["process_id"], signal.SIGKILL)
    slowest = 0.0
    for _ in range(4):
        watch = Stopwatch()
        jobs += await drills(backburner, 10, effect_url=receiver.url)
        slowest = max(slowest, watch.seconds)
    print(f"\n  measured: slowest create while Valkey was away: {slowest:.2f} s")
    await asyncio.sleep(LONGER_THAN_A_LEASE_S)
    assert mortal.restart_dead() == ["valkey"]
    watch = Stopwatch()
    await eventually(lambda: book.ended(160), 30)
    watch.say("the rest was done after Valkey was back")

    book.assert_sound()
    assert slowest < 1
    assert book.statuses() == {"completed": 160}
    assert book.rows("SELECT crashes, errors, error FROM jobs WHERE crashes + errors > 0") == []
    assert {job: receiver.of(job) for job in jobs} == dict.fromkeys(jobs, 1)
    assert batched.is_alive
    assert stock.is_alive


async def test_an_emptied_valkey_is_filled_again_and_each_job_is_done_once(
    backburner: Backburner, book: Book, worker: StartWorker, receiver: Receiver, settings: Settings
) -> None:
    jobs = await drills(backburner, 50, seconds=0.2, effect_url=receiver.url)

    with redis.Redis.from_url(settings.redis_url) as valkey:
        valkey.flushall()
        watch = Stopwatch()
        await asyncio.gather(worker("batched"), worker("stock"))
        await eventually(lambda: completed(book) >= 10)
        valkey.flushall()
    await eventually(lambda: book.ended(50))
    watch.say("50 jobs were done after FLUSHALL, with the workers' start and a second FLUSHALL")

    book.assert_sound()
    assert book.statuses() == {"completed": 50}
    assert {job: receiver.of(job) for job in jobs} == dict.fromkeys(jobs, 1)


async def test_workers_leave_soon_and_with_code_0_while_valkey_is_away(
    backburner: Backburner, book: Book, worker: StartWorker, settings: Settings
) -> None:
    workers = await asyncio.gather(worker("batched", BACKBURNER_MAX_JOBS=5), worker("stock", BACKBURNER_MAX_JOBS=5))
    jobs = await drills(backburner, 10, seconds=3600)
    await eventually(lambda: len(book.running()) == 10)

    with redis.Redis.from_url(settings.redis_url) as valkey:
        os.kill(valkey.info("server")["process_id"], signal.SIGKILL)
    for each in workers:
        each.send(signal.SIGTERM)
    watch = Stopwatch()
    codes = await asyncio.gather(*(each.exit_code(within=10) for each in workers))
    watch.say("both loops had left after SIGTERM while Valkey was away")

    assert codes == [0, 0]
    assert book.statuses() == {"queued": 10}
    assert [book.events(job) for job in jobs] == [["created", "started", "given_back"]] * 10
