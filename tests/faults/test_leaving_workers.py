"""Workers that are asked to leave: they give back what they run, spend nothing, and go with code 0."""

import asyncio
import signal

import pytest
from rig.book import Book
from rig.drills import drills
from rig.patience import Stopwatch, eventually
from rig.processes import StartWorker

from agent_tools.app import Backburner

STOPS = 20
LANES = 4
"""So many stops of each loop go on at the same time."""


def running_on(book: Book, pid: int) -> int:
    text = "SELECT count(*) FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE w.pid = %(pid)s AND j.status = 'running'"
    return book.number(text, pid=pid)


async def loaded(book: Book, pid: int) -> None:
    await eventually(lambda: running_on(book, pid) >= 3, what="load")


@pytest.mark.slow
async def test_20_sigterms_of_each_loop_under_load_exit_0_spend_no_attempt_and_leave_nothing_running(
    backburner: Backburner, book: Book, worker: StartWorker
) -> None:
    took: dict[str, list[float]] = {"batched": [], "stock": []}

    async def stop_again_and_again(loop: str) -> None:
        for _ in range(STOPS // LANES):
            leaving = await worker(loop)
            await drills(backburner, 10, seconds=0.7)
            await loaded(book, leaving.pid)
            leaving.send(signal.SIGTERM)
            watch = Stopwatch()
            assert await leaving.exit_code() == 0, leaving.log
            took[loop].append(watch.seconds)
            assert running_on(book, leaving.pid) == 0
            assert "Warning" not in leaving.log
            assert leaving.pid not in book.workers()

    await asyncio.gather(*(stop_again_and_again(loop) for loop in took for _ in range(LANES)))
    await worker(BACKBURNER_MAX_JOBS=200)
    await eventually(lambda: book.ended(2 * STOPS * 10), 30)

    book.assert_sound()
    for loop, seconds in took.items():
        print(
            f"\n  measured: {len(seconds)} SIGTERMs under load ({loop} loop): exit 0 each time, within",
            " ".join(f"{each:.2f}" for each in sorted(seconds)),
        )
    given_back = book.number("SELECT count(*) FROM job_events WHERE type = 'given_back'")
    print(f"  measured: {given_back} jobs given back")
    assert given_back >= 2 * STOPS * 3
    assert book.statuses() == {"completed": 2 * STOPS * 10}
    assert book.rows("SELECT id FROM jobs WHERE errors + crashes > 0 OR attempt <> 1") == []
