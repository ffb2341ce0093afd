"""The installation as a whole, over all tenants, and so never more than numbers: for whoever watches over it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent_tools.jobs.counts import Tally, tallies
from agent_tools.jobs.job import Worker
from agent_tools.jobs.trouble import Deliveries, Questions, Unfinished
from agent_tools.tail import Tail
from sql.hands import HandsStore

LOOK_S = 5.0
"""Read again at most this often, however many ask."""
MOST_COUNTED_HERE = 2_000
"""How many events a reader waits for; the rest are for workers."""


@dataclass(frozen=True)
class Reading:
    """How the installation stood at one moment. By kind: what ever happened to its jobs."""

    now: datetime
    ever: Mapping[str, Tally]
    unfinished: Sequence[Unfinished]
    workers: Sequence[Worker]
    deliveries: Deliveries
    questions: Questions
    database_bytes: int


class Installation:
    """Reads for all who ask at the same time, once."""

    def __init__(self, hands: HandsStore, tail: Tail) -> None:
        self._book, self._tail = hands.operations, tail
        self._read_at, self._reading = float("-inf"), asyncio.Lock()
        self._last: Reading | None = None

    async def read(self, at_least_s: float = LOOK_S) -> Reading:
        """How it stands, as of at most so long ago. Raises BookUnavailable."""
        async with self._reading:
            if self._last is None or time.monotonic() - self._read_at >= at_least_s:
                self._last, self._read_at = await self._read(), time.monotonic()
            return self._last

    async def count(self) -> None:
        """Count what has happened until now, so that it is read: what workers do every few seconds, and do where that is much."""
        await self._book.count(MOST_COUNTED_HERE)

    async def tail_lag_s(self) -> float:
        """How far this process's view of what happens lies behind. Raises BookUnavailable."""
        tx, _, event = self._tail.place.partition(".")
        return await self._book.tail_lag_s(tx, int(event))

    async def has_several_tenants(self) -> bool:
        """Whether there is more than one."""
        return await self._book.has_several_tenants()

    async def _read(self) -> Reading:
        await self.count()
        book = self._book
        now, ever, unfinished = await asyncio.gather(book.now(), book.counted(), book.unfinished())
        workers, deliveries, questions = await asyncio.gather(book.workers(), book.deliveries(), book.questions())
        return Reading(now, tallies(ever), unfinished, workers, deliveries, questions, await book.database_bytes())
