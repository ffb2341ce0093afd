"""Several things at a time, but not all at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


async def side_by_side(work: Callable[[Given], Awaitable[Made]], given: Iterable[Given], *, at_once: int) -> list[Made]:
    """What `work` makes of each, in their order, so many at a time. The first error ends all of it, and is raised as it is."""
    room = asyncio.Semaphore(at_once)

    async def one(each: Given) -> Made:
        async with room:
            return await work(each)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in given]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
