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
    alive, redis = await asyncio.gather(_alive_workers(caller), caller.backburner.redis_answers(PATIENCE_S))
    if alive is None:
        gone = replies.Readiness(status="unavailable", postgres=False, redis=redis)
        return answer(gone, 503, Retry_After=str(RETRY_AFTER_S))
    status = "ready" if redis and alive else "degraded"
    return answer(replies.Readiness(status=status, postgres=True, redis=redis, workers=alive))


async def _alive_workers(caller: Caller) -> int | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return sum(worker.is_alive for worker in await caller.backburner.workers())
    except (BookUnavailable, TimeoutError):
        return None
