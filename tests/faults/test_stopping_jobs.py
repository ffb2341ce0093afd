"""Jobs that are cancelled or take too long: they stop, soon, and their slot is free again."""

import asyncio
import signal
from pathlib import Path

import pytest
from rig.book import Book
from rig.drills import drills
from rig.kinds import installed
from rig.patience import Stopwatch, eventually
from rig.performing import performing
from rig.processes import StartWorker, holder

from agent_tools import JobContext, job_kind
from agent_tools.app import Backburner
from agent_tools.settings import Settings
from worker.run import GRACE_S


async def test_cancelled_jobs_stop_within_a_second_in_both_loops_and_their_slots_are_free(
    backburner: Backburner, book: Book, worker: StartWorker
) -> None:
    workers = await asyncio.gather(worker("batched", BACKBURNER_MAX_JOBS=1), worker("stock", BACKBURNER_MAX_JOBS=1))
    running = await drills(backburner, 2, seconds=3600)
    assert {await holder(book, job) for job in running} == {each.pid for each in workers}
    following = await drills(backburner, 2, seconds=3600)

    watch = Stopwatch()
    ended = await backburner.cancel(running)
    await eventually(lambda: {job["id"] for job in book.running()} == set(following))

    assert watch.say("two cancelled jobs' slots had begun other jobs (hint)") < 1
    assert set(ended.done) == set(running)
    await backburner.cancel(following)
    book.assert_sound()


async def test_cancelled_jobs_stop_within_a_beat_when_no_hint_arrives(
    settings: Settings, backburner: Backburner, book: Book, worker: StartWorker
) -> None:
    await asyncio.gather(worker("batched", BACKBURNER_MAX_JOBS=1), worker("stock", BACKBURNER_MAX_JOBS=1))
    running = await drills(backburner, 2, seconds=3600)
    await eventually(lambda: len(book.running()) == 2)
    following = await drills(backburner, 2, seconds=3600)

    async with Backburner.open(settings.model_copy(update={"redis_url": "unix:///nowhere"})) as deaf:
        watch = Stopwatch()
        await deaf.cancel(running)
        await eventually(lambda: {job["id"] for job in book.running()} == set(following))

    assert (
        watch.say(f"two cancelled jobs' slots had begun other jobs (no hint, beat {settings.beat_s:.2f} s)")
        < settings.beat_s + 1
    )
    await backburner.cancel(following)
    book.assert_sound()


async def test_an_attempt_beyond_its_limit_is_an_error_called_timeout_and_no_crash(
    settings: Settings, book: Book
) -> None:
    @job_kind("slow", timeout="1s", retries=0)
    async def slow(job: JobContext) -> None:
        """Sleep."""
        await asyncio.sleep(3600)

    async with performing(settings, slow) as (hands, job):
        await eventually(lambda: book.ended(1))
        await eventually(lambda: hands.room() == hands.max_jobs)

    book.assert_sound()
    assert (book.one(job)["status"], book.one(job)["error"]["code"]) == ("failed", "timeout")
    assert (book.one(job)["errors"], book.one(job)["crashes"]) == (1, 0)


async def test_a_handler_that_will_not_stop_loses_its_job_and_its_slot(settings: Settings, book: Book) -> None:
    may_end, wrote = asyncio.Event(), asyncio.Event()

    @job_kind("deaf", timeout="1s", retries=0)
    async def deaf(job: JobContext) -> dict[str, str]:
        """Swallow every cancellation, then come with a result."""
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                job.progress("I will not")
        wrote.set()
        return {"too": "late"}

    async with performing(settings, deaf) as (hands, job):
        await eventually(lambda: book.ended(1))
        assert (book.one(job)["status"], book.one(job)["error"]["code"], book.one(job)["errors"]) == (
            "failed",
            "timeout",
            1,
        )
        await eventually(lambda: hands.room() == hands.max_jobs, GRACE_S + 3)
        may_end.set()
        await wrote.wait()

    book.assert_sound()
    assert (book.one(job)["result"], book.one(job)["status"]) == (None, "failed")


async def test_the_folder_of_a_job_stays_until_its_last_thread_has_ended(settings: Settings, book: Book) -> None:
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()
    folder: list[Path] = []

    def block() -> None:
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
        (folder[0] / "late.txt").write_text("still here")

    @job_kind("threaded", timeout="1s", retries=0)
    async def threaded(job: JobContext) -> None:
        """Block in a thread, which nothing can cancel."""
        folder.append(job.folder)
        await asyncio.to_thread(block)

    async with performing(settings, threaded) as (hands, _):
        await eventually(lambda: book.ended(1) and not hands.running)
        assert folder[0].is_dir()
        may_end.set()
        await eventually(lambda: not folder[0].exists())

    assert book.rows("SELECT status FROM jobs") == [{"status": "failed"}]


@pytest.mark.parametrize("loop", ["batched", "stock"])
async def test_a_worker_leaves_at_once_although_a_thread_of_a_job_goes_on(
    settings: Settings, book: Book, worker: StartWorker, tmp_path: Path, loop: str
) -> None:
    kinds = installed(tmp_path, "sleepy", """
        import asyncio, time
        from agent_tools import job_kind

        @job_kind("sleepy")
        async def sleepy(job):
            \"\"\"Sleep in a thread.\"\"\"
            await asyncio.to_thread(time.sleep, 3600)
    """)  # fmt: skip
    leaving = await worker(loop, BACKBURNER_KINDS="sleepy", PYTHONPATH=kinds.folder)
    async with Backburner.open(settings, kinds=kinds.kinds) as backburner:
        job = (await backburner.create("sleepy")).id
    await holder(book, job)

    leaving.send(signal.SIGTERM)
    watch = Stopwatch()

    assert await leaving.exit_code() == 0, leaving.log
    assert watch.say(f"SIGTERM with a thread that sleeps on ({loop} loop)") < 4
    assert (book.one(job)["status"], book.one(job)["errors"], book.one(job)["crashes"]) == ("queued", 0, 0)
