"""Threads that know which job they work for."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.threads import CURRENT, JobThreads


@pytest.fixture
def threads() -> Iterator[JobThreads]:
    with JobThreads(2) as pool:
        yield pool


def submit(threads: JobThreads, fence: int, until: threading.Event) -> None:
    CURRENT.set(fence)
    threads.submit(until.wait, 10)
    CURRENT.set(None)


def test_a_folder_outlives_the_last_thread_that_works_in_it(threads: JobThreads, tmp_path: Path) -> None:
    folder, gone, ends = tmp_path / "scratch", threading.Event(), [threading.Event(), threading.Event()]
    folder.mkdir()
    for end in ends:
        submit(threads, 7, end)

    threads.when_idle(7, lambda: (folder.rmdir(), gone.set()))
    ends[0].set()
    there_with_one_left = folder.exists() and not gone.wait(0.05)
    ends[1].set()

    assert there_with_one_left
    assert gone.wait(5)
    assert not folder.exists()


def test_a_folder_in_which_no_thread_works_goes_at_once(threads: JobThreads) -> None:
    another, gone = threading.Event(), threading.Event()
    submit(threads, 8, another)

    threads.when_idle(7, gone.set)

    assert gone.is_set()
    another.set()


async def test_a_cancelled_call_still_counts_for_its_attempt(threads: JobThreads) -> None:
    begun, end, gone = threading.Event(), threading.Event(), threading.Event()

    async def handler() -> None:
        CURRENT.set(7)
        await asyncio.get_running_loop().run_in_executor(threads, lambda: (begun.set(), end.wait(10)))

    task = asyncio.create_task(handler())
    while not begun.is_set():
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    threads.when_idle(7, gone.set)

    assert threads.is_busy
    assert not gone.is_set()
    end.set()
    assert gone.wait(5)
    assert not threads.is_busy


def test_threads_of_the_process_itself_belong_to_no_attempt(threads: JobThreads) -> None:
    end = threading.Event()
    threads.submit(end.wait, 10)

    assert not threads.is_busy
    end.set()


def test_there_is_room_beside_threads_that_cannot_be_stopped() -> None:
    with JobThreads(50) as threads:
        assert threads._max_workers >= 100
