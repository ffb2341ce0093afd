"""What programs get. What is absent has not happened, or there is none."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from agent_tools.jobs.job import JobStatus


class Reply(BaseModel):
    """Anything answered. Fields may be added to it; programs pass over those that they do not know."""

    model_config = ConfigDict(extra="allow")


class Progress(Reply):
    """How far a job is. When it will have ended is told after three like it, and not where that lies with people."""

    percent: int | None = None
    stage: str | None = None
    message: str | None = None
    eta_seconds: int | None = Field(None, description="In how long it will have ended, as likely later as earlier.")
    eta_low_seconds: int | None = Field(None, description="9 of 10 take longer than this.")
    eta_high_seconds: int | None = Field(None, description="9 of 10 take less than this.")
    overdue: bool | None = Field(None, description="It takes longer than any like it: nobody knows how long.")
    usually_seconds: int | None = Field(None, description="Of what is overdue: what such jobs take.")


class JobError(Reply):
    """Why a job failed."""

    code: str
    message: str
    retryable: bool | None = None


class Artifact(Reply):
    """A file that a job made."""

    name: str
    title: str | None = None
    media_type: str
    bytes: int | None = None
    url: str | None = None
    uri: str


class Ask(Reply):
    """An open question to a person."""

    ask: int
    job_id: str
    kind: str
    title: str | None = Field(None, description="The job's.")
    name: str = Field(description="What the job knows the question by.")
    question: str
    choices: list[str] = []
    form: dict[str, Any] | None = Field(None, description="JSON schema of what is to be filled in.")
    shown: dict[str, Any] | None = Field(
        None,
        description="What it is about: `text` (Markdown), `data`, or what the `file` on the job's page is; with `may_edit` "
        "the text may be answered as `edited`.",
    )
    shown_hash: str = Field(description="Stands for exactly what is asked and shown; send it back with the answer.")
    for_person: str | None = Field(None, description="Whose answer is wanted; absent: anybody's who may answer.")
    asked_at: datetime
    deadline_at: datetime | None = None
    answer_url: str | None = Field(None, description="Where a person answers.")


class Asks(Reply):
    """A page of open questions, the oldest first."""

    asks: list[Ask]
    next_cursor: str | None = Field(description="Send it back as `cursor`; null: this was the last page.")


class Answered(Reply):
    """What became of one answer."""

    ask: int
    job_id: str | None = None
    answered: bool
    code: str | None = Field(None, description="Why it does not count, as in a problem.")
    detail: str | None = Field(None, description="The same as a sentence: who was first, when, with what.")


class AnsweredAll(Reply):
    """What became of answers, in the order in which they were sent."""

    answers: list[Answered]


class ListedJob(Reply):
    """A job as lists show it: without its result, and without why it is where it is."""

    job_id: str
    kind: str
    title: str | None = None
    status: JobStatus
    waiting_for: Literal["person", "outside", "jobs"] | None = None
    waiting_on: str | None = Field(None, description="The name of the question, or of what is looked for outside.")
    waiting_since: datetime | None = None
    subject: str | None = Field(None, description="Absent: unorganised.")
    labels: dict[str, str] = {}
    priority: Literal["low", "high"] | None = Field(None, description="Absent: normal.")
    progress: Progress | None = None
    attempt: int | None = None
    version: int = Field(description="Counted up by every visible change; also the ETag.")
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    run_after: datetime | None = None
    error: JobError | None = None
    result_line: str | None = Field(None, description="The result in a sentence.")
    decision: str | None = Field(None, description="What a person decided, where that is the result.")
    artifacts: list[Artifact] = []
    batch_id: str | None = None
    redo_of: str | None = None
    keep_until: datetime | None = Field(None, description="When it will be deleted; absent: never.")
    goes_unless_filed: bool | None = Field(None, description="True: a subject keeps it beyond that.")
    page_url: str | None = None


class Job(ListedJob):
    """A job in full."""

    why: str = Field(description="A sentence saying why it is where it is.")
    asks: list[Ask] = Field([], description="The open questions of a job that waits for a person.")
    result: Any = None
    created: bool | None = Field(None, description="In answer to a creation: false where it is an earlier job.")


class CreatedJob(ListedJob):
    """A job of a batch."""

    created: bool = Field(description="False where it is an earlier job.")


class BatchProgress(Reply):
    """How far jobs are that were created together."""

    batch_id: str
    done: int = Field(description="How many have ended, however they did.")
    of: int
    percent: int
    by_status: dict[JobStatus, int]
    asks_open: int = Field(description="How many questions wait for a person.")


class Jobs(Reply):
    """A page of jobs, newest first."""

    batch: BatchProgress | None = Field(None, description="Where the list is of one batch.")
    jobs: list[ListedJob]
    next_cursor: str | None = Field(description="Send it back as `cursor`; null: this was the last page.")


class Episode(Reply):
    """A recording, and how far it is."""

    source: str = Field(description="What to create an episode with.")
    title: str | None = None
    duration_s: float | None = None
    stage: Literal["discover", "transcribe", "enrich", "render"] = Field(
        description="The furthest that a job of it reached."
    )
    job_id: str | None = Field(None, description="Its newest job; absent: none was asked for.")
    status: JobStatus | None = Field(None, description="Of that job.")
    found_in: str | None = Field(None, description="The folder, feed or page that holds it.")
    at: datetime = Field(description="When that job was asked for, else when it was found.")


class Episodes(Reply):
    """A page of episodes, newest first."""

    episodes: list[Episode]
    next_cursor: str | None = Field(description="Send it back as `cursor`; null: this was the last page.")


class Batch(Reply):
    """Jobs that were created together, in the order in which they were sent."""

    batch_id: str | None = None
    jobs: list[CreatedJob]


class NotCancelled(Reply):
    """A job that was not stopped, and why."""

    job_id: str
    detail: str


class Cancelled(Reply):
    """What happened to jobs that were to be stopped."""

    cancelled: list[str]
    not_cancelled: list[NotCancelled]


class NotDeleted(Reply):
    """A job that was not deleted, and why."""

    job_id: str
    detail: str


class Deleted(Reply):
    """What happened to jobs that were to be deleted."""

    deleted: list[str]
    not_deleted: list[NotDeleted]


class MovedJob(Reply):
    """A job that lies elsewhere now."""

    job_id: str
    was: str | None = Field(description="The subject it had; null: none.")


class Move(Reply):
    """What was moved; jobs that lay there already are not named."""

    move_id: int | None = Field(
        None, description="Undo it with POST /api/v1/moves/{move_id}/undo. Absent: nothing moved."
    )
    moved: list[MovedJob]


class Undone(Reply):
    """The jobs that went back; those moved on since are not among them."""

    job_ids: list[str]


class File(Reply):
    """An upload."""

    file: str = Field(
        description="What an argument that takes a file says to mean it.", examples=["upload:0e8z453fk1krg"]
    )
    id: str
    name: str
    media_type: str
    bytes: int
    sha256: str
    created_at: datetime
    keep_until: datetime | None = Field(
        None, description="Counted anew whenever a job is created with it; kept longer while one needs it."
    )


class Files(Reply):
    """A page of uploads, newest first."""

    files: list[File]
    next_cursor: str | None = Field(description="Send it back as `cursor`; null: this was the last page.")


class Webhook(Reply):
    """An address that is told when jobs end."""

    id: int
    url: str
    events: list[str] = Field(description="Empty: only the ends of jobs that name this address.")
    of_jobs: bool | None = Field(None, description="True where it is here only because jobs name it.")
    enabled: bool
    disabled_because: str | None = None
    waiting: int = Field(description="How many messages are due or will be tried again.")
    given_up: int = Field(description="How many were tried in vain, or were left when it was switched off.")
    last_answer: str | None = Field(None, examples=["204 No Content", "503 Service Unavailable"])
    tried_at: datetime | None = None
    created_at: datetime


class MadeWebhook(Webhook):
    """One that was just made."""

    secret: str = Field(description="Messages are signed with it. Shown only now.", examples=["whsec_…"])


class WebhookSecret(Reply):
    """A new secret."""

    secret: str = Field(description="Messages are signed with it. Shown only now.")


class Webhooks(Reply):
    """Who is told: those that were registered first, then those that jobs name."""

    webhooks: list[Webhook]


class Delivery(Reply):
    """A message to an endpoint."""

    id: str = Field(description="The webhook-id: the same over all tries.")
    job_id: str
    type: str = Field(examples=["job.completed"])
    state: Literal["waiting", "delivered", "given up"]
    tries: int | None = None
    last_answer: str | None = None
    created_at: datetime
    tried_at: datetime | None = None
    next_at: datetime | None = None
    delivered_at: datetime | None = None


class Deliveries(Reply):
    """Messages to an endpoint, the newest first."""

    deliveries: list[Delivery]


class Schedule(Reply):
    """A job that is created again and again."""

    id: int
    name: str
    cron: str
    timezone: str
    when: str = Field(description="The times in words.", examples=["At 06:00 on Monday through Friday (Europe/Berlin)"])
    state: Literal["active", "paused", "failing"] = Field(
        description="Failing: it is due, and `last_error` says why not."
    )
    overlap: Literal["skip", "allow"]
    catch_up: Literal["latest", "none"]
    kind: str
    args: dict[str, Any]
    subject: str | None = None
    title: str | None = None
    labels: dict[str, str] | None = None
    priority: str | None = None
    webhook_url: str | None = None
    created_at: datetime
    paused_at: datetime | None = None
    next_at: datetime | None = Field(None, description="In the past while it is failing; absent while it is paused.")
    next_times: list[datetime] = Field(description="The next three from now on, paused or not.")
    fired_at: datetime | None = Field(None, description="The time for which the clock created its last job.")
    last_job: str | None = Field(None, description="The id of its newest job that is kept, by the clock or by hand.")
    last_status: JobStatus | None = None
    skipped: int | None = Field(None, description="How often a job before had not ended.")
    skipped_at: datetime | None = None
    missed: int | None = Field(
        None, description="How many times passed while no worker was there; at most 1,000 each time."
    )
    missed_at: datetime | None = None
    last_error: str | None = Field(None, description="Why it cannot be fired; tried again every minute.")
    error_since: datetime | None = None


class Schedules(Reply):
    """What is created by the clock, by name."""

    schedules: list[Schedule]


class Event(Reply):
    """Something that happened to a job."""

    number: int = Field(description="From 1, without gaps; the id of the server-sent event.")
    at: datetime
    type: str = Field(
        examples=["created", "started", "retrying", "completed", "failed", "cancelled", "organised", "scheduled"]
    )
    principal: int | None = Field(None, description="Who did it; absent: the machine.")
    data: dict[str, Any] = {}


class Events(Reply):
    """What happened to a job, oldest first. It can be read after the job was deleted."""

    events: list[Event]


class Kind(Reply):
    """A sort of job."""

    name: str
    description: str = ""
    aliases: list[str] = []
    usually: str | None = Field(None, description="How long it takes.")
    timeout_s: float | None = None
    args_schema: dict[str, Any] | None = Field(None, description="JSON schema of `args`.")
    available: bool
    reason: str | None = Field(None, description="Why it is not available.")


class Kinds(Reply):
    """What can be created here."""

    kinds: list[Kind]


class Count(Reply):
    """How many jobs lie in one place."""

    jobs: int
    by_status: dict[JobStatus, int]
    newest: datetime | None = None


class Subject(Count):
    """A subject, and how many jobs lie under it."""

    subject: str


class Subjects(Reply):
    """Every subject that has jobs, those with the newest first."""

    subjects: list[Subject]
    unorganised: Count


class KindStats(Reply):
    """How the jobs of one kind went."""

    kind: str
    created: int
    completed: int
    failed: int
    cancelled: int
    unfinished: int = Field(description="Queued, running or waiting now, whenever they were created.")
    waiting: int = Field(description="Of these, queued or waiting.")
    success_rate: float | None = Field(
        None, description="Completed among those that completed or failed, from 0 to 1; absent: none did."
    )
    average_seconds: float | None = Field(
        None, description="Of completed jobs, from the first start to the end, waits in between included."
    )
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    tokens_in: int | None = Field(None, description="What models read, where jobs say so in `usage` of their result.")
    tokens_out: int | None = None
    cost: float | None = Field(None, description="By LLM_PRICE_IN and LLM_PRICE_OUT, as they were then.")


class Stats(Reply):
    """How jobs went, by kind."""

    days: int
    kinds: list[KindStats]


class Health(Reply):
    """That the process is up."""

    status: Literal["up"]


class Readiness(Reply):
    """Whether jobs are taken. Degraded: they are kept, but what Redis or workers do comes late."""

    status: Literal["ready", "degraded", "unavailable"]
    postgres: bool
    redis: bool
    workers: int | None = Field(None, description="How many are alive; absent where Postgres does not answer.")
    tail_lag_seconds: float | None = Field(
        None, description="How far live news lie behind; absent where Postgres is away."
    )


class FieldProblem(Reply):
    """One thing wrong with what was sent."""

    field: str = Field(examples=["subject", "jobs/3/priority"])
    message: str


class Problem(Reply):
    """An error (RFC 9457)."""

    title: str
    status: int
    detail: str = Field(description="A sentence saying what is wrong, and what would work.")
    code: str = Field(description="For programs; stays the same when the sentence changes.", examples=["not_now"])
    errors: list[FieldProblem] | None = None


def answer(reply: Reply, status_code: int = 200, **headers: str) -> Response:
    """The reply as JSON; only what was set. `headers` with _ for -."""
    named = {"Cache-Control": "no-store"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        reply.model_dump_json(exclude_unset=True), status_code, named | NOSNIFF, media_type="application/json"
    )


NOSNIFF = {"X-Content-Type-Options": "nosniff"}
