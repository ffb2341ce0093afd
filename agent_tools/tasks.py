"""Ending background tasks."""

import asyncio
from typing import Any


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks until they have ended.

    Once is not always enough: where a client's clean-up fails on the way out, its error takes the cancellation's place.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)
