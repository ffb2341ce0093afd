"""Workers that die in the middle: another goes on, soon, and nothing is done or shown twice."""

import asyncio
import re
import sys
from datetime import datetime

import pytest
from rig.book import Book
from rig.drills import drills
from rig.patience import eventually, throughout
from rig.processes import Start, StartWorker, end, environment, holder
from rig.receiver import Receiver

from agent_tools.app import Backburner
from agent_tools.settings import Settings
from worker.hands import Hands

BACKBURNER = [sys.executable, "-m", "agent_tools.cli"]
DEFAULT_LEASE_S = 15


async def restarted(book: Book, job: str, since: datetime, within: float) -> float:
    """Seconds until the job was started once more."""
    text = """SELECT extract(epoch FROM at - %(since)s)::float8 AS seconds FROM job_events
               WHERE job_id = %(job)s AND type = 'started' AND at > %(since)s"""
    found = await eventually(lambda: book.rows(text, job=job, since=since), within, f"another start of {job}")
    return float(found[0]["seconds"])


@pytest.mark.slow
async def test_a_job_begins_again_within_3_s_where_a_supervisor_saw_its_worker_die_and_within_lease_and_3_s_where_nobody_did(
    settings: Settings, backburner: Backburner, book: Book, start: Start, worker: StartWorker
) -> None:
    lease = {"BACKBURNER_LEASE_S": DEFAULT_LEASE_S, "BACKBURNER_SWEEP_S": 1, "BACKBURNER_MAX_JOBS": 1}
    up = start([*BACKBURNER, "up", "--workers", "2"], environment(settings, **lease))
    await asyncio.gather(worker(**lease), worker(**lease))
    await eventually(lambda: len(book.workers()) == 4)
    by_pid = {await holder(book, job): job for job in await drills(backburner, 4, seconds=2, result_bytes=100_000)}
    seen = next(pid for pid in by_pid if pid in up.children())
    unseen = next(pid for pid in by_pid if pid not in up.children())

    since = book.rows("SELECT now() AS now")[0]["now"]
    end(seen)
    end(unseen)
    seen_s = await restarted(book, by_pid[seen], since, 10)
    unseen_s = await restarted(book, by_pid[unseen], since, 30)
    await eventually(lambda: book.ended(4))

    print(
        f"\n  measured: begun again after kill -9: {seen_s:.2f} s supervised, {unseen_s:.2f} s unseen (lease {DEFAULT_LEASE_S} s)"
    )
    assert seen_s < 3
    assert unseen_s < DEFAULT_LEASE_S + 3
    book.assert_sound()
    crashes = {job: book.one(job)["crashes"] for job in by_pid.values()}
    assert crashes == {job: int(pid in (seen, unseen)) for pid, job in by_pid.items()}
    assert book.statuses() == {"completed": 4}
    assert book.number("SELECT count(*) FROM artifacts") == 4


async def test_a_job_that_kills_its_worker_fails_as_poison_and_takes_no_neighbour_along(
    settings: Settings, backburner: Backburner, book: Book, start: Start
) -> None:
    poison, *_ = await drills(backburner, 1, seconds=0.05, fail="crash")
    sleepers = await drills(backburner, 9, seconds=0.2)
    failing, *_ = await drills(backburner, 1, fail="error", fail_times=1)

    start([*BACKBURNER, "worker"], environment(settings, BACKBURNER_MAX_JOBS=20))
    await eventually(lambda: book.ended(11), 40)

    book.assert_sound()
    assert book.one(poison)["status"] == "failed"
    assert (book.one(poison)["error"]["code"], book.one(poison)["crashes"], book.one(poison)["errors"]) == (
        "poison",
        3,
        0,
    )
    assert [book.one(job)["status"] for job in sleepers] == ["completed"] * 9
    assert max(book.one(job)["crashes"] for job in sleepers) == 1
    assert (book.one(failing)["status"], book.one(failing)["errors"]) == ("completed", 1)


@pytest.mark.long
async def test_a_handler_that_blocks_the_loop_ends_its_worker_and_the_log_says_where(
    settings: Settings, backburner: Backburner, book: Book, start: Start
) -> None:
    blocking, *_ = await drills(backburner, 1, fail="block")

    supervisor = start([*BACKBURNER, "worker"], environment(settings, BACKBURNER_LEASE_S=1.5))
    pid = await holder(book, blocking)
    others = await drills(backburner, 5, seconds=0.1)
    await eventually(lambda: book.ended(6), 40)

    assert all(book.one(job)["status"] == "completed" for job in others)
    assert (book.one(blocking)["error"]["code"], book.one(blocking)["crashes"]) == ("poison", 3)
    book.assert_sound()
    assert pid not in book.workers()
    assert supervisor.log.count("ended with code 70") == 3
    assert supervisor.log.count("did not answer 3 beats") == 3
    assert re.search(
        rf"jobs here: [^;]*{blocking}[^;]*; it is at:\n(.*\n)*.*drill\.py\", line \d+, in _fail\n +time\.sleep",
        supervisor.log,
    )


async def test_a_step_done_before_a_crash_is_not_done_again(
    settings: Settings, backburner: Backburner, book: Book, start: Start, receiver: Receiver
) -> None:
    start([*BACKBURNER, "worker"], environment(settings))
    job = (await backburner.create("drill", {"steps": 3, "seconds": 0.3, "fail": "crash", "fail_times": 1})).id

    await eventually(lambda: book.ended(1))

    book.assert_sound()
    ends = book.rows("SELECT at FROM job_events WHERE job_id = %(job)s AND type = 'crashed'", job=job)
    steps = book.rows("SELECT name, recorded_at FROM job_steps WHERE job_id = %(job)s", job=job)
    assert (book.one(job)["status"], book.one(job)["attempt"]) == ("completed", 2)
    assert sorted(step["name"] for step in steps) == ["step 1", "step 2", "step 3"]
    assert max(step["recorded_at"] for step in steps) < ends[0]["at"]


async def test_jobs_that_crashed_are_not_rung_while_every_worker_runs_one(
    backburner: Backburner, book: Book, hands: Hands
) -> None:
    first, *_ = await drills(backburner, 20, seconds=3600)
    book.rows("UPDATE jobs SET crashes = 1, rung_at = NULL RETURNING id")
    await hands.take(first)
    rings = "SELECT sum(dispatch) FROM jobs"
    before = book.number(rings)

    await throughout(1.5, lambda: book.number(rings) <= before + 1)

    assert [job["id"] for job in book.running()] == [first]
    await backburner.cancel([first])
    await eventually(lambda: book.number(rings) > before + 1, what="a ring for the next one")
