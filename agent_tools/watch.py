"""What a door watches: which jobs change, and which kinds workers offer."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from agent_tools.bell import Bell, RedisError
from agent_tools.jobs.errors import KindUnavailable
from agent_tools.jobs.job import Worker
from agent_tools.jobs.kinds import Kind
from agent_tools.tasks import end
from sql.door import DoorStore

LOOK_S = 2.0
"""Whoever waits looks by himself this often: a hint can be lost."""


class Offers:
    """Which kinds workers announce, read at most every few seconds."""

    def __init__(self, store: DoorStore) -> None:
        self._store, self._read_at, self._workers = store, float("-inf"), list[Worker]()

    async def refuse_unavailable(self, tenant: int, kind: Kind) -> None:
        """Raise KindUnavailable where no worker ever offered the kind and there is a reason for that."""
        if self._is_offered(kind):
            return
        await self._look(tenant)
        if self._is_offered(kind):
            return
        reasons = {worker.unavailable[kind.name] for worker in self._workers if kind.name in worker.unavailable}
        reason = " ".join(sorted(reasons)) or (None if self._workers else kind.missing(os.environ))
        if reason:
            raise KindUnavailable(f"Nothing here can run '{kind.name}': {reason}")

    async def is_worked(self, tenant: int) -> bool:
        """Whether any worker runs."""
        await self._look(tenant)
        return any(worker.is_alive for worker in self._workers)

    async def _look(self, tenant: int) -> None:
        if time.monotonic() - self._read_at > LOOK_S:
            self._workers, self._read_at = await self._store.workers(tenant), time.monotonic()

    def _is_offered(self, kind: Kind) -> bool:
        return any(kind.name in worker.kinds for worker in self._workers)


class Watch:
    """One listener a process: hints wake whoever waits for these jobs."""

    def __init__(self, the_bell: Bell) -> None:
        self._bell = the_bell
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watch":
        self._listener = asyncio.create_task(self._listen(), name="watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener:
            await end(self._listener)

    @contextmanager
    def watching(self, ids: Sequence[str]) -> Iterator[asyncio.Event]:
        """An event that is set whenever a hint names one of these."""
        event = asyncio.Event()
        for each in ids:
            self._waiting[each].add(event)
        try:
            yield event
        finally:
            for each in ids:
                self._waiting[each].discard(event)
                if not self._waiting[each]:
                    del self._waiting[each]

    async def _listen(self) -> None:
        while True:
            with suppress(RedisError, OSError):
                async for changes in self._bell.changes():
                    for each in changes.jobs:
                        for waiting in self._waiting.get(each, ()):
                            waiting.set()
            await asyncio.sleep(LOOK_S)
