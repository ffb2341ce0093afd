"""The races that were met before (reference/races.md), each kept from coming back, as far as the book is concerned."""

import asyncio
from collections import Counter

import psycopg
import pytest
from given import KIND, KINDS, LEASE_S, Stores, ending

from agent_tools.jobs.errors import Conflict, NotNow
from agent_tools.jobs.job import COMPLETED, FAILED, QUEUED, RUNNING
from agent_tools.requests import hash_of
from sql.connect import open_pool
from sql.migrate import migrate
from sql.schema import DOOR, HANDS
from sql.watch import Rung

SILENT = "now() - interval '1 s'"


# ------------------------------------------------------------------------------------------- 1: the bell knows no tenant


async def test_one_worker_claims_beats_and_settles_for_two_tenants_at_once(stores: Stores) -> None:
    ours, theirs = stores.book.default, stores.book.tenant("theirs")
    jobs = [stores.book.put(of=ours), stores.book.put(of=theirs)]

    claims = await stores.claim(*jobs)
    kept = stores.watch.beat(1, LEASE_S, [(claim.id, claim.fence) for claim in claims])
    settled = await stores.hands.settle([ending(claim.id, claim.fence) for claim in claims])

    assert {claim.id: claim.tenant for claim in claims} == {jobs[0]: ours.id, jobs[1]: theirs.id}
    assert kept == {(claim.id, claim.fence) for claim in claims}
    assert {each.status for each in settled.values()} == {"completed"}


async def test_one_sweep_rings_and_reaps_for_two_tenants_at_once(stores: Stores) -> None:
    book = stores.book
    book.worker()
    owners = [book.default, book.tenant("theirs")]
    due = {book.put(of=owner): owner.id for owner in owners}
    silent = {book.put(RUNNING, of=owner, lease_until=SILENT) for owner in owners}
    old = {book.put(COMPLETED, of=owner, keep_until=SILENT): owner.id for owner in owners}

    assert {each.id: each.tenant for each in stores.watch.ring()} == due
    assert set(stores.watch.reap()) == silent
    assert {job: tenant for tenant, job in stores.watch.expire()} == old


# --------------------------------------------------------------------------------- 3: a lost lease is not always a crash


async def test_a_late_beat_revives(stores: Stores) -> None:
    job = stores.book.put(RUNNING, fence="5", lease_until="now() - interval '1 hour'")

    kept = stores.watch.beat(1, LEASE_S, [(job, 5)])

    assert kept == {(job, 5)}
    assert stores.watch.reap() == []
    assert stores.book.status(job) == RUNNING


async def test_a_beat_under_an_older_fence_keeps_nothing(stores: Stores) -> None:
    job = stores.book.put(RUNNING, fence="6", lease_until=SILENT)

    assert stores.watch.beat(1, LEASE_S, [(job, 5)]) == set()
    assert stores.watch.reap() == [job]


async def test_a_beat_never_carries_a_lease_past_the_deadline(stores: Stores) -> None:
    near = stores.book.put(RUNNING, fence="5", deadline_at="now() + interval '3 s'")
    past = stores.book.put(RUNNING, fence="6", deadline_at=SILENT)

    kept = stores.watch.beat(1, LEASE_S, [(near, 5), (past, 6)])

    assert kept == {(near, 5)}
    assert stores.book.one("SELECT lease_until = deadline_at FROM jobs WHERE id = %s", near)


# ------------------------------------------------------------------------ 4 and 25: poison takes no neighbours along


async def test_a_claim_of_many_takes_at_most_one_that_has_crashed(stores: Stores) -> None:
    fresh = {stores.book.put() for _ in range(9)}
    crashed = {stores.book.put(crashes="1", rung_at="now()") for _ in range(5)}

    claimed = {claim.id for claim in await stores.claim(*fresh, *crashed)}

    assert claimed >= fresh
    assert len(claimed & crashed) == 1
    refused = crashed - claimed
    assert all(stores.book.one("SELECT rung_at IS NULL FROM jobs WHERE id = %s", job) for job in refused)


async def test_poison_runs_beside_no_other_crashed_job_of_its_worker(stores: Stores) -> None:
    first, second = stores.book.put(crashes="1"), stores.book.put(crashes="2")
    (running,) = await stores.claim(first, worker=1)

    assert await stores.claim(second, worker=1) == []
    assert [claim.id for claim in await stores.claim(second, worker=2)] == [second]
    await stores.settle(running)
    third = stores.book.put(crashes="1")
    assert [claim.id for claim in await stores.claim(third, worker=1)] == [third]


async def test_the_third_crash_is_poison_and_says_so(stores: Stores) -> None:
    job = stores.book.put(max_attempts="9")

    for _ in range(3):
        await stores.claim(job)
        stores.book.run(f"UPDATE jobs SET lease_until = {SILENT} WHERE id = %s", job)
        stores.watch.reap()

    row = stores.book.row(job)
    assert row is not None
    assert (row["status"], row["crashes"], row["errors"], row["error"]["code"]) == ("failed", 3, 0, "poison")
    assert stores.book.events(job) == ["started", "crashed", "started", "crashed", "started", "failed"]


# ------------------------------------------------------------------------------------------------ 5: an ambiguous commit


async def test_settling_again_after_a_lost_reply_moves_nothing_and_a_look_tells(stores: Stores) -> None:
    (claim,) = await stores.claim(stores.book.put())
    await stores.settle(claim, result={"kept": 1})

    again = await stores.settle(claim, result={"kept": 2})

    look = await stores.hands.look(claim.id, claim.fence)
    assert again is None
    assert look is not None
    assert look.status == COMPLETED
    assert stores.book.one("SELECT result FROM jobs WHERE id = %s", claim.id) == {"kept": 1}
    assert stores.book.events(claim.id) == ["started", "completed"]


async def test_a_slow_worker_cannot_settle_the_next_attempt(stores: Stores) -> None:
    job = stores.book.put()
    (slow,) = await stores.claim(job)
    await stores.settle(slow, "given_back")
    (fast,) = await stores.claim(job, worker=2)

    assert await stores.settle(slow, result={"by": "slow"}) is None
    assert await stores.hands.look(slow.id, slow.fence) is None
    assert await stores.settle(fast, result={"by": "fast"}) == "completed"
    assert stores.book.one("SELECT result FROM jobs WHERE id = %s", job) == {"by": "fast"}


@pytest.mark.parametrize("slow_first", [True, False])
async def test_a_slow_attempt_settled_in_one_batch_with_the_next_leaves_nothing(
    stores: Stores, slow_first: bool
) -> None:
    job = stores.book.put()
    (slow,) = await stores.claim(job)
    await stores.settle(slow, "given_back")
    (fast,) = await stores.claim(job)
    both = [ending(job, slow.fence, result={"by": "slow"}), ending(job, fast.fence, result={"by": "fast"})]

    settled = await stores.hands.settle(both if slow_first else both[::-1])

    assert settled == {(job, fast.fence): ("completed", False)}
    assert stores.book.one("SELECT result FROM jobs WHERE id = %s", job) == {"by": "fast"}


async def test_a_slow_worker_records_no_step_of_the_next_attempt(stores: Stores) -> None:
    job = stores.book.put()
    (slow,) = await stores.claim(job)
    await stores.settle(slow, "given_back")
    (fast,) = await stores.claim(job)
    step = {"id": job, "name": "fetch", "args_hash": "00", "reuse": None, "value": 1, "took_s": 0.1}

    assert not await stores.hands.record_step({**step, "fence": slow.fence})
    assert await stores.hands.record_step({**step, "fence": fast.fence, "value": 2})
    assert await stores.hands.step(stores.book.default.id, job, "fetch", b"\0", None) == (2, pytest.approx(0.1), False)


# -------------------------------------------------------------------------- 6: ringing again must not multiply messages


async def test_a_message_is_rung_again_by_whoever_saw_it_lost_first(stores: Stores) -> None:
    stores.book.worker()
    job = stores.book.put(rung_at="now() - interval '1 min'", dispatch="3")

    first = stores.watch.ring_again([Rung(job, 3, "default")])
    second = stores.watch.ring_again([Rung(job, 3, "default")])

    assert [due.dispatch for due in first] == [4]
    assert second == []


async def test_what_was_rung_is_not_rung_again_by_its_age(stores: Stores) -> None:
    stores.book.worker()
    stores.book.put(rung_at="now() - interval '1 day'", dispatch="1")

    assert stores.watch.ring() == []


async def test_a_kind_that_nobody_alive_announces_is_not_rung(stores: Stores) -> None:
    stores.book.put()
    stores.book.worker("silent")
    stores.book.run("UPDATE workers SET seen_at = now() - interval '2 min'")
    stores.book.worker("other", kinds=["other"])

    assert stores.watch.ring() == []


# ---------------------------------------------------------------------------------------------- 9: a sequence is no cursor


async def test_a_slow_commit_is_not_lost_behind_a_fast_one(stores: Stores) -> None:
    insert = "INSERT INTO backburner.job_events (tenant_id, job_id, type) VALUES (1, %s, 'created')"
    begin, cursor = await stores.hands.events_end(), 0
    with psycopg.connect(stores.book.connection.info.dsn) as slow:
        slow.execute(insert, ("slow",))
        stores.book.run(insert, "fast")

        while_open = await stores.hands.events_after(begin, cursor)
        slow.commit()
    afterwards = await stores.hands.events_after(begin, cursor)

    assert while_open == []
    assert [event.job for event in afterwards] == ["slow", "fast"]
    assert [event.job for event in await stores.hands.events_after(afterwards[0].tx, afterwards[0].id)] == ["fast"]


async def test_events_are_read_in_the_order_of_their_transactions_and_not_of_their_numbers(stores: Stores) -> None:
    insert = "INSERT INTO backburner.job_events (tenant_id, job_id, type) VALUES (1, %s, 'created')"
    begin = await stores.hands.events_end()
    with psycopg.connect(stores.book.connection.info.dsn) as early:
        early.execute("SELECT pg_current_xact_id()")
        stores.book.run(insert, "number 1, transaction 2")
        early.execute(insert, ("number 2, transaction 1",))

    read = await stores.hands.events_after(begin, 0)

    assert [event.job for event in read] == ["number 2, transaction 1", "number 1, transaction 2"]


# ------------------------------------------------------------------------------------------------------ 18: idempotency


def keyed(key: str, args: dict[str, int], **more: object) -> dict[str, object]:
    return {"idempotency_key": key, "args": args, "request_hash": hash_of(args), **more}


async def test_the_same_key_raced_by_twenty_is_one_job(stores: Stores) -> None:
    made = await asyncio.gather(*(stores.create(keyed("k", {"n": 1})) for _ in range(20)))

    assert len({receipt.id for (receipt,) in made}) == 1
    assert Counter(receipt.created for (receipt,) in made) == {True: 1, False: 19}
    assert stores.book.one("SELECT count(*) FROM jobs") == 1
    assert stores.book.one("SELECT count(*) FROM job_events") == 1


async def test_the_same_key_twice_in_one_batch_is_one_job(stores: Stores) -> None:
    made = await stores.create(keyed("k", {"n": 1}), keyed("other", {"n": 2}), keyed("k", {"n": 1}), is_batch=True)

    assert [receipt.place for receipt in made] == [0, 1, 2]
    assert made[0].id == made[2].id != made[1].id
    assert [receipt.created for receipt in made] == [True, True, False]
    assert stores.book.one("SELECT count(*) FROM jobs") == 2


async def test_the_same_key_for_two_requests_of_one_batch_is_a_conflict(stores: Stores) -> None:
    with pytest.raises(Conflict, match="'k'"):
        await stores.create(keyed("k", {"n": 1}), keyed("k", {"n": 2}), is_batch=True)

    assert stores.book.one("SELECT count(*) FROM jobs") == 0


async def test_a_key_used_for_another_request_is_a_conflict_and_nothing_is_written(stores: Stores) -> None:
    await stores.create(keyed("k", {"n": 1}))

    with pytest.raises(Conflict, match="'k'"):
        await stores.create(keyed("fresh", {"n": 5}, subject="New", subject_folded="new"), keyed("k", {"n": 2}))

    assert stores.book.one("SELECT count(*) FROM jobs") == 1
    assert stores.book.one("SELECT count(*) FROM subjects") == 0
    assert stores.book.one("SELECT count(*) FROM job_events") == 1


async def test_a_default_that_changed_since_is_no_conflict(stores: Stores) -> None:
    sent = {"idempotency_key": "k", "request_hash": hash_of({"topic": "cells"})}

    (first,) = await stores.create({**sent, "args": {"topic": "cells", "theme": "light"}})
    (again,) = await stores.create({**sent, "args": {"topic": "cells", "theme": "dark"}})

    assert (again.id, again.created) == (first.id, False)


async def test_a_key_is_its_principals_own(stores: Stores) -> None:
    theirs = stores.book.tenant("theirs")

    (ours,) = await stores.create(keyed("k", {"n": 1}))
    (other,) = await stores.create(keyed("k", {"n": 2}), of=theirs)

    assert ours.created
    assert other.created


# --------------------------------------------------------------------------- 19: a worker without the kind leaves the row


async def test_a_claim_leaves_kinds_that_its_worker_did_not_announce(stores: Stores) -> None:
    known, unknown = stores.book.put(), stores.book.put(kind="'dance'")
    before = stores.book.row(unknown)

    claimed = await stores.claim(known, unknown)

    assert [claim.id for claim in claimed] == [known]
    assert stores.book.row(unknown) == before


# --------------------------------------------------------------------------- locks are taken in one order, or not waited for


@pytest.mark.parametrize("is_same_order", [True, False])
async def test_a_beat_and_a_report_of_progress_over_the_same_jobs_never_deadlock(
    stores: Stores, is_same_order: bool
) -> None:
    claims = await stores.claim(*(stores.book.put() for _ in range(60)))
    held = sorted(((claim.id, claim.fence) for claim in claims), reverse=True)
    said = [
        {"id": job, "fence": fence, "progress": {"message": "On"}} for job, fence in sorted(held, reverse=is_same_order)
    ]

    async def beat() -> list[int]:
        return [len(await asyncio.to_thread(stores.watch.beat, 1, LEASE_S, held)) for _ in range(40)]

    async def report() -> list[int]:
        return [len(await stores.hands.progress(said)) for _ in range(40)]

    beaten, reported = await asyncio.gather(beat(), report())

    assert set(beaten) == set(reported) == {60}


# --------------------------------------------------------------------------------------------------- 23: SET ROLE in a pool


@pytest.mark.parametrize("role", [DOOR, HANDS])
@pytest.mark.parametrize("undo", ["DISCARD ALL", "RESET ROLE", "RESET ALL"])
async def test_a_pools_role_survives_what_would_undo_a_set_role(database_url: str, role: str, undo: str) -> None:
    async with open_pool(database_url, role, size=1) as pool:
        async with pool.connection() as connection:
            await connection.execute(undo)
        async with pool.connection() as connection:
            row = await (
                await connection.execute("SELECT current_user AS role, current_setting('search_path') AS path")
            ).fetchone()

    assert row == {"role": role, "path": "backburner,pg_catalog"}


# ------------------------------------------------------------------------------------------------ 29: function signatures


def test_every_verb_takes_one_jsonb(stores: Stores) -> None:
    helpers = {
        "current_tenant",
        "new_job_id",
        "backoff",
        "refuse_other_request",
        "search_jobs",
        "lock_with_dependants",
        "look_at_dependants",
        "withdraw_asks",
        "webhook_body",
        "tell_webhooks",
    }

    verbs = stores.book.run(
        "SELECT proname, oidvectortypes(proargtypes) AS takes FROM pg_proc WHERE pronamespace = 'backburner'::regnamespace"
    )

    assert {verb["takes"] for verb in verbs if verb["proname"] not in helpers} == {"jsonb"}
    assert len(verbs) == len({verb["proname"] for verb in verbs})


def test_machine_sql_is_applied_again_whole_when_it_differs(own_stores: Stores, database_url: str) -> None:
    own_stores.book.run("CREATE FUNCTION yesterdays_verb(int) RETURNS int LANGUAGE sql RETURN 1")
    own_stores.book.run("ALTER FUNCTION yesterdays_verb(int) OWNER TO backburner_owner")
    own_stores.book.run("DROP FUNCTION cancel_jobs(jsonb)")
    own_stores.book.run("UPDATE migrations SET checksum = 'of yesterday' WHERE version = 0")

    done = migrate(database_url)

    names = {
        row["proname"]
        for row in own_stores.book.run("SELECT proname FROM pg_proc WHERE pronamespace = 'backburner'::regnamespace")
    }
    assert done == ["machine.sql"]
    assert "cancel_jobs" in names
    assert "yesterdays_verb" not in names


async def test_a_verb_that_gave_back_other_columns_is_made_anew(own_stores: Stores, database_url: str) -> None:
    own_stores.book.run("DROP FUNCTION cancel_jobs(jsonb)")
    own_stores.book.run(
        "CREATE FUNCTION cancel_jobs(jsonb) RETURNS TABLE (job text) LANGUAGE sql AS $$ SELECT 'none' $$"
    )
    own_stores.book.run("ALTER FUNCTION cancel_jobs(jsonb) OWNER TO backburner_owner")
    own_stores.book.run("UPDATE migrations SET checksum = 'of yesterday' WHERE version = 0")
    job = own_stores.book.put()

    migrate(database_url)

    owner = own_stores.book.default
    assert [stopped.id for stopped in await own_stores.door.cancel(owner.id, owner.principal, [job])] == [job]


async def test_machine_sql_may_be_applied_under_running_prepared_statements(
    own_stores: Stores, database_url: str
) -> None:
    is_over = asyncio.Event()

    async def walk() -> int:
        walked = 0
        while not is_over.is_set():
            (made,) = await own_stores.create({"again": True})
            (claim,) = await own_stores.claim(made.id)
            own_stores.watch.beat(1, LEASE_S, [(claim.id, claim.fence)])
            assert await own_stores.settle(claim) == "completed"
            walked += 1
        return walked

    async def apply() -> None:
        for _ in range(5):
            own_stores.book.run("UPDATE migrations SET checksum = 'of yesterday' WHERE version = 0")
            await asyncio.to_thread(migrate, database_url)
        is_over.set()

    *walked, _ = await asyncio.gather(walk(), walk(), walk(), apply())

    assert min(walked) > 0
    assert own_stores.book.one("SELECT count(*) FROM jobs WHERE status <> 'completed'") == 0


# --------------------------------------------------------------------------------------------- what else the book promises


async def test_an_id_that_is_taken_is_drawn_again(own_stores: Stores) -> None:
    book = own_stores.book
    taken = [book.put(of=book.tenant("theirs")), book.put()]
    book.run("CREATE SEQUENCE draws")
    book.run("GRANT USAGE ON draws TO backburner_door")
    book.run("ALTER FUNCTION new_job_id() RENAME TO drawn_id")
    book.run("GRANT EXECUTE ON FUNCTION drawn_id() TO backburner_door")
    book.run(
        "CREATE FUNCTION new_job_id() RETURNS text LANGUAGE sql VOLATILE"
        f" RETURN coalesce((ARRAY['{taken[0]}', '{taken[1]}'])[nextval('draws')], drawn_id())"
    )

    (made,) = await own_stores.create({"args": {"n": 1}})

    assert made.created
    assert made.id not in taken
    assert book.events(made.id) == ["created"]
    assert book.one("SELECT last_value FROM draws") == 3


async def test_only_what_has_ended_can_be_redone(stores: Stores) -> None:
    ended, unended = stores.book.put(COMPLETED), stores.book.put(RUNNING)

    with pytest.raises(NotNow, match=unended):
        await stores.create({"redo_of": ended, "again": True}, {"redo_of": unended, "again": True})

    assert stores.book.one("SELECT count(*) FROM jobs") == 2


async def test_what_is_given_back_costs_nothing_and_is_due_at_once(stores: Stores) -> None:
    (claim,) = await stores.claim(stores.book.put())

    await stores.settle(claim, "given_back")

    row = stores.book.row(claim.id)
    assert row is not None
    assert (row["errors"], row["crashes"], row["rung_at"], row["error"]) == (0, 0, None, None)
    (next_claim,) = await stores.claim(claim.id)
    assert (next_claim.attempt, next_claim.fence > claim.fence) == (1, True)


async def test_errors_and_crashes_are_counted_apart(stores: Stores) -> None:
    job = stores.book.put()
    (claim,) = await stores.claim(job)
    await stores.settle(claim, "errored", after_s=0)
    await stores.claim(job)
    stores.book.run(f"UPDATE jobs SET lease_until = {SILENT} WHERE id = %s", job)
    stores.watch.reap()

    (third,) = await stores.claim(job)

    row = stores.book.row(job)
    assert row is not None
    assert (third.attempt, row["errors"], row["crashes"]) == (3, 1, 1)


@pytest.mark.parametrize(("errors", "least", "most"), [(0, 2.5, 5), (1, 5, 10), (20, 300, 600)])
async def test_the_pause_before_another_attempt_grows_and_has_an_end(
    stores: Stores, errors: int, least: float, most: float
) -> None:
    job = stores.book.put(errors=str(errors))
    (claim,) = await stores.claim(job, kinds={KIND: {"timeout_s": 60, "max_attempts": 99}})

    await stores.settle(claim, "errored")

    pause_s = stores.book.one("SELECT extract(epoch FROM run_after - now())::float8 FROM jobs WHERE id = %s", job)
    assert least - 1 <= pause_s <= most


async def test_a_handler_may_say_when_it_wants_to_be_tried_again(stores: Stores) -> None:
    (claim,) = await stores.claim(stores.book.put())

    await stores.settle(claim, "errored", after_s=3600)

    pause_s = stores.book.one("SELECT extract(epoch FROM run_after - now())::float8 FROM jobs WHERE id = %s", claim.id)
    assert 3590 <= pause_s <= 3600
    assert await stores.claim(claim.id) == []


async def test_only_one_of_many_claims_of_a_job_gets_it(stores: Stores) -> None:
    job = stores.book.put()

    claims = await asyncio.gather(*(stores.claim(job, worker=worker) for worker in range(1, 21)))

    assert sum(len(each) for each in claims) == 1


async def test_a_worker_that_was_seen_to_die_loses_its_jobs_at_once_and_no_others(stores: Stores) -> None:
    dead, alive = stores.book.worker("dead"), stores.book.worker("alive")
    lost, kept = (stores.book.put(RUNNING, worker_id=str(worker)) for worker in (dead, alive))

    assert stores.watch.reap_workers(["dead"]) == [lost]
    assert (stores.book.status(lost), stores.book.status(kept)) == (QUEUED, RUNNING)
    assert stores.book.one("SELECT stopped_at IS NOT NULL FROM workers WHERE id = %s", dead)


async def test_a_last_timeout_fails_with_its_limit_in_the_sentence(stores: Stores) -> None:
    job = stores.book.put(
        RUNNING, max_attempts="1", claimed_at="now() - interval '61 s'", deadline_at=SILENT, lease_until=SILENT
    )

    stores.watch.reap()

    row = stores.book.row(job)
    assert row is not None
    assert (row["status"], row["error"]["code"]) == (FAILED, "timeout")
    assert row["error"]["message"] == "The attempt ran longer than its limit of 60 s."


async def test_artifacts_are_named_only_by_the_attempt_that_completed(stores: Stores) -> None:
    file = {"name": "a.txt", "position": 0, "title": "A", "media_type": "text/plain", "bytes": 1, "sha256": "00"}
    job = stores.book.put()
    (claim,) = await stores.claim(job, kinds=KINDS)
    await stores.settle(claim, "errored", after_s=0, artifacts=[file])
    (again,) = await stores.claim(job)
    await stores.settle(again, artifacts=[file])

    assert stores.book.run("SELECT fence, name FROM artifacts WHERE job_id = %s", job) == [
        {"fence": again.fence, "name": "a.txt"}
    ]
    assert await stores.hands.kept_files([(job, claim.fence), (job, again.fence)]) == {(job, again.fence)}
