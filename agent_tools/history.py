"""What runs took, as a door remembers it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agent_tools.jobs.eta import Eta, History, Place, eta
from agent_tools.jobs.job import Job, Worker
from sql.door import DoorStore

LOOK_S = 5.0
"""Read again at most this often, for all jobs of a tenant together."""
_MOST_TENANTS = 200
_MOST_JOBS = 10_000
_UNKNOWN = History(())


@dataclass
class _Read:
    """One tenant's, as it was read. `shown`: how far each attempt was said to be, which never goes back."""

    kinds: Mapping[str, History]
    read_at: float
    now: datetime | None
    shown: dict[tuple[str, int], int] = field(default_factory=dict)


class Histories:
    """The last runs of every kind, by tenant."""

    def __init__(self, store: DoorStore) -> None:
        self._store, self._tenants = store, dict[int, _Read]()

    async def of(self, tenant: int, kind: str) -> History:
        """The runs of one kind."""
        return (await self._look(tenant)).kinds.get(kind, _UNKNOWN)

    async def take(self, tenant: int) -> dict[str, float]:
        """Kind → what it usually takes, where that is known."""
        kinds = (await self._look(tenant)).kinds
        return {name: span.mid_s for name, history in kinds.items() if (span := history.takes(None))}

    async def etas(
        self,
        tenant: int,
        jobs: Sequence[Job],
        now: datetime | None = None,
        *,
        places: Mapping[str, Place] | None = None,
        workers: Sequence[Worker] = (),
    ) -> dict[str, Eta]:
        """Job id → when it will have ended, where that can be told; of queued ones only by their `places`."""
        read = await self._look(tenant)
        moment = now or (read.now and read.now + timedelta(seconds=time.monotonic() - read.read_at))
        if moment is None:
            return {}
        found = {}
        for job in jobs:
            history = read.kinds.get(job.kind, _UNKNOWN)
            told = eta(job, moment, history, place=(places or {}).get(job.id), workers=workers)
            if told is not None:
                found[job.id] = _forward(read.shown, job, told)
        return found

    async def _look(self, tenant: int) -> _Read:
        before = self._tenants.get(tenant)
        if before is not None and time.monotonic() - before.read_at < LOOK_S:
            return before
        read_at = time.monotonic()
        runs, now = await self._store.runs(tenant)
        kinds = {kind: History(its) for kind, its in runs.items()}
        read = _Read(kinds, read_at, now, before.shown if before else {})
        self._tenants.pop(tenant, None)
        self._tenants[tenant] = read
        if len(self._tenants) > _MOST_TENANTS:
            del self._tenants[next(iter(self._tenants))]
        return read


def _forward(shown: dict[tuple[str, int], int], job: Job, told: Eta) -> Eta:
    """The same, but no attempt is less far than it was said to be before."""
    if told.percent is None:
        return told
    percent = max(told.percent, shown.pop((job.id, job.attempt), 0))
    shown[job.id, job.attempt] = percent
    if len(shown) > _MOST_JOBS:
        del shown[next(iter(shown))]
    return replace(told, percent=percent)
