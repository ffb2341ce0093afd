"""The machine: TRANSITIONS, the SQL verbs and the CHECKs draw the same arrows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex

import psycopg
import pytest
from given import LEASE_S, Book, Stores, ending

from agent_tools.jobs.errors import NotNow
from agent_tools.jobs.job import CANCELLED, COMPLETED, FAILED, FINAL, QUEUED, RUNNING, TRANSITIONS, WAITING, JobStatus

FENCE = 1000


@dataclass(frozen=True)
class Way:
    """One way to call a verb, and where a job goes by it; `to` None: it stays where it is, or is gone."""

    name: str
    verb: str
    call: Callable[[Stores, str], Awaitable[Sequence[str]]]
    to: JobStatus | None = None
    row: Mapping[str, str] = field(default_factory=dict)
    """What the row must be like for the verb to mean it, whatever its status (SQL by column)."""
    running: Mapping[str, str] = field(default_factory=dict)
    """The same, where only a running row can be like that."""
    waiting: Mapping[str, str] = field(default_factory=dict)
    """The same, where only a waiting row can be like that."""

    parked: JobStatus | None = None
    """Where a waiting job goes by it, if not to `to`."""

    def after(self, status: JobStatus) -> JobStatus:
        """Where a job of this status is afterwards."""
        return (self.parked if status is WAITING else None) or self.to or status

    def columns(self, status: JobStatus) -> dict[str, str]:
        """What a row in this status is to be like."""
        special = {RUNNING: self.running, WAITING: self.waiting}.get(status, {})
        return {"fence": str(FENCE), **self.row, **special}


async def _claim(stores: Stores, job: str) -> Sequence[str]:
    return [claim.id for claim in await stores.claim(job)]


async def _ring(stores: Stores, job: str) -> Sequence[str]:
    return [due.id for due in stores.watch.ring()]


async def _beat(stores: Stores, job: str) -> Sequence[str]:
    return [kept for kept, _ in stores.watch.beat(1, LEASE_S, [(job, FENCE)])]


async def _progress(stores: Stores, job: str) -> Sequence[str]:
    return list(await stores.hands.progress([{"id": job, "fence": FENCE, "progress": {"message": "Half", "done": 1}}]))


def _settle(outcome: str, **more: object) -> Callable[[Stores, str], Awaitable[Sequence[str]]]:
    async def call(stores: Stores, job: str) -> Sequence[str]:
        return [settled for settled, _ in await stores.hands.settle([ending(job, FENCE, outcome, **more)])]

    return call


async def _reap(stores: Stores, job: str) -> Sequence[str]:
    return stores.watch.reap()


async def _reap_worker(stores: Stores, job: str) -> Sequence[str]:
    return stores.watch.reap_workers(["worker-1"])


async def _wake(stores: Stores, job: str) -> Sequence[str]:
    return [woken["id"] for woken in stores.book.run("SELECT id FROM wake_jobs('{}')")]


def _wake_after(parent: JobStatus) -> Callable[[Stores, str], Awaitable[Sequence[str]]]:
    async def call(stores: Stores, job: str) -> Sequence[str]:
        stores.book.link(job, stores.book.put(parent))
        return await _wake(stores, job)

    return call


async def _answer(stores: Stores, job: str) -> Sequence[str]:
    ask = stores.book.ask(job, "publish", shown=token_hex(8))
    if JobStatus(stores.book.status(job)).is_final:
        stores.book.run("UPDATE asks SET withdrawn_at = now() WHERE id = %s", ask)
    given = await stores.door.answer(*_owner(stores), [{"ask": ask, "answer": {"decision": "approve"}}], own=True)
    return [str(answered.job) for answered in given if answered.outcome == "answered"]


async def _nudge(stores: Stores, job: str) -> Sequence[str]:
    return [job] if await stores.hands.nudge(job) else []


async def _cancel(stores: Stores, job: str) -> Sequence[str]:
    return [stopped.id for stopped in await stores.door.cancel(*_owner(stores), [job])]


async def _organise(stores: Stores, job: str) -> Sequence[str]:
    return list((await stores.door.organise(*_owner(stores), [job], {"title": "Another"})).was)


async def _redo(stores: Stores, job: str) -> Sequence[str]:
    try:
        (new,) = await stores.create({"redo_of": job, "again": True})
    except NotNow:
        return []
    return [str(row["redo_of"]) for row in stores.book.run("SELECT redo_of FROM jobs WHERE id = %s", new.id)]


async def _delete(stores: Stores, job: str) -> Sequence[str]:
    return await stores.door.delete(*_owner(stores), [job])


async def _expire(stores: Stores, job: str) -> Sequence[str]:
    return [gone for _, gone in stores.watch.expire()]


def _owner(stores: Stores) -> tuple[int, int]:
    return stores.book.default.id, stores.book.default.principal


SILENT = {"lease_until": "now() - interval '1 s'"}
DUE = {"look_at": "now()"}
AFTER = {"waiting_for": "'jobs'", **DUE}
LATE = {**SILENT, "deadline_at": "now() - interval '1 s'"}

WAYS = (
    Way("claim", "claim", _claim, RUNNING),
    Way("ring", "ring", _ring),
    Way("beat", "beat", _beat),
    Way("beat late", "beat", _beat, running=SILENT),
    Way("progress", "progress", _progress),
    Way("settle completed", "settle", _settle("completed"), COMPLETED),
    Way("settle failed", "settle", _settle("failed"), FAILED),
    Way("settle errored", "settle", _settle("errored"), QUEUED, row={"max_attempts": "3", "errors": "1"}),
    Way("settle errored on the last", "settle", _settle("errored"), FAILED, row={"max_attempts": "3", "errors": "2"}),
    Way("settle given back", "settle", _settle("given_back"), QUEUED, row={"max_attempts": "1", "errors": "1"}),
    Way(
        "settle parked",
        "settle",
        _settle("parked", waiting_for="outside", waiting_on="payment", look_s=60),
        WAITING,
        row={"max_attempts": "1", "errors": "1"},
    ),
    Way("wake from outside", "wake", _wake, QUEUED, waiting={"waiting_for": "'outside'", **DUE}),
    Way("wake from a question", "wake", _wake, QUEUED, waiting={"waiting_on": "'publish'", **DUE}),
    Way("wake after a parent that runs", "wake", _wake_after(RUNNING), WAITING, waiting=AFTER),
    Way("wake after a parent that completed", "wake", _wake_after(COMPLETED), QUEUED, waiting=AFTER),
    Way("wake after a parent that failed", "wake", _wake_after(FAILED), CANCELLED, waiting=AFTER),
    Way("answer", "answer", _answer),
    Way("answer what is parked for", "answer", _answer, waiting={"waiting_on": "'publish'"}, parked=QUEUED),
    Way("nudge", "nudge", _nudge, waiting={"waiting_for": "'outside'"}),
    Way("reap a crash", "reap", _reap, QUEUED, row={"crashes": "1"}, running=SILENT),
    Way("reap a third crash", "reap", _reap, FAILED, row={"crashes": "2"}, running=SILENT),
    Way("reap a deadline", "reap", _reap, QUEUED, row={"max_attempts": "2"}, running=LATE),
    Way("reap a last deadline", "reap", _reap, FAILED, row={"max_attempts": "1"}, running=LATE),
    Way("reap a worker", "reap", _reap_worker, QUEUED),
    Way("cancel", "cancel", _cancel, CANCELLED),
    Way("organise", "organise", _organise),
    Way("redo", "redo", _redo),
    Way("delete", "delete", _delete),
    Way("expire", "expire", _expire, row={"keep_until": "now() - interval '1 s'"}),
)


@pytest.fixture
def machine(stores: Stores) -> Stores:
    """An empty book with one live worker, whose number is 1."""
    stores.book.run("ALTER TABLE workers ALTER COLUMN id RESTART")
    stores.book.worker("worker-1")
    return stores


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_a_verb_moves_a_job_as_transitions_draws_it(machine: Stores, way: Way, status: JobStatus) -> None:
    book = machine.book
    job = book.put(status, **way.columns(status))
    before = book.row(job)

    given_back = await way.call(machine, job)

    after, drawn = book.row(job), TRANSITIONS[way.verb].get(status)
    if drawn is None:
        assert (given_back, after, book.events(job)) == ([], before, [])
    elif not drawn:
        assert (given_back, after) == ([job], None)
    else:
        assert given_back == [job]
        assert after is not None
        assert after["status"] == way.after(status)
        assert after["status"] in drawn


def test_every_arrow_of_transitions_is_walked_by_some_way() -> None:
    walked = {
        (verb, status): {way.after(status) for way in WAYS if way.verb == verb}
        for verb, arrows in TRANSITIONS.items()
        for status, to in arrows.items()
        if to
    }

    assert {way.verb for way in WAYS} == set(TRANSITIONS)
    assert walked == {
        (verb, status): set(to) for verb, arrows in TRANSITIONS.items() for status, to in arrows.items() if to
    }


async def test_no_verb_moves_a_job_that_has_ended(machine: Stores) -> None:
    ended = {machine.book.put(status, fence=str(FENCE), attempt="1"): status for status in FINAL}
    ways = [way for way in WAYS if way.verb not in ("delete", "expire")]

    for way in ways:
        for job in ended:
            await way.call(machine, job)

    assert {job: machine.book.status(job) for job in ended} == ended


@pytest.mark.parametrize(
    ("verb", "start"),
    [
        ("claim", QUEUED),
        ("progress", RUNNING),
        ("settle completed", RUNNING),
        ("settle errored", RUNNING),
        ("settle parked", RUNNING),
        ("reap a crash", RUNNING),
        ("cancel", RUNNING),
        ("organise", RUNNING),
        ("wake from outside", WAITING),
        ("wake after a parent that failed", WAITING),
        ("answer", RUNNING),
        ("answer what is parked for", WAITING),
    ],
)
async def test_every_visible_change_counts_the_version_up(machine: Stores, verb: str, start: JobStatus) -> None:
    way = next(way for way in WAYS if way.name == verb)
    job = machine.book.put(start, **{**way.columns(start), "version": "7"})

    await way.call(machine, job)

    assert machine.book.one("SELECT version FROM jobs WHERE id = %s", job) == 8


REFUSED: Mapping[str, tuple[JobStatus, Mapping[str, str], str]] = {
    "running without a lease": (RUNNING, {"lease_until": "NULL"}, "running_has_a_lease"),
    "running without a deadline": (RUNNING, {"deadline_at": "NULL"}, "running_has_a_lease"),
    "running without a worker": (RUNNING, {"worker_id": "NULL"}, "running_has_a_lease"),
    "running without a fence": (RUNNING, {"fence": "NULL"}, "running_has_a_lease"),
    "running that never began": (RUNNING, {"started_at": "NULL"}, "running_has_a_lease"),
    "running that was never claimed": (RUNNING, {"claimed_at": "NULL"}, "running_has_a_lease"),
    "queued with a lease": (QUEUED, {"lease_until": "now()"}, "running_has_a_lease"),
    "queued with a worker": (QUEUED, {"worker_id": "1"}, "running_has_a_lease"),
    "waiting for nothing": (WAITING, {"waiting_for": "NULL"}, "waiting_says_for_what"),
    "waiting for a bus": (WAITING, {"waiting_for": "'bus'"}, "jobs_waiting_for_check"),
    "queued and waiting for a person": (QUEUED, {"waiting_for": "'person'"}, "waiting_says_for_what"),
    "queued and to be looked at": (QUEUED, {"look_at": "now()"}, "only_the_waiting_are_looked_at"),
    "completed without a date": (COMPLETED, {"finished_at": "NULL"}, "final_is_dated"),
    "failed without a date": (FAILED, {"finished_at": "NULL"}, "final_is_dated"),
    "cancelled without a date": (CANCELLED, {"finished_at": "NULL"}, "final_is_dated"),
    "queued with an end": (QUEUED, {"finished_at": "now()"}, "final_is_dated"),
    "failed without an error": (FAILED, {"error": "NULL"}, "failed_says_why"),
    "failed with JSON's null for an error": (FAILED, {"error": "'null'"}, "failed_says_why"),
    "failed without a code": (FAILED, {"error": """'{"message": "No."}'"""}, "failed_says_why"),
    "failed without a sentence": (FAILED, {"error": """'{"code": "gave_up"}'"""}, "failed_says_why"),
    "completed with an error": (COMPLETED, {"error": """'{"code": "a", "message": "b"}'"""}, "completed_has_no_error"),
    "an id that is too short": (QUEUED, {"id": "'0c3k9x2mq7f4'"}, "jobs_id_check"),
    "an id with a letter that Crockford leaves out": (QUEUED, {"id": "'0c3k9x2mq7f4l'"}, "jobs_id_check"),
    "an id in capitals": (QUEUED, {"id": "'0C3K9X2MQ7F4W'"}, "jobs_id_check"),
    "a status of others": (QUEUED, {"status": "'pending'"}, "jobs_status_check"),
    "a priority of its own": (QUEUED, {"priority": "2"}, "jobs_priority_check"),
    "labels that are a list": (QUEUED, {"labels": "'[]'"}, "jobs_labels_check"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_table_itself_refuses(machine: Stores, what: str) -> None:
    status, columns, constraint = REFUSED[what]

    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        machine.book.put(status, **columns)

    assert refused.value.diag.constraint_name == constraint


def test_every_check_of_jobs_is_seen_to_refuse_something(machine: Stores) -> None:
    checks = {row["conname"] for row in _checks_of_jobs(machine.book)}

    assert checks == {constraint for _, _, constraint in REFUSED.values()}


def _checks_of_jobs(book: Book) -> list[dict[str, str]]:
    return book.run("SELECT conname FROM pg_constraint WHERE conrelid = 'jobs'::regclass AND contype = 'c'")
