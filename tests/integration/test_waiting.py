"""Waiting, in the book: for a person, for what is outside, for other jobs; and what happens in the same moment."""

import asyncio
import time
from typing import Any

import psycopg
import pytest
from given import KIND, LEASE_S, Book, Stores

from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.job import CANCELLED, COMPLETED, FAILED, QUEUED, RUNNING, WAITING, JobStatus
from sql.door import AskFilter
from sql.hands import Claim

OUTSIDE = {"waiting_for": "outside", "ask": None}


async def claimed(stores: Stores, **columns: str) -> Claim:
    (claim,) = await stores.claim(stores.book.put(**columns))
    return claim


async def woken_and_claimed(stores: Stores, job: str) -> Claim:
    assert [woken.id for woken in await stores.hands.wake()] == [job]
    (claim,) = await stores.claim(job)
    return claim


def look_in_s(book: Book, job: str) -> Any:
    """In how many seconds the job is looked at; None: not before something happens."""
    return book.one("SELECT extract(epoch FROM look_at - now())::float8 FROM jobs WHERE id = %s", job)


# ------------------------------------------------------------------------------------------------------------- a person


async def test_a_park_spends_nothing_and_holds_nobody(stores: Stores) -> None:
    claim = await claimed(stores)

    assert await stores.park(claim) == WAITING
    assert await stores.hands.wake() == []

    row = stores.book.row(claim.id)
    assert row is not None
    assert (row["errors"], row["crashes"], row["attempt"]) == (0, 0, 1)
    assert (row["worker_id"], row["lease_until"], row["deadline_at"], row["look_at"]) == (None, None, None, None)
    assert (row["waiting_for"], row["waiting_on"]) == ("person", "publish")
    assert stores.book.events(claim.id) == ["started", "waiting"]


async def test_an_answer_wakes_the_job_that_is_parked_for_it_and_gives_it_to_be_rung(stores: Stores) -> None:
    claim = await claimed(stores)
    await stores.park(claim)
    (ask,) = await stores.door.asks(claim.tenant, AskFilter())

    answered = await stores.answer(ask.id, "reject")

    assert (answered.outcome, answered.job, answered.by_name, answered.queue) == (
        "answered",
        claim.id,
        "owner",
        "default",
    )
    assert (answered.dispatch, stores.book.status(claim.id)) == (1, QUEUED)
    (again,) = await stores.claim(claim.id)
    assert (again.attempt, again.fence > claim.fence, again.waiting_on) == (1, True, "publish")
    reaction = await stores.hands.ask(claim.tenant, claim.id, "publish", b"\0")
    assert reaction is not None
    assert reaction.answer == {"decision": "reject", "values": None, "notes": None}
    assert (reaction.by_name, reaction.at, reaction.is_expired) == ("owner", answered.at, False)
    assert stores.book.events(claim.id) == ["started", "waiting", "answered"]


async def test_an_answer_that_comes_before_the_park_is_not_lost(stores: Stores) -> None:
    for _ in range(100):
        claim = await claimed(stores)
        ask = stores.book.ask(claim.id, "publish")

        (answered, _) = await asyncio.gather(stores.answer(ask), stores.park(claim))
        await stores.hands.wake()

        assert answered.outcome == "answered"
        assert stores.book.status(claim.id) == QUEUED
        assert stores.book.asks(claim.id)[0]["answer"]["decision"] == "approve"
        assert len(stores.book.asks(claim.id)) == 1


async def test_a_wake_and_an_answer_in_the_same_moment_leave_the_job_queued(stores: Stores) -> None:
    for _ in range(100):
        claim = await claimed(stores)
        await stores.park(claim)
        (ask,) = stores.book.asks(claim.id)

        await asyncio.gather(stores.hands.wake(), stores.answer(ask["id"]), stores.hands.wake())

        assert stores.book.status(claim.id) == QUEUED


async def test_of_two_people_who_answer_at_once_one_wins_and_the_other_is_told_who_when_and_what(
    stores: Stores,
) -> None:
    book = stores.book
    text = "INSERT INTO principals (tenant_id, name, role) VALUES (%s, 'Marta', 'person') RETURNING id"
    marta = book.one(text, book.default.id)
    for _ in range(50):
        ask = book.ask(book.put(WAITING, waiting_on="'publish'"), "publish")

        def given(principal: int, decision: str, ask: int = ask) -> Any:
            answers = [{"ask": ask, "answer": {"decision": decision}}]
            return stores.door.answer(book.default.id, principal, answers, own=True)

        both = await asyncio.gather(given(book.default.principal, "approve"), given(marta, "reject"))

        first, second = sorted((answered for (answered,) in both), key=lambda answered: answered.outcome)
        assert (first.outcome, second.outcome) == ("answered", "taken")
        assert (second.by_name, second.at, second.answer) == (first.by_name, first.at, first.answer)
        assert second.dispatch is None


async def test_of_two_answers_in_one_batch_the_first_counts(stores: Stores) -> None:
    job = stores.book.put(WAITING, waiting_on="'publish'")
    ask = stores.book.ask(job, "publish")
    answers = [
        {"ask": each, "answer": {"decision": decision}} for each, decision in ((ask, "yes"), (ask, "no"), (0, "yes"))
    ]

    answered = await stores.door.answer(stores.book.default.id, stores.book.default.principal, answers, own=True)

    assert [each.outcome for each in answered] == ["answered", "taken", "gone"]
    assert stores.book.asks(job)[0]["answer"] == {"decision": "yes"}
    assert stores.book.events(job) == ["answered"]


async def test_an_answer_to_a_question_that_the_job_is_not_parked_for_is_kept_and_wakes_nobody(stores: Stores) -> None:
    job = stores.book.put(WAITING, waiting_on="'pay'")

    answered = await stores.answer(stores.book.ask(job, "publish"))

    assert (answered.outcome, answered.dispatch) == ("answered", None)
    assert stores.book.status(job) == WAITING


@pytest.mark.parametrize("how", ["cancel", "completed", "failed", "poison"])
async def test_an_answer_after_the_end_is_refused_and_open_questions_are_withdrawn(stores: Stores, how: str) -> None:
    claim = await claimed(stores, crashes="2", max_attempts="1")
    await stores.park(claim)
    stores.book.run("UPDATE jobs SET look_at = now() WHERE id = %s", claim.id)
    stores.book.run("UPDATE jobs SET status = 'queued', waiting_for = NULL, look_at = NULL WHERE id = %s", claim.id)
    (claim,) = await stores.claim(claim.id)
    (ask,) = stores.book.asks(claim.id)
    match how:
        case "cancel":
            await stores.door.cancel(stores.book.default.id, stores.book.default.principal, [claim.id])
        case "poison":
            stores.book.run("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE id = %s", claim.id)
            assert stores.watch.reap() == [claim.id]
        case _:
            await stores.settle(claim, how)
    before = stores.book.row(claim.id)

    answered = await stores.answer(ask["id"])

    assert (answered.outcome, answered.job) == ("ended", claim.id)
    assert stores.book.row(claim.id) == before
    assert stores.book.asks(claim.id)[0]["withdrawn_at"] is not None


async def test_changed_content_makes_a_new_question_and_withdraws_the_old(stores: Stores) -> None:
    claim = await claimed(stores)
    await stores.park(claim, shown="01")
    stores.book.run("UPDATE jobs SET status = 'queued', waiting_for = NULL, look_at = NULL WHERE id = %s", claim.id)
    (claim,) = await stores.claim(claim.id)

    await stores.park(claim, shown="02")

    old, new = stores.book.asks(claim.id)
    assert (old["withdrawn_at"] is None, new["withdrawn_at"]) == (False, None)
    assert (await stores.answer(old["id"])).outcome == "changed"
    assert (await stores.answer(new["id"], shown_hash="01")).outcome == "changed"
    assert stores.book.status(claim.id) == WAITING
    assert (await stores.answer(new["id"], shown_hash="02")).outcome == "answered"
    assert stores.book.events(claim.id) == ["started", "waiting", "waiting", "answered"]


async def test_the_earlier_content_once_more_is_the_earlier_question(stores: Stores) -> None:
    claim = await claimed(stores)
    for shown in ("01", "02", "01"):
        await stores.park(claim, shown=shown)
        stores.book.run("UPDATE jobs SET status = 'queued', waiting_for = NULL, look_at = NULL WHERE id = %s", claim.id)
        (claim,) = await stores.claim(claim.id)

    first, second = stores.book.asks(claim.id)
    assert (first["withdrawn_at"], second["withdrawn_at"] is None) == (None, False)


async def test_the_asker_may_not_answer_itself_where_that_is_not_allowed(stores: Stores) -> None:
    ask = stores.book.ask(stores.book.put(WAITING, waiting_on="'publish'"), "publish")
    given = [{"ask": ask, "answer": {"decision": "approve"}}]

    (answered,) = await stores.door.answer(stores.book.default.id, stores.book.default.principal, given, own=False)

    assert answered.outcome == "own"
    assert (await stores.answer(ask)).outcome == "answered"


async def test_a_question_with_a_deadline_is_withdrawn_then_and_its_job_goes_on(stores: Stores) -> None:
    claim = await claimed(stores)
    row = {"name": "publish", "question": "?", "choices": [], "form": None, "shown": None, "shown_hash_hex": "00"}
    await stores.park(claim, ask={**row, "within_s": 3600})

    assert await stores.hands.wake() == []
    assert 3590 < look_in_s(stores.book, claim.id) <= 3600
    stores.book.run("UPDATE asks SET deadline_at = now() - interval '1 s'")
    (ask,) = stores.book.asks(claim.id)
    assert (await stores.answer(ask["id"])).outcome == "expired"
    stores.book.run("UPDATE jobs SET look_at = now() - interval '1 s' WHERE id = %s", claim.id)
    again = await woken_and_claimed(stores, claim.id)

    reaction = await stores.hands.ask(claim.tenant, claim.id, "publish", b"\0")
    assert reaction is not None
    assert (reaction.is_expired, reaction.answer) == (True, None)
    await stores.park(again, ask={**row, "within_s": 3600})
    assert stores.book.asks(claim.id)[0]["withdrawn_at"] is not None, "what has expired stays so"
    assert [woken.id for woken in await stores.hands.wake()] == [claim.id]


async def test_a_question_of_400_days_ago_is_answered_as_one_of_today(stores: Stores) -> None:
    claim = await claimed(stores)
    await stores.park(claim)
    await stores.hands.wake()
    moments = ("created_at", "started_at", "claimed_at", "run_after", "waiting_since")
    moved = ", ".join(f"{name} = {name} - interval '400 days'" for name in moments)
    stores.book.run(f"UPDATE jobs SET {moved}")
    stores.book.run("UPDATE asks SET asked_at = asked_at - interval '400 days'")
    stores.book.run("UPDATE job_events SET at = at - interval '400 days'")
    stores.watch.expire()
    stores.watch.reap()
    (ask,) = await stores.door.asks(claim.tenant, AskFilter())

    answered = await stores.answer(ask.id)
    (again,) = await stores.claim(claim.id)

    assert answered.outcome == "answered"
    assert (again.attempt, again.waiting_on) == (1, "publish")
    assert again.waited_s == pytest.approx(400 * 86_400, abs=60)
    assert await stores.settle(again) == COMPLETED


# -------------------------------------------------------------------------------------------------------------- outside


async def test_what_is_looked_for_outside_is_looked_for_when_it_is_due(stores: Stores) -> None:
    claim = await claimed(stores)
    await stores.park(claim, "payment", **OUTSIDE, look_s=60)

    assert await stores.hands.wake() == []
    assert 59 < look_in_s(stores.book, claim.id) <= 60
    stores.book.run("UPDATE jobs SET look_at = now() - interval '1 s' WHERE id = %s", claim.id)
    again = await woken_and_claimed(stores, claim.id)

    assert (again.attempt, again.waiting_on) == (1, "payment")


async def test_the_time_waited_is_counted_over_all_looks_and_from_anew_for_something_else(stores: Stores) -> None:
    claim = await claimed(stores)
    waited = []
    for what in ("payment", "payment", "delivery"):
        await stores.park(claim, what, **OUTSIDE, look_s=0)
        stores.book.run("UPDATE jobs SET waiting_since = waiting_since - interval '100 s' WHERE id = %s", claim.id)
        claim = await woken_and_claimed(stores, claim.id)
        waited.append(round(claim.waited_s or 0, -1))

    assert waited == [100, 200, 100]


async def test_20_parks_for_the_same_leave_one_event(stores: Stores) -> None:
    claim = await claimed(stores)
    for _ in range(20):
        await stores.park(claim, "payment", **OUTSIDE, look_s=0)
        claim = await woken_and_claimed(stores, claim.id)
    await stores.settle(claim)

    assert stores.book.events(claim.id) == ["started", "waiting", "completed"]


async def test_an_attempt_after_an_error_is_told_of_although_the_job_waited_before(stores: Stores) -> None:
    claim = await claimed(stores)
    await stores.park(claim, "payment", **OUTSIDE, look_s=0)
    claim = await woken_and_claimed(stores, claim.id)
    await stores.settle(claim, "errored", after_s=0)

    (again,) = await stores.claim(claim.id)

    assert again.attempt == 2
    assert stores.book.events(claim.id) == ["started", "waiting", "retrying", "started"]


async def test_a_nudge_makes_a_parked_job_look_at_once(stores: Stores) -> None:
    claim = await claimed(stores)
    await stores.park(claim, "payment", **OUTSIDE, look_s=3600)

    assert await stores.hands.nudge(claim.id)

    assert [woken.id for woken in await stores.hands.wake()] == [claim.id]


async def test_a_nudge_while_the_check_runs_is_not_lost(stores: Stores) -> None:
    claim = await claimed(stores)

    assert await stores.hands.nudge(claim.id)
    await stores.park(claim, "payment", **OUTSIDE, look_s=3600)
    claim = await woken_and_claimed(stores, claim.id)
    await stores.park(claim, "payment", **OUTSIDE, look_s=3600)

    assert await stores.hands.wake() == [], "the nudge of before the last look counts no more"


async def test_a_nudge_and_a_park_in_the_same_moment_make_the_job_look(stores: Stores) -> None:
    for _ in range(100):
        claim = await claimed(stores)

        await asyncio.gather(stores.hands.nudge(claim.id), stores.park(claim, "payment", **OUTSIDE, look_s=3600))

        assert [woken.id for woken in await stores.hands.wake()] == [claim.id]


async def test_a_nudge_without_an_end_to_its_pauses_is_what_is_waited_for(stores: Stores) -> None:
    claim = await claimed(stores)

    await stores.park(claim, "payment", **OUTSIDE)

    assert look_in_s(stores.book, claim.id) is None


async def test_nobody_nudges_a_job_that_waits_for_a_person(stores: Stores) -> None:
    job = stores.book.put(WAITING, waiting_on="'publish'")

    assert not await stores.hands.nudge(job)
    assert look_in_s(stores.book, job) is None


# ----------------------------------------------------------------------------------------------------------- other jobs


async def after(stores: Stores, *parents: str | int, if_parent_fails: str = "cancel", **more: Any) -> str:
    (made,) = await stores.create({"after": list(parents), "if_parent_fails": if_parent_fails, "again": True, **more})
    return str(made.id)


async def test_two_last_parents_that_settle_together_never_leave_the_dependant_stuck(stores: Stores) -> None:
    for _ in range(200):
        claims = await stores.claim(stores.book.put(), stores.book.put())
        child = await after(stores, *(claim.id for claim in claims))
        await stores.hands.wake()

        await asyncio.gather(*(stores.settle(claim) for claim in claims))
        await stores.hands.wake()

        assert stores.book.status(child) == QUEUED


async def test_two_last_parents_that_settle_while_somebody_wakes_never_leave_the_dependant_stuck(
    stores: Stores,
) -> None:
    for _ in range(200):
        claims = await stores.claim(stores.book.put(), stores.book.put())
        child = await after(stores, *(claim.id for claim in claims))

        await asyncio.gather(*(stores.settle(claim) for claim in claims), stores.hands.wake(), stores.hands.wake())
        await stores.hands.wake()

        assert stores.book.status(child) == QUEUED


async def test_a_parent_that_ends_while_its_dependant_is_created_never_leaves_it_stuck(stores: Stores) -> None:
    for _ in range(200):
        claim = await claimed(stores)

        child, _, _ = await asyncio.gather(after(stores, claim.id), stores.settle(claim), stores.hands.wake())
        await stores.hands.wake()

        assert stores.book.status(child) == QUEUED


async def test_a_job_is_claimed_although_another_is_just_created_to_come_after_it(stores: Stores) -> None:
    parent = stores.book.put()
    with psycopg.connect(stores.book.connection.info.dsn, options="-c search_path=backburner") as creating:
        creating.execute("SELECT FROM jobs WHERE id = %s FOR KEY SHARE", (parent,))

        assert [claim.id for claim in await stores.claim(parent)] == [parent]


async def test_a_chain_that_is_cancelled_while_its_head_ends_never_deadlocks(stores: Stores) -> None:
    owner = stores.book.default
    for _ in range(50):
        claim = await claimed(stores)
        chain = [claim.id]
        for _ in range(4):
            chain.append(await after(stores, chain[-1]))

        async def cancel(chain: list[str] = chain) -> None:
            await stores.door.cancel(owner.id, owner.principal, chain)

        await asyncio.gather(cancel(), stores.settle(claim, "failed"), cancel())
        while await stores.hands.wake():
            pass

        assert {stores.book.status(job) for job in chain[1:]} == {CANCELLED}


async def test_an_end_says_whether_somebody_waited_for_it(stores: Stores) -> None:
    awaited, other = await stores.claim(stores.book.put(), stores.book.put())
    await after(stores, awaited.id)
    endings = [{"id": claim.id, "fence": claim.fence, "outcome": "completed"} for claim in (awaited, other)]

    settled = await stores.hands.settle(endings)

    assert {job: each.is_awaited for (job, _), each in settled.items()} == {awaited.id: True, other.id: False}


@pytest.mark.parametrize("ended", [FAILED, CANCELLED])
async def test_a_failed_parent_cancels_its_dependant_and_is_named(stores: Stores, ended: JobStatus) -> None:
    parent = stores.book.put(RUNNING)
    child = await after(stores, parent)
    grandchild = await after(stores, child)
    columns = (
        'status = \'failed\', error = \'{"code": "a", "message": "b"}\'' if ended is FAILED else "status = 'cancelled'"
    )
    stores.book.run(
        f"UPDATE jobs SET {columns}, finished_at = now(), lease_until = NULL, deadline_at = NULL, worker_id = NULL WHERE id = %s",
        parent,
    )

    woken = [*await stores.hands.wake(), *await stores.hands.wake()]

    assert {tuple(each) for each in woken} == {(child, CANCELLED), (grandchild, CANCELLED)}
    row = stores.book.row(child)
    assert row is not None
    assert row["error"]["code"] == "parent_failed"
    assert row["error"]["message"] == f"It was to come after {parent} ({ended})."
    assert stores.book.events(child) == ["created", "cancelled"]


async def test_a_failed_parent_runs_its_dependant_where_its_link_says_so(stores: Stores) -> None:
    failed, completed = stores.book.put(FAILED), stores.book.put(COMPLETED)

    child = await after(stores, failed, completed, if_parent_fails="run")
    await stores.hands.wake()

    assert stores.book.status(child) == QUEUED


async def test_a_dependant_is_cancelled_as_soon_as_one_parent_has_failed(stores: Stores) -> None:
    child = await after(stores, stores.book.put(RUNNING), stores.book.put(FAILED))

    await stores.hands.wake()

    assert stores.book.status(child) == CANCELLED


async def test_a_parent_that_completed_and_was_deleted_since_has_not_failed(stores: Stores) -> None:
    completed, running = stores.book.put(COMPLETED), await claimed(stores)
    child = await after(stores, completed, running.id)
    await stores.hands.wake()

    await stores.door.delete(stores.book.default.id, stores.book.default.principal, [completed])
    await stores.settle(running)
    await stores.hands.wake()

    assert stores.book.status(child) == QUEUED


async def test_a_parent_that_is_gone_without_having_completed_has_failed(stores: Stores) -> None:
    parent = stores.book.put(FAILED)
    child = await after(stores, parent)
    await stores.door.delete(stores.book.default.id, stores.book.default.principal, [parent])

    await stores.hands.wake()

    row = stores.book.row(child)
    assert row is not None
    assert (row["status"], row["error"]["message"]) == (CANCELLED, f"It was to come after {parent} (gone).")


async def test_a_batch_with_places_comes_in_order(stores: Stores) -> None:
    asked = [{"after": [2], "args": {"n": 0}}, {"args": {"n": 1}}, {"after": [1], "args": {"n": 2}}]
    made = await stores.create(*({"if_parent_fails": "cancel", "again": True, **each} for each in asked), is_batch=True)
    last, first, second = (each.id for each in made)

    statuses = []
    for job in (first, second, last):
        await stores.hands.wake()
        statuses.append([stores.book.status(each) for each in (first, second, last)])
        (claim,) = await stores.claim(job)
        await stores.settle(claim)

    assert [each.dispatch for each in made] == [0, 1, 0]
    assert statuses == [
        ["queued", "waiting", "waiting"],
        ["completed", "queued", "waiting"],
        ["completed", "completed", "queued"],
    ]


async def test_a_dependant_with_a_time_of_its_own_waits_for_that_too(stores: Stores) -> None:
    child = await after(stores, stores.book.put(COMPLETED), run_after="2999-01-01T00:00:00Z")

    await stores.hands.wake()

    assert stores.book.status(child) == QUEUED
    assert stores.book.one("SELECT run_after > now() + interval '1 day' FROM jobs WHERE id = %s", child)


async def test_a_job_after_one_that_is_not_there_is_refused_and_nothing_is_created(stores: Stores) -> None:
    with pytest.raises(BadRequest, match="0c3k9x2mq7f4w"):
        await stores.create(
            {"args": {"n": 1}}, {"args": {"n": 2}, "after": ["0c3k9x2mq7f4w"], "if_parent_fails": "cancel"}
        )

    assert stores.book.one("SELECT count(*) FROM jobs") == 0


async def test_what_was_created_before_by_its_key_gets_no_new_parents(stores: Stores) -> None:
    keyed = {"idempotency_key": "k", "request_hash": "00", "if_parent_fails": "cancel"}
    (first,) = await stores.create({**keyed, "after": [stores.book.put()]})

    (again,) = await stores.create({**keyed, "after": [stores.book.put()]})

    assert (again.id, again.created) == (first.id, False)
    assert stores.book.one("SELECT count(*) FROM job_links") == 1


# -------------------------------------------------------------------------------------------------------- many that wait

MANY = 100_000
_WAITING_ROWS = f"""
  INSERT INTO jobs (id, tenant_id, principal_id, kind, args_hash, status, waiting_for, waiting_on, look_at)
  SELECT translate(lpad(to_hex(n), 13, '0'), 'ilou', 'wxyz'), %s, %s, '{KIND}', '\\x00', 'waiting',
         CASE n %% 2 WHEN 0 THEN 'person' ELSE 'outside' END, 'it', CASE n %% 2 WHEN 1 THEN now() + interval '1 day' END
    FROM generate_series(1, {MANY}) AS n
"""


@pytest.mark.slow
async def test_a_hundred_thousand_that_wait_cost_the_sweep_nothing_that_can_be_measured(own_stores: Stores) -> None:
    book, watch = own_stores.book, own_stores.watch
    book.worker()

    def tick_ms() -> float:
        """What the sweep asks of the book in a tick; the best of many."""
        best = float("inf")
        for _ in range(30):
            began = time.perf_counter()
            watch.reap()
            watch.wake()
            watch.ring()
            best = min(best, time.perf_counter() - began)
        return best * 1000

    without = tick_ms()
    book.run(_WAITING_ROWS, book.default.id, book.default.principal)
    book.run("ANALYZE jobs")
    watch.beat(1, LEASE_S, [])
    with_many = tick_ms()
    look = "SELECT id FROM jobs WHERE look_at <= now() ORDER BY look_at LIMIT 1000 FOR UPDATE SKIP LOCKED"
    plan = "\n".join(row["QUERY PLAN"] for row in book.run(f"EXPLAIN {look}"))

    print(
        f"\n  measured: a sweep's statements: {without:.2f} ms with nothing, {with_many:.2f} ms with {MANY:,} waiting"
    )
    assert "jobs_look" in plan
    assert "Seq Scan" not in plan
    assert with_many < without * 5 + 5
