"""The door's side of the book: what one tenant may ask and read, as the role backburner_door."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

from psycopg.types.json import Jsonb

from agent_tools.jobs.asks import Ask, Known, Parent, Waiting
from agent_tools.jobs.files import UploadedFile
from agent_tools.jobs.job import Batch, Event, Job, JobStatus, Worker
from agent_tools.jobs.notices import Notices
from agent_tools.jobs.queue import MOST_AHEAD, Going, Head
from agent_tools.jobs.runs import Run, run_of
from agent_tools.jobs.schedules import Schedule
from agent_tools.jobs.upload_store import Kept
from agent_tools.jobs.webhooks import Delivery, Webhook
from sql import rows
from sql.connect import Pool, failures, jsonb, open_pool, read_as
from sql.operations import Operations
from sql.queries import queries
from sql.schema import DOOR

Fields = Mapping[str, Any]


class Created(NamedTuple):
    """The job at one place of a batch: made now (`created`), or the one that it is the same as."""

    place: int
    id: str
    created: bool
    dispatch: int
    queue: str
    priority: int


class Moved(NamedTuple):
    """The jobs that changed, each with the subject it had before; `move` is what undoes it, None when nothing moved."""

    was: Mapping[str, str | None]
    move: int | None


class SubjectCount(NamedTuple):
    """How many jobs of one status lie under one subject; `name` None: under none."""

    name: str | None
    status: str
    jobs: int
    newest: datetime


class KindStats(NamedTuple):
    """How the jobs of one kind went that were created within a while; `unfinished` and `waiting` count all there are now.

    Seconds are of completed jobs, from the first start to the end, with whatever they waited for in between. What is None
    was not measured.
    """

    kind: str
    created: int
    completed: int
    failed: int
    cancelled: int
    unfinished: int
    waiting: int
    average_s: float | None
    p50_s: float | None
    p95_s: float | None
    tokens_in: int | None
    tokens_out: int | None
    cost: float | None

    @property
    def success_rate(self) -> float | None:
        """Completed among those that completed or failed; None where none did."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None


class Cancelled(NamedTuple):
    """A job that was stopped; `fence` is under which a worker may still be running it, None when none was."""

    id: str
    fence: int | None


class Answered(NamedTuple):
    """What became of an answer: `outcome` answered, taken, changed, expired, ended, own, theirs or gone (see answer_asks).

    `by_name`, `at` and `answer` are of the answer that is in force. `dispatch` is None where the job is not to be rung.
    """

    place: int
    outcome: str
    ask: int
    job: str | None
    by_name: str | None
    at: datetime | None
    answer: Mapping[str, Any] | None
    dispatch: int | None
    queue: str | None
    priority: int | None


STAGES = ("discover", "transcribe", "enrich", "render")
"""Of an episode, in order."""


class Episode(NamedTuple):
    """A recording, the furthest `stage` that any job of it reached, and the newest job; `job` None: none was asked for."""

    source: str
    title: str | None
    duration_s: float | None
    stage: str
    job: str | None
    status: str | None
    found_in: str | None
    """The folder, feed or page that holds it, as far as that was discovered."""
    at: datetime


@dataclass(frozen=True)
class EpisodeFilter:
    """Which episodes a list shows; None everywhere means all of the tenant's."""

    stage: Sequence[str] | None = None
    status: Sequence[str] | None = None
    source: str | None = None
    found_in: str | None = None
    unasked: bool = False
    """Only those that no job was asked for."""
    older_than: tuple[datetime, str] | None = None
    """Where the page before ended: the last one's `at` and source."""


@dataclass(frozen=True)
class AskFilter:
    """Which questions a list shows; the defaults mean all of the tenant's that are open."""

    ids: Sequence[int] | None = None
    open_only: bool = True
    jobs: Sequence[str] | None = None
    batch_id: str | None = None
    after: tuple[datetime, int] | None = None
    """Where the page before ended: the last one's asked_at and id."""


_ASK_CONDITIONS: Mapping[str, str] = {
    "ids": "a.id = ANY(%(ids)s)",
    "open_only": "a.answered_at IS NULL AND a.withdrawn_at IS NULL",
    "jobs": "a.job_id = ANY(%(jobs)s)",
    "batch_id": "j.batch_id = %(batch_id)s",
    "after": "(a.asked_at, a.id) > (%(after_at)s, %(after_id)s)",
}


@dataclass(frozen=True)
class Filter:
    """Which jobs a list shows; None everywhere means all of the tenant's."""

    ids: Sequence[str] | None = None
    status: Sequence[str] | None = None
    waiting_for: str | None = None
    kind: Sequence[str] | None = None
    subject: str | None = None
    unorganised: bool = False
    labels: Mapping[str, str] | None = None
    batch_id: str | None = None
    principal: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    search: str | None = None
    unseen: bool = False
    latest: bool = False
    """Without versions that a newer completed one stands before."""
    goes_soon: bool = False
    """Only those that nobody filed and that go within a week for that."""
    older_than: tuple[datetime, str] | None = None
    """Where the page before ended: the last job's created_at and id."""


_CONDITIONS: Mapping[str, str] = {
    "ids": "j.id = ANY(%(ids)s)",
    "status": "j.status = ANY(%(status)s)",
    "waiting_for": "j.waiting_for = %(waiting_for)s",
    "kind": "j.kind = ANY(%(kind)s)",
    "subject": "j.subject_id = (SELECT id FROM subjects WHERE tenant_id = current_tenant() AND folded = %(subject)s)",
    "unorganised": "j.subject_id IS NULL",
    "labels": "j.labels @> %(labels)s",
    "batch_id": "j.batch_id = %(batch_id)s",
    "principal": "j.principal_id = %(principal)s",
    "created_after": "j.created_at >= %(created_after)s",
    "created_before": "j.created_at < %(created_before)s",
    "search": "j.id IN (SELECT search_jobs(%(search)s))",
    "unseen": "j.finished_at IS NOT NULL AND j.seen_at IS NULL",
    "latest": "NOT EXISTS (SELECT FROM jobs n WHERE n.tenant_id = j.tenant_id AND n.redo_of = j.id AND n.status = 'completed')",
    "goes_soon": "j.subject_id IS NULL AND j.status = 'completed' AND j.keep_until IS NULL AND greatest(j.finished_at, j.unfiled_at) <"
    " (SELECT now() + interval '7 days' - make_interval(days => g.days) FROM keeping g)"
    " AND j.created_at < (SELECT now() + interval '7 days' - make_interval(days => g.days) FROM keeping g)",
    "older_than": "(j.created_at, j.id) < (%(older_at)s, %(older_id)s)",
}


class DoorStore:
    """The verbs and reads of doors. Every call names its tenant; the database lets it see no other."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str, *, size: int = 8) -> AsyncIterator["DoorStore"]:
        """Connect. Raises BookUnavailable."""
        async with open_pool(database_url, DOOR, size=size) as pool:
            yield cls(pool)

    def operations(self, tenant: int) -> Operations:
        """What an operator looks at in this tenant."""
        return Operations(self._pool, tenant)

    async def create(
        self, tenant: int, principal: int, jobs: Sequence[Fields], *, guard_s: float, is_batch: bool
    ) -> list[Created]:
        """All of `jobs` or none, in order. Raises Conflict for a key used for another request, NotNow for a redo too early,
        BadRequest for a job to come after that is not there.
        """
        batch = {"tenant": tenant, "principal": principal, "jobs": list(jobs), "guard_s": guard_s, "is_batch": is_batch}
        return [
            Created(**row)
            for row in await self._call(
                "SELECT place, id, created, dispatch, queue, priority FROM create_jobs(%s)", batch
            )
        ]

    async def cancel(
        self, tenant: int, principal: int, ids: Sequence[str], reason: str | None = None
    ) -> list[Cancelled]:
        """Those that had not ended; the others are missing."""
        batch = {"tenant": tenant, "principal": principal, "jobs": list(ids), "reason": reason}
        return [Cancelled(**row) for row in await self._call("SELECT id, fence FROM cancel_jobs(%s)", batch)]

    async def answer(
        self, tenant: int, principal: int, answers: Sequence[Fields], *, own: bool, for_others: bool = False
    ) -> list[Answered]:
        """Each for itself, in order. `own`: whether the principal may answer what it asked itself; `for_others`: what is put
        to somebody else.
        """
        batch = {
            "tenant": tenant,
            "principal": principal,
            "own": own,
            "for_others": for_others,
            "answers": list(answers),
        }
        text = "SELECT place, outcome, ask, job, by_name, at, answer, dispatch, queue, priority FROM answer_asks(%s) ORDER BY place"
        return [Answered(**row) for row in await self._call(text, batch)]

    async def organise(self, tenant: int, principal: int, ids: Sequence[str], changes: Fields) -> Moved:
        """Set what `changes` names on these jobs."""
        batch = {"tenant": tenant, "principal": principal, "jobs": list(ids), "set": dict(changes)}
        found = await self._call("SELECT id, was_subject, move_id FROM organise_jobs(%s)", batch)
        return Moved({row["id"]: row["was_subject"] for row in found}, found[0]["move_id"] if found else None)

    async def undo_move(self, tenant: int, principal: int, move: int) -> list[str]:
        """Put the jobs of a move back; gives those that went. Raises NotNow where it was undone before."""
        batch = {"tenant": tenant, "principal": principal, "move": move}
        return [row["id"] for row in await self._call("SELECT id FROM undo_move(%s)", batch)]

    async def see(self, tenant: int, ids: Sequence[str]) -> list[str]:
        """Say that somebody was told how these jobs ended; gives those for which that is new."""
        return [
            row["id"] for row in await self._call("SELECT id FROM see_jobs(%s)", {"tenant": tenant, "jobs": list(ids)})
        ]

    async def delete(self, tenant: int, principal: int, ids: Sequence[str]) -> list[str]:
        """Those that had ended and are gone now."""
        batch = {"tenant": tenant, "principal": principal, "jobs": list(ids)}
        return [row["id"] for row in await self._call("SELECT id FROM delete_jobs(%s)", batch)]

    async def jobs(self, tenant: int, wanted: Filter, *, limit: int = 100) -> list[Job]:
        """The tenant's jobs that fit, newest first."""
        where, parameters = _where(wanted)
        text = f"{queries()['job_columns']} {where} ORDER BY j.created_at DESC, j.id DESC LIMIT %(limit)s"
        return [rows.job(row) for row in await self._read(tenant, text, {**parameters, "limit": limit})]

    async def episodes(self, tenant: int, wanted: EpisodeFilter, *, limit: int) -> list[Episode]:
        """The tenant's episodes that fit, newest first."""
        older_at, older_source = wanted.older_than or (None, None)
        parameters = {
            "stages": list(STAGES),
            "stage": list(wanted.stage) if wanted.stage else None,
            "status": list(wanted.status) if wanted.status else None,
            "source": wanted.source,
            "found_in": wanted.found_in,
            "unasked": wanted.unasked,
            "older_at": older_at,
            "older_source": older_source,
            "limit": limit,
        }
        return [Episode(**row) for row in await self._read(tenant, queries()["episodes"], parameters)]

    async def asks(self, tenant: int, wanted: AskFilter, *, limit: int = 100) -> list[Ask]:
        """The tenant's questions that fit, the oldest first."""
        given = {name: value for name in _ASK_CONDITIONS if (value := getattr(wanted, name)) not in (None, False)}
        where = " AND ".join(["WHERE a.tenant_id = current_tenant()", *(_ASK_CONDITIONS[name] for name in given)])
        parameters: dict[str, Any] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in given.items()
        }
        if wanted.after:
            parameters["after_at"], parameters["after_id"] = wanted.after
        text = f"{queries()['asks']} {where} ORDER BY a.asked_at, a.id LIMIT %(limit)s"
        return [Ask(**row) for row in await self._read(tenant, text, {**parameters, "limit": limit})]

    async def waiting(self, tenant: int, name: str, *, limit: int) -> list[Waiting]:
        """The open questions, those first that are for the person of this name or for nobody who is here; each the oldest first."""
        found = await self._read(tenant, queries()["waiting"], {"name": name, "limit": limit})
        return [Waiting(**row) for row in found]

    async def waiting_count(self, tenant: int, name: str) -> int:
        """How many open questions are for the person of this name, or for nobody who is here; 1,000 stands for more."""
        return int((await self._read(tenant, queries()["waiting_count"], {"name": name}))[0]["asks"])

    async def known(self, tenant: int) -> list[Known]:
        """Everybody in the tenant."""
        return [Known(**row) for row in await self._read(tenant, queries()["known"])]

    async def parents(self, tenant: int, jobs: Sequence[str]) -> dict[str, list[Parent]]:
        """Job id → the jobs that it comes after, for those that come after any."""
        parents: dict[str, list[Parent]] = defaultdict(list)
        for row in await self._read(tenant, queries()["parents"], {"jobs": list(jobs)}):
            parents[row.pop("job")].append(Parent(**row))
        return parents

    async def ids(self, tenant: int, wanted: Filter, *, limit: int) -> list[str]:
        """Only the ids of the tenant's jobs that fit, newest first."""
        where, parameters = _where(wanted)
        text = f"{queries()['ids']} {where} ORDER BY j.created_at DESC, j.id DESC LIMIT %(limit)s"
        return [row["id"] for row in await self._read(tenant, text, {**parameters, "limit": limit})]

    async def batch(self, tenant: int, batch_id: str) -> Batch | None:
        """How far a batch is; None where no job of it is kept."""
        found = await self._read(tenant, queries()["batch"], {"batch": batch_id})
        counts = {JobStatus(row["status"]): int(row["jobs"]) for row in found}
        return Batch(batch_id, counts, sum(int(row["asks"]) for row in found)) if found else None

    async def subjects(self, tenant: int) -> tuple[list[SubjectCount], str | None]:
        """How many jobs lie under each subject in each status, a name of None is the unorganised ones; and as of which snapshot."""
        found = await self._read(tenant, queries()["subjects"])
        as_of = next((row["as_of"] for row in found), None)
        return [SubjectCount(row["name"], row["status"], row["jobs"], row["newest"]) for row in found], as_of

    async def is_news_since(self, tenant: int, as_of: str) -> bool:
        """Whether anything has happened in the tenant that this snapshot did not show."""
        return bool((await self._read(tenant, queries()["news_since"], {"as_of": as_of}))[0]["is_news"])

    async def stats(self, tenant: int, days: int) -> list[KindStats]:
        """How the jobs of each kind went that were created within so many days."""
        return [KindStats(**row) for row in await self._read(tenant, queries()["stats"], {"days": days})]

    async def subject_names(self, tenant: int) -> list[str]:
        """Every subject that was ever made, oldest first."""
        return [row["name"] for row in await self._read(tenant, queries()["subject_names"])]

    async def shelf(self, tenant: int, each: int) -> list[Job]:
        """The newest `each` completed jobs of every subject and of none; of a job that was redone only the newest version."""
        found = [row["id"] for row in await self._read(tenant, queries()["shelf"], {"each": each})]
        return await self.jobs(tenant, Filter(ids=found), limit=len(found)) if found else []

    async def versions(self, tenant: int, job_id: str) -> list[str]:
        """The job, what it was redone from and what was redone from it, oldest first."""
        return [row["id"] for row in await self._read(tenant, queries()["versions"], {"job": job_id})]

    async def version_counts(self, tenant: int, ids: Sequence[str]) -> dict[str, int]:
        """Job id → how many versions it has become, itself counted."""
        found = await self._read(tenant, queries()["version_counts"], {"ids": list(ids)})
        return {row["id"]: row["versions"] for row in found}

    async def superseded(self, tenant: int) -> dict[str | None, int]:
        """Subject (None: unorganised) → how many of its completed jobs stand behind a newer version."""
        return {row["name"]: row["jobs"] for row in await self._read(tenant, queries()["superseded"])}

    async def add_file(
        self, tenant: int, principal: int, upload: str, kept: Kept, media_type: str, keep_days: float
    ) -> UploadedFile:
        """Name a file that lies in the upload store."""
        row = {**kept._asdict(), "id": upload, "media_type": media_type}
        more = {"principal": principal, "sha256": bytes.fromhex(kept.sha256), "keep_s": keep_days * 86400}
        (when,) = await self._read(tenant, queries()["add_file"], {**row, **more})
        return UploadedFile(**row, **when)

    async def files(
        self,
        tenant: int,
        *,
        ids: Sequence[str] | None = None,
        older_than: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[UploadedFile]:
        """The tenant's uploads, the newest first; those of these ids, or from where the page before ended."""
        at, last = older_than or (None, None)
        parameters = {"ids": list(ids) if ids is not None else None, "older_at": at, "older_id": last, "limit": limit}
        return [UploadedFile(**row) for row in await self._read(tenant, queries()["files"], parameters)]

    async def renew_files(self, tenant: int, ids: Collection[str], keep_days: float) -> set[str]:
        """Keep these uploads for so long from now; gives those that are there."""
        found = await self._read(tenant, queries()["renew_files"], {"ids": sorted(ids), "keep_s": keep_days * 86400})
        return {row["id"] for row in found}

    async def delete_file(self, tenant: int, upload: str) -> tuple[bool, str | None, str | None]:
        """Whether the upload is gone now; else a job that has not ended, or a schedule, that needs it."""
        (found,) = await self._read(tenant, queries()["delete_file"], {"id": upload})
        return found["gone"] is not None, found["needed_by"], found["scheduled_by"]

    async def schedules(self, tenant: int, named: str | None = None) -> list[Schedule]:
        """All schedules of the tenant by name, or the one of this folded name or number."""
        return [rows.schedule(row) for row in await self._read(tenant, queries()["schedules"], {"named": named})]

    async def add_schedule(self, tenant: int, principal: int, schedule: Fields, most: int) -> int | None:
        """Keep a schedule; gives its number, None where the name is taken or there are as many as may be."""
        parameters = {**schedule, "job": Jsonb(schedule["job"]), "principal": principal, "most": most}
        found = await self._read(tenant, queries()["add_schedule"], parameters)
        return int(found[0]["id"]) if found else None

    async def change_schedule(self, tenant: int, number: int, version: int, changed: Fields) -> bool:
        """Whether it was still of this version."""
        parameters = {**changed, "job": Jsonb(changed["job"]), "id": number, "version": version}
        return bool(await self._read(tenant, queries()["change_schedule"], parameters))

    async def pause_schedule(self, tenant: int, number: int) -> bool:
        """Whether there is such a schedule; nothing comes of it until it is resumed."""
        return bool(await self._read(tenant, queries()["pause_schedule"], {"id": number}))

    async def resume_schedule(self, tenant: int, number: int, next_at: datetime) -> bool:
        """Whether it was paused; it comes next at `next_at`."""
        return bool(await self._read(tenant, queries()["resume_schedule"], {"id": number, "next_at": next_at}))

    async def ran_schedule(self, tenant: int, principal: int, number: int, job: str) -> None:
        """Say that somebody had its job created now."""
        await self._read(tenant, queries()["ran_schedule"], {"id": number, "job": job, "principal": principal})

    async def delete_schedule(self, tenant: int, number: int) -> bool:
        """Whether there was such a schedule. Its jobs stay."""
        return bool(await self._read(tenant, queries()["delete_schedule"], {"id": number}))

    async def webhooks(self, tenant: int, number: int | None = None) -> list[Webhook]:
        """All endpoints of the tenant, or the one of this number."""
        found = await self._read(tenant, queries()["webhooks"], {"id": number})
        return [Webhook(**{**row, "events": tuple(row["events"])}) for row in found]

    async def add_webhook(self, tenant: int, url: str, secret: str, events: Sequence[str]) -> int | None:
        """Register an endpoint; gives its number, None where its address is registered."""
        parameters = {"url": url, "secret": secret, "events": list(events)}
        found = await self._read(tenant, queries()["add_webhook"], parameters)
        return int(found[0]["id"]) if found else None

    async def change_webhook(
        self, tenant: int, number: int, events: Sequence[str] | None, enabled: bool | None
    ) -> bool:
        """Whether there is such an endpoint. None: as it is."""
        parameters = {"id": number, "events": None if events is None else list(events), "enabled": enabled}
        return bool(await self._read(tenant, queries()["change_webhook"], parameters))

    async def rotate_webhook(self, tenant: int, number: int, secret: str) -> bool:
        """Whether there is such an endpoint. Its secret of before is good for another day."""
        return bool(await self._read(tenant, queries()["rotate_webhook"], {"id": number, "secret": secret}))

    async def delete_webhook(self, tenant: int, number: int) -> bool:
        """Whether there was such an endpoint. Its deliveries go with it."""
        return bool(await self._read(tenant, queries()["delete_webhook"], {"id": number}))

    async def deliveries(self, tenant: int, endpoint: int, limit: int) -> list[Delivery]:
        """What an endpoint was told and is to be told, the newest first."""
        parameters = {"endpoint": endpoint, "limit": limit}
        return [Delivery(**row) for row in await self._read(tenant, queries()["deliveries"], parameters)]

    async def retry_delivery(self, tenant: int, endpoint: int, delivery: str) -> bool:
        """Whether there is such a delivery; it is due now."""
        return bool(await self._read(tenant, queries()["retry_delivery"], {"endpoint": endpoint, "id": delivery}))

    async def call_webhooks(self, tenant: int, named: Sequence[Fields]) -> None:
        """Tell addresses of the ends of single jobs: `job`, `url`, and the `secret` of an address that is new."""
        await self._call("SELECT call_webhooks(%s)", {"tenant": tenant, "webhooks": list(named)})

    async def person(self, tenant: int, name: str) -> int | None:
        """The number of the person of this name; None when there is none."""
        found = await self._read(tenant, queries()["person"], {"name": name})
        return int(found[0]["id"]) if found else None

    async def add_person(self, tenant: int, name: str) -> int | None:
        """Let somebody in; gives their number, None where the name is taken."""
        found = await self._read(tenant, queries()["add_person"], {"name": name})
        return int(found[0]["id"]) if found else None

    async def person_of(self, tenant: int, principal: int) -> tuple[int, str]:
        """Number and name of the person that this principal is, or whose agent it is."""
        found = await self._read(tenant, queries()["person_of"], {"principal": principal})
        return int(found[0]["principal"]), str(found[0]["name"])

    async def unseen(self, tenant: int, principal: int, limit: int) -> list[str]:
        """Jobs of this principal whose end nobody was told, within a day, newest first."""
        return [
            row["id"] for row in await self._read(tenant, queries()["unseen"], {"principal": principal, "limit": limit})
        ]

    async def notices(self, tenant: int, person: int) -> Notices | None:
        """Where this person is told, and how that goes; None: nowhere."""
        found = await self._read(tenant, queries()["notices"], {"person": person})
        return Notices(**found[0]) if found else None

    async def set_notices(self, tenant: int, person: int, address: str | None, wants: Sequence[str]) -> bool:
        """Tell this person there (None: where until now); False where that is nobody's address, or no person."""
        parameters = {"person": person, "address": address, "wants": list(wants)}
        return bool(await self._read(tenant, queries()["set_notices"], parameters))

    async def stop_notices(self, tenant: int, person: int) -> bool:
        """Forget the person's address; False where there was none."""
        return bool(await self._read(tenant, queries()["stop_notices"], {"person": person}))

    async def test_notices(self, tenant: int, person: int) -> str | None:
        """Where to send a test; None where there is no address, or the last test was just now."""
        found = await self._read(tenant, queries()["test_notices"], {"person": person})
        return str(found[0]["address"]) if found else None

    async def tested_notices(self, tenant: int, person: int, address: str, refused: str | None) -> None:
        """Record how the test of this address went; one that was taken puts an end to refusals."""
        parameters = {"person": person, "address": address, "refused": refused}
        await self._read(tenant, queries()["tested_notices"], parameters)

    async def add_link(
        self, tenant: int, principal: int, secret_hash: bytes, lasts_s: float, *, is_admin: bool = False
    ) -> None:
        """Keep the hash of a link that signs a browser in, once; with `is_admin` to operate, too."""
        parameters = {"principal": principal, "secret_hash": secret_hash, "lasts_s": lasts_s, "is_admin": is_admin}
        await self._read(tenant, queries()["add_link"], parameters)

    async def events(self, tenant: int, job_id: str) -> list[Event]:
        """What happened to the job, oldest first; also after it was deleted."""
        return [Event(**row) for row in await self._read(tenant, queries()["events"], {"job": job_id})]

    async def workers(self, tenant: int) -> list[Worker]:
        """Who works here, the living first."""
        return [rows.worker(row) for row in await self._read(tenant, queries()["workers"])]

    async def heads(self, tenant: int, ids: Sequence[str]) -> list[Head]:
        """The heads of the lanes in which those of the jobs stand that are due."""
        found = await self._read(tenant, queries()["heads"], {"jobs": list(ids), "most": MOST_AHEAD + 1})
        return [Head(**row) for row in found]

    async def going(self, tenant: int) -> list[Going]:
        """What runs, by queue and kind, and of which kinds only so many may."""
        return [Going(**row) for row in await self._read(tenant, queries()["going"])]

    async def runs(self, tenant: int) -> tuple[dict[str, list[Run]], datetime | None]:
        """Kind → its last runs, the newest first; and the database's clock, where there are any."""
        runs: dict[str, list[Run]] = defaultdict(list)
        found = await self._read(tenant, queries()["run_times"])
        for row in found:
            runs[row["kind"]].append(run_of(row["run"]))
        return runs, found[0]["now"] if found else None

    async def now(self, tenant: int) -> datetime:
        """The database's clock."""
        return cast("datetime", (await self._read(tenant, queries()["now"]))[0]["now"])

    async def tokens(self, tenant: int) -> list[dict[str, Any]]:
        """All tokens of the tenant, revoked ones too; never a secret."""
        return await self._read(tenant, queries()["tokens"])

    async def add_token(
        self, tenant: int, principal: int, name: str, secret_hash: bytes, scopes: Sequence[str], lasts: str | None
    ) -> int:
        """Keep the hash of a new token; `lasts` is how long it is good, such as `90 days`, None for ever. Gives its number."""
        parameters = {
            "principal": principal,
            "name": name,
            "secret_hash": secret_hash,
            "scopes": list(scopes),
            "lasts": lasts,
        }
        return int((await self._read(tenant, queries()["add_token"], parameters))[0]["id"])

    async def revoke_token(self, tenant: int, token: int) -> bool:
        """Whether there was such a token, still good until now."""
        return bool(await self._read(tenant, queries()["revoke_token"], {"token": token}))

    async def _call(self, text: str, batch: Fields) -> list[dict[str, Any]]:
        with failures():
            async with self._pool.connection() as connection:
                return await (await connection.execute(text, (jsonb(batch),))).fetchall()

    async def _read(self, tenant: int, text: str, parameters: Fields | None = None) -> list[dict[str, Any]]:
        return await read_as(self._pool, tenant, text, parameters)


def _where(wanted: Filter) -> tuple[str, dict[str, Any]]:
    given = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) not in (None, False)}
    # psycopg takes a tuple for a row, a list for an array.
    parameters: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in given.items()
    }
    if wanted.labels is not None:
        parameters["labels"] = Jsonb(dict(wanted.labels))
    if wanted.older_than:
        parameters["older_at"], parameters["older_id"] = parameters.pop("older_than")
    return " AND ".join(["WHERE j.tenant_id = current_tenant()", *(_CONDITIONS[name] for name in given)]), parameters
