"""A job and the world → one sentence saying why it is where it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_tools.jobs.asks import Ask, Parent
from agent_tools.jobs.job import Job, JobError, JobStatus, Progress, Worker
from agent_tools.jobs.why import duration, why

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def ago(**past: float) -> datetime:
    return NOW - timedelta(**past)


JOB = Job(
    id="0c3k9x2mq7f4w", tenant=1, principal=1, kind="quiz", queue="default", title="", args={}, subject=None, labels={}, priority=0,
    batch_id=None, redo_of=None, status=JobStatus.QUEUED, waiting_for=None, version=1, run_after=ago(seconds=40), rung_at=None,
    attempt=0, errors=0, crashes=0, max_attempts=None, fence=None, worker=None, lease_until=None, deadline_at=None, progress=None,
    result=None, result_line=None, decision=None, error=None, created_at=ago(seconds=40), started_at=None, claimed_at=None,
    finished_at=None, seen_at=None, keep_until=None,
)  # fmt: skip
WORKER = Worker("w1", "here", 1, ("default",), ("quiz",), {}, 10, 0, NOW, NOW, is_alive=True)
ERROR = JobError("unexpected", "The service was busy.")

RUNNING = {"status": JobStatus.RUNNING, "attempt": 1, "max_attempts": 3, "worker": "w1", "claimed_at": ago(minutes=4)}
ENDED = {"attempt": 1, "started_at": ago(minutes=8), "finished_at": ago(minutes=5)}
LOOKING = {
    "status": JobStatus.WAITING,
    "waiting_for": "outside",
    "waiting_on": "payment",
    "waiting_since": ago(days=3),
}
ASK = Ask(
    id=7, job=JOB.id, kind="quiz", title="", principal=1, name="publish", question="Publish?", choices=("approve", "reject"), form=None,
    shown=None, shown_hash="00", asked_at=ago(days=3), for_person=None, deadline_at=None, answer=None, answered_at=None,
    answered_by=None, withdrawn_at=None,
)  # fmt: skip
AFTER_AN_ERROR = {
    "errors": 1,
    "attempt": 1,
    "max_attempts": 3,
    "error": ERROR,
    "run_after": NOW + timedelta(seconds=30),
}


@pytest.mark.parametrize(
    ("job", "workers", "ahead", "sentence"),
    [
        ({"run_after": NOW + timedelta(hours=3)}, [], 0, "Scheduled to begin in 3 h."),
        (AFTER_AN_ERROR, [], 0, "Tries again in 30 s (attempt 2 of 3) after: The service was busy."),
        ({}, [], 0, "Queued 40 s: no worker is alive. Start one with 'backburner up' or 'backburner worker'."),
        (
            {},
            [{"is_alive": False}],
            0,
            "Queued 40 s: no worker is alive. Start one with 'backburner up' or 'backburner worker'.",
        ),
        ({}, [{"kinds": ("page",)}], 0, "Queued 40 s: no worker alive runs 'quiz' (1 worker: page)."),
        ({}, [{"kinds": ()}], 0, "Queued 40 s: no worker alive runs 'quiz' (1 worker: none at all)."),
        (
            {},
            [{"kinds": ("page",), "unavailable": {"quiz": "QUIZ_KEY is not set."}}] * 2,
            0,
            "Queued 40 s: no worker alive runs 'quiz' (2 workers: page). QUIZ_KEY is not set.",
        ),
        (
            {"queue": "media"},
            [{}],
            0,
            "Queued 40 s: no worker alive serves the queue 'media'. Set BACKBURNER_QUEUES=media for one.",
        ),
        ({}, [{"running": 10}], 1, "Queued 40 s: all 10 slots of 1 worker are taken; 1 job of yours before it."),
        (
            {},
            [{"running": 10}, {"running": 12}],
            5,
            "Queued 40 s: all 20 slots of 2 workers are taken; 5 jobs of yours before it.",
        ),
        (
            {"crashes": 1},
            [{}],
            0,
            "Queued 40 s (its worker died 1 of 3 times): it waits for a worker that runs no other job that has crashed.",
        ),
        ({}, [{"running": 9}], 7, "Queued 40 s: 7 jobs of yours before it, 1 slot free."),
        ({}, [{}], 0, "Queued 40 s: about to begin."),
        ({"created_at": ago(days=9), "run_after": ago(minutes=1)}, [{}], 0, "Queued 1 min: about to begin."),
        (RUNNING, [], 0, "Running for 4 min on w1, attempt 1 of 3."),
        (
            {**RUNNING, "progress": Progress("Drawing", 1, 3)},
            [],
            0,
            "Running for 4 min on w1, attempt 1 of 3: Drawing (33%).",
        ),
        ({**RUNNING, "progress": Progress("Drawing")}, [], 0, "Running for 4 min on w1, attempt 1 of 3: Drawing."),
        ({**RUNNING, "attempt": 4, "claimed_at": None, "worker": None}, [], 0, "Running for a moment, attempt 4."),
        (
            {**RUNNING, "lease_until": ago(seconds=9)},
            [],
            0,
            "Running for 4 min on w1, but that worker's lease ran out 9 s ago; the sweep gives the job to another.",
        ),
        (
            {"status": JobStatus.WAITING, "waiting_for": "person"},
            [],
            0,
            "Waiting for a person's answer. It waits as long as that takes.",
        ),
        (
            {"status": JobStatus.WAITING, "waiting_for": "outside"},
            [],
            0,
            "Waiting for something outside; it looks again when it is called.",
        ),
        (
            {**LOOKING, "look_at": NOW + timedelta(minutes=20)},
            [],
            0,
            "Waiting for 3 days for 'payment' outside; it looks again in 20 min.",
        ),
        ({"status": JobStatus.WAITING, "waiting_for": "jobs"}, [], 0, "Waiting for other jobs to end first."),
        ({"status": JobStatus.COMPLETED, **ENDED}, [], 0, "Completed 5 min ago, in 3 min."),
        ({"status": JobStatus.FAILED, **ENDED, "error": ERROR}, [], 0, "Failed 5 min ago: The service was busy."),
        (
            {"status": JobStatus.FAILED, **ENDED, "attempt": 3, "error": ERROR},
            [],
            0,
            "Failed 5 min ago after 3 attempts: The service was busy.",
        ),
        ({"status": JobStatus.CANCELLED, "finished_at": ago(days=12)}, [], 0, "Cancelled 12 days ago."),
        (
            {"status": JobStatus.CANCELLED, "finished_at": ago(days=12), "error": ERROR},
            [],
            0,
            "Cancelled 12 days ago.",
        ),
        (
            {
                "status": JobStatus.CANCELLED,
                "finished_at": ago(days=12),
                "error": JobError("parent_failed", "It was to come after 0c3 (failed)."),
            },
            [],
            0,
            "Cancelled 12 days ago: It was to come after 0c3 (failed).",
        ),
    ],
)
def test_why(job: dict[str, Any], workers: list[dict[str, Any]], ahead: int, sentence: str) -> None:
    assert why(replace(JOB, **job), NOW, [replace(WORKER, **worker) for worker in workers], ahead) == sentence


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        ({}, "Waiting for a person's answer: 'Publish?' (asked 3 days ago)."),
        ({"for_person": "Marta"}, "Waiting for Marta's answer: 'Publish?' (asked 3 days ago)."),
        (
            {"deadline_at": NOW + timedelta(hours=5)},
            "Waiting for a person's answer: 'Publish?' (asked 3 days ago, open for 5 h more).",
        ),
        ({"question": "Publish?\n\nIt is long."}, "Waiting for a person's answer: 'Publish?' (asked 3 days ago)."),
        ({"question": "x" * 200}, f"Waiting for a person's answer: '{'x' * 99}…' (asked 3 days ago)."),
    ],
)
def test_why_a_job_waits_for_an_answer(ask: dict[str, Any], sentence: str) -> None:
    job = replace(JOB, status=JobStatus.WAITING, waiting_for="person", waiting_on="publish")
    other = replace(ASK, id=8, name="another", question="Another?")

    assert why(job, NOW, [], asks=[other, replace(ASK, **ask)]) == sentence


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        (["running"], "Waiting for 1 job to end first: 0 (quiz Cells, running)."),
        (
            ["completed", "queued", "waiting"],
            "Waiting for 2 of 3 jobs to end first: 1 (quiz Cells, queued), 2 (quiz Cells, waiting).",
        ),
        (
            ["queued"] * 5,
            "Waiting for 5 of 5 jobs to end first: 0 (quiz Cells, queued), 1 (quiz Cells, queued), 2 (quiz Cells, queued) and 2 more.",
        ),
        (["completed", None], "The jobs that it comes after have ended: about to begin."),
    ],
)
def test_why_a_job_waits_for_others(statuses: list[str | None], sentence: str) -> None:
    parents = [Parent(str(number), "quiz", "Cells", status) for number, status in enumerate(statuses)]

    assert why(replace(JOB, status=JobStatus.WAITING, waiting_for="jobs"), NOW, [], parents=parents) == sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (119, "2 min"), (3599, "60 min"), (3600, "1 h"), (86_400, "24 h"),
     (2 * 86_400, "2 days"), (400 * 86_400, "400 days")],
)  # fmt: skip
def test_a_length_of_time_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
