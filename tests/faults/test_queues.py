"""Messages doubled, lost half-way, piled up and unfairly distributed: the bell may do anything, the book decides."""

import asyncio
from collections import Counter
from typing import Any

from rig.book import Book
from rig.drills import drills
from rig.patience import Stopwatch, eventually, throughout
from rig.processes import StartWorker

from agent_tools import bell
from agent_tools.app import Backburner
from agent_tools.bell import Bell, Ring, queue_key
from agent_tools.settings import Settings
from worker.hands import Hands
from worker.sweep import TAKEN_FOR_TOO_LONG_S

Valkey = Any  # redis-py types one client for both worlds
QUEUE = queue_key("default")


async def test_both_loops_on_one_queue_do_2000_jobs_once_each_although_a_third_was_rung_twice(
    settings: Settings, backburner: Backburner, book: Book, worker: StartWorker
) -> None:
    await asyncio.gather(worker("batched", BACKBURNER_MAX_JOBS=50), worker("stock", BACKBURNER_MAX_JOBS=50))

    watch = Stopwatch()
    jobs = await drills(backburner, 2000)
    client = bell.connect(settings.redis_url)
    await Bell(client).ring(Ring(job, 77, "default", backburner.who.tenant, 0) for job in jobs[::3])
    await client.aclose()
    await eventually(lambda: book.ended(2000), 40)

    watch.say("2,000 drills by one batched and one stock worker")
    book.assert_sound()
    told = book.rows("SELECT job_id, type, count(*) AS times FROM job_events GROUP BY 1, 2")
    assert Counter((row["type"], row["times"]) for row in told) == {
        (type_, 1): 2000 for type_ in ("created", "started", "completed")
    }
    shares = book.rows("SELECT result ->> 'pid' AS pid, count(*) AS jobs FROM jobs GROUP BY 1")
    print(f"  measured: shares of the two workers: {sorted(row['jobs'] for row in shares)}")
    assert len(shares) == 2


async def test_messages_taken_by_workers_that_died_before_their_claim_are_rung_again(
    settings: Settings, backburner: Backburner, book: Book, hands: Hands, valkey: Valkey
) -> None:
    stock, batched, *others = await drills(backburner, 1200)
    assert hands.accepting  # it sweeps, and nobody takes anything

    watch = Stopwatch()
    valkey.psetex(f"arq:in-progress:{stock}:1", 3_600_000, b"1")
    valkey.incr(f"arq:retry:{stock}:1")
    valkey.zrem(QUEUE, f"{batched}:1")
    valkey.delete(f"arq:job:{batched}:1")
    await eventually(lambda: valkey.zscore(QUEUE, f"{batched}:2"))
    watch.say("a message that was removed and not claimed was rung again")
    await eventually(lambda: valkey.zscore(QUEUE, f"{stock}:2"), TAKEN_FOR_TOO_LONG_S + 5)
    watch.say("a message that was marked and not claimed was rung again, among 1,200")

    assert valkey.exists(f"arq:in-progress:{stock}:1", f"arq:retry:{stock}:1", f"arq:job:{stock}:1") == 0
    assert valkey.zscore(QUEUE, f"{stock}:1") is None
    assert valkey.zcard(QUEUE) == 1200
    assert book.number("SELECT count(*) FROM jobs WHERE dispatch > 1") == 2
    assert book.number("SELECT max(dispatch) FROM jobs") == 2
    assert len(others) == 1198


async def test_a_backlog_is_not_rung_again_and_again(
    backburner: Backburner, book: Book, worker: StartWorker, valkey: Valkey
) -> None:
    await asyncio.gather(worker("batched", BACKBURNER_MAX_JOBS=1), worker("stock", BACKBURNER_MAX_JOBS=1))
    await drills(backburner, 3000, seconds=3600)
    await eventually(lambda: len(book.running()) == 2)
    await eventually(lambda: book.number("SELECT count(*) FROM jobs WHERE rung_at < now() - interval '2 s'") == 3000)

    await throughout(2, lambda: valkey.zcard(QUEUE) <= 2998)

    assert valkey.zcard(QUEUE) == 2998
    assert book.number("SELECT max(dispatch) FROM jobs") == 1


async def test_120_running_jobs_of_one_stock_worker_do_not_blind_an_idle_one(
    backburner: Backburner, book: Book, worker: StartWorker, valkey: Valkey
) -> None:
    busy = await worker("stock", BACKBURNER_MAX_JOBS=120)
    running = await drills(backburner, 120, seconds=3600)
    await eventually(lambda: len(book.running()) == 120)
    idle = await worker("stock", BACKBURNER_MAX_JOBS=5)

    watch = Stopwatch()
    (job,) = await drills(backburner, 1)
    await eventually(lambda: book.one(job)["status"] == "completed")

    assert watch.say("a job on an idle stock worker beside one with 120 running") < 2
    assert book.one(job)["result"]["pid"] == idle.pid != busy.pid
    assert valkey.zcard(QUEUE) == 0
    assert len(running) == len(book.running())


async def test_the_one_job_of_a_tenant_goes_before_the_thousand_of_another(
    settings: Settings, backburner: Backburner, book: Book, hands: Hands, valkey: Valkey
) -> None:
    await drills(backburner, 1000)
    await hands.bell.ring([Ring("0000000000000", 1, "default", backburner.who.tenant + 1, 0)])

    scores = [score for _, score in valkey.zrange(QUEUE, 0, -1, withscores=True)]
    taken = await hands.bell.take("default", 10)

    assert min(scores) >= 1
    assert "0000000000000" in taken[:2]


async def test_a_worker_leaves_jobs_of_a_kind_it_does_not_know_alone_and_why_says_so(
    backburner: Backburner, book: Book, worker: StartWorker, valkey: Valkey
) -> None:
    await worker(BACKBURNER_KINDS="page")
    (job,) = await drills(backburner, 1)

    await eventually(lambda: valkey.zcard(QUEUE) == 0, what="the worker's taking of the message")
    await throughout(1, lambda: book.one(job)["status"] == "queued")
    said = await backburner.why(job)
    await worker()
    await eventually(lambda: book.ended(1))

    assert "no worker alive runs 'drill' (1 worker: page)" in said
    assert (book.one(job)["status"], book.one(job)["attempt"], book.one(job)["errors"]) == ("completed", 1, 0)
    book.assert_sound()
