"""What the storm's jobs do. Everything that they do outside is done in a step, under the job's key."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

from agent_tools import Artifact, GiveUp, JobContext, Result, TryAgain, job_kind

VERSION = 1
RETRIES = 100
"""Faults that a handler sees (a full disk, a service that refuses) spend attempts: here they never run out."""
Effect = dict[str, Any]


@job_kind("storm_instant", timeout="1m", retries=RETRIES, agent=False)
async def instant(job: JobContext, number: int) -> Result:
    """End at once."""
    return done(job)


@job_kind("storm_steps", timeout="1m", retries=RETRIES, agent=False)
async def steps(job: JobContext, number: int, url: str, parts: int = 3, seconds: float = 0.2) -> Result:
    """Do something outside in each of several steps."""
    for part in range(parts):
        job.progress(f"fence {job.fence}", part, parts)
        await job.step(f"part {part}", effect(job, url, f"part {part}", seconds / parts))
    return done(job)


@job_kind("storm_sleeping", timeout="1m", retries=RETRIES, agent=False)
async def sleeping(job: JobContext, number: int, seconds: float) -> Result:
    """Take its time."""
    job.progress(f"fence {job.fence}", 0, 1)
    await asyncio.sleep(seconds)
    return done(job)


@job_kind("storm_flaky", timeout="1m", retries=RETRIES, agent=False)
async def flaky(job: JobContext, number: int, url: str, times: int) -> Result:
    """Fail, and then succeed."""
    await job.step("prepare", effect(job, url, "prepare"))
    if job.attempt <= times:
        raise TryAgain(after="0.2s", because="It is too early.")
    await job.step("deliver", effect(job, url, "deliver"))
    return done(job)


@job_kind("storm_shelved", timeout="1m", retries=RETRIES, agent=False)
async def shelved(job: JobContext, number: int, size: int) -> Result:
    """Make a file."""
    path = job.folder / "made.bin"
    await asyncio.to_thread(path.write_bytes, bytes(size))
    await asyncio.sleep(0.1)
    return done(job, Artifact.file(path))


@job_kind("storm_asking", timeout="1m", retries=RETRIES, agent=False)
async def asking(job: JobContext, number: int, url: str) -> Result:
    """Do something, ask a person, do something more."""
    await job.step("draft", effect(job, url, "draft"))
    answer = await job.ask("Publish?", show={"number": number})
    await job.step("publish", effect(job, url, "publish"))
    return done(job, decision=answer.decision)


@job_kind("storm_until", timeout="1m", retries=RETRIES, agent=False)
async def until(job: JobContext, number: int, url: str) -> Result:
    """Have something begun outside, and look until it is ready."""
    await job.step("submit", effect(job, url, "submit"))
    await job.until("ready", lambda: ready(url, job.key("ready")), every="0.3s..2s")
    await job.step("fetch", effect(job, url, "fetch"))
    return done(job)


@job_kind("storm_giving_up", timeout="1m", retries=RETRIES, agent=False)
async def giving_up(job: JobContext, number: int) -> Result:
    """Fail for good."""
    raise GiveUp("There is nothing to be done.")


def effect(job: JobContext, url: str, name: str, seconds: float = 0) -> Callable[[], Awaitable[Effect]]:
    """Something outside that must happen once; its receipt says which attempt of the job recorded it."""

    async def do() -> Effect:
        await asyncio.sleep(seconds)
        answer = await _client().post(url, headers={"Idempotency-Key": job.key(name)}, json={"fence": job.fence})
        answer.raise_for_status()
        return {"receipt": answer.json()["receipt"], "key": job.key(name), "fence": job.fence}

    return do


async def ready(url: str, key: str) -> Effect | None:
    """What the outside has made; None: not yet."""
    answer = await _client().get(url, params={"ready": key})
    return {"ready": True} if answer.status_code == 200 else None


def done(job: JobContext, *artifacts: Artifact, version: int = VERSION, **more: Any) -> Result:
    """A result that says which attempt made it."""
    return Result(data={"fence": job.fence, "version": version, **more}, artifacts=artifacts)


@cache
def _client() -> Any:
    import httpx2  # one for the process, made when its loop runs

    return httpx2.AsyncClient(timeout=10, verify=False)


KINDS = (instant, steps, sleeping, flaky, shelved, asking, until, giving_up)
FOLDER = Path(__file__).parents[1]
