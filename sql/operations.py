"""What an operator looks at: one tenant's jobs as its door counts them, and the whole installation, in numbers only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from agent_tools.jobs.counts import BOUNDS_S, Counted, Hour
from agent_tools.jobs.job import Worker
from agent_tools.jobs.trouble import Deliveries, Keeping, Questions, Unfinished
from sql import rows
from sql.connect import Pool, failures, jsonb, read_as
from sql.queries import queries

MOST_SAMPLED = 5_000
"""About how many artifacts are looked at to say how large all are."""
MOST_COUNTED = 5_000
"""How many events one call counts."""
MOST_GOING = 1_000
"""So many stand for more."""


class Limited(NamedTuple):
    """A kind of which only so many run at once, and how many do."""

    kind: str
    most: int
    running: int


class Table(NamedTuple):
    """A table, its size, and about how many rows it has; -1: nobody knows."""

    name: str
    rows: int
    bytes: int


class Made(NamedTuple):
    """About how much the jobs of one kind have made."""

    kind: str
    files: int
    bytes: int


class Going(NamedTuple):
    """How many jobs that nobody filed go within a week (1,000 stands for more), when the first, and how many with it."""

    jobs: int
    first: datetime | None
    with_the_first: int


class Operations:
    """What one tenant's door may see of its jobs and of the database."""

    def __init__(self, pool: Pool, tenant: int) -> None:
        self._pool, self._tenant = pool, tenant

    async def unfinished(self) -> list[Unfinished]:
        """What the jobs do that have not ended."""
        return [Unfinished(**row) for row in await self._read("unfinished")]

    async def first_queued(self, kind: str, queue: str) -> str | None:
        """The due job of these that was asked for first; None where none waits any longer."""
        found = await self._read("first_queued", kind=kind, queue=queue)
        return str(found[0]["id"]) if found else None

    async def counted(self, days: int) -> list[Counted]:
        """What happened today and within so many days before."""
        return [Counted(**row) for row in await self._read("counted", days=days)]

    async def hours(self, many: int) -> list[Hour]:
        """What happened in each of the last hours in which anything did."""
        return [Hour(**row) for row in await self._read("hours", hours=many)]

    async def limits(self) -> list[Limited]:
        """Of which kinds only so many run at once."""
        return [Limited(**row) for row in await self._read("limits")]

    async def tables(self) -> list[Table]:
        """The largest tables first."""
        return [Table(**row) for row in await self._read("tables")]

    async def database_bytes(self) -> int:
        """The size of the whole database."""
        return int((await self._read("database_bytes"))[0]["bytes"])

    async def made(self, artifacts: int) -> list[Made]:
        """What jobs made, the largest first; of `artifacts` rows only a sample is read."""
        percent = min(100.0, 100 * MOST_SAMPLED / max(artifacts, 1))
        return [Made(**row) for row in await self._read("artifact_bytes", percent=percent)]

    async def deliveries(self) -> Deliveries:
        """How it goes with telling webhooks."""
        return Deliveries(**(await self._read("deliveries_standing"))[0])

    async def questions(self) -> Questions:
        """How many questions are open."""
        return Questions(**(await self._read("questions_standing"))[0])

    async def keeping(self) -> Keeping:
        """For how long is kept what nobody filed."""
        return Keeping(**(await self._read("keeping"))[0])

    async def going(self) -> Going:
        """Which of those go within a week."""
        return Going(**(await self._read("expiring", most=MOST_GOING))[0])

    async def _read(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        return await read_as(self._pool, self._tenant, queries()[name], parameters)


class AllOperations:
    """The installation as the hands see it: over all tenants, and so never more than numbers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count(self, most: int = MOST_COUNTED) -> int:
        """Count what has happened since the last time; gives how many events that was, at most so many."""
        with failures():
            async with self._pool.connection() as connection:
                counting = {"bounds_s": BOUNDS_S, "most": most}
                cursor = await connection.execute("SELECT events FROM count_jobs(%s)", (jsonb(counting),))
                return int((await cursor.fetchall())[0]["events"])

    async def unfinished(self) -> list[Unfinished]:
        """What the jobs do that have not ended."""
        return [Unfinished(**row) for row in await self._read("all_unfinished")]

    async def counted(self) -> list[Counted]:
        """What happened, ever."""
        return [Counted(**row) for row in await self._read("all_counted")]

    async def workers(self) -> list[Worker]:
        """Who works here, the living first."""
        return [rows.worker(row) for row in await self._read("workers")]

    async def deliveries(self) -> Deliveries:
        """How it goes with telling webhooks."""
        return Deliveries(**(await self._read("all_deliveries_standing"))[0])

    async def questions(self) -> Questions:
        """How many questions are open."""
        return Questions(**(await self._read("all_questions_standing"))[0])

    async def database_bytes(self) -> int:
        """The size of the whole database."""
        return int((await self._read("database_bytes"))[0]["bytes"])

    async def now(self) -> datetime:
        """The database's clock."""
        found: datetime = (await self._read("now"))[0]["now"]
        return found

    async def tail_lag_s(self, tx: str, event: int) -> float:
        """For how long the next event after this place of the log has been waiting to be read."""
        found = await self._read("tail_lag", tx=tx, id=event)
        return float(found[0]["seconds"]) if found else 0.0

    async def has_several_tenants(self) -> bool:
        """Whether there is more than one."""
        return int((await self._read("tenants_count"))[0]["tenants"]) > 1

    async def _read(self, name: str, **parameters: Any) -> list[Mapping[str, Any]]:
        with failures():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(queries()[name], parameters)
                return list(await cursor.fetchall())
