"""Creating by the clock: once for each time that comes, whoever looks, whatever is killed, and whichever other is broken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from given import Stores, Tenant
from kinds_for_tests import KINDS_FOR_TESTS

from agent_tools import bell, job_kind
from agent_tools.app import Backburner
from agent_tools.bell import Bell
from agent_tools.jobs.context import JobContext
from agent_tools.jobs.errors import BadRequest, Conflict
from agent_tools.jobs.kinds import Kinds
from agent_tools.jobs.schedules import Schedule
from agent_tools.requests import NewJob
from agent_tools.schedules import MOST, ScheduleNotFound
from agent_tools.settings import Settings
from sql.hands import Principal
from sql.queries import queries
from worker.hands import Hands
from worker.schedules import ScheduleRound
from worker.sweep import Sweep

SLEEP = NewJob("sleep", {"hours": 3})
Rounds = Callable[..., ScheduleRound]
"""Makes rounds of workers."""


@pytest.fixture
async def the_bell(shared_settings: Settings) -> AsyncIterator[Bell]:
    client = bell.connect(shared_settings.redis_url)
    yield Bell(client)
    await client.aclose()


@pytest.fixture
def rounds(stores: Stores, the_bell: Bell, shared_settings: Settings) -> Rounds:
    def make(kinds: Kinds = KINDS_FOR_TESTS, rung: Bell = the_bell) -> ScheduleRound:
        unavailable = {kind.name: why for kind in kinds.values() if (why := kind.missing({}))}
        return ScheduleRound(stores.hands, rung, shared_settings, kinds, unavailable)

    return make


@pytest.fixture
def round_(rounds: Rounds) -> ScheduleRound:
    """What one worker does."""
    return rounds()


async def due(app: Backburner, stores: Stores, name: str = "nightly", ago: str = "1 s", **more: Any) -> Schedule:
    """A schedule whose time came a while ago."""
    more = {"cron": "0 2 * * *", "job": SLEEP, **more}
    made = await app.schedules.add(name, **more)
    return await come(app, stores, made, ago)


async def come(app: Backburner, stores: Stores, schedule: Schedule, ago: str = "1 s") -> Schedule:
    stores.book.run(
        "UPDATE schedules SET next_at = now() - %s::interval, retry_at = NULL WHERE id = %s", ago, schedule.id
    )
    return await app.schedules.get(str(schedule.id))


def jobs(stores: Stores) -> list[dict[str, Any]]:
    return stores.book.run(
        "SELECT j.*, s.name AS subject FROM jobs j LEFT JOIN subjects s ON s.id = j.subject_id ORDER BY j.created_at, j.id"
    )


# ------------------------------------------------------------------------------------------------------- once each time


async def test_a_time_that_has_come_makes_the_job_as_it_was_asked_for(
    app: Backburner, stores: Stores, round_: ScheduleRound, crew: Hands
) -> None:
    job = NewJob(
        "nap",
        {"hours": 3},
        "Rest",
        "Night of {date}",
        {"by": "clock"},
        priority="high",
        webhook_url="https://hooks.example/x",
    )
    made = await due(app, stores, job=job)

    assert await round_.once() == 1

    (row,) = jobs(stores)
    assert (row["kind"], row["args"]["hours"], row["subject"], row["priority"], row["status"]) == (
        "sleep",
        3,
        "Rest",
        1,
        "queued",
    )
    assert row["title"] == f"Night of {made.next_at:%Y-%m-%d}"
    assert row["labels"] == {"by": "clock", "schedule": "nightly"}
    assert row["principal_id"] == app.who.principal
    assert stores.book.events(row["id"]) == ["created", "scheduled"]
    assert stores.book.one("SELECT count(*) FROM job_webhooks WHERE job_id = %s", row["id"]) == 1
    now = await app.schedules.get("nightly")
    assert (now.last_job, now.last_status, now.fired_at) == (row["id"], "queued", made.next_at)
    assert now.next_at > datetime.now(UTC) - timedelta(seconds=5)
    for task in await crew.take_all(await crew.bell.take("default", 10)):
        await task
    assert stores.book.status(row["id"]) == "completed"


async def test_however_many_fire_at_once_there_is_one_job_for_each_time(
    app: Backburner, stores: Stores, rounds: Rounds
) -> None:
    for number in range(5):
        await due(app, stores, f"nightly {number}")
    made = await asyncio.gather(*(rounds().once() for _ in range(4)))

    assert sum(made) == 5
    assert len({row["labels"]["schedule"] for row in jobs(stores)}) == len(jobs(stores)) == 5


async def test_two_that_read_the_same_time_make_one_job(app: Backburner, stores: Stores, round_: ScheduleRound) -> None:
    await due(app, stores)
    (read,) = await stores.hands.due_schedules()
    assert await round_.once() == 1

    assert await round_._fire(read) is None
    assert len(jobs(stores)) == 1


async def test_killed_between_reading_and_firing_nothing_is_lost(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    await due(app, stores)
    assert len(await stores.hands.due_schedules()) == 1  # and then no more was heard of who read it

    assert await round_.once() == 1


async def test_killed_while_firing_there_is_neither_a_job_nor_a_next_time(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    before = await due(app, stores)
    (read,) = await stores.hands.due_schedules()
    fields = round_._fields(read)
    batch = {"schedule": read.id, "version": read.version, "read_at": read.next_at.isoformat(), **(fields or {})}
    with psycopg.connect(stores.book.connection.info.dsn, options="-c search_path=backburner") as connection:
        connection.execute("SET ROLE backburner_hands")
        connection.execute("SELECT fire_schedule(%s)", (psycopg.types.json.Jsonb(batch),))
        assert await round_.once() == 0, "the row is being fired: others pass it over, and wait for nothing"
        connection.rollback()

    assert jobs(stores) == []
    assert (await app.schedules.get("nightly")).next_at == before.next_at
    assert await round_.once() == 1


async def test_changed_since_it_was_read_it_is_fired_as_it_is_now(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    await due(app, stores)
    (read,) = await stores.hands.due_schedules()
    await app.schedules.change("nightly", args={"hours": 5})

    assert await round_._fire(read) is None
    assert await round_.once() == 1
    assert [row["args"]["hours"] for row in jobs(stores)] == [5]


async def test_a_job_that_was_not_rung_because_redis_was_away_is_rung_by_the_sweep(
    app: Backburner, stores: Stores, rounds: Rounds, the_bell: Bell, shared_settings: Settings
) -> None:
    await due(app, stores)
    client = bell.connect("redis://127.0.0.1:1/0")
    assert await rounds(rung=Bell(client)).once() == 1
    await client.aclose()

    (row,) = jobs(stores)
    assert await the_bell.take("default", 10) == []
    stores.book.worker()
    stores.book.run("UPDATE jobs SET rung_at = now() - interval '1 min'")
    sweep = Sweep(shared_settings)
    sweep.tick(stores.watch)
    sweep.close()
    assert await the_bell.take("default", 10) == [row["id"]]


# -------------------------------------------------------------------------------------------------------- missed times


async def test_after_a_while_of_nobody_the_latest_time_makes_a_job_and_the_others_are_counted(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    await due(app, stores, ago="3 days 5 min", cron="0 * * * *")

    assert await round_.once() == 1

    now = await app.schedules.get("nightly")
    assert now.missed in (72, 73)
    assert now.missed_at is not None
    assert now.fired_at is not None
    assert now.next_at - now.fired_at == timedelta(hours=1)


async def test_without_catching_up_a_late_time_makes_nothing_and_a_punctual_one_does(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    late = await due(app, stores, ago="6 min", cron="0 0 1 1 *", catch_up="none")

    assert await round_.once() == 0

    now = await app.schedules.get("nightly")
    assert (now.missed, now.last_job) == (1, None)
    assert now.next_at > late.next_at
    await come(app, stores, now)
    assert await round_.once() == 1


async def test_what_is_broken_and_not_caught_up_is_let_pass_and_still_says_why(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores, catch_up="none")
    stores.book.run("UPDATE schedules SET job = jsonb_set(job, '{args,hours}', '99')")
    await round_.once()
    await come(app, stores, made, "6 min")

    assert await round_.once() == 0

    now = await app.schedules.get("nightly")
    assert (now.state, now.missed) == ("failing", 1)
    assert now.next_at > datetime.now(UTC)
    assert now.error_since is not None


# ------------------------------------------------------------------------------------------------------------- overlap


async def test_while_its_job_has_not_ended_the_next_time_is_skipped_and_counted(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores)
    await round_.once()
    await come(app, stores, made)

    assert await round_.once() == 0

    now = await app.schedules.get("nightly")
    assert (now.skipped, len(jobs(stores))) == (1, 1)
    assert now.skipped_at is not None
    await app.cancel([now.last_job or ""])
    await come(app, stores, made)
    assert await round_.once() == 1


async def test_a_job_made_by_hand_is_waited_for_too_and_does_not_hide_an_older_one(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores)
    await round_.once()
    by_hand = await app.schedules.run("nightly")
    await app.cancel([by_hand])
    await come(app, stores, made)

    assert await round_.once() == 0
    assert (await app.schedules.get("nightly")).skipped == 1


async def test_where_jobs_may_overlap_each_time_makes_one(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores, overlap="allow")
    for _ in range(3):
        await come(app, stores, made)
        assert await round_.once() == 1

    assert len(jobs(stores)) == 3
    assert (await app.schedules.get("nightly")).skipped == 0


# -------------------------------------------------------------------------------------------------------------- broken


async def test_one_that_is_broken_says_why_and_since_when_and_stands_in_no_others_way(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    gone, unfit, well = [await due(app, stores, name) for name in ("a gone", "b unfit", "c well")]
    stores.book.run('UPDATE schedules SET job = job || \'{"kind": "knitting"}\' WHERE id = %s', gone.id)
    stores.book.run("UPDATE schedules SET job = jsonb_set(job, '{args,hours}', '99') WHERE id = %s", unfit.id)

    assert await round_.once() == 1

    assert [row["labels"]["schedule"] for row in jobs(stores)] == ["c well"]
    gone, unfit, well = await app.schedules.all()
    assert gone.last_error is not None
    assert gone.last_error.startswith("There is no kind 'knitting'.")
    assert unfit.last_error is not None
    assert "hours" in unfit.last_error
    assert unfit.error_since is not None
    assert unfit.next_at < datetime.now(UTC)
    assert (well.last_error, well.error_since) == (None, None)


async def test_what_was_broken_is_tried_again_after_a_minute_and_is_well_when_it_works(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores)
    stores.book.run("UPDATE schedules SET job = jsonb_set(job, '{args,hours}', '99')")
    await round_.once()
    since = (await app.schedules.get("nightly")).error_since
    assert await stores.hands.due_schedules() == []
    stores.book.run("UPDATE schedules SET retry_at = now()")
    await round_.once()
    assert (await app.schedules.get("nightly")).error_since == since
    stores.book.run("UPDATE schedules SET retry_at = now(), job = jsonb_set(job, '{args,hours}', '9')")

    assert await round_.once() == 1

    now = await app.schedules.get("nightly")
    assert (now.last_error, now.error_since, now.fired_at) == (None, None, made.next_at)


async def test_a_kind_that_breaks_off_when_it_is_asked_breaks_nothing_else(
    app: Backburner, stores: Stores, rounds: Rounds
) -> None:
    def fall_over(_: Any) -> None:
        raise RuntimeError("not foreseen")

    @job_kind("sleep", check=fall_over)
    async def sleep(job: JobContext, hours: int = 8) -> None:
        """Sleep badly."""

    await due(app, stores, "a bad")
    await due(app, stores, "b well", job=NewJob("misbehave", {"how": "NUL in line"}))

    assert await rounds(Kinds([sleep, KINDS_FOR_TESTS["misbehave"]])).once() == 1

    bad, well = await app.schedules.all()
    assert bad.last_error is not None
    assert "not foreseen" in bad.last_error
    assert well.last_error is None


async def test_a_kind_that_another_worker_runs_is_left_to_it(
    app: Backburner, stores: Stores, rounds: Rounds, round_: ScheduleRound
) -> None:
    await due(app, stores)
    stores.book.worker(kinds=("sleep",))

    assert await rounds(Kinds([])).once() == 0
    assert (await app.schedules.get("nightly")).last_error is None
    assert await round_.once() == 1


async def test_a_kind_that_lost_what_it_needs_is_not_queued_for_nobody(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores)
    stores.book.run('UPDATE schedules SET job = \'{"kind": "unwired"}\' WHERE id = %s', made.id)

    assert await round_.once() == 0

    said = (await app.schedules.get("nightly")).last_error
    assert said is not None
    assert "A_KEY_THAT_NOBODY_SET" in said
    stores.book.worker(kinds=("unwired",))
    await come(app, stores, made)
    assert await round_.once() == 1


# --------------------------------------------------------------------------------------------------------------- verbs


async def test_paused_it_makes_nothing_and_resumed_it_misses_nothing(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores)
    assert (await app.schedules.pause("NIGHTLY")).paused_at is not None
    paused = (await app.schedules.pause("nightly")).paused_at
    await come(app, stores, made, "3 days")
    assert await round_.once() == 0

    resumed = await app.schedules.resume("nightly")

    assert paused is not None
    assert resumed.paused_at is None
    assert resumed.next_at > datetime.now(UTC)
    assert await round_.once() == 0
    assert (await app.schedules.get("nightly")).missed == 0


async def test_run_now_makes_a_job_and_leaves_the_next_time(app: Backburner, stores: Stores) -> None:
    made = await app.schedules.add("nightly", "0 2 * * *", SLEEP)

    one, other = await app.schedules.run("nightly"), await app.schedules.run("nightly")

    assert one != other
    now = await app.schedules.get("nightly")
    assert (now.next_at, now.last_job, now.fired_at) == (made.next_at, other, None)
    assert {row["labels"]["schedule"] for row in jobs(stores)} == {"nightly"}


async def test_what_is_changed_is_checked_and_the_rest_stays(app: Backburner) -> None:
    made = await app.schedules.add("nightly", "0 2 * * *", replace(SLEEP, title="Rest"), overlap="allow")

    renamed = await app.schedules.change("nightly", name="Nightly rest", title="Sleep of {date}")
    assert (renamed.id, renamed.name, renamed.next_at, renamed.overlap) == (
        made.id,
        "Nightly rest",
        made.next_at,
        "allow",
    )
    assert (renamed.job["title"], renamed.job["args"]) == ("Sleep of {date}", {"hours": 3})
    moved = await app.schedules.change("nightly REST", timezone="Asia/Tokyo", cron="5 4 * * *")
    assert moved.when.local(moved.next_at).strftime("%H:%M") == "04:05"
    with pytest.raises(BadRequest, match="hours"):
        await app.schedules.change("nightly rest", args={"hours": 99})
    with pytest.raises(BadRequest, match="titel: is nothing of a schedule"):
        await app.schedules.change("nightly rest", titel="Rest")
    assert await app.schedules.get("nightly rest") == moved


async def test_whoever_changes_the_job_answers_for_it(app: Backburner, stores: Stores) -> None:
    tenant = stores.book.default
    made = await app.schedules.add("nightly", "0 2 * * *", SLEEP)
    other = app.acting_as(Principal(tenant.id, tenant.principal, "owner", ()))
    assert made.principal != tenant.principal

    assert (await other.schedules.change("nightly", cron="0 3 * * *")).principal == made.principal
    assert (await other.schedules.change("nightly", args={"hours": 4})).principal == tenant.principal


async def test_deleted_it_makes_nothing_more_and_its_jobs_stay(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores)
    await round_.once()
    await come(app, stores, made)

    await app.schedules.delete("nightly")

    assert await round_.once() == 0
    assert len(jobs(stores)) == 1
    with pytest.raises(ScheduleNotFound, match=r"no schedule 'nightly' here\. There are: none\."):
        await app.schedules.get("nightly")


async def test_a_job_that_is_gone_leaves_its_schedule_well(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    made = await due(app, stores)
    await round_.once()
    stores.book.run("DELETE FROM jobs")
    assert (await app.schedules.get("nightly")).last_job is None
    await come(app, stores, made)

    assert await round_.once() == 1


# ----------------------------------------------------------------------------------------------------------- refusals


async def test_a_name_that_cannot_be_one_is_refused(app: Backburner) -> None:
    for name, said in (
        ("", "1 to 60"),
        ("7", "letter"),
        ("a/b", "slash"),
        ("x" * 61, "60"),
        ("a\0b", "NUL"),
        ("a\u202eb", "1 to 60"),
    ):
        with pytest.raises(BadRequest, match=said):
            await app.schedules.add(name, "@daily", SLEEP)


async def test_what_a_create_would_refuse_is_refused_with_the_same_words(app: Backburner) -> None:
    for job, said in (
        (NewJob("slep"), "There is no kind 'slep'. Did you mean 'sleep'?"),
        (NewJob("sleep", {"hours": 99}), "sleep was not created. hours"),
        (NewJob("unwired"), "Nothing here can run 'unwired'"),
        (NewJob("sleep", labels={"schedule": "mine"}), "labels: 'schedule' is the schedule's own"),
        (NewJob("sleep", labels={str(number): "x" for number in range(20)}), "labels: at most 20"),
        (NewJob("sleep", webhook_url="ftp://x"), "webhook_url"),
        (NewJob("sleep", {"note": "a\0b"}), "args/note: contains a NUL character"),
        (NewJob("sleep", {"note": "x" * 100_000}), "args: at most 100 kB"),
    ):
        with pytest.raises(BadRequest) as refused:
            await app.schedules.add("nightly", "@daily", job)
        assert str(refused.value).startswith(said)

    assert await app.schedules.all() == []


async def test_a_name_is_taken_once_whatever_its_case(app: Backburner) -> None:
    await app.schedules.add("Nightly  Rest", "@daily", SLEEP)
    await app.schedules.add("weekly", "@weekly", SLEEP)

    with pytest.raises(Conflict, match="There is a schedule 'Nightly Rest' already"):
        await app.schedules.add("nightly rest", "@daily", SLEEP)
    with pytest.raises(Conflict, match="'weekly' already"):
        await app.schedules.change("nightly rest", name="WEEKLY")


async def test_more_than_so_many_are_refused(app: Backburner, stores: Stores) -> None:
    many(stores, stores.book.default, MOST)

    with pytest.raises(BadRequest, match=f"There are {MOST} schedules here"):
        await app.schedules.add("one more", "@daily", SLEEP)


async def test_a_file_that_a_schedule_names_is_kept(app: Backburner, stores: Stores) -> None:
    upload = stores.book.one(
        "INSERT INTO files (id, tenant_id, principal_id, name, media_type, bytes, sha256, keep_until)"
        " VALUES ('0e8z453fk1krg', %s, %s, 'a', 'text/plain', 1, sha256('a'), now() - interval '1 s') RETURNING id",
        app.who.tenant,
        app.who.principal,
    )
    made = await app.schedules.add("nightly", "@daily", replace(SLEEP, args={"note": f"upload:{upload}"}))

    assert await stores.hands.expire_files() == []
    assert await stores.door.delete_file(app.who.tenant, upload) == (False, None, "nightly")
    await app.schedules.delete(str(made.id))
    assert (await stores.door.delete_file(app.who.tenant, upload))[0]


# --------------------------------------------------------------------------------------------------------------- walls


async def test_another_tenants_schedule_is_as_if_it_did_not_exist(
    app: Backburner, stores: Stores, round_: ScheduleRound
) -> None:
    theirs = stores.book.tenant("theirs")
    other = app.acting_as(Principal(theirs.id, theirs.principal, "owner", ()))
    made = await due(app, stores)

    assert await other.schedules.all() == []
    for verb in (other.schedules.pause, other.schedules.resume, other.schedules.run, other.schedules.delete):
        with pytest.raises(ScheduleNotFound):
            await verb("nightly")
        with pytest.raises(ScheduleNotFound):
            await verb(str(made.id))
    with pytest.raises(ScheduleNotFound):
        await other.schedules.change("nightly", cron="@hourly")
    assert await app.schedules.get("nightly") == made
    await other.schedules.add("nightly", "0 2 * * *", SLEEP)
    assert await round_.once() == 1
    assert {row["tenant_id"] for row in jobs(stores)} == {app.who.tenant}


async def test_its_job_is_of_the_tenant_and_the_principal_that_the_schedule_says(
    stores: Stores, app: Backburner, round_: ScheduleRound
) -> None:
    theirs = stores.book.tenant("theirs")
    await due(
        app.acting_as(Principal(theirs.id, theirs.principal, "owner", ())), stores, job=replace(SLEEP, subject="Rest")
    )

    assert await round_.once() == 1

    (row,) = jobs(stores)
    assert (row["tenant_id"], row["principal_id"], row["subject"]) == (theirs.id, theirs.principal, "Rest")
    assert await app.subjects() == []


# ---------------------------------------------------------------------------------------------------------------- cost


async def test_a_thousand_schedules_of_which_none_is_due_are_not_read(stores: Stores) -> None:
    for number in range(5):
        many(stores, stores.book.tenant(f"tenant {number}"), MOST)
    stores.book.run("ANALYZE schedules")

    plan = stores.book.run(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {queries()['due_schedules']}")[0]["QUERY PLAN"][0]

    assert "schedules_due" in str(plan)
    assert plan["Plan"]["Actual Rows"] == 0
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 10


def many(stores: Stores, tenant: Tenant, number: int) -> None:
    stores.book.run(
        "INSERT INTO schedules (tenant_id, principal_id, name, folded, cron, job, next_at)"
        " SELECT %s, %s, 'n' || n, 'n' || n, '0 2 * * *', '{\"kind\": \"sleep\"}', now() + n * interval '1 h' FROM generate_series(1, %s) AS n",
        tenant.id,
        tenant.principal,
        number,
    )
