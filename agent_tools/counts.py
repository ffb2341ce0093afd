"""How many jobs lie under each subject, as a door remembers it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sql.door import DoorStore, SubjectCount

KEEP_S = 10.0
"""For how long at most. A job that is parked or woken is no news, and only moves between `running`, `queued` and `waiting`."""
_MOST_TENANTS = 200


class Counted(NamedTuple):
    """What is under each subject, and how much of that stands behind a newer version."""

    subjects: Sequence[SubjectCount]
    superseded: Mapping[str | None, int]


class _Kept(NamedTuple):
    counted: Counted
    as_of: str
    counted_at: float


class Counts:
    """Counted again as soon as anything has happened in the tenant; until then nobody reads every job for a number."""

    def __init__(self, store: DoorStore) -> None:
        self._store, self._kept = store, dict[int, _Kept]()
        self._turns: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, tenant: int) -> Counted:
        """As it is now."""
        async with self._turns[tenant]:
            kept = self._kept.get(tenant)
            if kept and time.monotonic() - kept.counted_at < KEEP_S and not await self._is_old(tenant, kept):
                return kept.counted
            return await self._count(tenant)

    async def _is_old(self, tenant: int, kept: _Kept) -> bool:
        return await self._store.is_news_since(tenant, kept.as_of)

    async def _count(self, tenant: int) -> Counted:
        began = time.monotonic()
        subjects, as_of = await self._store.subjects(tenant)
        counted = Counted(subjects, await self._store.superseded(tenant))
        self._kept.pop(tenant, None)
        if as_of is not None:
            self._kept[tenant] = _Kept(counted, as_of, began)
        if len(self._kept) > _MOST_TENANTS:
            del self._kept[next(iter(self._kept))]
        return counted
