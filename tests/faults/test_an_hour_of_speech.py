"""A recording of an hour: how much memory it takes, what a kill in the middle costs, and how soon a cancel is heeded."""

import asyncio
import json
import os
import signal
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jiwer
import psutil  # type: ignore[import-untyped]
import pytest
import spoken
from rig.book import Book
from rig.patience import Stopwatch, eventually
from rig.processes import Program, StartWorker, is_alive
from spoken import words

from agent_tools.app import Backburner
from agent_tools.settings import Settings

pytestmark = [pytest.mark.speech, pytest.mark.long, pytest.mark.timeout(4000)]
RATE = 16_000
PAUSE_S = 0.4
GLANCE_S = 0.25


@dataclass(frozen=True)
class Looped:
    """The news again and again, with hardly a pause: a place where a recording is parted lies anywhere in it."""

    name: str
    times: int
    period_s: float


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hours")


def looped(recordings: Path, minutes: int) -> Looped:
    """So many minutes as MP3 at 32 kbit a second."""
    import av
    import numpy as np

    with wave.open(str(spoken.speak(spoken.NEWS, recordings / "news.wav"))) as news:
        assert news.getframerate() == RATE
        talk = np.frombuffer(news.readframes(news.getnframes()), np.int16)
    talk = np.concatenate([talk, np.zeros(int(PAUSE_S * RATE), np.int16)])
    times = round(minutes * 60 * RATE / talk.size)
    path = recordings / f"{minutes}-minutes.mp3"
    if not path.exists():
        with av.open(str(path), "w") as out:
            sink: Any = out.add_stream("libmp3lame", rate=RATE, layout="mono", options={"compression_level": "9"})
            sink.bit_rate = 32_000
            for _ in range(times):
                frame = av.AudioFrame.from_ndarray(talk[np.newaxis], format="s16p", layout="mono")
                frame.rate = RATE
                out.mux(sink.encode(frame))
            out.mux(sink.encode(None))
    return Looped(path.name, times, talk.size / RATE)


@asynccontextmanager
async def watched(program: Program) -> AsyncIterator[Callable[[], float]]:
    """How many megabytes a worker and all below it held at most."""
    peak = 0.0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, sum(map(_held, [program.pid, *program.children()])) / 1e6)
            await asyncio.sleep(GLANCE_S)

    task = asyncio.create_task(watch())
    try:
        yield lambda: peak
    finally:
        task.cancel()


def _held(pid: int) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(psutil.Process(pid).memory_info().rss)
    return 0.0


def listeners(worker: Program) -> list[int]:
    found = []
    for pid in worker.children():
        with suppress(psutil.NoSuchProcess):
            if any("episode.listener" in part for part in psutil.Process(pid).cmdline()):
                found.append(pid)
    return found


def steps(book: Book, job: str) -> dict[str, Any]:
    text = "SELECT name || encode(args_hash, 'hex') AS step, recorded_at FROM job_steps WHERE job_id = %(job)s"
    return {row["step"]: row["recorded_at"] for row in book.rows(text, job=job)}


def parts_heard(book: Book, job: str) -> int:
    return sum(step.startswith("transcribe") for step in steps(book, job))


async def ended(book: Book, job: str, within_s: float) -> list[tuple[int, str, float, float]]:
    """Waits for the job's end; every word of progress that was seen on the way."""
    said = list[tuple[int, str, float, float]]()

    def look() -> bool:
        row = book.one(job)
        told = row["progress"] or {}
        if told.get("of"):
            said.append((row["fence"], told.get("stage") or "", told["done"], told["of"]))
        return bool(row["status"] in ("completed", "failed", "cancelled"))

    await eventually(look, within_s, "the job's end")
    return said


def artifact(settings: Settings, book: Book, job: str, suffix: str) -> Any:
    (row,) = book.rows(
        "SELECT * FROM artifacts WHERE job_id = %(job)s AND name LIKE %(name)s", job=job, name=f"%.{suffix}"
    )
    path = settings.artifacts.root / str(row["tenant_id"]) / job / str(row["fence"]) / row["name"]
    return json.loads(path.read_text())


async def test_an_hour_takes_no_more_memory_than_ten_minutes_and_a_kill_costs_one_part(
    settings: Settings, backburner: Backburner, book: Book, worker: StartWorker, recordings: Path
) -> None:
    short, hour = looped(recordings, 10), looped(recordings, 60)
    given = {"BACKBURNER_KINDS": "episode", "BACKBURNER_FILES": recordings}
    first = await worker(**given)
    async with watched(first) as peak:
        job = (await backburner.create("episode", {"source": f"file:{short.name}"})).id
        await ended(book, job, 600)
        for_ten = peak()
    assert book.one(job)["status"] == "completed", book.one(job)["error"]

    watch = Stopwatch()
    job = (await backburner.create("episode", {"source": f"file:{hour.name}"})).id
    await eventually(lambda: parts_heard(book, job) == 2, 1200, "two parts")
    (listener,) = await eventually(lambda: listeners(first), 30, "a listener to the third part")
    first.send(signal.SIGKILL)
    before = steps(book, job)
    await eventually(lambda: not is_alive(listener), 5, "the listener's end")
    second = await worker(**given)
    async with watched(second) as peak:
        said = await ended(book, job, 2400)
        for_an_hour = peak()
    took_s = watch.say("an hour of speech, with a kill after the second part")

    book.assert_sound()
    row, after = book.one(job), steps(book, job)
    print(f"  measured: {for_ten:.0f} MB for ten minutes, {for_an_hour:.0f} MB for an hour; {os.cpu_count()} cores")
    assert (row["status"], row["crashes"]) == ("completed", 1), row["error"]
    assert {step: after[step] for step in before} == before
    assert parts_heard(book, job) == 6
    assert for_an_hour < 1.5 * for_ten
    assert took_s < 3600

    assert all(0 <= done <= of for _, _, done, of in said)
    for (fence, stage, done, _), (next_fence, next_stage, next_done, _) in pairwise(said):
        assert next_done >= done or (fence, stage) != (next_fence, next_stage)

    lines = artifact(settings, book, job, "json")["transcript"]["lines"]
    assert [line["start"] for line in lines] == sorted(line["start"] for line in lines)
    heard = words(" ".join(line["text"] for line in lines))
    wrong = float(jiwer.wer(words(" ".join([spoken.NEWS] * hour.times)), heard))
    print(f"  measured: {wrong:.1%} of the words of an hour wrong, the seams among them")
    assert wrong < 0.15
    assert abs(heard.count("thank you for listening") - hour.times) <= 1
    assert abs(heard.count("good morning this is the news") - hour.times) <= 1


async def test_an_hour_is_cancelled_in_the_middle_at_once(
    backburner: Backburner, book: Book, worker: StartWorker, recordings: Path
) -> None:
    hour = looped(recordings, 60)
    only = await worker(BACKBURNER_KINDS="episode", BACKBURNER_FILES=recordings)
    job = (await backburner.create("episode", {"source": f"file:{hour.name}"})).id
    (listener,) = await eventually(lambda: listeners(only), 600, "a listener")
    await eventually(lambda: (book.one(job)["progress"] or {}).get("done", 0) > 60, 300, "a minute heard")

    watch = Stopwatch()
    await backburner.cancel([job])
    await eventually(lambda: not is_alive(listener), 10, "the listener's end")
    took_s = watch.say("from a cancel to the end of what listened")

    assert took_s < 5
    assert book.one(job)["status"] == "cancelled"
    assert only.is_alive
    book.assert_sound()
