"""The database itself, read past every door, and what must be true of it after every fault."""

import re
from collections import Counter
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
            return self._opened().execute(text, parameters).fetchall()
        except psycopg.OperationalError:
            self.close()  # a restart is noticed by the first statement after it
            return self._opened().execute(text, parameters).fetchall()

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
        jobs = self.rows("SELECT * FROM jobs")
        stories: dict[str, list[str]] = {job["id"]: [] for job in jobs}
        for event in self.rows(
            "SELECT job_id, type FROM job_events WHERE type = ANY (%(known)s) ORDER BY id", known=list(_LETTERS)
        ):
            stories[event["job_id"]].append(event["type"])
        shelved: dict[str, list[dict[str, Any]]] = {job["id"]: [] for job in jobs}
        for artifact in self.rows("SELECT job_id, fence, name FROM artifacts"):
            shelved[artifact["job_id"]].append(artifact)
        for job in jobs:
            _assert_one_ending(job, stories[job["id"]])
            _assert_counts_add_up(job, Counter(stories[job["id"]]))
            _assert_one_set_of_artifacts(job, shelved[job["id"]])


def _assert_one_ending(job: dict[str, Any], story: list[str]) -> None:
    endings = [each for each in story if each in _FINAL]
    assert endings == ([job["status"]] if job["status"] in _FINAL else []), (job["id"], job["status"], story)
    life = _A_LIFE_WITH_WAITS if "waiting" in story else _A_LIFE
    assert life.fullmatch("".join(_LETTERS[each] for each in story)), (job["id"], story)


def _assert_counts_add_up(job: dict[str, Any], told: Counter[str]) -> None:
    code = (job["error"] or {}).get("code")
    poisoned = job["status"] == "failed" and code == "poison"
    assert job["crashes"] == told["crashed"] + poisoned <= 3, (job["id"], told)
    assert job["errors"] == told["retrying"] + told["failed"] - poisoned, (job["id"], told)
    assert job["max_attempts"] is None or job["errors"] <= job["max_attempts"], (job["id"], told)
    assert job["attempt"] <= job["errors"] + job["crashes"] + 1, (job["id"], told)


def _assert_one_set_of_artifacts(job: dict[str, Any], artifacts: list[dict[str, Any]]) -> None:
    if job["status"] != "completed":
        assert artifacts == [], job["id"]
    assert {each["fence"] for each in artifacts} <= {job["fence"]}, job["id"]
    assert len({each["name"] for each in artifacts}) == len(artifacts), job["id"]
