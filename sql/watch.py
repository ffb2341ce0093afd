"""What keeps leases and finds lost jobs: blocking, on one connection, for a thread of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import DictRow, dict_row

from agent_tools.jobs.counts import BOUNDS_S
from sql.connect import conninfo, failures, jsonb
from sql.operations import MOST_COUNTED
from sql.queries import queries
from sql.schema import HANDS

# Two sweeps at once would be correct (SKIP LOCKED), but wasteful. Held for one statement only: a session lock
# outlives a stopped process, and then nobody sweeps.
_SWEEPER = 0x7377656570
RING = "SELECT id, tenant_id, queue, priority, dispatch FROM ring_jobs(%s)"


class Rung(NamedTuple):
    """A queued job and the message under which it was last rung (`id:dispatch`)."""

    id: str
    dispatch: int
    queue: str


class Due(NamedTuple):
    """A job to ring now."""

    id: str
    tenant: int
    queue: str
    priority: int
    dispatch: int


class Woken(NamedTuple):
    """A job that waited, and its status now."""

    id: str
    status: str


class WatchStore:
    """One connection, opened when first used and again after it broke; used by one thread at a time."""

    def __init__(self, database_url: str, *, statement_timeout_s: float) -> None:
        self._conninfo = conninfo(database_url, HANDS, statement_timeout_s=statement_timeout_s)
        self._connection: psycopg.Connection[DictRow] | None = None

    def close(self) -> None:
        """Give the connection back; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def beat(self, worker: int, lease_s: float, held: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        """Keep these (id, fence) leases; what is missing from the answer is not ours any more."""
        batch = {
            "worker": worker,
            "lease_s": lease_s,
            "jobs": [{"id": job_id, "fence": fence} for job_id, fence in held],
        }
        return {(row["id"], row["fence"]) for row in self._run("SELECT id, fence FROM beat_jobs(%s)", batch)}

    def reap(self) -> list[str]:
        """Take jobs from whoever let their lease run out."""
        return [row["id"] for row in self._sweep("SELECT id FROM reap_jobs(%s)", {})]

    def reap_workers(self, names: Sequence[str]) -> list[str]:
        """Take all jobs from workers that were seen to die."""
        return [row["id"] for row in self._run("SELECT id FROM reap_jobs(%s)", {"workers": list(names)})]

    def wake(self) -> list[Woken]:
        """Look at waiting jobs that are due; gives those that do not wait any longer."""
        return woken(self._sweep("SELECT id, status FROM wake_jobs(%s)", {}))

    def ring(self) -> list[Due]:
        """Mark what is due and was never rung, and give it: the caller rings."""
        return self._due(self._sweep(RING, {}))

    def ring_again(self, gone: Sequence[Rung]) -> list[Due]:
        """Mark those whose message was lost, unless somebody else did meanwhile."""
        return self._due(self._sweep(RING, {"jobs": [{"id": job.id, "dispatch": job.dispatch} for job in gone]}))

    def rung(self, after: str) -> list[Rung]:
        """Queued jobs that were rung over 2 s ago, by id from `after` on, at most 1,000."""
        return [Rung(**row) for row in self._run(queries()["rung"], after=after)]

    def expire(self, keep_days: int | None = None, *, most: int = 500) -> list[tuple[int, str]]:
        """Delete ended jobs that nobody promised to keep any longer; gives (tenant, id) of each.

        `keep_days` is for how long is kept what completed and nobody filed; None: for ever.
        """
        batch = {"keep_days": keep_days, "most": most}
        found = self._sweep("SELECT id, tenant_id FROM expire_jobs(%s)", batch)
        return [(row["tenant_id"], row["id"]) for row in found]

    def count(self) -> int:
        """Count what has happened since the last time; gives how many events that was, at most MOST_COUNTED."""
        found = self._sweep("SELECT events FROM count_jobs(%s)", {"bounds_s": BOUNDS_S, "most": MOST_COUNTED})
        return int(found[0]["events"]) if found else 0

    def stop(self, worker: int) -> None:
        """Say that this worker has left."""
        self._run("UPDATE workers SET stopped_at = now() WHERE id = %(worker)s RETURNING id", worker=worker)

    def postgres_age_s(self) -> float:
        """For how long this Postgres has been running."""
        return float(self._run(queries()["postgres_age"])[0]["seconds"])

    @staticmethod
    def _due(found: list[dict[str, Any]]) -> list[Due]:
        return [Due(*row.values()) for row in found]

    def _sweep(self, text: str, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
        with failures(), self._open().transaction():
            connection = self._open()
            mine = connection.execute("SELECT pg_try_advisory_xact_lock(%s) AS mine", (_SWEEPER,)).fetchone()
            if not mine or not mine["mine"]:
                return []
            return connection.execute(text, (jsonb(batch),)).fetchall()

    def _run(self, text: str, batch: Mapping[str, Any] | None = None, **parameters: Any) -> list[dict[str, Any]]:
        with failures():
            return self._open().execute(text, parameters if batch is None else (jsonb(batch),)).fetchall()

    def _open(self) -> psycopg.Connection[DictRow]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.Connection[DictRow].connect(
                self._conninfo, autocommit=True, row_factory=dict_row, prepare_threshold=0
            )
        return self._connection


def woken(found: Sequence[Mapping[str, Any]]) -> list[Woken]:
    """Of rows that wake_jobs looked at, those that do not wait on."""
    return [Woken(row["id"], row["status"]) for row in found if row["status"] != "waiting"]
