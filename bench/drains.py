"""Emptying a full queue with one worker process, and picking up a job when it idles."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import psycopg
import redis.asyncio

from bench.callers import callers
from bench.figures import Figures, percentile
from bench.place import Place

PATIENCE_S = 60


@dataclass(frozen=True)
class Worker:
    """One sort of worker: how it is started."""

    who: str
    command: Sequence[str]
    is_ours: bool
    poll_delay: float = 0.5


ARQ = "arq, defaults"
ON_ARQS_LOOP = Worker("Backburner on arq's loop", ["arq", "worker.WorkerSettings"], True)
WORKERS = (
    Worker(ARQ, ["arq", "bench.stock.WorkerSettings"], False),
    Worker("arq, poll_delay 0.02", ["arq", "bench.stock.WorkerSettings"], False, 0.02),
    ON_ARQS_LOOP,
    Worker("Backburner", ["worker"], True),
)
PICKUPS_AT = 10
"""With so many slots the worker is also asked for pick-ups."""


async def drain(place: Place, figures: Figures, worker: Worker, *, slots: int, jobs: int, pickups: int) -> None:
    """Queue the jobs, start one worker, wait until the last is recorded as done; then let it idle and pick up some."""
    place.fresh()
    async with callers(place) as ways:
        submit = ways.noops if worker.is_ours else ways.noops_for_arq
        await submit(range(jobs))
        place.settle_down()
        environment = {
            "BACKBURNER_MAX_JOBS": str(slots), "BENCH_MAX_JOBS": str(slots), "BENCH_POLL_DELAY": str(worker.poll_delay)
        }  # fmt: skip
        with place.worker(worker.command, environment):
            await _until(lambda: place.probe.has_started(jobs - 1) and all(place.probe.starts(0, jobs)), 0.005, place)
            done = await _recorded(place, worker, jobs)
            starts = place.probe.starts(0, jobs)
            first, last = min(starts), max(starts)
            figure = figures.figure(f"drain at {slots}, recorded", "per s", arq=ARQ)
            figure.add(worker.who, jobs / (done - first))
            figure = figures.figure(f"drain at {slots}, started", "per s", arq=ARQ)
            figure.add(worker.who, jobs / (last - first))
            if pickups and slots == PICKUPS_AT:
                await _pick_up(place, figures, worker, submit, range(jobs, jobs + pickups))


async def _pick_up(
    place: Place,
    figures: Figures,
    worker: Worker,
    submit: Callable[[Sequence[int]], Awaitable[None]],
    numbers: Sequence[int],
) -> None:
    await asyncio.sleep(1)
    asked: list[float] = []
    for number in numbers:
        asked.append(time.monotonic())
        await submit([number])
        await asyncio.sleep(random.uniform(0.03, 0.09))
    await _until(lambda: all(place.probe.starts(numbers[0], len(numbers))), 0.01, place)
    took = [start - at for at, start in zip(asked, place.probe.starts(numbers[0], len(numbers)), strict=True)]
    for share in (50, 95):
        figure = figures.figure(f"pick-up when idle, p{share}", "ms", arq=ARQ)
        figure.add(worker.who, percentile(took, share / 100) * 1000)


async def _recorded(place: Place, worker: Worker, jobs: int) -> float:
    """When the last job was seen to be done: all rows completed, or all arq results kept. Looks every 2 ms."""
    if worker.is_ours:
        async with await psycopg.AsyncConnection.connect(place.database_url, autocommit=True) as connection:

            async def done() -> int:
                found = await connection.execute(
                    "SELECT count(*) FROM backburner.jobs WHERE status = 'completed' AND finished_at IS NOT NULL"
                )
                return int((await found.fetchone() or [0])[0])

            return await _when(done, jobs, place)
    client = redis.asyncio.Redis.from_url(place.redis_url)
    try:

        async def gone() -> int:  # a result is kept and its message removed in one transaction
            return jobs - int(await client.zcard("arq:queue"))

        return await _when(gone, jobs, place)
    finally:
        await client.aclose()


async def _when(count: Callable[[], Awaitable[int]], wanted: int, place: Place) -> float:
    deadline = time.monotonic() + PATIENCE_S
    while await count() != wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not all jobs were recorded in {PATIENCE_S} s.\n{place.log_tail()}")
        await asyncio.sleep(0.002)
    return time.monotonic()


async def _until(is_so: Callable[[], bool], look_s: float, place: Place) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The jobs did not start in {PATIENCE_S} s.\n{place.log_tail()}")
        await asyncio.sleep(look_s)
