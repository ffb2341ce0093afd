"""Workers that are killed while schedules come due: each time makes one job, and never two."""

import asyncio
import random

import psycopg
import pytest
from rig.book import Book
from rig.patience import eventually
from rig.processes import Program, StartWorker

from agent_tools.app import Backburner
from agent_tools.requests import NewJob
from agent_tools.settings import Settings

SCHEDULES = 40
TIMES = 6


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_whoever_is_killed_each_time_of_every_schedule_makes_one_job(
    settings: Settings, backburner: Backburner, book: Book, worker: StartWorker
) -> None:
    for number in range(SCHEDULES):
        job = NewJob("drill", {"result_bytes": 10})
        await backburner.schedules.add(f"yearly {number}", "0 0 1 1 *", job, overlap="allow")
    workers: list[Program] = [await worker(BACKBURNER_SWEEP_S=0.1) for _ in range(3)]
    chance, came = random.Random(7), set[str]()

    for _ in range(TIMES):
        with psycopg.connect(settings.database_url, options="-c search_path=backburner -c timezone=UTC") as connection:
            found = connection.execute("UPDATE schedules SET next_at = now() RETURNING name, next_at").fetchall()
        came |= {f"{name} {next_at.isoformat()}" for name, next_at in found}
        await asyncio.sleep(chance.uniform(0.05, 0.4))
        workers.pop(0).kill()
        workers.append(await worker(BACKBURNER_SWEEP_S=0.1))
        await eventually(lambda: not book.number("SELECT count(*) FROM schedules WHERE next_at <= now()"), 30)

    await eventually(lambda: book.ended(SCHEDULES * TIMES), 60)
    made = book.rows(
        "SELECT (data ->> 'schedule') || ' ' || (data ->> 'due_at') AS of FROM job_events WHERE type = 'scheduled'"
    )
    assert len(made) == SCHEDULES * TIMES
    assert {row["of"] for row in made} == came
    assert book.number("SELECT count(*) FROM schedules WHERE last_error IS NOT NULL OR missed > 0") == 0
    book.assert_sound()
