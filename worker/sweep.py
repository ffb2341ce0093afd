"""Finding jobs that nobody holds any more, waits that are over, and bells that nobody heard."""

import logging
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, wait

from agent_tools.bell import RedisError, Ring, WatchBell
from agent_tools.jobs.artifact_store import ArtifactStore
from agent_tools.settings import Settings
from sql.operations import MOST_COUNTED
from sql.watch import Due, Rung, WatchStore

log = logging.getLogger("backburner.sweep")

TAKEN_FOR_TOO_LONG_S = 5
"""A message that was taken and whose job is still queued after this: its taker died in between."""
_EXPIRE_S = 60
_MOST_EXPIRED = 100
"""At a time: their files are deleted before there are more."""
_REMOVING_S = 0.5
_COUNT_S = 10


class Sweep:
    """What is done once a second, by one worker at a time; correct also if two do it at once."""

    def __init__(self, settings: Settings) -> None:
        self._every_s, self._lease_s = settings.sweep_s, settings.lease_s
        self._bell = WatchBell(settings.redis_url)
        self._artifacts = ArtifactStore(settings.artifacts)
        # A store that is slow must not hold up the beat, on whose thread this runs.
        self._removals = ThreadPoolExecutor(1, thread_name_prefix="remove")
        self._removing = self._removals.submit(lambda: None)
        self._last_tick: float | None = None
        self._reap_from = 0.0
        self._keep_days = settings.keep_days
        self._expire_from = self._count_from = 0.0
        self._after = ""
        self._taken_since: dict[str, float] = {}
        self._taken_now: dict[str, float] = {}

    def tick(self, book: WatchStore) -> None:
        """Take from the dead, wake what need not wait, ring what is due, ring again what was lost. Raises BookUnavailable."""
        now = time.monotonic()
        if self._last_tick is None or now - self._last_tick > 3 * self._every_s + 1:
            # Just started, was stopped or cut off: the leases of the living look as dead as ours do. Their beats come first.
            self._reap_from = now + self._lease_s
        self._last_tick = None  # until this one has worked

        postgres_age_s = book.postgres_age_s()
        if now >= self._reap_from and postgres_age_s > self._lease_s:
            for job_id in book.reap():
                log.warning("job %s was taken from a worker that fell silent", job_id)
        while woken := book.wake():  # what was cancelled may be waited for, too
            log.info("%d jobs do not wait any longer", len(woken))
        try:
            self._bell.ping()
            self._ring(book.ring())
            self._ring_again(book, now)
        except RedisError as error:
            log.debug("nothing was rung: %s", error)
        if now >= self._expire_from and self._removing.done():
            self._expire(book, now)
        if now >= self._count_from:
            self._count_from = now + (0 if book.count() >= MOST_COUNTED else _COUNT_S)
        self._last_tick = now

    def close(self) -> None:
        """Give the connection to Redis back. What is still to be removed is found by the next who tidies."""
        self._bell.close()
        self._removals.shutdown(wait=False, cancel_futures=True)

    def _expire(self, book: WatchStore, now: float) -> None:
        """Delete a lot of what need not be kept; where there may be more, the next tick goes on."""
        expired = book.expire(self._keep_days, most=_MOST_EXPIRED)
        for tenant, job_id in expired:
            self._removing = self._removals.submit(self._artifacts.remove, tenant, job_id)
            log.info("job %s expired", job_id)
        wait([self._removing], timeout=_REMOVING_S)
        self._expire_from = now + (0 if len(expired) >= _MOST_EXPIRED else _EXPIRE_S)

    def _ring(self, due: list[Due]) -> None:
        if due:
            self._bell.ring(Ring(job.id, job.dispatch, job.queue, job.tenant, job.priority) for job in due)
            log.info("rang %d jobs", len(due))

    def _ring_again(self, book: WatchStore, now: float) -> None:
        """Look at a lot of rung jobs a tick, and at the next lots at once while messages turn out to be lost."""
        while True:
            lot = book.rung(self._after)
            self._after = lot[-1].id if len(lot) == 1000 else ""
            lost = self._lost(lot, now)
            if not self._after:  # every queued job was looked at
                self._taken_since, self._taken_now = self._taken_now, {}
            if lost:
                self._ring(book.ring_again(lost))
            if not lost or not self._after:
                return

    def _lost(self, lot: list[Rung], now: float) -> list[Rung]:
        by_queue: dict[str, list[Rung]] = defaultdict(list)
        for job in lot:
            by_queue[job.queue].append(job)
        lost = list[Rung]()
        for queue, jobs in by_queue.items():
            messages = [f"{job.id}:{job.dispatch}" for job in jobs]
            for job, message, state in zip(jobs, messages, self._bell.look(queue, messages), strict=True):
                if state == WatchBell.TAKEN:
                    since = self._taken_now[message] = self._taken_since.get(message, now)
                    if now - since <= TAKEN_FOR_TOO_LONG_S:
                        continue
                    self._bell.forget(queue, message)
                if state != WatchBell.WAITS:
                    lost.append(job)
        return lost
