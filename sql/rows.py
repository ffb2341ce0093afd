"""Rows as the domain's own values."""

from collections.abc import Mapping
from typing import Any

from agent_tools.jobs.job import Job, JobError, JobStatus, Progress, StoredArtifact, Worker
from agent_tools.jobs.runs import so_far_of
from agent_tools.jobs.schedules import Schedule, When

Row = Mapping[str, Any]


def job(row: Row) -> Job:
    """A row of the query job_columns."""
    values = dict(row)
    values["status"] = JobStatus(values["status"])
    values["progress"] = _progress(values["progress"]) if values["progress"] else None
    values["error"] = JobError(**values["error"]) if values["error"] else None
    if isinstance(values["result"], dict) and isinstance(values["result"].get("redo"), dict):
        values["redo"] = values["result"].pop("redo")
        values["result"] = values["result"] or None
    values["artifacts"] = tuple(StoredArtifact(**artifact) for artifact in values["artifacts"] or ())
    return Job(**values)


def _progress(row: Row) -> Progress:
    return Progress(**{**row, "so_far": so_far_of(row.get("so_far"))})


def worker(row: Row) -> Worker:
    """A row of the query workers."""
    return Worker(**{**row, "queues": tuple(row["queues"]), "kinds": tuple(row["kinds"])})


def schedule(row: Row) -> Schedule:
    """A row of the query schedules."""
    values = dict(row)
    when = When(values.pop("cron"), values.pop("timezone"))
    return Schedule(**values, when=when)
