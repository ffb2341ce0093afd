"""Ending background tasks."""

import asyncio
from typing import Any


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks until they have ended.

    Once is not always enough: `asyncio.wait_for` of Python 3.11, in which redis-py sends, loses a cancellation that comes
    in the moment in which the send completes.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)
