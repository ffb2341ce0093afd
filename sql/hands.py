"""The hands' side of the book: what workers do to jobs of every tenant, as the role backburner_hands."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from agent_tools.jobs.context import Earlier
from agent_tools.jobs.files import UploadedFile
from agent_tools.jobs.job import StoredArtifact
from agent_tools.jobs.schedules import When
from agent_tools.jobs.webhooks import Tried
from sql.connect import Pool, failures, jsonb, open_pool
from sql.operations import AllOperations
from sql.queries import queries
from sql.schema import HANDS
from sql.watch import RING, Due, Woken, woken

Fields = Mapping[str, Any]


class Claim(NamedTuple):
    """A job that is ours under this fence, until the lease runs out."""

    id: str
    tenant: int
    kind: str
    title: str
    args: Mapping[str, Any]
    fence: int
    attempt: int
    timeout_s: float
    waiting_on: str | None = None
    """What it waited for last, not for other jobs; None: it never did."""
    waited_s: float | None = None
    """Since when, over all looks."""


class Settled(NamedTuple):
    """How a job stands after its attempt ended. `is_awaited`: it has ended, and others waited for that."""

    status: str
    is_awaited: bool


class Reaction(NamedTuple):
    """What became of a question: `answer` None where nobody has answered."""

    answer: Mapping[str, Any] | None
    at: datetime | None
    by_name: str | None
    is_expired: bool


class Recorded(NamedTuple):
    """A step that was run; `is_taken_over`: by another job."""

    value: Any
    took_s: float
    is_taken_over: bool = False


class Look(NamedTuple):
    """How a job stands for whoever held its fence."""

    status: str
    is_late: bool | None


class Happened(NamedTuple):
    """An event of some tenant's job; (tx, id) is its place in the log."""

    tx: str
    id: int
    tenant: int
    job: str
    type: str


class Principal(NamedTuple):
    """Somebody who may ask for things: a person, or a person's agent."""

    tenant: int
    principal: int
    name: str
    scopes: tuple[str, ...]


class News(NamedTuple):
    """What one person is to be told, where; `take` and `until` say, when it is recorded, what was."""

    tenant: int
    person: int
    address: str
    take: int
    until: datetime
    asks: Sequence[Mapping[str, Any]]
    ends: Sequence[Mapping[str, Any]]


class Message(NamedTuple):
    """A delivery that is this sender's to try, for a while. `tries` counts this one."""

    id: str
    endpoint: int
    job: str
    type: str
    body: Mapping[str, Any]
    created_at: datetime
    tries: int
    url: str
    secret: str
    old_secret: str | None


class DueSchedule(NamedTuple):
    """A schedule whose time has come. `is_offered`: a worker that is alive runs its kind."""

    id: int
    tenant: int
    name: str
    when: When
    job: Mapping[str, Any]
    catch_up: str
    next_at: datetime
    version: int
    now: datetime
    """The database's clock."""
    is_offered: bool


class Fired(NamedTuple):
    """What became of a schedule that was due: fired, skipped, passed or refused (see fire_schedule); the job is to be rung."""

    outcome: str
    job: Due | None


class HandsStore:
    """The verbs of workers, for any tenant. What a verb does not give back has not moved."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str, *, size: int = 4) -> AsyncIterator["HandsStore"]:
        """Connect. Raises BookUnavailable."""
        async with open_pool(database_url, HANDS, size=size) as pool:
            yield cls(pool)

    @property
    def operations(self) -> AllOperations:
        """What an operator looks at, over all tenants."""
        return AllOperations(self._pool)

    async def announce(self, presence: Fields) -> int:
        """Say that this process works here, and what it can do. Gives the worker's number."""
        return int((await self._call("SELECT announce_worker(%s) AS id", presence))[0]["id"])

    async def claim(self, worker: int, lease_s: float, kinds: Fields, ids: Sequence[str]) -> list[Claim]:
        """Those of `ids` that are ours now. `kinds` are the announced ones, each with timeout_s and max_attempts."""
        batch = {"worker": worker, "lease_s": lease_s, "kinds": dict(kinds), "jobs": list(ids)}
        text = "SELECT id, tenant_id, kind, title, args, fence, attempt, timeout_s, waiting_on, waited_s FROM claim_jobs(%s)"
        return [Claim(*row.values()) for row in await self._call(text, batch)]

    async def claimed(self, worker: int, ids: Sequence[str]) -> list[tuple[str, int]]:
        """Of these jobs, those that the worker has: (id, fence)."""
        found = await self._call(queries()["claimed"], None, worker=worker, ids=list(ids))
        return [(row["id"], row["fence"]) for row in found]

    async def progress(self, said: Sequence[Fields]) -> set[str]:
        """Write how far running jobs are; gives those that are still ours."""
        return {row["id"] for row in await self._call("SELECT id FROM progress_jobs(%s)", {"jobs": list(said)})}

    async def settle(self, endings: Sequence[Fields]) -> dict[tuple[str, int], Settled]:
        """Write how attempts ended: (id, fence) → how each job stands now."""
        text = "SELECT id, fence, status, is_awaited FROM settle_jobs(%s)"
        found = await self._call(text, {"jobs": list(endings)})
        return {(row["id"], row["fence"]): Settled(row["status"], row["is_awaited"]) for row in found}

    async def wake(self) -> list[Woken]:
        """Look at waiting jobs that are due; gives those that do not wait any longer."""
        return woken(await self._call("SELECT id, status FROM wake_jobs(%s)", {}))

    async def ring(self) -> list[Due]:
        """Mark what is due and was never rung, and give it: the caller rings."""
        return [Due(*row.values()) for row in await self._call(RING, {})]

    async def due_schedules(self) -> list[DueSchedule]:
        """Those whose time has come and that can be tried now, the longest due first; at most 100."""
        found = await self._call(queries()["due_schedules"], None)
        return [DueSchedule(when=When(row.pop("cron"), row.pop("timezone")), **row) for row in found]

    async def fire_schedule(self, due: DueSchedule, fields: Fields) -> Fired | None:
        """What became of it; None where another worker fired it, or it was changed since it was read."""
        read = {"schedule": due.id, "version": due.version, "read_at": due.next_at.isoformat()}
        text = "SELECT outcome, id, queue, priority, dispatch FROM fire_schedule(%s)"
        found = await self._call(text, {**read, **fields})
        if not found:
            return None
        outcome, job, queue, priority, dispatch = found[0].values()
        return Fired(outcome, Due(job, due.tenant, queue, priority, dispatch) if job else None)

    async def nudge(self, job_id: str) -> bool:
        """Have a job look again at what it waits for outside; False where it waits for nothing there."""
        return bool(await self._call("SELECT id FROM nudge_job(%s)", {"id": job_id}))

    async def secret(self) -> bytes:
        """The installation's, from which the addresses that others call back are made."""
        return bytes((await self._call(queries()["secret"], None))[0]["secret"])

    async def look(self, job_id: str, fence: int) -> Look | None:
        """How the job stands under this fence; None when it is gone or was claimed again."""
        found = await self._call(queries()["look"], None, job=job_id, fence=fence)
        return Look(**found[0]) if found else None

    async def step(self, tenant: int, job_id: str, name: str, args_hash: bytes, reuse: str | None) -> Recorded | None:
        """What was recorded; None when it was not run yet."""
        found = await self._call(
            queries()["step"], None, tenant=tenant, job=job_id, name=name, args_hash=args_hash, reuse=reuse
        )
        return Recorded(**found[0]) if found else None

    async def record_step(self, step: Fields) -> bool:
        """Keep a step's value, in place of one that was kept before; False when the job is no longer ours."""
        return bool(await self._call("SELECT id FROM record_step(%s)", step))

    async def record_runs(self, runs: Sequence[Fields]) -> None:
        """Keep what completed runs took."""
        await self._call("SELECT record_runs(%s)", {"runs": list(runs)})

    async def ask(self, tenant: int, job_id: str, name: str, shown_hash: bytes) -> Reaction | None:
        """What became of the job's question of this name that shows exactly this; None: it was never asked."""
        found = await self._call(queries()["ask"], None, tenant=tenant, job=job_id, name=name, shown_hash=shown_hash)
        return Reaction(**found[0]) if found else None

    async def artifacts(self, tenant: int, job_id: str) -> list[StoredArtifact] | None:
        """The files of a completed job of the tenant; None where there is no such job."""
        found = await self._call(queries()["artifacts"], None, tenant=tenant, job=job_id)
        return [StoredArtifact(**row) for row in found if row["name"] is not None] if found else None

    async def earlier(self, tenant: int, job_id: str, kind: str, labels: Fields) -> list[Earlier]:
        """The completed jobs of the kind with these labels, oldest first; no older version of this job."""
        found = await self._call(
            queries()["earlier"], None, tenant=tenant, job=job_id, kind=kind, labels=Jsonb(dict(labels))
        )
        return [Earlier(**row) for row in found]

    async def take_turn(self, job_id: str, fence: int, labels: Fields) -> bool | None:
        """Whether it is this job's turn among those of its kind with these labels; None: the job is no longer ours."""
        batch = {"id": job_id, "fence": fence, "labels": dict(labels)}
        found = await self._call("SELECT is_its_turn FROM take_turn(%s)", batch)
        return bool(found[0]["is_its_turn"]) if found else None

    async def file(self, tenant: int, upload: str) -> UploadedFile | None:
        """An upload of the tenant; None where there is none (any longer)."""
        found = await self._call(queries()["file"], None, tenant=tenant, id=upload)
        return UploadedFile(**found[0]) if found else None

    async def expire_files(self) -> list[tuple[int, str]]:
        """Forget uploads that nobody promised to keep any longer and no job needs; gives (tenant, id) of each."""
        return [(row["tenant_id"], row["id"]) for row in await self._call(queries()["expire_files"], None)]

    async def kept_uploads(self, ids: Sequence[str]) -> set[str]:
        """Of these, those that are there."""
        return {row["id"] for row in await self._call(queries()["kept_uploads"], None, ids=list(ids))}

    async def take_deliveries(self, busy: Sequence[int], *, each: int, most: int, lease_s: float) -> list[Message]:
        """Messages that are due, at most `each` of an endpoint and none of `busy` ones; nobody else has them for so long."""
        found = await self._call(
            queries()["take_deliveries"], None, busy=list(busy), each=each, most=most, lease_s=lease_s
        )
        return [Message(**row) for row in found]

    async def settle_delivery(self, message: Message, tried: Tried) -> bool:
        """Write how a try ended; False when it was not this try's any more."""
        said = {"delivered": tried.delivered, "again_s": tried.again_s, "answer": tried.answer[:500]}
        return bool(await self._call(queries()["settle_delivery"], None, id=message.id, tries=message.tries, **said))

    async def disable_webhook(self, endpoint: int, because: str) -> None:
        """Tell an endpoint nothing any more, not even what waits."""
        await self._call(queries()["disable_webhook"], None, endpoint=endpoint, because=because)

    async def forget_webhooks(self) -> None:
        """Forget old deliveries, and addresses that jobs named and need no longer."""
        for each in ("forget_deliveries", "forget_named", "forget_webhooks"):
            await self._call(queries()[each], None)

    async def kept_files(self, pairs: Sequence[tuple[str, int | None]]) -> set[tuple[str, int | None]]:
        """Of these (job, fence) pairs, those whose files must stay; a fence of None: what the job's steps made."""
        asked = Jsonb([{"job_id": job_id, "fence": fence} for job_id, fence in pairs])
        return {(row["job_id"], row["fence"]) for row in await self._call(queries()["kept_files"], None, pairs=asked)}

    async def take_notices(self, remind_s: Sequence[float], *, own: bool, lease_s: float, most: int) -> list[News]:
        """Whom to tell now, and what; nobody else gets these until the lease is over.

        What still waits is told again after these pauses, the last of them again and again. `own`: everybody may answer
        what they asked themselves.
        """
        batch = {"remind_s": list(remind_s), "own": own, "lease_s": lease_s, "most": most}
        text = "SELECT tenant, person, address, take, until, coalesce(asks, '[]') AS asks, coalesce(ends, '[]') AS ends FROM take_notices(%s)"
        return [News(**row) for row in await self._call(text, batch)]

    async def told_notices(self, news: News, *, refused: str | None = None, after_s: float = 0) -> bool | None:
        """Record that it was taken, or refused for this reason and not to be tried again before `after_s`.

        True: it was the last try. None: it was not ours to say any more, or was said before.
        """
        batch = {
            "tenant": news.tenant,
            "person": news.person,
            "take": news.take,
            "until": news.until.isoformat(),
            "asks": [ask["id"] for ask in news.asks],
            "refused": refused,
            "after_s": after_s,
        }
        found = await self._call("SELECT is_stopped FROM told_notices(%s)", batch)
        return bool(found[0]["is_stopped"]) if found else None

    async def principal_of_token(self, secret_hash: bytes) -> Principal | None:
        """Who holds this token; None when nobody does, any longer or at all."""
        return self._principal(await self._call(queries()["principal_of_token"], None, secret_hash=secret_hash))

    async def principal_of_session(self, secret_hash: bytes) -> Principal | None:
        """Whose browser this is; None when it is nobody's, any longer or at all."""
        return self._principal(await self._call(queries()["principal_of_session"], None, secret_hash=secret_hash))

    async def sign_in(self, link_hash: bytes, session_hash: bytes, lasts_s: float) -> bool:
        """Redeem a one-time link for a session; False where it was used, has expired, or never was."""
        batch = {"link_hash": link_hash.hex(), "session_hash": session_hash.hex(), "lasts_s": lasts_s}
        return bool(await self._call("SELECT principal FROM sign_in(%s)", batch))

    async def end_session(self, secret_hash: bytes) -> None:
        """Sign a browser out."""
        await self._call(queries()["end_session"], None, secret_hash=secret_hash)

    async def events_after(self, tx: str, event: int) -> list[Happened]:
        """What happened after this place of the event log, in the order in which it can be read without gaps."""
        return [Happened(**row) for row in await self._call(queries()["events_after"], None, tx=tx, id=event)]

    async def events_end(self) -> str:
        """The transaction from which on events are new."""
        return str((await self._call(queries()["events_end"], None))[0]["tx"])

    async def principal_by_name(self, tenant: str, name: str) -> Principal | None:
        """The principal of this name; None when there is none."""
        return self._principal(await self._call(queries()["principal_by_name"], None, tenant=tenant, name=name))

    @staticmethod
    def _principal(found: list[dict[str, Any]]) -> Principal | None:
        return Principal(**{**found[0], "scopes": tuple(found[0]["scopes"])}) if found else None

    async def _call(self, text: str, batch: Fields | None, **parameters: Any) -> list[dict[str, Any]]:
        with failures():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(text, parameters if batch is None else (jsonb(batch),))
                return await cursor.fetchall()
