"""The tools: what each is called, takes, says of itself and does."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

from mcp.types import ToolAnnotations
from pydantic import Field

from agent_tools.answers import Said
from agent_tools.app import Backburner, Receipt
from agent_tools.auth import require
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.eta import NOTHING
from agent_tools.jobs.job import Job, job_id
from agent_tools.jobs.kinds import Kind, Kinds
from agent_tools.reading import read
from agent_tools.requests import NewJob, job_filter, subject_name
from agent_tools.server import replies
from agent_tools.server.arguments import (
    After,
    Arguments,
    Changes,
    JobIds,
    Labels,
    Moment,
    Statuses,
    Values,
    Words,
    compact,
    parse,
    tidy,
)
from agent_tools.server.chat import Chat, wait_with_person
from agent_tools.server.replies import Reply
from agent_tools.settings import Settings
from agent_tools.view import Addresses, full
from sql.door import Filter

_FOREVER_S = 50
_FOLLOW_S = 25.0
"""How long a client is kept waiting for what it follows, where it cannot be given a task."""
MOST_CHARACTERS = 20_000
"""How long the list of tools may grow: about 5,000 tokens."""
MOST_KINDS = 50
_FAR = 2
"""Beyond so many times the time to wait, waiting is no use."""
READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
CREATES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
STOPS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


@dataclass(frozen=True)
class Desk:
    """What a tool works with: the installation as the caller, where it is served, and what the caller's client can do.

    `chat` is a way to ask its person; `takes_tasks` is whether it can be given a task instead of an answer.
    """

    backburner: Backburner
    addresses: Addresses
    chat: Chat | None = None
    takes_tasks: bool = False


Desks = Callable[[], Awaitable[Desk]]
"""What the caller of this request works with."""


@dataclass(frozen=True)
class Tool:
    """One tool. `schema` is the JSON schema of its arguments; `call` raises BackburnerError in sentences.

    One that is not listed works all the same for a model that knows of it. `gives_job`: its answer is a job's receipt.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    annotations: ToolAnnotations
    call: Callable[[Desk, Mapping[str, Any]], Awaitable[Reply]]
    is_listed: bool = True
    gives_job: bool = False


@dataclass(frozen=True)
class Allowed:
    """What the operator lets agents do, and whether people are asked in their chats, too, where a client can show a form."""

    agents_decide: bool = False
    agents_delete: bool = False
    ask_in_chat: bool = True

    @classmethod
    def by(cls, settings: Settings) -> "Allowed":
        """As the settings say."""
        return cls(settings.agents_decide, settings.agents_delete, settings.ask_in_chat)


NOTHING_MORE = Allowed()


def tools(kinds: Kinds, available: Callable[[Kind], bool], allowed: Allowed = NOTHING_MORE) -> list[Tool]:
    """Every tool of this installation, in an order that never changes; those that decide and delete only where agents may.

    Where the list would grow too long, the tools that create one kind each give way to `list_kinds`.
    """
    offered = [kind for kind in kinds.values() if kind.agent and available(kind)]
    creating = [_create_tool(kind) for kind in offered]
    deciding = [_tool(AnswerJob, CHANGES, answer_job)] if allowed.agents_decide else []
    deleting = [_tool(DeleteJobs, STOPS, delete_jobs)] if allowed.agents_delete else []
    others = [*(_tool(*each) for each in _TOOLS), *deciding, *deleting]
    if _characters([*creating, *others]) <= MOST_CHARACTERS:
        return [*creating, *others]
    listing = _tool(ListKinds, READS, partial(list_kinds, offered), "list_kinds")
    aside = [replace(tool, is_listed=False) for tool in creating]
    return [listing, *(_without_create_tools(tool) for tool in others), *aside]


def _characters(offered: Sequence[Tool]) -> int:
    """How long a list of these is: what a model reads before the conversation begins."""
    listed = [{"name": each.name, "description": each.description, "input_schema": each.schema} for each in offered]
    return len(json.dumps(listed, ensure_ascii=False, separators=(",", ":")))


def _without_create_tools(tool: Tool) -> Tool:
    return replace(tool, description=tool.description.replace("as in create_<kind>", "as list_kinds says"))


# -------------------------------------------------------------------------------------------------------- creating


class Common(Arguments):
    """What every job has of its own."""

    subject: Annotated[str | None, Field(description="Shelf to file the result under, e.g. 'Biology'.")] = None
    title: str | None = None
    labels: Labels | None = None
    again: Annotated[bool, Field(description="Make another one although the same was just made.")] = False


def _create_tool(kind: Kind) -> Tool:
    common = compact(Common.model_json_schema())["properties"]
    own = compact(kind.schema)
    schema = {**own, "properties": {**own.get("properties", {}), **common}, "additionalProperties": False}
    how_long = f" Takes {kind.usually}." if kind.usually and "takes" not in kind.description.lower() else ""
    description = f"{kind.description}{how_long} Answers at once with a job_id; the conversation goes on meanwhile."
    example = _as_call(f"create_{kind.name}", kind.example or {})

    async def create(desk: Desk, given: Mapping[str, Any]) -> Reply:
        require(desk.backburner, "jobs:create")
        tidied = tidy(given, {*kind.arguments.model_fields, *Common.model_fields})
        mine = {name: value for name, value in tidied.items() if name in Common.model_fields}
        asked = parse(Common, mine, example)
        args = {name: value for name, value in tidied.items() if name not in Common.model_fields}
        try:
            made = await desk.backburner.create(
                kind.name,
                _with_lists(kind, args),
                subject=asked.subject,
                title=asked.title,
                labels=asked.labels,
                again=asked.again,
            )
        except BadRequest as error:
            raise BadRequest(
                f"{error} A call that works: {example}" if kind.example else str(error), error.problems
            ) from None
        return await _receipt(desk, made, subject_name(asked.subject), args)

    return Tool(f"create_{kind.name}", description, schema, CREATES, create, gives_job=True)


async def _receipt(desk: Desk, made: Receipt, subject: str | None, args: Mapping[str, Any]) -> Reply:
    status = "queued"
    if not made.created:
        job = await desk.backburner.get(made.id)
        status, subject = str(job.status), job.subject
    takes = await desk.backburner.takes(made.kind.name, args)
    is_worked = await desk.backburner.is_worked()
    return replies.receipt(made, status, subject, desk.addresses, is_worked=is_worked, takes=takes)


def _with_lists(kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    """A lone string for a list, where the kind itself does not understand one."""
    own = kind.schema.get("properties", {})
    lone = {name for name, value in args.items() if isinstance(value, str) and own.get(name, {}).get("type") == "array"}
    if not lone:
        return dict(args)
    try:
        kind.parse(args)
    except BadRequest:
        return {name: [value] if name in lone else value for name, value in args.items()}
    return dict(args)


class OneOfMany(Arguments):
    """A job of a batch."""

    kind: str
    args: dict[str, Any] = Field(default_factory=dict)
    subject: str | None = None
    title: str | None = None
    labels: Labels | None = None
    again: bool = False
    priority: Literal["low", "normal", "high"] = "normal"
    run_after: Moment | None = None
    after: Annotated[
        After | None, Field(description="Begin when these have ended: job ids, or places in this list from 0.")
    ] = None
    if_parent_fails: Literal["cancel", "run"] = "cancel"


class CreateJobs(Arguments):
    """Create up to 100 jobs in one go, of any kind: all of them or, if one is wrong, none.

    Each is {kind, args}; args as in create_<kind>.
    """

    jobs: Annotated[list[OneOfMany], Field(min_length=1, max_length=100)]
    idempotency_key: Annotated[str | None, Field(description="The same key is the same batch.")] = None


async def create_jobs(desk: Desk, asked: CreateJobs) -> Reply:
    """Keep all of a batch or none."""
    require(desk.backburner, "jobs:create")
    jobs = [
        NewJob(
            each.kind,
            each.args,
            each.subject,
            each.title,
            each.labels or {},
            each.again,
            each.priority,
            each.run_after,
            each.after or (),
            each.if_parent_fails,
        )
        for each in asked.jobs
    ]
    made = await desk.backburner.create_many(jobs, idempotency_key=asked.idempotency_key)
    first = await desk.backburner.get(made[0].id)
    return replies.batch(made, first.batch_id)


class ListKinds(Arguments):
    """The kinds of jobs there are, in a line each; of those that you name, all that they take. create_jobs creates them."""

    kinds: Annotated[Words | None, Field(max_length=10, description="Names of kinds: what these take.")] = None
    search: Annotated[str | None, Field(description="Only those with this in their name or description.")] = None


async def list_kinds(offered: Sequence[Kind], desk: Desk, asked: ListKinds) -> Reply:
    """Kinds in a line each, or some of them in full."""
    require(desk.backburner, "jobs:read")
    if asked.kinds is None:
        sought = (asked.search or "").casefold()
        found = [each for each in offered if sought in f"{each.name} {each.description}".casefold()]
        return replies.kinds(found[:MOST_KINDS], len(found))
    named = [desk.backburner.kinds.find(name) for name in asked.kinds]
    if aside := [each.name for each in named if each not in offered]:
        raise BadRequest(f"kinds: {', '.join(aside)} cannot be created by agents here.")
    return replies.kinds_in_full([(each, compact(each.schema)) for each in named])


# --------------------------------------------------------------------------------------------------------- looking


class JobStatus(Arguments):
    """How jobs are: status, progress, why one waits, what came out. With wait_seconds it waits, and never cancels.

    Do not call it in a loop right after creating; go on with the conversation and look when it matters.
    """

    job_ids: JobIds
    wait_seconds: Annotated[float, Field(ge=0, le=_FOREVER_S)] = 0
    until: Annotated[
        Literal["final", "any", "change"], Field(description="Wait for all to end, any to end, or any change.")
    ] = "final"
    since: Annotated[int | None, Field(description="With until=change: the version you know.")] = None
    detail: Annotated[bool, Field(description="Everything: result, artifacts, error, times.")] = False
    follow: Annotated[bool, Field(description="One job: until it ends, as a task where the client can, else 25 s.")] = (
        False
    )


async def job_status(desk: Desk, asked: JobStatus) -> Reply:
    """Jobs as they are, at once or when they change."""
    require(desk.backburner, "jobs:read")
    if asked.follow:
        if len(asked.job_ids) != 1:
            raise BadRequest(f"follow: is for one job at a time. A call that works: {_EXAMPLES['job_status']}")
        (job,) = await desk.backburner.wait(asked.job_ids, 0)
        if desk.takes_tasks and not job.status.is_final:
            return replies.followed(job)
        asked = asked.model_copy(update={"wait_seconds": asked.wait_seconds or _FOLLOW_S})
    since = (
        dict.fromkeys((each.strip().lower() for each in asked.job_ids), asked.since)
        if asked.since is not None
        else None
    )
    look = partial(desk.backburner.wait, asked.job_ids, until=asked.until, since=since)
    if asked.wait_seconds:
        jobs = await look(0)
        if far_s := await _too_far(desk, jobs, asked):
            return replies.with_patience(await status_of(desk, jobs, in_full=asked.detail), far_s)
    if desk.chat and asked.wait_seconds:
        jobs, told = await wait_with_person(desk.chat, desk.backburner, desk.addresses, look, asked.wait_seconds)
    else:
        jobs, told = await look(asked.wait_seconds), []
    return replies.with_remarks(await status_of(desk, jobs, in_full=asked.detail), told)


async def _too_far(desk: Desk, jobs: Sequence[Job], asked: JobStatus) -> float | None:
    """How long what is waited for takes at least, where that is far beyond the time to wait for it."""
    unended = [job for job in jobs if not job.status.is_final]
    if asked.until == "change" or not unended or any(job.waiting_for for job in unended):
        return None
    standings = await desk.backburner.standings(unended)
    left = [standing.eta.left for standing in standings.values() if standing.eta and not standing.eta.is_overdue]
    if asked.until == "any" and len(left) < len(jobs):
        return None
    soonest = (min if asked.until == "any" else max)(left, key=lambda each: each.low_s, default=NOTHING)
    return soonest.low_s if soonest.low_s > _FAR * asked.wait_seconds else None


async def status_of(desk: Desk, jobs: Sequence[Job], *, in_full: bool = False) -> Reply:
    """Jobs as they are; an agent has been told of those that ended."""
    standings, asks = await desk.backburner.standings(jobs), await desk.backburner.open_asks(jobs)
    await desk.backburner.see(jobs)
    if in_full:
        shown = [
            full(job, standings[job.id].why, desk.addresses, asks.get(job.id, ()), standings[job.id].eta)
            for job in jobs
        ]
        return replies.in_full(shown)
    return replies.status(jobs, standings, asks, await desk.backburner.now(), desk.addresses)


class Where(Arguments):
    """Which jobs."""

    subject: Annotated[str | None, Field(description="'unorganised' for those without one.")] = None
    status: Statuses | None = None
    kind: Words | None = None
    labels: Labels | None = None
    batch_id: str | None = None
    search: Annotated[str | None, Field(description="Words in title, result or error.")] = None
    created_after: Annotated[Moment | None, Field(description="ISO 8601, or an age: 7d, 12h.")] = None
    created_before: Moment | None = None
    unseen: Annotated[bool, Field(description="Only those that ended and were not looked at.")] = False
    mine: Annotated[bool, Field(description="Only those you created.")] = False


class ListJobs(Where):
    """List jobs, newest first, and the subjects they are filed under. Use it to find a job whose id you have lost."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    cursor: str | None = None


async def list_jobs(desk: Desk, asked: ListJobs) -> Reply:
    """A page of jobs, and on the first the subjects."""
    require(desk.backburner, "jobs:read")
    found = await desk.backburner.jobs(_filter(desk, asked), limit=asked.limit, cursor=asked.cursor)
    standings, asks = await desk.backburner.standings(found.jobs), await desk.backburner.open_asks(found.jobs)
    counts = None if asked.cursor else await desk.backburner.subjects()
    now = await desk.backburner.now()
    reply = replies.page(found.jobs, standings, asks, now, desk.addresses, found.next_cursor, counts)
    if asked.batch_id and not asked.cursor:
        reply = replies.with_batch(reply, await desk.backburner.batch(asked.batch_id))
    await desk.backburner.see(found.jobs)
    return reply


class ReadResult(Arguments):
    """Read what a completed job made: text in pages, pictures as images, else a link. A deck: its outline and overview."""

    job_id: str
    artifact: Annotated[str | None, Field(description="Its name, such as slide-03.png; default: what tells most.")] = (
        None
    )
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=100, le=40_000, description="Characters.")] = 8000
    find: Annotated[str | None, Field(description="Begin at this text's next occurrence.")] = None


async def read_result(desk: Desk, asked: ReadResult) -> Reply:
    """One artifact, as far as a model can read it."""
    require(desk.backburner, "jobs:read")
    reading = await read(
        desk.backburner, asked.job_id, asked.artifact, offset=asked.offset, limit=asked.limit, find=asked.find
    )
    await desk.backburner.see([reading.job])
    return replies.reading(reading, desk.addresses)


# -------------------------------------------------------------------------------------------------------- changing


class OrganiseJobs(Arguments):
    """File jobs under a subject: those named by job_ids, or all that fit `where`. The answer says how to undo it."""

    subject: Annotated[str | None, Field(description="'unorganised' takes them off the shelves.")] = None
    job_ids: JobIds | None = None
    where: Annotated[Where | None, Field(description="As list_jobs filters.")] = None
    expect: Annotated[int | None, Field(description="How many jobs you mean; another number moves nothing.")] = None
    create_subject: Annotated[bool, Field(description="A new subject although a similar one exists.")] = False
    undo: Annotated[int | None, Field(description="Take back this move.")] = None


async def organise_jobs(desk: Desk, asked: OrganiseJobs) -> Reply:
    """Move jobs, or take a move back."""
    require(desk.backburner, "jobs:organise")
    if asked.undo is not None:
        return replies.undone(await desk.backburner.undo(asked.undo))
    if asked.subject is None:
        raise BadRequest("subject: is required ('unorganised' for none).")
    if (asked.job_ids is None) == (asked.where is None):
        raise BadRequest(f"Say which jobs: either job_ids or where. A call that works: {_EXAMPLES['organise_jobs']}")
    move = await desk.backburner.organise(
        asked.job_ids or (),
        where=_filter(desk, asked.where) if asked.where else None,
        expect=asked.expect,
        subject=asked.subject,
        create_subject=asked.create_subject,
    )
    return replies.moved(move, subject_name(asked.subject), len(asked.job_ids or move.was))


class RedoJob(Arguments):
    """Make a new version of a job that has ended, with some arguments changed; without changes it is a plain retry."""

    job_id: str
    changes: Annotated[
        Changes | None,
        Field(
            description='By path, counted from 0: {"slides/2": "# …", "theme": "midnight"}. In lists null removes, '
            '{"before": 4} moves, "slides/+2" inserts before 2, "slides/-" appends; positions as they were.'
        ),
    ] = None


async def redo_job(desk: Desk, asked: RedoJob) -> Reply:
    """A new version."""
    require(desk.backburner, "jobs:create")
    made = await desk.backburner.redo(asked.job_id, asked.changes)
    new = await desk.backburner.get(made.id)
    return await _receipt(desk, made, new.subject, new.args)


class CancelJobs(Arguments):
    """Stop jobs that have not ended, by job_ids or a whole batch. A running one stops within a second."""

    job_ids: JobIds | None = None
    batch_id: str | None = None
    reason: str | None = None


async def cancel_jobs(desk: Desk, asked: CancelJobs) -> Reply:
    """What happened to each."""
    require(desk.backburner, "jobs:cancel")
    if (asked.job_ids is None) == (asked.batch_id is None):
        raise BadRequest(f"Say which jobs: either job_ids or batch_id. A call that works: {_EXAMPLES['cancel_jobs']}")
    if asked.batch_id is not None:
        return replies.cancelled(await desk.backburner.cancel_batch(asked.batch_id, asked.reason))
    return replies.cancelled(await desk.backburner.cancel(asked.job_ids or (), asked.reason))


class AnswerJob(Arguments):
    """Answer what a job asks, or alike what all of a batch ask, in your own name. Not for jobs that you created: a person has to."""

    job_id: str | None = None
    batch_id: str | None = None
    decision: Annotated[str | None, Field(description="One of the question's choices.")] = None
    notes: str | None = None
    values: Annotated[Values | None, Field(description="The form, filled in.")] = None
    ask: Annotated[int | None, Field(description="Its number, where the job asks several.")] = None


async def answer_job(desk: Desk, asked: AnswerJob) -> Reply:
    """The answer, where it counts."""
    require(desk.backburner, "jobs:answer")
    if (asked.job_id is None) == (asked.batch_id is None):
        raise BadRequest(f"Say which: either job_id or batch_id. A call that works: {_EXAMPLES['answer_job']}")
    said, own = Said(asked.decision, asked.values, asked.notes), desk.backburner.self_answer
    if asked.batch_id is not None:
        became = await desk.backburner.asks.answer_batch(asked.batch_id, said, own=own)
        return replies.answered_all([*became.values()])
    job = job_id(asked.job_id or "")
    meant = await desk.backburner.asks.get(asked.ask if asked.ask is not None else job)
    if meant.job != job:
        raise BadRequest(f"ask: question {meant.id} is not one of {job}.")
    return replies.answered(
        await desk.backburner.asks.answer(meant.id, said.decision, values=said.values, notes=said.notes, own=own)
    )


class DeleteJobs(Arguments):
    """Delete jobs that have ended, with their files, for good: those named by job_ids, or all that fit `where`."""

    job_ids: JobIds | None = None
    where: Annotated[Where | None, Field(description="As list_jobs filters.")] = None
    expect: Annotated[int | None, Field(description="How many jobs you mean; needed with where.")] = None


async def delete_jobs(desk: Desk, asked: DeleteJobs) -> Reply:
    """What was deleted, and what was not and why."""
    require(desk.backburner, "jobs:cancel")
    if (asked.job_ids is None) == (asked.where is None):
        raise BadRequest(f"Say which jobs: either job_ids or where. A call that works: {_EXAMPLES['delete_jobs']}")
    where = _filter(desk, asked.where) if asked.where else None
    return replies.deleted(await desk.backburner.delete(asked.job_ids or (), where=where, expect=asked.expect))


# --------------------------------------------------------------------------------------------------------- wiring

_EXAMPLES = {
    "create_jobs": 'create_jobs(jobs=[{"kind": "page", "args": {"content": "# Hello"}}])',
    "list_kinds": 'list_kinds(kinds=["page"])',
    "job_status": 'job_status(job_ids=["0e8z453fk1krg"], wait_seconds=20)',
    "list_jobs": 'list_jobs(status=["completed"], created_after="7d")',
    "read_result": 'read_result(job_id="0e8z453fk1krg")',
    "organise_jobs": 'organise_jobs(subject="Biology", job_ids=["0e8z453fk1krg"])',
    "redo_job": 'redo_job(job_id="0e8z453fk1krg", changes={"theme": "midnight"})',
    "answer_job": 'answer_job(job_id="0e8z453fk1krg", decision="approve")',
    "cancel_jobs": 'cancel_jobs(job_ids=["0e8z453fk1krg"])',
    "delete_jobs": 'delete_jobs(where={"status": ["failed"], "created_before": "30d"}, expect=12)',
}
_TOOLS: Sequence[tuple[type[Arguments], ToolAnnotations, Callable[[Desk, Any], Awaitable[Reply]]]] = (
    (CreateJobs, CREATES, create_jobs),
    (JobStatus, READS, job_status),
    (ListJobs, READS, list_jobs),
    (ReadResult, READS, read_result),
    (OrganiseJobs, CHANGES, organise_jobs),
    (RedoJob, CREATES, redo_job),
    (CancelJobs, STOPS, cancel_jobs),
)


def _tool(
    model: type[Arguments],
    annotations: ToolAnnotations,
    do: Callable[[Desk, Any], Awaitable[Reply]],
    name: str | None = None,
) -> Tool:
    name = name or do.__name__
    schema = compact(model.model_json_schema())
    description = " ".join((model.__doc__ or "").split())
    schema.pop("description", None)

    async def call(desk: Desk, given: Mapping[str, Any]) -> Reply:
        return await do(desk, parse(model, given, _EXAMPLES[name]))

    return Tool(name, description, schema, annotations, call, gives_job=model is RedoJob)


def _filter(desk: Desk, asked: Where) -> Filter:
    fields = asked.model_dump(exclude={"mine", "limit", "cursor"}, exclude_none=True)
    return job_filter(**fields, principal=desk.backburner.who.principal if asked.mine else None)


def _as_call(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{argument}={value!r}' for argument, value in arguments.items())})"
