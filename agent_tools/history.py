"""What runs took, as a door remembers it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from agent_tools.jobs.eta import FEWEST, Eta, History, eta
from agent_tools.jobs.job import QUEUED, Job, Worker
from agent_tools.jobs.kinds import Kinds
from agent_tools.jobs.queue import Place, wait_s
from agent_tools.jobs.runs import Run
from sql.door import DoorStore

LOOK_S = 5.0
"""Read again at most this often, for all jobs of a tenant together."""
_MOST_TENANTS = 200
_MOST_JOBS = 10_000
_UNKNOWN = History(())


@dataclass
class _Read:
    """One tenant's, as it was read. `shown`: how far each attempt was said to be, which never goes back."""

    runs: Mapping[str, Sequence[Run]]
    read_at: float
    now: datetime | None
    histories: dict[tuple[str, str], History] = field(default_factory=dict)
    """By kind and variant, as far as anybody asked."""
    shown: dict[tuple[str, int], int] = field(default_factory=dict)

    def of(self, kind: str, variant: str = "") -> History:
        """What those runs tell that went the same way; where those are too few, all of the kind."""
        if (kind, variant) not in self.histories:
            runs = self.runs.get(kind, ())
            alike = [run for run in runs if run.variant == variant]
            whole = (kind, "")
            if variant and len(alike) >= FEWEST:
                self.histories[kind, variant] = History(alike)
            else:
                self.histories[kind, variant] = self.histories.setdefault(whole, History(runs))
        return self.histories[kind, variant]


class Histories:
    """The last runs of every kind, by tenant."""

    def __init__(self, store: DoorStore, kinds: Kinds) -> None:
        self._store, self._known, self._tenants = store, kinds, dict[int, _Read]()

    async def of(self, tenant: int, kind: str, args: Mapping[str, Any]) -> History:
        """The runs of one kind that went the way of these arguments."""
        return (await self._look(tenant)).of(kind, self._variant(kind, args))

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
        take = {kind: usual_s for kind in read.runs if (usual_s := read.of(kind).usual_s(None)) is not None}
        found = {}
        for job in jobs:
            place = (places or {}).get(job.id) or (Place() if job.status == QUEUED and job.run_after > moment else None)
            before_s = wait_s(job, place, workers, take) if place else None
            told = eta(job, moment, read.of(job.kind, self._variant(job.kind, job.args)), before_s=before_s)
            if told is not None:
                found[job.id] = _forward(read.shown, job, told)
        return found

    def _variant(self, kind: str, args: Mapping[str, Any]) -> str:
        return self._known[kind].variant_of(args) if kind in self._known else ""

    async def _look(self, tenant: int) -> _Read:
        before = self._tenants.get(tenant)
        if before is not None and time.monotonic() - before.read_at < LOOK_S:
            return before
        read_at = time.monotonic()
        runs, now = await self._store.runs(tenant)
        read = _Read(runs, read_at, now, shown=before.shown if before else {})
        if before:
            # What was reckoned from runs is as good as they are.
            same = {kind for kind in runs if runs[kind] == before.runs.get(kind)}
            read.histories = {key: history for key, history in before.histories.items() if key[0] in same}
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
