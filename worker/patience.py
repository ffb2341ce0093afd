"""Waiting out a Postgres or an object store that is away: what must be written is tried again until it is."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent_tools.jobs.errors import BookUnavailable, StoreRefused, StoreUnavailable

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


async def until_the_store_answers(call: Callable[[], T], what: str) -> T:
    """The answer to `call`, which runs in a thread, repeated while the object store is away. Raises StoreRefused.

    Ends early only by cancellation; `call` must be safe to repeat.
    """
    pause_s = 0.5
    while True:
        try:
            return await asyncio.to_thread(call)
        except StoreRefused:
            raise
        except StoreUnavailable as error:
            log.warning("%s waits: %s", what, error)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 10)
