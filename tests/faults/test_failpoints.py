"""A worker that dies before, in and after every call by which it speaks to Postgres and Valkey."""

import asyncio
import random
import signal
import sys
from collections import Counter, deque
from pathlib import Path

import pytest
from rig.doomed import DOOMED_EXIT_CODE, PLACES
from rig.patience import eventually
from rig.processes import LOOPS, Program, announced
from storm.customers import served
from storm.site import Site, opened
from storm.verdict import STUCK_S, of_everything

LANES = 3
JOBS_PER_S = 12
POINTS = {
    "batched": ("announce_worker", "claim_jobs", "beat_jobs", "progress_jobs", "step", "record_step", "ask", "settle_jobs completed",
                "settle_jobs errored", "settle_jobs failed", "settle_jobs parked", "settle_jobs given_back", "wake_jobs", "reap_jobs",
                "ring_jobs", "bell take", "bell tell", "bell ring", "sweep's bell look", "sweep's bell ring"),
    "stock": ("claim_jobs", "settle_jobs completed", "bell forget"),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_worker_that_dies_at_any_point_of_a_jobs_life_leaves_nothing_lost_doubled_or_stuck(
    folder: Path,
) -> None:
    deaths = deque(
        (loop, f"{point}: {place}") for loop, points in POINTS.items() for point in points for place in PLACES
    )
    wanted = len(deaths)
    async with opened(folder) as site, served(site, random.Random(1)) as (customers, tail):
        customers.answers_all = True
        healthy = Program(LOOPS["batched"], site.near(1, 10), folder / "logs" / "healthy.log")
        try:
            await announced(site.book, healthy)
            going_on = [
                asyncio.create_task(customers.answer_forever()),
                asyncio.create_task(customers.listen_forever(tail)),
            ]
            ordering = asyncio.create_task(customers.order_until_told(JOBS_PER_S))
            missed = sum(await asyncio.gather(*(_die_in_turn(site, deaths) for _ in range(LANES))), start=list[str]())
            customers.is_ordering = False
            await ordering
            await eventually(
                lambda: not site.book.number("SELECT count(*) FROM jobs WHERE finished_at IS NULL"),
                STUCK_S,
                "the end of all jobs",
            )
            await asyncio.sleep(1)  # until the subscriber has heard of the last
            verdict = of_everything(site, customers.ledger)
        finally:
            healthy.end()
        for task in going_on:
            task.cancel()

    jobs = len(customers.ledger.orders)
    print(f"\n  measured: {wanted} deaths of workers, each at another point, over {jobs} jobs")
    assert missed == []
    assert verdict.is_good, verdict


async def _die_in_turn(site: Site, deaths: deque[tuple[str, str]]) -> list[str]:
    """One doomed worker after the other; gives the points that none of them came to."""
    missed, tries = list[str](), Counter[str]()
    while deaths:
        loop, point = deaths.popleft()
        environment = {**site.near(1, 3), "DOOM": point}
        log = site.folder / "logs" / f"{loop} {point}.log".replace(" ", "_")
        doomed = Program([sys.executable, "-m", "rig.doomed", loop], environment, log)
        try:
            if "given_back" in point:
                await announced(site.book, doomed)
                await eventually(lambda pid=doomed.pid: _runs_jobs(site, pid), what="a job to give back")
                doomed.send(signal.SIGTERM)
            code = await doomed.exit_code(30)
            if code == 0 and "given_back" in point and tries[point] < 5:
                # What it ran had ended by itself before it was asked to leave.
                tries[point] += 1
                deaths.append((loop, point))
            elif code != DOOMED_EXIT_CODE:
                missed.append(f"{loop}, {point}: ended with {code}")
        except AssertionError as error:
            missed.append(f"{loop}, {point}: {error}")
        finally:
            doomed.end()
    return missed


def _runs_jobs(site: Site, pid: int) -> bool:
    text = "SELECT count(*) FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE w.pid = %(pid)s AND j.status = 'running'"
    return site.book.number(text, pid=pid) > 0
