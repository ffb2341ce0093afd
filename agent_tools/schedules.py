"""What is created by the clock: the schedules of a tenant, made and changed as their jobs would be created."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from agent_tools.jobs.errors import BadRequest, Conflict, JobNotFound
from agent_tools.jobs.kinds import Kind, refuse_unstorable
from agent_tools.jobs.schedules import CATCH_UPS, LABEL, OF_ITS_JOB, OVERLAPS, Schedule, When, when
from agent_tools.requests import NewJob, folded, refused, scheduled
from sql.door import DoorStore
from sql.hands import Principal

MOST = 200
"""So many schedules a tenant may have."""
MOST_OF_A_NAME = 60
MOST_OF_A_JOB = 100_000
"""Bytes of what is said of the job: all that are due are read at once."""
OF_ITSELF = ("name", "cron", "timezone", "overlap", "catch_up")
_AGAIN = 3


class ScheduleNotFound(JobNotFound):
    """No such schedule in the caller's tenant."""

    code = "schedule_not_found"


class Schedules:
    """The schedules of one principal's tenant. They are meant by their names, whatever the case, or by their numbers."""

    def __init__(
        self,
        store: DoorStore,
        who: Principal,
        check: Callable[[NewJob], Awaitable[Kind]],
        create: Callable[[NewJob], Awaitable[str]],
    ) -> None:
        """`check` refuses what `create` would refuse."""
        self._store, self._tenant, self._who = store, who.tenant, who.principal
        self._check, self._create = check, create

    async def all(self) -> Sequence[Schedule]:
        """All of them, by name."""
        return await self._store.schedules(self._tenant)

    async def get(self, named: str) -> Schedule:
        """One of them. Raises ScheduleNotFound, which names the nearest right ones."""
        found = await self._store.schedules(self._tenant, folded(named)) if named.isprintable() else []
        if not found:
            names = ", ".join(f"'{each.name}'" for each in (await self.all())[:10])
            raise ScheduleNotFound(f"There is no schedule '{named[:60]}' here. There are: {names or 'none'}.")
        return found[0]

    async def add(
        self,
        name: str,
        cron: str,
        job: NewJob,
        *,
        timezone: str = "UTC",
        overlap: str = "skip",
        catch_up: str = "latest",
    ) -> Schedule:
        """Have this job created at these times. `{date}` in its title is the day on which it is.

        `overlap`: what comes of a time at which the job before has not ended. `catch_up`: what is created afterwards of times
        that passed while nobody was there. Raises BadRequest as `create` would, and Conflict where the name is taken.
        """
        made = await self._checked(name, when(cron, timezone), job, overlap, catch_up)
        number = await self._store.add_schedule(self._tenant, self._who, made, MOST)
        if number is None:
            await self._refuse_taken(made["folded"])
            raise BadRequest(
                f"There are {MOST} schedules here, as many as may be. Delete one that is not needed first."
            )
        return await self.get(str(number))

    async def change(self, named: str, **changes: Any) -> Schedule:
        """Set what is named: of the schedule (name, cron, timezone, overlap, catch_up) or of its job (as a NewJob has it).

        Whoever changes the job has it created as themselves from then on. Raises as `add` does, and ScheduleNotFound.
        """
        for _ in range(_AGAIN):
            old = await self.get(named)
            if await self._store.change_schedule(self._tenant, old.id, old.version, await self._changed(old, changes)):
                return await self.get(str(old.id))
        raise Conflict(f"'{old.name}' is being changed by somebody else just now. Look at it, and try again.")

    async def pause(self, named: str) -> Schedule:
        """Let nothing come of it until it is resumed. Raises ScheduleNotFound."""
        found = await self.get(named)
        await self._store.pause_schedule(self._tenant, found.id)
        return await self.get(str(found.id))

    async def resume(self, named: str) -> Schedule:
        """Go on with the next time from now. Raises ScheduleNotFound."""
        found = await self.get(named)
        now = await self._store.now(self._tenant)
        await self._store.resume_schedule(self._tenant, found.id, found.when.first_after(now))
        return await self.get(str(found.id))

    async def run(self, named: str) -> str:
        """Create its job now, whatever runs, as the caller; gives the job. The next time stays. Raises as `create` does."""
        found = await self.get(named)
        now = await self._store.now(self._tenant)
        job = await self._create(scheduled(found.name, found.when, found.job, now))
        await self._store.ran_schedule(self._tenant, self._who, found.id, job)
        return job

    async def delete(self, named: str) -> None:
        """Create nothing more. Its jobs stay. Raises ScheduleNotFound."""
        await self._store.delete_schedule(self._tenant, (await self.get(named)).id)

    async def _changed(self, old: Schedule, changes: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := changes.keys() - {*OF_ITSELF, *OF_ITS_JOB}:
            raise refused(min(unknown), f"is nothing of a schedule; there are {', '.join((*OF_ITSELF, *OF_ITS_JOB))}")
        given = {"name": old.name, "cron": old.when.cron, "timezone": old.when.timezone, "overlap": old.overlap, "catch_up": old.catch_up}  # fmt: skip
        given |= {name: value for name, value in changes.items() if name in given}
        of_job = {name: value for name, value in changes.items() if name in OF_ITS_JOB}
        times = when(given["cron"], given["timezone"])
        new = NewJob(**{**old.job, **of_job})
        changed = await self._checked(given["name"], times, new, given["overlap"], given["catch_up"])
        if changed["folded"] != folded(old.name):
            await self._refuse_taken(changed["folded"])
        if times == old.when:
            changed["next_at"] = old.next_at
        return {**changed, "principal": self._who if of_job else old.principal}

    async def _checked(self, name: str, times: When, job: NewJob, overlap: str, catch_up: str) -> dict[str, Any]:
        tidy = checked_name(name)
        for field, value, allowed in (("overlap", overlap, OVERLAPS), ("catch_up", catch_up, CATCH_UPS)):
            if value not in allowed:
                raise refused(field, f"'{value}' is not one of {', '.join(allowed)}")
        if LABEL in job.labels:
            raise refused("labels", f"'{LABEL}' is the schedule's own; it gets its name")
        next_at = times.first_after(await self._store.now(self._tenant))
        kept = {field: getattr(job, field) for field in OF_ITS_JOB}
        refuse_unstorable(kept)
        if len(json.dumps(kept).encode()) > MOST_OF_A_JOB:
            raise refused(
                "args",
                f"at most {MOST_OF_A_JOB // 1000} kB for what is created again and again; upload a file, and name it",
            )
        kind = await self._check(scheduled(tidy, times, kept, next_at))
        return {
            "name": tidy,
            "folded": folded(tidy),
            "cron": times.cron,
            "timezone": times.timezone,
            "job": {**kept, "kind": kind.name},
            "overlap": overlap,
            "catch_up": catch_up,
            "next_at": next_at,
        }

    async def _refuse_taken(self, name: str) -> None:
        if found := await self._store.schedules(self._tenant, name):
            raise Conflict(f"There is a schedule '{found[0].name}' already. Change that one, or take another name.")


def checked_name(name: str) -> str:
    """The name, tidied. Raises BadRequest for one that could not be told from a number, or stand in an address."""
    refuse_unstorable({"name": name})
    tidy = " ".join(name.split())
    if not 0 < len(tidy) <= MOST_OF_A_NAME or not tidy.isprintable() or "/" in tidy or not any(map(str.isalpha, tidy)):
        raise refused("name", f"has 1 to {MOST_OF_A_NAME} characters with a letter among them, and no slash")
    return tidy
