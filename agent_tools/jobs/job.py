"""The job as it was at one moment, and the machine that it moves through."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from agent_tools.jobs.errors import JobNotFound
from agent_tools.jobs.runs import SoFar


class JobStatus(StrEnum):
    """Where a job is. `waiting` jobs hold no worker."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """A final job never moves again; `redo` makes a new one."""
        return self in FINAL


QUEUED, RUNNING, WAITING, COMPLETED, FAILED, CANCELLED = JobStatus
FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
ANY = frozenset(JobStatus)

TRANSITIONS: Mapping[str, Mapping[JobStatus, frozenset[JobStatus]]] = {
    "claim": {QUEUED: frozenset({RUNNING})},
    "ring": {QUEUED: frozenset({QUEUED})},
    "beat": {RUNNING: frozenset({RUNNING})},
    "progress": {RUNNING: frozenset({RUNNING})},
    "settle": {RUNNING: frozenset({COMPLETED, FAILED, QUEUED, WAITING})},
    "wake": {WAITING: frozenset({QUEUED, CANCELLED, WAITING})},
    "answer": {QUEUED: frozenset({QUEUED}), RUNNING: frozenset({RUNNING}), WAITING: frozenset({QUEUED, WAITING})},
    "nudge": {RUNNING: frozenset({RUNNING}), WAITING: frozenset({WAITING})},
    "reap": {RUNNING: frozenset({QUEUED, FAILED})},
    "cancel": dict.fromkeys((QUEUED, RUNNING, WAITING), frozenset({CANCELLED})),
    "organise": {status: frozenset({status}) for status in JobStatus},
    "redo": {status: frozenset({status}) for status in FINAL},
    "delete": {status: frozenset[JobStatus]() for status in FINAL},
    "expire": {status: frozenset[JobStatus]() for status in FINAL},
}
"""Verb → from → to, as machine.sql enforces it; an empty set means the row is gone, a missing status that it stays."""

MOST_NAMES = 10
"""How many artifacts a sentence names; of more it says how many."""
_JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{13}")


def job_id(text: str) -> str:
    """The id, tidied: case does not matter. Raises JobNotFound for what cannot be one."""
    tidy = text.strip().lower()
    if not _JOB_ID.fullmatch(tidy):
        raise JobNotFound(f"'{text[:40]}' is no job id: they have 13 letters and digits, such as '0c3k9x2mq7f4w'.")
    return tidy


@dataclass(frozen=True)
class Progress:
    """What the handler last said. `done` of `of` in units of its own; None where it did not say."""

    message: str
    done: float | None = None
    of: float | None = None
    stage: str | None = None
    so_far: SoFar | None = None
    """What the run has taken until this was said."""

    @property
    def percent(self) -> int | None:
        """Whole percent, never above 100; None where the handler gave no numbers."""
        if self.done is None or not self.of:
            return None
        return min(100, int(100 * self.done / self.of))


@dataclass(frozen=True)
class JobError:
    """Why the last attempt ended badly: a code for programs, a sentence for people."""

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True)
class StoredArtifact:
    """A file on the shelf. It lies in the artifact store under tenant/job/fence/name."""

    name: str
    title: str
    media_type: str
    bytes: int
    sha256: str
    fence: int


def artifact_named(job: str, artifacts: Sequence[StoredArtifact], name: str) -> StoredArtifact:
    """The one of this name, title, or name without its suffix. Raises LookupError with a sentence naming those there are."""
    for artifact in artifacts:
        if name in (artifact.name, artifact.title):
            return artifact
    meant = [artifact for artifact in artifacts if name == Path(artifact.name).stem]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise LookupError(f"{job} has several artifacts '{name}'. Say which: {listed_names(meant)}.")
    raise LookupError(f"{job} has no artifact '{name[:60]}'. It has: {listed_names(artifacts)}.")


def listed_names(artifacts: Sequence[StoredArtifact]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(artifacts) - MOST_NAMES} more" if len(artifacts) > MOST_NAMES else ""
    return (", ".join(artifact.name for artifact in artifacts[:MOST_NAMES]) or "none") + more


@dataclass(frozen=True)
class Job:
    """A row of the book. All times are UTC; None means that it has not happened."""

    id: str
    tenant: int
    principal: int
    kind: str
    queue: str
    title: str
    args: Mapping[str, Any]
    subject: str | None
    labels: Mapping[str, str]
    priority: int
    batch_id: str | None
    redo_of: str | None
    status: JobStatus
    waiting_for: str | None
    version: int
    run_after: datetime
    rung_at: datetime | None
    attempt: int
    errors: int
    crashes: int
    max_attempts: int | None
    fence: int | None
    worker: str | None
    lease_until: datetime | None
    deadline_at: datetime | None
    progress: Progress | None
    result: Any
    result_line: str | None
    decision: str | None
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    claimed_at: datetime | None
    finished_at: datetime | None
    seen_at: datetime | None
    keep_until: datetime | None
    artifacts: tuple[StoredArtifact, ...] = ()
    redo: Mapping[str, Any] | None = None
    """The arguments, in part, that changes are made to; None: those that it was created with."""
    waiting_on: str | None = None
    """The name of the question, or of what is looked for outside; also while it is just being looked for."""
    waiting_since: datetime | None = None
    goes_unless_filed: bool = False
    """Nothing but a subject keeps it beyond `keep_until`."""
    look_at: datetime | None = None
    """Waiting: when it is looked at again; None: not before something happens."""


class Limit(NamedTuple):
    """How many jobs of a kind may run at once in a tenant (None: as many as there are slots), and how many do."""

    most: int | None
    running: int

    @property
    def is_reached(self) -> bool:
        """Whether the next one has to wait."""
        return self.most is not None and self.running >= self.most


@dataclass(frozen=True)
class Batch:
    """How far the jobs are that were created together: how many are in each status, and how many questions are open."""

    id: str
    counts: Mapping[JobStatus, int]
    asks: int

    @property
    def of(self) -> int:
        """How many jobs are kept of it."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """How many of them have ended, however they did."""
        return sum(count for status, count in self.counts.items() if status.is_final)

    @property
    def percent(self) -> int:
        """Whole percent of the jobs that have ended."""
        return 100 * self.done // self.of

    @property
    def said(self) -> str:
        """The same in words: `7 of 10 done: 6 completed, 1 failed, 3 waiting; 3 questions open`."""
        counted = ", ".join(
            f"{self.counts[status]} {status}" for status in reversed(JobStatus) if status in self.counts
        )
        asks = f"; {self.asks} question{'' if self.asks == 1 else 's'} open" if self.asks else ""
        return f"{self.done} of {self.of} done: {counted}{asks}"


@dataclass(frozen=True)
class Event:
    """Something that happened to a job. `principal` is None where the machine did it."""

    at: datetime
    type: str
    principal: int | None
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Worker:
    """A process that announced itself. `unavailable` says which installed kinds it cannot run, and why."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    kinds: tuple[str, ...]
    unavailable: Mapping[str, str]
    max_jobs: int
    running: int
    started_at: datetime
    seen_at: datetime
    is_alive: bool
    version: str | None = None
    """Of the program; None: it did not say."""
