"""The same work for both systems, which is none: note the start, return nothing."""

from typing import Any

from agent_tools import JobContext, job_kind
from bench import probe

KIND = "bench_noop"


@job_kind(KIND, timeout="1h", retries=0, agent=False)
async def bench_noop(job: JobContext, number: int) -> None:
    """Note that job `number` started."""
    probe.hit(number)


async def noop(ctx: dict[str, Any], number: int) -> None:
    """The same, as an arq function."""
    probe.hit(number)
