"""What completed runs took, written together and at most once a second."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

from agent_tools.jobs.runs import Run
from sql.hands import Claim

MOST_AT_ONCE = 10
"""Of one kind of a tenant: of a flood the last few tell enough, and settling is not held up by any of them."""


class RunTimes:
    """Runs that have ended well, until they are written. Some are lost with their worker: they are only samples."""

    def __init__(self, write: Callable[[Sequence[dict[str, Any]]], Awaitable[None]], *, every_s: float = 1) -> None:
        self._write, self._every_s = write, every_s
        self._kept: dict[tuple[int, str], deque[Run]] = defaultdict(lambda: deque(maxlen=MOST_AT_ONCE))
        self._news = asyncio.Event()

    def keep(self, claim: Claim, run: Run) -> None:
        """A run of this job's kind has ended well."""
        self._kept[claim.tenant, claim.kind].append(run)
        self._news.set()

    async def write_times(self) -> None:
        """Write news at once, then no more for a second."""
        while True:
            await self._news.wait()
            self._news.clear()
            rows = [
                {"tenant": tenant, "kind": kind, "took_s": run.took_s, "run": asdict(run)}
                for (tenant, kind), runs in self._kept.items()
                for run in runs
            ]
            self._kept.clear()
            await self._write(rows)
            await asyncio.sleep(self._every_s)
