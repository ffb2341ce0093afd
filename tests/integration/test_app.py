"""The verbs that every door shares, over the real book and bell."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from given import Stores
from kinds_for_tests import DREAMT, KINDS_FOR_TESTS

from agent_tools.app import Backburner
from agent_tools.jobs.errors import (
    BadRequest,
    BookUnavailable,
    Conflict,
    JobNotFound,
    KindUnavailable,
    NotNow,
    UnknownKind,
    Unstorable,
)
from agent_tools.jobs.job import CANCELLED, COMPLETED, FAILED, QUEUED, RUNNING, WAITING, Job
from agent_tools.requests import NewJob, job_filter
from agent_tools.settings import Settings
from sql.door import Filter
from worker.hands import Hands
from worker.sweep import Sweep


async def perform_all(crew: Hands) -> None:
    """Take what was rung, and see it to its end."""
    while attempts := await crew.take_all(await crew.bell.take("default", 10)):
        await asyncio.gather(*attempts)


async def performed(app: Backburner, crew: Hands, kind: str, args: dict[str, Any] | None = None) -> Job:
    receipt = await app.create(kind, args, again=True)
    await perform_all(crew)
    return await app.get(receipt.id)


async def completed(app: Backburner, stores: Stores, **more: Any) -> str:
    """The id of a job that a worker has completed."""
    receipt = await app.create("sleep", again=True, **more)
    (claim,) = await stores.claim(receipt.id)
    await stores.settle(claim)
    return receipt.id


# ---------------------------------------------------------------------------------------------- the ten-minute guard


async def test_the_same_asked_for_twice_is_one_job(app: Backburner) -> None:
    first = await app.create("sleep", {"hours": 3}, title="Mine")
    second = await app.create("sleep", {"hours": 3}, title="Another title")

    assert (first.created, second.created) == (True, False)
    assert second.id == first.id
    assert (await app.get(first.id)).title == "Mine"


async def test_a_default_said_aloud_is_still_the_same(app: Backburner) -> None:
    first, second = await app.create("sleep"), await app.create("nap", {"hours": 8, "note": ""})

    assert second.id == first.id


async def test_other_arguments_are_another_job(app: Backburner) -> None:
    first, second = await app.create("sleep", {"hours": 3}), await app.create("sleep", {"hours": 4})

    assert second.created
    assert second.id != first.id


async def test_whoever_says_again_gets_another_job(app: Backburner) -> None:
    first, second = await app.create("sleep"), await app.create("sleep", again=True)

    assert second.created
    assert second.id != first.id


@pytest.mark.parametrize("status", [QUEUED, RUNNING, WAITING])
async def test_an_unfinished_job_is_the_same_however_old(app: Backburner, stores: Stores, status: str) -> None:
    first = await app.create("sleep")
    if status == RUNNING:
        await stores.claim(first.id)
    if status == WAITING:
        stores.book.run("UPDATE jobs SET status = 'waiting', waiting_for = 'person' WHERE id = %s", first.id)
    stores.book.run("UPDATE jobs SET created_at = now() - interval '90 days'")

    assert (await app.create("sleep")).id == first.id


async def test_a_completed_job_is_the_same_for_ten_minutes(app: Backburner, stores: Stores) -> None:
    first = await completed(app, stores)

    stores.book.run("UPDATE jobs SET finished_at = now() - interval '599 s'")
    within = await app.create("sleep")
    stores.book.run("UPDATE jobs SET finished_at = now() - interval '601 s'")
    after = await app.create("sleep")

    assert (within.id, within.created) == (first, False)
    assert after.created


async def test_failed_and_cancelled_jobs_are_never_the_same(app: Backburner, stores: Stores) -> None:
    failed = await app.create("sleep")
    (claim,) = await stores.claim(failed.id)
    await stores.settle(claim, "failed")

    second = await app.create("sleep")
    await app.cancel([second.id])
    third = await app.create("sleep")

    assert second.created
    assert third.created


async def test_twenty_identical_creates_at_once_are_one_job(app: Backburner, stores: Stores) -> None:
    made = await asyncio.gather(*(app.create("sleep", {"hours": 3}) for _ in range(20)))

    assert len({receipt.id for receipt in made}) == 1
    assert Counter(receipt.created for receipt in made) == {True: 1, False: 19}
    assert stores.book.one("SELECT count(*) FROM jobs") == 1


async def test_another_principal_who_asks_the_same_gets_a_job_of_its_own(app: Backburner, stores: Stores) -> None:
    ours = await app.create("sleep")
    other = app.acting_as(app.who._replace(principal=stores.book.default.principal))

    assert other.who.principal != app.who.principal
    assert (await other.create("sleep")).id != ours.id


# ------------------------------------------------------------------------------------------------------------- batches


async def test_two_equal_items_of_one_batch_are_two_jobs(app: Backburner) -> None:
    made = await app.create_many([NewJob("sleep"), NewJob("sleep")])

    assert [receipt.created for receipt in made] == [True, True]
    assert made[0].id != made[1].id
    assert len({(await app.get(receipt.id)).batch_id for receipt in made}) == 1


async def test_the_jobs_of_a_batch_come_back_in_the_order_in_which_they_were_asked_for(app: Backburner) -> None:
    hours = [5, 3, 12, 1, 8]

    made = await app.create_many([NewJob("sleep", {"hours": each}) for each in hours])

    assert [(await app.get(receipt.id)).args["hours"] for receipt in made] == hours


async def test_one_bad_item_creates_nothing_and_every_bad_one_is_named(app: Backburner, stores: Stores) -> None:
    batch = [
        NewJob("sleep"),
        NewJob("sleep", {"hours": 13}),
        NewJob("dance"),
        NewJob("sleep", {"hour": 1}),
        NewJob("sleep", title="x" * 300),
    ]

    with pytest.raises(BadRequest) as refused:
        await app.create_many(batch)

    assert [problem.field for problem in refused.value.problems] == [
        "jobs/1/hours",
        "jobs/2",
        "jobs/3/hour",
        "jobs/4/title",
    ]
    assert str(refused.value).startswith("Nothing was created. jobs/1: ")
    assert stores.book.one("SELECT count(*) FROM jobs") == 0


async def test_a_kind_that_cannot_run_is_named_by_its_item_too(app: Backburner) -> None:
    with pytest.raises(BadRequest, match="jobs/1: Nothing here can run 'unwired'"):
        await app.create_many([NewJob("sleep"), NewJob("unwired")])


@pytest.mark.parametrize("jobs", [0, 1001])
async def test_a_batch_of_none_or_too_many_is_refused(app: Backburner, jobs: int) -> None:
    with pytest.raises(BadRequest):
        await app.create_many([NewJob("sleep")] * jobs)


async def test_a_batch_sent_again_under_its_key_is_the_same_batch(app: Backburner, stores: Stores) -> None:
    batch = [NewJob("sleep", {"hours": 1}), NewJob("sleep", {"hours": 2})]

    first = await app.create_many(batch, idempotency_key="night")
    again = await app.create_many(batch, idempotency_key="night")

    assert [receipt.id for receipt in again] == [receipt.id for receipt in first]
    assert not any(receipt.created for receipt in again)
    with pytest.raises(Conflict):
        await app.create_many([*batch, NewJob("sleep", {"hours": 3})], idempotency_key="night")
    assert stores.book.one("SELECT count(*) FROM jobs") == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "a\0b"])
async def test_a_key_that_cannot_be_one_is_refused(app: Backburner, key: str) -> None:
    with pytest.raises(BadRequest, match="idempotency_key"):
        await app.create("sleep", idempotency_key=key)
    with pytest.raises(BadRequest, match="idempotency_key"):
        await app.create_many([NewJob("sleep")], idempotency_key=key)


# ------------------------------------------------------------------------------------------- subjects, titles and labels


async def test_a_subject_is_the_same_whatever_its_case_width_and_spaces(app: Backburner) -> None:
    made = [
        await app.create("sleep", subject=subject, again=True)
        for subject in ("Straße 7", "  STRASSE   7 ", "ｓtrasse 7")
    ]

    assert {(await app.get(receipt.id)).subject for receipt in made} == {"Straße 7"}


@pytest.mark.parametrize("word", ["unorganised", "Unorganized", "default", "none", "NULL", "  ", ""])
async def test_a_word_for_no_subject_never_becomes_one(app: Backburner, stores: Stores, word: str) -> None:
    receipt = await app.create("sleep", subject=word)

    assert (await app.get(receipt.id)).subject is None
    assert [job.id for job in (await app.jobs(job_filter(subject=word))).jobs] == [receipt.id]
    assert stores.book.one("SELECT count(*) FROM subjects") == 0


async def test_organising_moves_names_and_labels_and_writes_down_what_was(app: Backburner) -> None:
    receipt = await app.create("sleep", subject="Nights", title="Old", labels={"a": "1"})

    moved = await app.organise([receipt.id], subject="Days", title="New", labels={"b": "2"})

    job = await app.get(receipt.id)
    assert moved.was == {job.id: "Nights"}
    assert (job.subject, job.title, job.labels, job.version) == ("Days", "New", {"b": "2"}, 2)
    event = (await app.events(job.id))[-1]
    assert (event.type, event.principal) == ("organised", app.who.principal)
    assert event.data["from"] == {"subject": "Nights", "title": "Old", "labels": {"a": "1"}}


async def test_organising_what_is_so_already_changes_nothing(app: Backburner) -> None:
    receipt = await app.create("sleep", subject="Nights")

    moved = await app.organise([receipt.id], subject="NIGHTS")

    assert (moved.was, moved.move) == ({}, None)
    assert [event.type for event in await app.events(receipt.id)] == ["created"]


async def test_what_was_filed_can_be_taken_out_again(app: Backburner) -> None:
    receipt = await app.create("sleep", subject="Nights")

    await app.organise([receipt.id], subject=None)

    assert (await app.get(receipt.id)).subject is None


async def test_a_job_that_has_ended_is_organised_like_any_other(app: Backburner, stores: Stores) -> None:
    job = await completed(app, stores)

    await app.organise([job], subject="Nights")

    assert ((await app.get(job)).subject, (await app.get(job)).status) == ("Nights", COMPLETED)


@pytest.mark.parametrize(
    "labels",
    [
        {"": "x"},
        {"x" * 61: "x"},
        {"x": "y" * 201},
        {str(n): "" for n in range(21)},
        {"x": 1},
        {"x": "\0"},
        {"x": "\ud800"},
    ],
)
async def test_labels_that_cannot_be_kept_are_refused_everywhere(app: Backburner, labels: dict[str, Any]) -> None:
    job = (await app.create("sleep")).id

    for attempt in (app.create("sleep", labels=labels), app.organise([job], labels=labels)):
        with pytest.raises(BadRequest):
            await attempt


# ------------------------------------------------------------------------------------------------- cancelling and deleting


async def test_cancelling_says_what_happened_to_each(app: Backburner, stores: Stores) -> None:
    ended, queued, running = await completed(app, stores), *(stores.book.put() for _ in range(2))
    await stores.claim(running)

    stopped = await app.cancel([ended, queued, running], reason="Changed my mind")

    assert set(stopped.done) == {queued, running}
    assert stopped.not_done == {ended: f"{ended} is completed already."}
    assert [stores.book.status(job) for job in (queued, running, ended)] == [CANCELLED, CANCELLED, COMPLETED]
    assert (await app.events(running))[-1].data == {"reason": "Changed my mind", "was": "running"}


async def test_a_cancelled_attempt_settles_nothing(app: Backburner, stores: Stores) -> None:
    job = stores.book.put()
    (claim,) = await stores.claim(job)

    await app.cancel([job])

    assert await stores.settle(claim) is None
    assert stores.watch.beat(1, 15, [(job, claim.fence)]) == set()


async def test_a_running_handler_is_stopped_by_a_cancel(app: Backburner, crew: Hands) -> None:
    receipt = await app.create("sleep", {"dreams": ["for ever"]})
    attempts = await crew.take_all([receipt.id])

    await app.cancel([receipt.id])
    await asyncio.gather(*attempts)

    assert (await app.get(receipt.id)).status == CANCELLED
    assert crew.held() == []


async def test_deleting_takes_the_files_along_and_leaves_what_happened(app: Backburner, crew: Hands) -> None:
    job = await performed(app, crew, "sleep", {"dreams": ["a"]})
    file = app.artifact_path(job, job.artifacts[0])
    assert file.read_text() == "A"

    gone = await app.delete([job.id])

    assert gone.done == (job.id,)
    assert not file.parent.parent.exists()
    with pytest.raises(JobNotFound):
        await app.get(job.id)
    assert [event.type for event in await app.events(job.id)] == ["created", "started", "completed", "deleted"]


async def test_what_has_not_ended_is_not_deleted(app: Backburner) -> None:
    receipt = await app.create("sleep")

    assert (await app.delete([receipt.id])).not_done == {receipt.id: f"{receipt.id} is queued: cancel it first."}


# ------------------------------------------------------------------------------------------------------------- redoing


async def test_redoing_makes_a_new_version_with_the_changes_asked_for(app: Backburner, stores: Stores) -> None:
    old = await completed(app, stores, args={"dreams": ["a", "b"]}, subject="Nights", title="One", labels={"a": "1"})

    new = await app.get((await app.redo(old, {"dreams/1": "c", "hours": 2})).id)

    assert (new.redo_of, new.args) == (old, {"hours": 2, "dreams": ["a", "c"], "note": ""})
    assert (new.subject, new.title, new.labels, new.status) == ("Nights", "One", {"a": "1"}, QUEUED)
    assert (await app.get(old)).status == COMPLETED
    assert await app.versions(new.id) == [old, new.id]


async def test_redoing_without_changes_is_a_retry_even_within_the_guard(app: Backburner, stores: Stores) -> None:
    old = await completed(app, stores)

    assert (await app.redo(old)).id != old


async def test_a_redo_takes_the_steps_over_whose_arguments_are_equal(app: Backburner, crew: Hands) -> None:
    DREAMT.clear()
    old = await performed(app, crew, "sleep", {"dreams": ["a", "b"]})

    receipt = await app.redo(old.id, {"dreams/1": "c"})
    await perform_all(crew)

    new = await app.get(receipt.id)
    assert new.status == COMPLETED
    assert app.artifact_path(new, new.artifacts[0]).read_text() == "A\nC"
    assert DREAMT == ["a", "b", "c"]


async def test_what_has_not_ended_is_not_redone(app: Backburner) -> None:
    receipt = await app.create("sleep")

    with pytest.raises(NotNow, match="Cancel it first"):
        await app.redo(receipt.id)


async def test_a_redo_with_a_bad_change_creates_nothing(app: Backburner, stores: Stores) -> None:
    old = await completed(app, stores, args={"dreams": ["a"]})

    for changes in ({"dreams/5": "x"}, {"hours": 99}, {"hour": 1}, {"note": "\0"}):
        with pytest.raises(BadRequest):
            await app.redo(old, changes)

    assert stores.book.one("SELECT count(*) FROM jobs") == 1


# ------------------------------------------------------------------------------------------------- later, and sooner


async def test_a_scheduled_job_is_not_claimed_before_its_time(app: Backburner, stores: Stores) -> None:
    receipt = await app.create("sleep", run_after=await app.now() + timedelta(hours=1))

    early = await stores.claim(receipt.id)
    stores.book.run("UPDATE jobs SET run_after = now()")
    due = await stores.claim(receipt.id)

    assert early == []
    assert [claim.id for claim in due] == [receipt.id]


async def test_a_scheduled_job_is_rung_when_its_time_has_come(app: Backburner, stores: Stores) -> None:
    stores.book.worker()
    receipt = await app.create("sleep", run_after=await app.now() + timedelta(hours=1))

    early = stores.watch.ring()
    stores.book.run("UPDATE jobs SET run_after = now()")
    due = stores.watch.ring()

    assert early == []
    assert [each.id for each in due] == [receipt.id]


async def test_what_matters_more_is_taken_sooner(app: Backburner, crew: Hands) -> None:
    backlog = [await app.create("sleep", priority="low", again=True) for _ in range(5)]
    urgent = [await app.create("sleep", priority="high", again=True) for _ in range(3)]

    taken = await crew.bell.take("default", 8)

    assert set(taken) == {receipt.id for receipt in [*backlog, *urgent]}
    # The first one of a lane stands at the head of the queue; from there on high ones get sixteen turns for a low one's.
    assert {receipt.id for receipt in urgent} <= set(taken[:4])


async def test_an_unknown_priority_is_refused(app: Backburner) -> None:
    with pytest.raises(BadRequest, match="low, normal, high"):
        await app.create("sleep", priority="urgent")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------- waiting


async def test_a_wait_ends_when_all_are_final(app: Backburner, crew: Hands) -> None:
    made = [await app.create("sleep", again=True) for _ in range(2)]

    jobs, _ = await asyncio.gather(app.wait([receipt.id for receipt in made], 20), perform_all(crew))

    assert [job.status for job in jobs] == [COMPLETED, COMPLETED]


async def test_a_wait_for_any_ends_with_the_first(app: Backburner, stores: Stores) -> None:
    ended, queued = await completed(app, stores), stores.book.put()

    jobs = await app.wait([queued, ended], 20, until="any")

    assert [job.status for job in jobs] == [QUEUED, COMPLETED]


async def test_a_wait_for_a_change_ends_with_it(app: Backburner, stores: Stores) -> None:
    job = stores.book.put()

    found, _ = await asyncio.gather(
        app.wait([job], 20, until="change", since={job: 1}), app.organise([job], title="New")
    )

    assert [each.title for each in found] == ["New"]


async def test_a_wait_for_a_change_since_a_version_sees_what_happened_before_it(
    app: Backburner, stores: Stores
) -> None:
    job = stores.book.put(version="7")

    (found,) = await app.wait([job], 20, until="change", since={job: 6})

    assert found.version == 7


@pytest.mark.parametrize("until", ["final", "any", "change"])
async def test_a_wait_ends_with_its_time(app: Backburner, stores: Stores, until: Any) -> None:
    job, began = stores.book.put(), time.monotonic()

    (found,) = await app.wait([job], 0.2, until=until)

    assert found.status == QUEUED
    assert 0.2 <= time.monotonic() - began < 2


async def test_a_wait_ends_when_a_person_is_needed(app: Backburner, stores: Stores) -> None:
    job = stores.book.put(WAITING)

    (found,) = await app.wait([job], 20)

    assert found.waiting_for == "person"


async def test_a_wait_for_what_is_not_there_is_refused_at_once(app: Backburner) -> None:
    with pytest.raises(JobNotFound):
        await app.wait(["0c3k9x2mq7f4w"], 20)


# ------------------------------------------------------------------------------------------------------------- reasons


async def test_why_speaks_of_what_really_is(app: Backburner, stores: Stores) -> None:
    book = stores.book
    first, second = book.put(), book.put()
    scheduled = book.put(run_after="now() + interval '3 hours'")

    nobody = await app.why(first)
    worker = book.worker("worker-1")
    somebody, behind = await app.why(first), await app.why(second)
    await stores.claim(first, worker=worker)
    running = await app.why(first)
    book.run("UPDATE jobs SET lease_until = now() - interval '9 s' WHERE id = %s", first)

    assert "no worker is alive" in nobody
    assert "about to begin" in somebody or "1 job of yours before it" in somebody
    assert {"about to begin" in somebody, "about to begin" in behind} == {True, False}
    assert running == "Running for 0 s on worker-1, attempt 1 of 3."
    assert "lease ran out 9 s ago" in await app.why(first)
    assert await app.why(scheduled) == "Scheduled to begin in 3 h."
    assert await app.why(book.put(CANCELLED)) == "Cancelled 0 s ago."
    assert await app.why(book.put(FAILED)) == "Failed 0 s ago: No."
    assert await app.why(book.put(WAITING)) == "Waiting for a person's answer. It waits as long as that takes."


# -------------------------------------------------------------------------------------------------------------- listing


async def ids(app: Backburner, wanted: Filter) -> set[str]:
    return {job.id for job in (await app.jobs(wanted, limit=100)).jobs}


async def test_every_filter_finds_what_fits_and_nothing_else(app: Backburner, stores: Stores) -> None:
    book, now = stores.book, await app.now()
    other = app.acting_as(app.who._replace(principal=book.default.principal))
    sleep = (await app.create("sleep", subject="Nights", labels={"a": "1", "b": "2"}, title="Counting sheep")).id
    odd = (await other.create("misbehave", {"how": "NUL in line"}, labels={"a": "2"})).id
    (batch,) = await app.create_many([NewJob("sleep", {"hours": 1})])
    await app.cancel([batch.id])
    book.run("UPDATE jobs SET created_at = now() - interval '1 day' WHERE id = %s", odd)
    batch_id = (await app.get(batch.id)).batch_id

    assert await ids(app, Filter()) == {sleep, odd, batch.id}
    assert await ids(app, Filter(ids=[odd])) == {odd}
    assert await ids(app, Filter(ids=[])) == set()
    assert await ids(app, Filter(status=["cancelled"])) == {batch.id}
    assert await ids(app, Filter(kind=["misbehave"])) == {odd}
    assert await ids(app, job_filter(subject=" nights ")) == {sleep}
    assert await ids(app, job_filter(subject="Unorganised")) == {odd, batch.id}
    assert await ids(app, Filter(labels={"a": "1"})) == {sleep}
    assert await ids(app, Filter(batch_id=batch_id)) == {batch.id}
    assert await ids(app, Filter(principal=app.who.principal)) == {sleep, batch.id}
    assert await ids(app, Filter(created_before=now)) == {odd}
    assert await ids(app, Filter(created_after=now)) == {sleep, batch.id}
    assert await ids(app, Filter(search="SHEEP")) == {sleep}
    assert await ids(app, Filter(unseen=True)) == {batch.id}
    assert await ids(app, Filter(kind=["sleep"], status=["queued"], labels={"b": "2"})) == {sleep}


async def test_pages_show_every_job_once_also_those_of_one_moment(app: Backburner) -> None:
    made = await app.create_many([NewJob("sleep") for _ in range(7)])

    pages, cursor = [], None
    while True:
        page = await app.jobs(limit=3, cursor=cursor)
        pages.append([job.id for job in page.jobs])
        if (cursor := page.next_cursor) is None:
            break
        await app.create("sleep", again=True)  # what comes meanwhile moves nothing

    assert list(map(len, pages)) == [3, 3, 1]
    assert sorted(job for page in pages for job in page) == sorted(receipt.id for receipt in made)


@pytest.mark.parametrize("cursor", ["nonsense", "ä", "a", "=", "\ud800", "MjAyNi0wMS0wMSAxMjM"])
async def test_a_cursor_from_elsewhere_is_refused(app: Backburner, cursor: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        await app.jobs(cursor=cursor)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize("name", ["kind", "status", "ids", "subject", "batch_id", "search", "labels"])
async def test_a_filter_that_cannot_be_stored_is_refused_with_a_sentence(app: Backburner, name: str, text: str) -> None:
    value: Any = {"a": text} if name == "labels" else text if name in ("subject", "batch_id", "search") else [text]

    with pytest.raises((BadRequest, Unstorable)):
        await app.jobs(Filter(**{name: value}))


# ------------------------------------------------------------------------------------------------------------- bad input


VERBS: dict[str, Callable[[Backburner, str], Awaitable[Any]]] = {
    "get": lambda app, job: app.get(job),
    "wait": lambda app, job: app.wait([job], 5),
    "why": lambda app, job: app.why(job),
    "organise": lambda app, job: app.organise([job], title="x"),
    "cancel": lambda app, job: app.cancel([job]),
    "delete": lambda app, job: app.delete([job]),
    "redo": lambda app, job: app.redo(job),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_foreign_or_impossible_id_is_not_found_by_any_verb(app: Backburner, stores: Stores, verb: str) -> None:
    foreign = stores.book.put(COMPLETED, of=stores.book.tenant("theirs"))
    before = stores.book.row(foreign)

    for job in (
        foreign,
        "0c3k9x2mq7f4w",
        "",
        "x",
        "0" * 1000,
        "0c3k9x2mq7f4\0",
        "' OR 1=1 --",
        "\ud800" * 13,
        "٠" * 13,
    ):
        with pytest.raises(JobNotFound):
            await VERBS[verb](app, job)

    assert stores.book.row(foreign) == before


async def test_an_id_is_read_whatever_its_case(app: Backburner) -> None:
    receipt = await app.create("sleep")

    assert (await app.get(f" {receipt.id.upper()} ")).id == receipt.id


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"note": "a\0b"}, "note: contains a NUL character"),
        ({"dreams": ["fine", "a\0b"]}, "dreams/1: contains a NUL character"),
        ({"note": "\ud800"}, "half of a surrogate pair"),
        ({"\0": 1}, "contains a NUL character"),
        ({"hours": float("nan")}, "not a finite number"),
        ({"note": {1, 2}}, "is a set, which is not JSON"),
        ({"note": "x" * 10_000_000}, r"10\.0 MB of JSON; at most 1 MB"),
        ({"hours": 10**100}, "hours: "),
        ({"hours": "x" * 5000}, "hours: "),
        ({"dream": "x"}, "dream: is not an argument. Did you mean 'dreams'"),
    ],
)
async def test_arguments_that_cannot_be_kept_are_refused_with_a_sentence(
    app: Backburner, stores: Stores, args: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadRequest, match=sentence) as refused:
        await app.create("sleep", args)

    assert len(str(refused.value)) < 1000
    assert stores.book.one("SELECT count(*) FROM jobs") == 0


async def test_arguments_nested_without_end_are_refused_with_a_sentence(app: Backburner) -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(BadRequest, match="nested"):
        await app.create("sleep", {"dreams": deep})


@pytest.mark.parametrize("name", ["subject", "title"])
@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 300])
async def test_names_that_cannot_be_kept_are_refused_everywhere(app: Backburner, name: str, text: str) -> None:
    job = (await app.create("sleep")).id

    for attempt in (app.create("sleep", **{name: text}), app.organise([job], **{name: text})):
        with pytest.raises(BadRequest):
            await attempt


async def test_an_unknown_kind_is_refused_with_the_nearest_one(app: Backburner) -> None:
    with pytest.raises(UnknownKind, match="Did you mean 'sleep'"):
        await app.create("slep")


async def test_a_kind_that_nothing_here_can_run_is_refused_with_the_reason(app: Backburner, stores: Stores) -> None:
    with pytest.raises(KindUnavailable, match=r"'unwired': A_KEY_THAT_NOBODY_SET is not set\."):
        await app.create("unwired")

    assert stores.book.one("SELECT count(*) FROM jobs") == 0


async def test_a_kind_that_a_worker_could_not_offer_is_refused_with_the_workers_reason(
    app: Backburner, stores: Stores
) -> None:
    stores.book.worker(kinds=["misbehave"])
    stores.book.run("""UPDATE workers SET unavailable = '{"sleep": "There is no bed."}'""")

    with pytest.raises(KindUnavailable, match="There is no bed"):
        await app.create("sleep")


async def test_a_kind_with_no_live_worker_is_accepted(app: Backburner, stores: Stores) -> None:
    stores.book.worker()
    stores.book.run("UPDATE workers SET stopped_at = now()")

    assert (await app.create("sleep")).created


# -------------------------------------------------------------------------------------------------- what is hard to keep


@pytest.mark.parametrize(("how", "size"), [("result of 65 KB", 65_000), ("result of 2 MB", 2_000_000)])
async def test_a_result_too_large_for_a_reply_becomes_a_file(app: Backburner, crew: Hands, how: str, size: int) -> None:
    job = await performed(app, crew, "misbehave", {"how": how})

    assert (job.status, job.result, [file.name for file in job.artifacts]) == (COMPLETED, None, ["result.json"])
    assert app.artifact_path(job, job.artifacts[0]).stat().st_size > size


async def test_a_result_that_cannot_be_kept_fails_with_the_reason(app: Backburner, crew: Hands) -> None:
    in_result = await performed(app, crew, "misbehave", {"how": "NUL in result"})
    in_line = await performed(app, crew, "misbehave", {"how": "NUL in line"})

    assert in_result.error is not None
    assert in_line.error is not None
    assert (in_result.status, in_result.error.code) == (FAILED, "bad_result")
    assert "text: contains a NUL character" in in_result.error.message
    assert (in_line.status, in_line.error.code) == (FAILED, "bad_result")


@pytest.mark.parametrize(("how", "kept"), [("NUL in error", "ab"), ("surrogate in error", "a?b")])
async def test_an_error_that_cannot_be_kept_as_it_is_is_kept_as_well_as_can_be(
    app: Backburner, crew: Hands, how: str, kept: str
) -> None:
    job = await performed(app, crew, "misbehave", {"how": how})

    assert job.error is not None
    assert (job.status, job.error.code, job.error.message) == (FAILED, "gave_up", kept)


# ---------------------------------------------------------------------------------------------------- servers that are away


async def test_without_redis_a_receipt_comes_quickly_and_the_sweep_rings_later(
    shared_settings: Settings, stores: Stores
) -> None:
    stores.book.worker()
    deaf = shared_settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"})
    async with Backburner.open(deaf, kinds=KINDS_FOR_TESTS) as app:
        began = time.monotonic()
        receipt = await app.create("sleep")
        took_s = time.monotonic() - began
    stores.book.run("UPDATE jobs SET rung_at = now() - interval '1 min'")

    sweep = Sweep(shared_settings)
    sweep.tick(stores.watch)
    sweep.close()

    assert took_s < 2
    with redis.Redis.from_url(shared_settings.redis_url) as client:
        assert client.zrange("arq:queue", 0, -1) == [f"{receipt.id}:2".encode()]


async def test_without_postgres_opening_says_so(shared_settings: Settings) -> None:
    blind = shared_settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})

    with pytest.raises(BookUnavailable, match="Postgres cannot be reached"):
        async with Backburner.open(blind, kinds=KINDS_FOR_TESTS):
            pass
