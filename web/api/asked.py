"""What programs send: bodies and query parameters. Unknown ones are refused by name."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from agent_tools.jobs.kinds import MAX_ARGS_BYTES
from agent_tools.requests import MAX_AFTER, MAX_BATCH, in_utc, moment

MOST_WAIT_S = 50
MOST_ANSWERS = 100

Status = Literal["queued", "running", "waiting", "completed", "failed", "cancelled"]
Moment = Annotated[
    datetime, BeforeValidator(moment), WithJsonSchema({"type": "string", "examples": ["2026-11-21T10:00:00Z", "7d"]})
]
"""ISO 8601, or an age."""
Due = Annotated[datetime, BeforeValidator(in_utc), WithJsonSchema({"type": "string", "format": "date-time"})]


def _label(text: str) -> str:
    if ":" not in text:
        raise ValueError("is a name and a value with a colon between: label=project:apollo.")
    return text


class Asked(BaseModel):
    """Anything sent."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NoQuery(Asked):
    """No query parameters."""


class AnyQuery(Asked):
    """Whatever a service adds to an address that it was given."""

    model_config = ConfigDict(extra="allow")


class Wait(Asked):
    """How long to wait before answering."""

    wait: float = Field(
        0, ge=0, le=MOST_WAIT_S, description="Answer when the job ends, at the latest after so many seconds."
    )


class NewJob(Asked):
    """A job to be created."""

    kind: str = Field(description="One of GET /api/v1/kinds.")
    args: dict[str, Any] = Field({}, description=f"The kind's own arguments; at most {MAX_ARGS_BYTES // 1_000_000} MB.")
    subject: str | None = Field(None, description="What to file the result under; a new name makes a new subject.")
    title: str | None = Field(None, description="At most 200 characters.")
    labels: dict[str, str] = Field({}, description="At most 20.")
    again: bool = Field(False, description="Make another one although the same was just asked for.")
    priority: Literal["low", "normal", "high"] = "normal"
    run_after: Due | None = Field(None, description="Not before this moment.")
    after: list[int | str] = Field(
        [],
        max_length=MAX_AFTER,
        description="Not before these jobs have ended: ids or, in a batch, places in it, from 0.",
    )
    if_parent_fails: Literal["cancel", "run"] = Field(
        "cancel", description="What to do where a job of `after` fails, is cancelled or deleted."
    )
    webhook_url: str | None = Field(None, description="An https address that is told of its end (Standard Webhooks).")


class NewJobs(Asked):
    """Jobs to be created together: all of them or, where one is wrong, none."""

    jobs: list[NewJob] = Field(min_length=1, max_length=MAX_BATCH)


class Wanted(Asked):
    """Which jobs are meant."""

    status: list[Status] = Field([], description="Any of these.")
    kind: list[str] = Field([], description="Any of these.")
    subject: str | None = Field(None, description="'unorganised' means those without one.")
    batch_id: str | None = None
    search: str | None = Field(None, max_length=500, description="Words of the title, the result or the error.")
    created_after: Moment | None = Field(None, description="ISO 8601, or an age such as 7d or 12h.")
    created_before: Moment | None = Field(None, description="ISO 8601, or an age such as 7d or 12h.")
    unseen: bool = Field(False, description="Only jobs that ended and whose end nobody was told.")
    mine: bool = Field(False, description="Only jobs that this caller created.")


class Where(Wanted):
    """Which jobs are meant, all conditions together; none: every job."""

    labels: dict[str, str] = Field({}, description="All of these.")


class ListQuery(Wanted):
    """Which page of which jobs."""

    label: list[Annotated[str, BeforeValidator(_label)]] = Field([], description="`name:value`; all of these.")
    limit: int = Field(10, ge=1, le=100)
    cursor: str | None = Field(None, description="next_cursor of the page before.")


Stage = Literal["discover", "transcribe", "enrich", "render"]


class EpisodesQuery(Asked):
    """Which page of which episodes."""

    stage: list[Stage] = Field([], description="Any of these; discover: known, and not transcribed.")
    status: list[Status] = Field([], description="Of its newest job, any of these.")
    source: str | None = Field(None, max_length=2000, description="Only this one.")
    found_in: str | None = Field(
        None, max_length=2000, description="Only what this folder, feed or page was found to hold."
    )
    unasked: bool = Field(False, description="Only those that no job was asked for yet.")
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, description="next_cursor of the page before.")


class Discover(Asked):
    """Where to look for recordings."""

    source: str = Field(
        max_length=2000, description="A folder (file:NAME/), a feed, or a page.", examples=["file:shows/"]
    )


class Filing(Asked):
    """What to change about a job; what is not named stays."""

    subject: str | None = Field(None, description="null: unorganised.")
    title: str | None = None
    labels: dict[str, str] = Field({}, description="In place of all labels it has.")


class Organise(Asked):
    """Jobs, named one by one or by what they have in common, and where they belong."""

    job_ids: list[str] | None = Field(None, min_length=1, max_length=1000)
    where: Where | None = None
    subject: str | None = Field(description="null: unorganised.")
    expect: int | None = Field(None, ge=0, description="How many jobs you mean; with another number nothing is moved.")
    create_subject: bool = Field(False, description="A new subject, although one with nearly that name exists.")


class Cancel(Asked):
    """Why a job is stopped."""

    reason: str | None = Field(None, max_length=500, description="Kept in the job's events.")


class CancelMany(Cancel):
    """Which jobs are stopped: those named, or all of a batch."""

    job_ids: list[str] | None = Field(None, min_length=1, max_length=1000)
    batch_id: str | None = None


class DeleteMany(Asked):
    """Which jobs are deleted: those named, or all that fit `where`."""

    job_ids: list[str] | None = Field(None, min_length=1, max_length=1000)
    where: Where | None = None
    expect: int | None = Field(
        None, ge=0, description="How many jobs you mean; with another number nothing is deleted. Needed with `where`."
    )


class StatsQuery(Asked):
    """Over which time."""

    days: int = Field(
        30,
        ge=1,
        le=366,
        description="Jobs created within so many days. Failed and cancelled ones are deleted after 30.",
    )


class Page(Asked):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=100)
    cursor: str | None = Field(None, description="next_cursor of the page before.")


class Upload(Asked):
    """What a file is called."""

    name: str | None = Field(
        None, max_length=1000, description="Where the form does not say it; made safe, and cut to 120 bytes."
    )


class Newest(Asked):
    """How much of a list."""

    limit: int = Field(50, ge=1, le=1000)


EndOfAJob = Literal["job.completed", "job.failed", "job.cancelled"]


class NewWebhook(Asked):
    """Who is to be told of what."""

    url: str = Field(description="An https address.")
    events: list[EndOfAJob] = Field(
        ["job.completed", "job.failed", "job.cancelled"],
        description="None: only the ends of jobs that name this address.",
    )


class WebhookChanges(Asked):
    """What is different; what is not named stays."""

    events: list[EndOfAJob] | None = None
    enabled: bool | None = None


_CRON = "Five fields (minute, hour, day of month, month, day of week), or @hourly, @daily, @weekly, @monthly."
_ZONE = "Whose clock is meant, by its IANA name."
_OVERLAP = "What comes of a time at which a job before has not ended: it is skipped, or there is another job."
_CATCH_UP = "What is created afterwards of times at which no worker was there: one job for the latest, or none."


class NewSchedule(Asked):
    """A job to be created again and again; what is said of it is as where one is created."""

    name: str = Field(max_length=200, description="At most 60 characters; taken once, whatever its case.")
    cron: str = Field(description=_CRON, examples=["0 6 * * MON-FRI"])
    timezone: str = Field("UTC", description=_ZONE, examples=["Europe/Berlin"])
    overlap: Literal["skip", "allow"] = Field("skip", description=_OVERLAP)
    catch_up: Literal["latest", "none"] = Field("latest", description=_CATCH_UP)
    kind: str = Field(description="One of GET /api/v1/kinds.")
    args: dict[str, Any] = Field({}, description="The kind's own arguments.")
    subject: str | None = Field(None, description="What to file the results under.")
    title: str | None = Field(None, description="{date} in it is the day on which it is.")
    labels: dict[str, str] = Field({}, description="At most 19; `schedule` is added, with the schedule's name.")
    priority: Literal["low", "normal", "high"] = "normal"
    webhook_url: str | None = Field(None, description="An https address that is told of each end.")


class ScheduleChanges(Asked):
    """What is different; what is not named stays."""

    name: str | None = Field(None, max_length=200)
    cron: str | None = Field(None, description=_CRON)
    timezone: str | None = Field(None, description=_ZONE)
    overlap: Literal["skip", "allow"] | None = Field(None, description=_OVERLAP)
    catch_up: Literal["latest", "none"] | None = Field(None, description=_CATCH_UP)
    kind: str | None = None
    args: dict[str, Any] | None = Field(None, description="In place of all that it has.")
    subject: str | None = Field(None, description="null: unorganised.")
    title: str | None = None
    labels: dict[str, str] | None = Field(None, description="In place of all that it has.")
    priority: Literal["low", "normal", "high"] | None = None
    webhook_url: str | None = Field(None, description="null: nobody.")


class AsksQuery(Asked):
    """Which page of which open questions."""

    job_id: str | None = Field(None, description="Only this job's.")
    batch_id: str | None = Field(None, description="Only those of jobs that were created together.")
    limit: int = Field(50, ge=1, le=MOST_ANSWERS)
    cursor: str | None = Field(None, description="next_cursor of the page before.")


class AskAnswer(Asked):
    """What somebody says to a question."""

    decision: str | None = Field(None, description="One of the question's choices; none where it has only a form.")
    values: dict[str, Any] | None = Field(None, description="The form, filled in.")
    notes: str | None = Field(None, description="A reason, or what should be different.")
    edited: str | None = Field(
        None, description="The text that was shown, as you changed it, where `shown` says `may_edit`."
    )
    shown_hash: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="Of the question as it was seen: where it shows something else by now, the answer is refused.",
    )


class AskAnswerTo(AskAnswer):
    """What somebody says to which question."""

    ask: int = Field(ge=1, lt=1 << 63, description="The question's number.")


class AnswerAlike(Asked):
    """What somebody says to all that the jobs of a batch ask."""

    batch_id: str
    decision: str | None = None
    values: dict[str, Any] | None = None
    notes: str | None = None


class AskAnswers(Asked):
    """Answers, each of which counts or not for itself: one by one, or one for all of a batch."""

    answers: list[AskAnswerTo] | None = Field(None, min_length=1, max_length=MOST_ANSWERS)
    alike: AnswerAlike | None = Field(None, description="Instead of `answers`: the same for all that a batch asks now.")


class Redo(Asked):
    """What is different in the new version."""

    changes: dict[str, Any] = Field(
        {},
        description='Arguments by path, counted from 0. In a list null removes an item, {"before": 4} moves it there '
        '("-": to the end), `slides/+2` puts an item or a list of them in front of the third, `slides/-` at the end. '
        "All positions mean the list as it was.",
        examples=[{"slides/2": "# Tides", "theme": "midnight"}, {"slides/0": None, "slides/5": {"before": 2}}],
    )
