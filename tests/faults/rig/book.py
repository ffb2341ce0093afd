"""The database itself, read past every door, and what must be true of it after every fault."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

_LETTERS = {
    "created": "c", "started": "s", "retrying": "r", "crashed": "x", "given_back": "g",
    "completed": "C", "failed": "F", "cancelled": "K", "waiting": "w", "answered": "a",
}  # fmt: skip
_A_LIFE = re.compile(r"c(s[rxg])*(s[CF]|s?K|s)?")
"""Attempts begin and end in turn, and nothing follows the end of the job."""
_A_LIFE_WITH_WAITS = re.compile(r"c(s[wag]*[rxg])*(s[wag]*[CFK]?|K)?")
"""The same, with waits: an attempt that goes on after one is not told of as begun."""
_FINAL = ("completed", "failed", "cancelled")


class Book:
    """One connection as superuser, opened again after Postgres was away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[dict[str, Any]] | None = None

    def rows(self, text: str, **parameters: Any) -> list[dict[str, Any]]:
        """Raises psycopg.OperationalError while Postgres is away."""
        try:
            return self._rows(text, parameters)
        except psycopg.OperationalError:
            self.close()  # a restart is noticed by the first statement after it
            return self._rows(text, parameters)

    def _rows(self, text: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        cursor = self._opened().execute(text, parameters)
        return cursor.fetchall() if cursor.description else []

    def _opened(self) -> psycopg.Connection[dict[str, Any]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url, autocommit=True, row_factory=dict_row, options="-c search_path=backburner"
            )
        return self._connection

    def one(self, job: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM jobs WHERE id = %(job)s", job=job)
        return row

    def statuses(self) -> Counter[str]:
        found = self.rows("SELECT status, count(*) AS jobs FROM jobs GROUP BY status")
        return Counter({row["status"]: row["jobs"] for row in found})

    def ended(self, number: int) -> bool:
        """Whether `number` jobs are final and no others are left."""
        statuses = self.statuses()
        return sum(statuses.values()) == sum(statuses[each] for each in _FINAL) == number

    def running(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM jobs WHERE status = 'running' ORDER BY id")

    def events(self, job: str) -> list[str]:
        return [
            row["type"] for row in self.rows("SELECT type FROM job_events WHERE job_id = %(job)s ORDER BY id", job=job)
        ]

    def workers(self) -> dict[int, dict[str, Any]]:
        """Process id → the worker, for those that have not left."""
        return {row["pid"]: row for row in self.rows("SELECT * FROM workers WHERE stopped_at IS NULL")}

    def number(self, text: str, **parameters: Any) -> int:
        (row,) = self.rows(text, **parameters)
        return int(next(iter(row.values())))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # ---------------------------------------------------------------------------------------------- the invariants

    def assert_sound(self) -> None:
        """What holds after every fault: one ending per job, one set of artifacts, bounded attempts, a story that adds up."""
        problems = self.problems()
        assert not problems, problems

    def problems(self, since: datetime | None = None) -> list[str]:
        """What does not hold, of all jobs, or of those that have not ended or did `since`."""
        with self._opened().transaction():
            self.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            jobs = self.rows(
                "SELECT * FROM jobs WHERE %(since)s::timestamptz IS NULL OR finished_at IS NULL OR finished_at > %(since)s",
                since=since,
            )
            of = {"jobs": [job["id"] for job in jobs], "known": list(_LETTERS)}
            events = self.rows(
                "SELECT job_id, type FROM job_events WHERE job_id = ANY (%(jobs)s) AND type = ANY (%(known)s) ORDER BY id",
                **of,
            )
            shelved = self.rows(
                "SELECT job_id, fence, name FROM artifacts WHERE job_id = ANY (%(jobs)s)", jobs=of["jobs"]
            )
        stories, artifacts = defaultdict[str, list[str]](list), defaultdict[str, list[dict[str, Any]]](list)
        for event in events:
            stories[event["job_id"]].append(event["type"])
        for artifact in shelved:
            artifacts[artifact["job_id"]].append(artifact)
        return [problem for job in jobs for problem in _problems(job, stories[job["id"]], artifacts[job["id"]])]


def _problems(job: dict[str, Any], story: list[str], artifacts: list[dict[str, Any]]) -> Iterator[str]:
    told, code = Counter(story), (job["error"] or {}).get("code")
    poisoned = job["status"] == "failed" and code == "poison"
    about = f"{job['id']} ({job['kind']}, {job['status']}, attempt {job['attempt']}; {' '.join(story)})"
    if [each for each in story if each in _FINAL] != ([job["status"]] if job["status"] in _FINAL else []):
        yield f"{about} has not the one ending that it has"
    life = _A_LIFE_WITH_WAITS if "waiting" in story else _A_LIFE
    if not life.fullmatch("".join(_LETTERS[each] for each in story)):
        yield f"{about} has a story that cannot be"
    if not job["crashes"] == told["crashed"] + poisoned <= 3:
        yield f"{about} counts {job['crashes']} crashes"
    if job["errors"] != told["retrying"] + told["failed"] - poisoned:
        yield f"{about} counts {job['errors']} errors"
    if job["max_attempts"] is not None and job["errors"] > job["max_attempts"]:
        yield f"{about} had more errors than {job['max_attempts']} attempts"
    if job["attempt"] > job["errors"] + job["crashes"] + 1:
        yield f"{about} counts {job['errors']} errors and {job['crashes']} crashes"
    if artifacts and job["status"] != "completed":
        yield f"{about} has artifacts"
    if not {each["fence"] for each in artifacts} <= {job["fence"]}:
        yield f"{about} has artifacts of an attempt that did not complete it"
    if len({each["name"] for each in artifacts}) < len(artifacts):
        yield f"{about} has two artifacts of one name"
