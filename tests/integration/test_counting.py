"""What happened is counted once, whoever counts, however often, and whatever becomes of the jobs."""

import asyncio
from typing import Any

import pytest
from given import ERROR, Stores, Tenant

from agent_tools.jobs.counts import NOT_MEASURED, Counted, tallies
from agent_tools.jobs.job import COMPLETED, FAILED

EVER, BY_HOUR, BY_DAY = "span = 'ever'", "span = 'hour'", "span = 'day'"


@pytest.fixture
def theirs(stores: Stores) -> Tenant:
    return stores.book.tenant("theirs")


async def done(stores: Stores, outcome: str = "completed", **asked: Any) -> str:
    """A job that a worker has seen to its end."""
    (made,) = await stores.create({"again": True, **asked})
    (claim,) = await stores.claim(made.id)
    more = {"error": ERROR} if outcome == "failed" else {}
    await stores.settle(claim, outcome, **more)
    return str(made.id)


def counts(stores: Stores, where: str = EVER) -> dict[str, int]:
    found = stores.book.run(f"SELECT what, sum(jobs)::int AS jobs FROM job_counts WHERE {where} GROUP BY what")
    return {row["what"]: row["jobs"] for row in found}


async def test_each_event_is_counted_once_by_hour_by_day_and_ever(stores: Stores) -> None:
    stores.watch.count()
    for outcome in ("completed", "completed", "failed"):
        await done(stores, outcome)
    (unwanted,) = await stores.create({"again": True})
    await stores.door.cancel(stores.book.default.id, stores.book.default.principal, [unwanted.id])
    wanted = {"created": 4, "started": 3, "completed": 2, "failed": 1, "cancelled": 1}

    for _ in range(3):
        stores.watch.count()

    assert counts(stores) == counts(stores, BY_HOUR) == counts(stores, BY_DAY) == wanted


async def test_however_many_count_at_once_nothing_is_counted_twice_or_left_out(stores: Stores) -> None:
    await asyncio.gather(*(done(stores) for _ in range(10)), *(stores.hands.operations.count() for _ in range(20)))
    await stores.hands.operations.count()

    assert counts(stores) == {"created": 10, "started": 10, "completed": 10}


async def test_an_event_of_a_transaction_that_is_still_open_is_counted_when_it_ends(own_stores: Stores) -> None:
    slow, quick = own_stores.book.put(), own_stores.book.put()
    happened = (
        "INSERT INTO job_events (tenant_id, job_id, type) SELECT tenant_id, id, 'created' FROM jobs WHERE id = %s"
    )
    with own_stores.book.connection.transaction():
        own_stores.book.run(happened, slow)
        async with own_stores.hands._pool.connection() as connection:
            await connection.execute(happened, (quick,))  # later, and committed earlier
        own_stores.watch.count()
        before = await own_stores.hands.operations.counted()
    own_stores.watch.count()

    assert before == []
    assert counts(own_stores) == {"created": 2}


async def test_what_was_deleted_before_it_was_counted_is_counted_under_its_kind(stores: Stores) -> None:
    job = await done(stores)
    await stores.door.delete(stores.book.default.id, stores.book.default.principal, [job])

    stores.watch.count()

    assert stores.book.run(f"SELECT DISTINCT kind FROM job_counts WHERE {EVER}") == [{"kind": "sleep"}]
    assert counts(stores) == {"created": 1, "started": 1, "completed": 1, "deleted": 1}


async def test_times_are_of_the_jobs_and_waits_of_the_claims(stores: Stores) -> None:
    (made,) = await stores.create({})
    stores.book.run("UPDATE jobs SET created_at = now() - interval '1 h', run_after = now() - interval '40 s'")
    (claim,) = await stores.claim(made.id)
    stores.book.run("UPDATE jobs SET started_at = started_at - interval '100 s'")
    await stores.settle(claim)

    stores.watch.count()
    tally = tallies(await stores.hands.operations.counted())["sleep"]

    assert tally.waited.seconds == pytest.approx(40, abs=5)
    assert tally.took["completed"].seconds == pytest.approx(100, abs=5)
    assert tally.took["completed"].up_to()[-1] == ("+Inf", 1)
    assert dict(tally.took["completed"].up_to())["90.0"] == 0


async def test_jobs_for_which_workers_died_are_told_apart(stores: Stores) -> None:
    jobs = [stores.book.put(crashes="2", max_attempts="3"), stores.book.put(max_attempts="3")]
    await stores.claim(*jobs)
    stores.book.run("UPDATE jobs SET lease_until = now() - interval '1 s'")

    stores.watch.reap()
    stores.watch.count()

    assert [stores.book.status(job) for job in jobs] == [FAILED, "queued"]
    assert {what: jobs for what, jobs in counts(stores).items() if what != "started"} == {"poison": 1, "crashed": 1}


async def test_a_tenant_sees_its_own_counts_and_the_installation_all(stores: Stores, theirs: Tenant) -> None:
    await done(stores)
    (made,) = await stores.create({}, of=theirs)
    stores.watch.count()

    ours, others = (stores.door.operations(each.id) for each in (stores.book.default, theirs))

    assert {each.what for each in await ours.counted(1)} == {"created", "started", "completed"}
    assert await others.counted(1) == [Counted("sleep", "created", NOT_MEASURED, 1, 0)]
    assert sum(each.jobs for each in await stores.hands.operations.counted() if each.what == "created") == 2
    assert [each.jobs for each in await others.unfinished()] == [1]
    assert (await others.first_queued("sleep", "default"), await ours.first_queued("sleep", "default")) == (
        made.id,
        None,
    )
    assert await ours.unfinished() == []


async def test_hours_and_days_of_long_ago_are_forgotten_and_what_they_sum_up_to_stays(stores: Stores) -> None:
    job = stores.book.put(COMPLETED)
    stores.book.run(
        "INSERT INTO job_events (tenant_id, job_id, type, at) SELECT tenant_id, id, 'completed', now() - interval '40 days' FROM jobs WHERE id = %s",
        job,
    )

    stores.watch.count()
    stores.watch.count()

    assert (counts(stores), counts(stores, BY_HOUR), counts(stores, BY_DAY)) == ({"completed": 1}, {}, {})


async def test_in_a_database_that_was_restored_elsewhere_counting_goes_on(stores: Stores) -> None:
    stores.book.run("UPDATE installation SET counted_tx = '999999999999'")
    stores.watch.count()

    await done(stores)
    stores.watch.count()

    assert counts(stores)["completed"] == 1
