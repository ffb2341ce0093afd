"""What tests of the book begin with: rows put there by hand, and the stores over them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from agent_tools.jobs.job import JobStatus
from agent_tools.requests import hash_of
from sql.door import Answered, DoorStore
from sql.hands import Claim, HandsStore
from sql.watch import WatchStore

KIND = "sleep"
KINDS: Mapping[str, Mapping[str, float]] = {KIND: {"timeout_s": 600, "max_attempts": 3}}
LEASE_S = 15.0
ERROR = {"code": "unexpected", "message": "It broke.", "retryable": True}

AS_IT_MUST_BE: Mapping[JobStatus, Mapping[str, str]] = {
    JobStatus.QUEUED: {},
    JobStatus.RUNNING: {
        "worker_id": "1",
        "attempt": "1",
        "started_at": "now()",
        "claimed_at": "now()",
        "lease_until": "now() + interval '15 s'",
        "deadline_at": "now() + interval '10 min'",
    },
    JobStatus.WAITING: {"waiting_for": "'person'"},
    JobStatus.COMPLETED: {"finished_at": "now()"},
    JobStatus.FAILED: {"finished_at": "now()", "error": """'{"code": "gave_up", "message": "No."}'"""},
    JobStatus.CANCELLED: {"finished_at": "now()"},
}
"""Status → column → SQL: the least that the CHECKs ask of a row in it."""


@dataclass(frozen=True)
class Tenant:
    """Somebody who may own jobs."""

    id: int
    principal: int


class Book:
    """The tables themselves, as a superuser whom no policy binds."""

    def __init__(self, database_url: str) -> None:
        self.connection: psycopg.Connection[DictRow] = psycopg.Connection[DictRow].connect(
            database_url, autocommit=True, row_factory=dict_row, options="-c search_path=backburner -c timezone=UTC"
        )
        self.default = self.tenant("default")

    def run(self, text: str, *parameters: Any) -> list[dict[str, Any]]:
        cursor = self.connection.execute(text, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def one(self, text: str, *parameters: Any) -> Any:
        """The one value of the one row."""
        ((value,),) = (row.values() for row in self.run(text, *parameters))
        return value

    def tenant(self, name: str) -> Tenant:
        """This tenant, made if it is new."""
        if not self.run("SELECT 1 FROM tenants WHERE name = %s", name):
            made = self.one("INSERT INTO tenants (name) VALUES (%s) RETURNING id", name)
            self.run("INSERT INTO principals (tenant_id, name, role) VALUES (%s, 'owner', 'person')", made)
        found = self.run(
            "SELECT t.id, min(p.id) AS principal FROM tenants t JOIN principals p ON p.tenant_id = t.id"
            " WHERE t.name = %s GROUP BY t.id",
            name,
        )
        return Tenant(**found[0])

    def put(self, status: JobStatus = JobStatus.QUEUED, /, *, of: Tenant | None = None, **columns: str) -> str:
        """A job in this status, with `columns` (SQL each) beside or instead of what the status needs."""
        owner = of or self.default
        values = {
            "id": "new_job_id()",
            "tenant_id": str(owner.id),
            "principal_id": str(owner.principal),
            "kind": f"'{KIND}'",
            "args_hash": r"'\x00'",
            "fence": "nextval('fences')" if status is JobStatus.RUNNING else "NULL",
            "status": f"'{status}'",
            **AS_IT_MUST_BE[status],
            **columns,
        }
        return str(
            self.one(f"INSERT INTO jobs ({', '.join(values)}) VALUES ({', '.join(values.values())}) RETURNING id")
        )

    def link(self, job: str, after: str, if_parent_fails: str = "cancel") -> None:
        """Let one job come after another."""
        self.run(
            "INSERT INTO job_links (tenant_id, job_id, after_id, if_parent_fails) SELECT tenant_id, id, %s, %s FROM jobs WHERE id = %s",
            after,
            if_parent_fails,
            job,
        )

    def ask(self, job: str, name: str, shown: str = "00", **columns: str) -> int:
        """An open question of the job, with `columns` (SQL each)."""
        values = {"question": "'Publish?'", "choices": """'["approve", "reject"]'""", **columns}
        return int(
            self.one(
                f"INSERT INTO asks (tenant_id, job_id, name, shown_hash, {', '.join(values)})"
                f" SELECT tenant_id, id, %s, decode(%s, 'hex'), {', '.join(values.values())} FROM jobs WHERE id = %s RETURNING id",
                name,
                shown,
                job,
            )
        )

    def asks(self, job: str) -> list[dict[str, Any]]:
        return self.run("SELECT * FROM asks WHERE job_id = %s ORDER BY id", job)

    def row(self, job: str) -> dict[str, Any] | None:
        found = self.run("SELECT * FROM jobs WHERE id = %s", job)
        return found[0] if found else None

    def status(self, job: str) -> str:
        return str(self.one("SELECT status FROM jobs WHERE id = %s", job))

    def events(self, job: str) -> list[str]:
        return [row["type"] for row in self.run("SELECT type FROM job_events WHERE job_id = %s ORDER BY id", job)]

    def worker(self, name: str = "worker-1", kinds: Sequence[str] = (KIND,)) -> int:
        """A live worker that announced these kinds."""
        return int(
            self.one(
                "INSERT INTO workers (name, host, pid, queues, kinds, max_jobs) VALUES (%s, 'here', 1, '{default}', %s, 10)"
                " RETURNING id",
                name,
                list(kinds),
            )
        )

    def empty(self) -> None:
        """Delete what hangs on jobs and workers, and who came in since; tenants stay."""
        for table in (
            "jobs",
            "job_events",
            "job_counts",
            "subjects",
            "moves",
            "workers",
            "run_times",
            "files",
            "webhook_endpoints",
            "schedules",
        ):
            self.run(f"DELETE FROM {table}")
        self.run("DELETE FROM principals WHERE tenant_id = %s AND name NOT IN ('owner', 'agent')", self.default.id)
        self.run("UPDATE keeping SET days = NULL")

    def close(self) -> None:
        self.connection.close()


@dataclass(frozen=True)
class Stores:
    """The book and the typed stores over it."""

    book: Book
    door: DoorStore
    hands: HandsStore
    watch: WatchStore

    async def create(self, *jobs: Mapping[str, Any], of: Tenant | None = None, is_batch: bool = False) -> list[Any]:
        """What create_jobs gives for these, each told by what it differs in from `asked()`."""
        owner = of or self.book.default
        return await self.door.create(
            owner.id, owner.principal, [asked(**job) for job in jobs], guard_s=600, is_batch=is_batch
        )

    async def claim(self, *ids: str, worker: int = 1, kinds: Mapping[str, Any] = KINDS) -> list[Claim]:
        return await self.hands.claim(worker, LEASE_S, kinds, ids)

    async def settle(self, claim: Claim, outcome: str = "completed", **more: Any) -> str | None:
        """The status that the claim's job has now; None when it was not this claim's to settle."""
        settled = await self.hands.settle([ending(claim.id, claim.fence, outcome, **more)])
        return settled[claim.id, claim.fence].status if settled else None

    async def park(self, claim: Claim, on: str = "publish", shown: str = "00", **more: Any) -> str | None:
        """Park for a person's answer to the question of this name that shows this; or as `more` says."""
        row = {"name": on, "question": "Publish?", "choices": ["approve", "reject"], "form": None, "shown": None,
               "shown_hash_hex": shown, "for_person": None, "within_s": None}  # fmt: skip
        wait = {"waiting_for": "person", "waiting_on": on, "look_s": None, "ask": row, **more}
        return await self.settle(claim, "parked", **wait)

    async def answer(self, ask: int, decision: str = "approve", *, of: Tenant | None = None, **more: Any) -> Answered:
        """What became of one answer."""
        owner = of or self.book.default
        given = {"ask": ask, "answer": {"decision": decision, "values": None, "notes": None}, **more}
        (answered,) = await self.door.answer(owner.id, owner.principal, [given], own=True)
        return answered


def asked(**different: Any) -> dict[str, Any]:
    """A job as create_jobs reads it."""
    job = {
        "kind": KIND, "queue": "default", "title": "", "args": {}, "subject": None, "subject_folded": None, "labels": {},
        "priority": 0, "run_after": None, "redo_of": None, "idempotency_key": None, "request_hash": None, "again": False,
        **different,
    }  # fmt: skip
    return {"args_hash": hash_of([job["kind"], job["args"]]), **job}


def ending(job: str, fence: int | None, outcome: str = "completed", **more: Any) -> dict[str, Any]:
    """How an attempt ended, as settle_jobs reads it."""
    error = ERROR if outcome in ("failed", "errored") else None
    return {
        "id": job, "fence": fence, "outcome": outcome, "after_s": None, "result": None, "result_line": None, "error": error,
        "progress": None, "keep_days": None, "artifacts": [], **more,
    }  # fmt: skip


@asynccontextmanager
async def open_stores(database_url: str) -> AsyncIterator[Stores]:
    book, watch = Book(database_url), WatchStore(database_url, statement_timeout_s=10)
    try:
        async with DoorStore.open(database_url) as door, HandsStore.open(database_url) as hands:
            yield Stores(book, door, hands, watch)
    finally:
        watch.close()
        book.close()
