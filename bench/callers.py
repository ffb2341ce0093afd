"""Ways to submit a job and to look at one: a bare INSERT, stock arq, Backburner."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job as ArqJob
from psycopg_pool import AsyncConnectionPool

from agent_tools.app import GUARD_S, Backburner
from agent_tools.jobs.kinds import Kinds
from agent_tools.requests import NewJob, parse
from bench.handlers import KIND, bench_noop
from bench.place import Place
from sql.door import DoorStore
from sql.hands import HandsStore
from worker.kinds.drill import drill

Call = Callable[[], Awaitable[Any]]

INSERT = "bare INSERT"
INSERT_POOLED = "bare INSERT, 8-pool"
INSERT_MANY = "bare INSERT"
SELECT = "bare SELECT *"
ENQUEUE = "arq enqueue_job"
CREATE = "Backburner.create"
CREATE_GUARDED = "… with again=False"
STORE = "DoorStore.create"

_COLUMNS = (
    "id, tenant_id, principal_id, kind, queue, title, args, labels, priority, run_after, args_hash, rung_at, dispatch"
)
_VALUES = "%s, 1, %s, 'drill', 'default', '', %s, '{}', 0, now(), decode(%s, 'hex'), now(), 1"


@dataclass(frozen=True)
class Callers:
    """Everything connected, on one database and one Valkey. A call makes one job, of the same content for all."""

    app: Backburner
    store: DoorStore
    arq: ArqRedis
    connection: psycopg.AsyncConnection[Any]
    pool: AsyncConnectionPool[Any]
    row: dict[str, Any]
    numbers: "count[int]"

    # ------------------------------------------------------------------------------------------------- one at a time

    async def insert(self) -> str:
        """The row that Backburner keeps, into the same table with its indexes and checks; no event, no policy."""
        return await self._insert(self.connection)

    async def insert_pooled(self) -> str:
        """The same through a pool."""
        async with self.pool.connection() as connection:
            return await self._insert(connection)

    async def enqueue(self) -> Any:
        """With the arguments of the row."""
        job = await self.arq.enqueue_job("drill", **self.row["args"])
        return job and job.job_id

    async def create(self) -> str:
        """Checked, written with its event, and rung."""
        return (await self.app.create("drill", again=True)).id

    async def create_guarded(self) -> str:
        """The default of agents: looked for among equal ones first. Each is different here."""
        return (await self.app.create("drill", {"result_bytes": next(self.numbers)})).id

    async def store_create(self) -> str:
        """Written with its event only."""
        who = self.app.who
        return (await self.store.create(who.tenant, who.principal, [self.row], guard_s=GUARD_S, is_batch=False))[0].id

    # -------------------------------------------------------------------------------------------------------- batches

    async def insert_many(self, amount: int) -> None:
        """One statement for all rows."""
        parameters = [value for _ in range(amount) for value in self._parameters()]
        rows = ", ".join([f"({_VALUES})"] * amount)
        await self.connection.execute(f"INSERT INTO backburner.jobs ({_COLUMNS}) VALUES {rows}", parameters)

    async def enqueue_many(self, amount: int) -> None:
        """50 callers at once: arq has no call for many."""
        await at_once(self.enqueue, amount, callers=50)

    async def create_many(self, amount: int) -> None:
        """One call."""
        await self.app.create_many([NewJob("drill", again=True)] * amount)

    async def keep(self, amount: int) -> None:
        """So many jobs more in the table, each with other arguments; nobody is told."""
        await self.connection.execute(
            f"INSERT INTO backburner.jobs ({_COLUMNS}) SELECT lpad(n::text, 13, '0'), 1, %s, 'drill', 'default', '', %s, '{{}}', 0,"
            " now(), sha256(n::text::bytea), now(), 1 FROM generate_series(1, %s) AS n",
            (self.app.who.principal, json.dumps(self.row["args"]), amount),
        )

    # ----------------------------------------------------------------------------------------------- what workers take

    async def noops_for_arq(self, numbers: Sequence[int]) -> None:
        """Jobs that do nothing, for stock arq."""
        left = iter(numbers)

        async def one() -> None:
            await self.arq.enqueue_job("noop", next(left))

        await at_once(one, len(numbers), callers=50)

    async def noops(self, numbers: Sequence[int]) -> None:
        """Jobs that do nothing, for our workers."""
        for start in range(0, len(numbers), 1000):
            lot = numbers[start : start + 1000]
            if len(lot) == 1:
                await self.app.create(KIND, {"number": lot[0]}, again=True)
            else:
                await self.app.create_many([NewJob(KIND, {"number": number}, again=True) for number in lot])

    # ---------------------------------------------------------------------------------------------------------- looks

    async def select(self, job_id: str) -> Any:
        """Every column by the key."""
        return await (
            await self.connection.execute("SELECT * FROM backburner.jobs WHERE id = %s", (job_id,))
        ).fetchone()

    async def arq_status(self, job_id: str) -> Any:
        """A word of where it stands."""
        return await ArqJob(job_id, self.arq).status()

    async def get(self, job_id: str) -> Any:
        """The whole job, with its subject and artifacts."""
        return await self.app.get(job_id)

    async def _insert(self, connection: psycopg.AsyncConnection[Any]) -> str:
        parameters = self._parameters()
        await connection.execute(f"INSERT INTO backburner.jobs ({_COLUMNS}) VALUES ({_VALUES})", parameters)
        return str(parameters[0])

    def _parameters(self) -> tuple[Any, ...]:
        job_id = secrets.token_hex(7)[:13]
        return job_id, self.app.who.principal, json.dumps(self.row["args"]), self.row["args_hash"]


@asynccontextmanager
async def callers(place: Place) -> AsyncIterator[Callers]:
    """All of them, connected to the place's database of now."""
    kinds = Kinds([drill, bench_noop])
    row = {
        **parse(NewJob("drill", again=True), kinds).row, "redo_of": None, "idempotency_key": None, "request_hash": None
    }  # fmt: skip
    settings = place.settings()
    async with AsyncExitStack() as stack:
        hands = await stack.enter_async_context(HandsStore.open(settings.database_url, size=1))
        await hands.announce({
            "name": f"nobody-{secrets.token_hex(4)}", "host": "", "pid": 0, "queues": ["default"], "kinds": list(kinds), "unavailable": {},
            "max_jobs": 1,
        })  # fmt: skip  # as where workers run: creates need not ask again who does
        app = await stack.enter_async_context(Backburner.open(settings, kinds=kinds))
        store = await stack.enter_async_context(DoorStore.open(settings.database_url))
        arq = await create_pool(RedisSettings.from_dsn(settings.redis_url))
        stack.push_async_callback(arq.aclose)
        connection = await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True, prepare_threshold=0)
        stack.push_async_callback(connection.close)
        pool = await stack.enter_async_context(
            AsyncConnectionPool(
                settings.database_url, min_size=8, max_size=8, open=False,
                kwargs={"autocommit": True, "prepare_threshold": 0},
            )
        )  # fmt: skip
        yield Callers(app, store, arq, connection, pool, row, count())


async def at_once(call: Call, times: int, *, callers: int) -> None:
    """Make the call so often, by so many callers who each wait for the answer before they call again."""
    left = iter(range(times))

    async def one() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(one() for _ in range(callers)))
