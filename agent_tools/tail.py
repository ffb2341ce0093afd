"""One tail of the event log a process: everything live hangs off it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NamedTuple

from agent_tools.bell import Bell, RedisError, connect
from agent_tools.jobs.errors import BookUnavailable
from agent_tools.settings import Settings
from agent_tools.tasks import end
from sql.hands import HandsStore

log = logging.getLogger("backburner.tail")

LOOK_S = 2.0
"""How often the tail looks without a hint: a hint can be lost."""
_MOST_WAITING = 500


class Change(NamedTuple):
    """Something about a job changed; `type` is the event's, or `progress`. A job of None: look at everything again."""

    job: str | None
    type: str
    cursor: str


RESYNC = Change(None, "resync", "")


class Tail:
    """Reads events in an order without gaps, and tells whoever follows their tenant."""

    def __init__(self, hands: HandsStore, the_bell: Bell) -> None:
        self._hands, self._bell = hands, the_bell
        self._followers: dict[int, set[asyncio.Queue[Change]]] = defaultdict(set)
        self._hinted = asyncio.Event()
        self._place: tuple[str, int] = ("0", 0)

    @classmethod
    @asynccontextmanager
    async def open(cls, hands: HandsStore, the_bell: Bell) -> AsyncIterator["Tail"]:
        """Begin at the end of the log. Raises BookUnavailable."""
        self = cls(hands, the_bell)
        self._place = (await hands.events_end(), 0)
        tasks = [asyncio.create_task(self._read(), name="tail"), asyncio.create_task(self._listen(), name="tail hints")]
        try:
            yield self
        finally:
            await end(*tasks)

    @classmethod
    @asynccontextmanager
    async def attached(cls, settings: Settings) -> AsyncIterator["Tail"]:
        """The same with connections of its own. Raises BookUnavailable."""
        client = connect(settings.redis_url)
        try:
            async with HandsStore.open(settings.database_url, size=1) as hands, cls.open(hands, Bell(client)) as tail:
                yield tail
        finally:
            await client.aclose()

    @property
    def place(self) -> str:
        """Up to where the log was read, to be compared with another time's."""
        return f"{self._place[0]}.{self._place[1]}"

    @contextmanager
    def follow(self, tenant: int) -> Iterator["asyncio.Queue[Change]"]:
        """What changes in a tenant from now on. A follower that does not read is told to look at everything again."""
        queue: asyncio.Queue[Change] = asyncio.Queue(_MOST_WAITING)
        self._followers[tenant].add(queue)
        try:
            yield queue
        finally:
            self._followers[tenant].discard(queue)
            if not self._followers[tenant]:
                del self._followers[tenant]

    async def _read(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._hinted.wait()
            self._hinted.clear()
            try:
                while events := await self._hands.events_after(*self._place):
                    for event in events:
                        self._tell(event.tenant, Change(event.job, event.type, f"{event.tx}.{event.id}"))
                    self._place = (events[-1].tx, events[-1].id)
            except BookUnavailable as error:
                log.info("the tail waits for Postgres: %s", error)

    async def _listen(self) -> None:
        while True:
            with suppress(RedisError, OSError):
                async for changes in self._bell.changes():
                    self._hinted.set()
                    # Progress is no event: it travels by hint alone, and whoever watches reads the row.
                    for job in changes.jobs:
                        self._tell_everybody_who_follows(job)
            await asyncio.sleep(LOOK_S)

    def _tell_everybody_who_follows(self, job: str) -> None:
        # A hint does not say whose job it is; the id alone tells a stranger nothing, and his read finds no row.
        for tenant in list(self._followers):
            self._tell(tenant, Change(job, "progress", ""))

    def _tell(self, tenant: int, change: Change) -> None:
        for queue in self._followers.get(tenant, ()):
            try:
                queue.put_nowait(change)
            except asyncio.QueueFull:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(RESYNC)
