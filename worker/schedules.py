"""Creating by the clock: whose time has come is asked of the book, the next time computed here, and both written at once."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agent_tools.bell import Bell, RedisError, Ring
from agent_tools.jobs.errors import BackburnerError, BookUnavailable, KindUnavailable
from agent_tools.jobs.kinds import Kinds
from agent_tools.jobs.schedules import Coming, coming, is_late
from agent_tools.jobs.webhooks import new_secret
from agent_tools.requests import parse_one, scheduled
from agent_tools.settings import Settings
from sql.hands import DueSchedule, Fired, HandsStore

log = logging.getLogger("backburner.schedules")


class ScheduleRound:
    """What each worker does so that schedules are fired; any number of them go round at once."""

    def __init__(
        self, store: HandsStore, the_bell: Bell, settings: Settings, installed: Kinds, unavailable: Mapping[str, str]
    ) -> None:
        """`unavailable` says of kinds that are installed why this worker cannot run them."""
        self._store, self._bell, self._every_s = store, the_bell, settings.sweep_s
        self._installed, self._unavailable = installed, unavailable

    async def fire_schedules(self) -> None:
        """Go round and round."""
        while True:
            await self.once()
            await asyncio.sleep(self._every_s)

    async def once(self) -> int:
        """Fire all that are due; gives how many jobs that made."""
        fired = 0
        while due := await self._store.due_schedules():
            became = [await self._fire(each) for each in due]
            jobs = [each.job for each in became if each and each.job]
            fired += len(jobs)
            with suppress(RedisError):  # the jobs are kept: the sweep rings
                await self._bell.ring(Ring(job.id, job.dispatch, job.queue, job.tenant, job.priority) for job in jobs)
            if not any(became):
                break
        return fired

    async def _fire(self, due: DueSchedule) -> Fired | None:
        """What became of it; None where it is another worker's to fire. One that is broken stands in no other's way."""
        try:
            fields = self._fields(due)
            became = await self._store.fire_schedule(due, fields) if fields else None
        except BookUnavailable:
            raise
        except BackburnerError as error:
            log.warning("schedule %d (%s) cannot be fired: %s", due.id, due.name, error)
            became = await self._store.fire_schedule(due, {"error": str(error)})
        except Exception:  # whatever somebody else's kind raises when it looks at its arguments
            log.exception("schedule %d (%s) broke off", due.id, due.name)
            said = "Its job could not be made, in a way that was not foreseen. The log of the worker has it."
            became = await self._store.fire_schedule(due, {"error": said})
        if became:
            log.info(
                "schedule %d (%s) %s%s",
                due.id,
                due.name,
                became.outcome,
                f": job {became.job.id}" if became.job else "",
            )
        return became

    def _fields(self, due: DueSchedule) -> dict[str, Any] | None:
        """What fire_schedule is to write; None where another worker knows the kind. Raises BadRequest as a create would."""
        comes = coming(due.when, due.next_at, due.now)
        if due.catch_up == "none" and is_late(comes.due_at, due.now):
            return {**_times(comes), "missed": comes.missed + 1}
        name = due.job["kind"]
        if name not in self._installed and due.is_offered:
            return None
        kind, row = parse_one(scheduled(due.name, due.when, due.job, comes.due_at), self._installed)
        if kind.name in self._unavailable and not due.is_offered:
            raise KindUnavailable(f"Nothing here can run '{kind.name}': {self._unavailable[kind.name]}")
        url = due.job.get("webhook_url")
        return {**_times(comes), "job": row, "webhook": {"url": url, "secret": new_secret()} if url else None}


def _times(comes: Coming) -> dict[str, Any]:
    return {"due_at": comes.due_at.isoformat(), "next_at": comes.next_at.isoformat(), "missed": comes.missed}
