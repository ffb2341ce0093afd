"""Waiting out a Postgres that is away: what must be written is tried again until it is."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent_tools.jobs.errors import BookUnavailable

log = logging.getLogger("backburner.worker")
T = TypeVar("T")


async def until_the_book_answers(call: Callable[[], Awaitable[T]], what: str) -> T:
    """The answer to `call`, repeated while Postgres is away. Ends early only by cancellation.

    The beat goes on meanwhile in its own thread; `call` must be safe to repeat, because a commit's reply may be lost.
    """
    pause_s = 0.1
    while True:
        try:
            return await call()
        except BookUnavailable as error:
            log.warning("%s waits for Postgres: %s", what, error)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 2)
