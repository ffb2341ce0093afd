"""The next version of the same kinds: other steps, in another order. What was recorded by the one holds for the other."""

from agent_tools import JobContext, Result, job_kind
from storm import work
from storm.work import RETRIES, asking, done, effect, flaky, giving_up, instant, shelved, sleeping

__all__ = ["asking", "flaky", "giving_up", "instant", "shelved", "sleeping", "steps", "until"]

VERSION = 2


@job_kind("storm_steps", timeout="2m", retries=RETRIES, agent=False)
async def steps(
    job: JobContext, number: int, url: str, parts: int = 3, seconds: float = 0.2, polite: bool = True
) -> Result:
    """Look first, then do the same parts from the last to the first."""
    await job.step("look", _look, number)
    for part in reversed(range(parts)):
        job.progress(f"fence {job.fence}", parts - part, parts)
        await job.step(f"part {part}", effect(job, url, f"part {part}", seconds / parts))
    return done(job, version=VERSION)


@job_kind("storm_until", timeout="2m", retries=RETRIES, agent=False)
async def until(job: JobContext, number: int, url: str) -> Result:
    """As before, with a step between."""
    await job.step("submit", effect(job, url, "submit"))
    await job.step("look", _look, number)
    await job.until("ready", lambda: work.ready(url, job.key("ready")), every="0.3s..1s")
    await job.step("fetch", effect(job, url, "fetch"))
    return done(job, version=VERSION)


async def _look(number: int) -> int:
    return number
