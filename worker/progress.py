"""What running jobs say of themselves, written together and at most once a second."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from threading import Lock
from typing import Any

from agent_tools.jobs.errors import BookUnavailable
from agent_tools.jobs.job import Progress
from sql.hands import Claim

log = logging.getLogger("backburner.worker")


class ProgressBoard:
    """The latest word of each attempt, until it is written or settled."""

    def __init__(self, write: Callable[[Sequence[dict[str, Any]]], Awaitable[None]], *, every_s: float = 1) -> None:
        self._write, self._every_s = write, every_s
        self._loop = asyncio.get_running_loop()
        self._latest: dict[tuple[str, int], Progress] = {}
        self._writing: dict[tuple[str, int], Progress] = {}
        self._lock = Lock()
        self._news = asyncio.Event()

    def say(self, claim: Claim, progress: Progress) -> None:
        """Keep this as the latest word. From any thread."""
        with self._lock:
            self._latest[claim.id, claim.fence] = progress
        if not self._news.is_set():
            self._loop.call_soon_threadsafe(self._news.set)

    def take(self, claim: Claim) -> dict[str, Any] | None:
        """The word that may not be written yet, to be settled with the rest."""
        with self._lock:
            # One that is just being written may come after the settle, and then it is refused.
            written = self._writing.pop((claim.id, claim.fence), None)
            progress = self._latest.pop((claim.id, claim.fence), written)
        return _as_row(progress) if progress else None

    async def write_forever(self) -> None:
        """Write news at once, then no more for a second."""
        while True:
            await self._news.wait()
            self._news.clear()
            with self._lock:
                self._writing, self._latest = self._latest, {}
                rows = [
                    {"id": job_id, "fence": fence, "progress": _as_row(said)}
                    for (job_id, fence), said in self._writing.items()
                ]
            if rows:
                await self._write_or_keep(rows)
                await asyncio.sleep(self._every_s)

    async def _write_or_keep(self, rows: Sequence[dict[str, Any]]) -> None:
        try:
            await self._write(rows)
        except BookUnavailable as error:
            log.warning("progress of %d jobs was not written yet: %s", len(rows), error)
            with self._lock:
                self._latest = self._writing | self._latest
            self._news.set()
        finally:
            self._writing = {}


def _as_row(progress: Progress) -> dict[str, Any]:
    return {name: value for name, value in asdict(progress).items() if value is not None}
