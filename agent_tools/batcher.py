"""Bounded coalescing: while one batch is being written, the next one gathers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Reply = TypeVar("Reply")
_Waiting = tuple[Item, asyncio.Future[Reply]]


class Batcher(Generic[Item, Reply]):
    """Gives many callers one write at a time.

    Nobody waits when nothing is in flight: the first item is written at once, alone. Under load a batch holds what
    arrived during the write before it, so that its size finds itself. A caller that is cancelled leaves without
    taking its neighbours along.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Reply]]],
        *,
        most: int = 500,
        alone_on: tuple[type[Exception], ...] = (),
    ) -> None:
        """`write` gives one reply per item, in order. On an error in `alone_on` each item is tried by itself."""
        self._write, self._most, self._alone_on = write, most, alone_on
        self._waiting: deque[_Waiting[Item, Reply]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Reply:
        """The reply to this item, once its batch is written. Raises what the write raised."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_until_empty())
        return await future

    async def _write_until_empty(self) -> None:
        try:
            while batch := self._next_batch():
                await self._write_batch(batch)
        finally:
            self._writer = None

    def _next_batch(self) -> list[_Waiting[Item, Reply]]:
        batch: list[_Waiting[Item, Reply]] = []
        while self._waiting and len(batch) < self._most:
            item, future = self._waiting.popleft()
            if not future.cancelled():
                batch.append((item, future))
        return batch

    async def _write_batch(self, batch: list[_Waiting[Item, Reply]]) -> None:
        try:
            replies = await self._write([item for item, _ in batch])
        except Exception as error:  # belongs to the callers, whatever it is
            if isinstance(error, self._alone_on) and len(batch) > 1:
                for each in batch:
                    await self._write_batch([each])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), reply in zip(batch, replies, strict=True):
            if not future.done():
                future.set_result(reply)
