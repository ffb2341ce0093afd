"""Whether this process lives, and whether it can do what it is for."""

import asyncio

from starlette.responses import Response

from agent_tools.jobs.errors import BookUnavailable
from web.api import replies
from web.api.operation import Caller
from web.api.problems import RETRY_AFTER_S
from web.api.replies import answer

PATIENCE_S = 1.0


async def healthz(_: Caller) -> Response:
    """Whether the process is up, and nothing else."""
    return answer(replies.Health(status="up"))


async def readyz(caller: Caller) -> Response:
    """Whether jobs are taken (503: Postgres is away) and worked on (degraded: Redis is away, or no worker is alive)."""
    found, redis = await asyncio.gather(_of_the_book(caller), caller.backburner.redis_answers(PATIENCE_S))
    if found is None:
        gone = replies.Readiness(status="unavailable", postgres=False, redis=redis)
        return answer(gone, 503, Retry_After=str(RETRY_AFTER_S))
    workers, lag_s = found
    status = "ready" if redis and workers else "degraded"
    ready = replies.Readiness(
        status=status, postgres=True, redis=redis, workers=workers, tail_lag_seconds=round(lag_s, 1)
    )
    return answer(ready)


async def _of_the_book(caller: Caller) -> tuple[int, float] | None:
    """How many workers are alive, and how far the tail lies behind; None where Postgres is away."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            alive = sum(worker.is_alive for worker in await caller.backburner.workers())
            return alive, await caller.site.installation.tail_lag_s()
    except (BookUnavailable, TimeoutError):
        return None
