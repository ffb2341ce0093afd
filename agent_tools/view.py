"""A job as programs and agents are shown it: in full, and in a line. What is absent is left out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from agent_tools.jobs.asks import Ask
from agent_tools.jobs.eta import Eta
from agent_tools.jobs.job import Batch, Job, StoredArtifact
from agent_tools.jobs.schedules import OF_ITS_JOB, Schedule
from agent_tools.jobs.why import percent, short
from agent_tools.requests import PRIORITIES

_PRIORITY_NAMES = {number: name for name, number in PRIORITIES.items()}


class Addresses:
    """Where things are served. `base` is the installation's address, without a slash at its end; None: not served."""

    def __init__(self, base: str | None) -> None:
        self.base = base

    def page(self, job_id: str) -> str | None:
        """The job's page."""
        return f"{self.base}/jobs/{job_id}" if self.base else None

    def artifact(self, job_id: str, name: str) -> str | None:
        """The artifact's file."""
        return f"{self.base}/artifacts/{job_id}/{quote(name)}" if self.base else None


def full(job: Job, why: str, addresses: Addresses, asks: Sequence[Ask] = (), eta: Eta | None = None) -> dict[str, Any]:
    """Everything about a job with its open questions, as the tools and the HTTP API give it."""
    return present(
        {
            "job_id": job.id,
            "kind": job.kind,
            "title": job.title,
            "status": str(job.status),
            "waiting_for": job.waiting_for,
            "waiting_on": job.waiting_on if job.waiting_for else None,
            "waiting_since": when(job.waiting_since) if job.waiting_for else None,
            "why": why,
            "subject": job.subject,
            "labels": dict(job.labels),
            "priority": _PRIORITY_NAMES[job.priority] if job.priority else None,
            "progress": progress(job, eta),
            "attempt": job.attempt,
            "version": job.version,
            "created_at": when(job.created_at),
            "started_at": when(job.started_at),
            "finished_at": when(job.finished_at),
            "run_after": when(job.run_after) if job.run_after > job.created_at else None,
            "error": present(vars(job.error)) if job.error else None,
            "result": job.result,
            "result_line": job.result_line,
            "decision": job.decision,
            "artifacts": [artifact(job, each, addresses) for each in job.artifacts],
            "asks": [asked(ask, addresses) for ask in asks],
            "batch_id": job.batch_id,
            "redo_of": job.redo_of,
            "keep_until": when(job.keep_until),
            "goes_unless_filed": job.goes_unless_filed or None,
            "page_url": addresses.page(job.id),
        }
    )


def concise(job: Job, why: str, now: datetime) -> dict[str, Any]:
    """A job in a line's worth: what a list shows."""
    ended = job.finished_at or job.created_at
    return present(
        {
            "id": job.id,
            "kind": job.kind,
            "title": job.title,
            "status": str(job.status),
            "line": job.result_line if job.status == "completed" else why,
            "subject": job.subject,
            "when": ago((now - ended).total_seconds()),
        }
    )


def asked(ask: Ask, addresses: Addresses) -> dict[str, Any]:
    """A question in full, and where a person answers it. Of a file that it shows only what it is."""
    file = (ask.shown or {}).get("file")
    shown = {"file": {name: file[name] for name in ("name", "title", "media_type")}} if file else ask.shown
    return present(
        {
            "ask": ask.id,
            "job_id": ask.job,
            "kind": ask.kind,
            "title": ask.title,
            "name": ask.name,
            "question": ask.question,
            "choices": list(ask.choices),
            "form": ask.form,
            "shown": shown,
            "shown_hash": ask.shown_hash,
            "for_person": ask.for_person,
            "asked_at": when(ask.asked_at),
            "deadline_at": when(ask.deadline_at),
            "answer_url": addresses.page(ask.job),
        }
    )


def asked_in_short(ask: Ask, addresses: Addresses) -> dict[str, Any]:
    """A question in a line's worth."""
    return present(
        {
            "ask": ask.id,
            "question": short(ask.question),
            "choices": list(ask.choices),
            "form": list((ask.form or {}).get("properties", ())),
            "for_person": ask.for_person,
            "answer_url": addresses.page(ask.job),
        }
    )


def batch(batch: Batch) -> dict[str, Any]:
    """How far a batch is."""
    return present(
        {
            "batch_id": batch.id,
            "done": batch.done,
            "of": batch.of,
            "percent": batch.percent,
            "by_status": {str(status): count for status, count in batch.counts.items()},
            "asks_open": batch.asks,
        }
    )


def progress(job: Job, eta: Eta | None = None) -> dict[str, Any] | None:
    """How far a job is, and when it will have ended; None where nothing is known of that, and once it has ended."""
    if job.status.is_final:
        return None
    said = job.progress
    fields = {
        "percent": percent(job, eta),
        "stage": said.stage if said else None,
        "message": said.message if said else None,
        **_seconds(eta),
    }
    return present(fields) or None


def _seconds(eta: Eta | None) -> dict[str, Any]:
    if eta is None:
        return {}
    if eta.is_overdue:
        return {"overdue": True, "usually_seconds": round(eta.usually_s)}
    left = {"eta": eta.left.mid_s, "eta_low": eta.left.low_s, "eta_high": eta.left.high_s}
    return {f"{name}_seconds": round(seconds) for name, seconds in left.items()}


def artifact(job: Job, stored: StoredArtifact, addresses: Addresses) -> dict[str, Any]:
    """One file of a job, and where to get it."""
    return present(
        {
            "name": stored.name,
            "title": stored.title,
            "media_type": stored.media_type,
            "bytes": stored.bytes,
            "url": addresses.artifact(job.id, stored.name),
            "uri": f"job://{job.id}/artifacts/{quote(stored.name)}",
        }
    )


def schedule(schedule: Schedule, now: datetime) -> dict[str, Any]:
    """A schedule in full, with its next times."""
    job = {name: schedule.job.get(name) for name in OF_ITS_JOB}
    return present(
        {
            "id": schedule.id,
            "name": schedule.name,
            "cron": schedule.when.cron,
            "timezone": schedule.when.timezone,
            "when": schedule.when.said,
            "state": schedule.state,
            **job,
            "created_at": when(schedule.created_at),
            "paused_at": when(schedule.paused_at),
            "next_at": when(schedule.next_at) if not schedule.paused_at else None,
            "next_times": [when(each) for each in schedule.next_times(now)],
            "last_job": schedule.last_job,
            "last_status": schedule.last_status,
            "fired_at": when(schedule.fired_at),
            "skipped": schedule.skipped or None,
            "skipped_at": when(schedule.skipped_at),
            "missed": schedule.missed or None,
            "missed_at": when(schedule.missed_at),
            "last_error": schedule.last_error,
            "error_since": when(schedule.error_since),
        }
    ) | {"args": dict(schedule.job["args"]), "overlap": schedule.overlap, "catch_up": schedule.catch_up}


def when(moment: datetime | None) -> str | None:
    """A moment in ISO 8601, to the second, in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def ago(seconds: float) -> str:
    """How long ago, in a word: `40s`, `4min`, `3h`, `12d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit} ago"
    return f"{max(seconds, 0):.0f}s ago"


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without those that say nothing."""
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [], {})}
