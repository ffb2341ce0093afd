"""Only so many of a kind at once in a tenant: however many claim, ring and die at the same time."""

import asyncio
import random
from dataclasses import replace

import pytest
from given import KIND, KINDS, LEASE_S, Stores, Tenant
from kinds_for_tests import sleep

from agent_tools.app import Backburner
from agent_tools.jobs.job import COMPLETED, RUNNING
from agent_tools.jobs.kinds import Kinds
from agent_tools.settings import Settings
from sql.hands import Claim
from worker.hands import open_hands

TWO = {KIND: {**KINDS[KIND], "at_once": 2}}


async def claim(stores: Stores, *ids: str, worker: int = 1) -> list[str]:
    return [each.id for each in await stores.claim(*ids, worker=worker, kinds=TWO)]


def announce(stores: Stores, at_once: int = 2) -> None:
    stores.book.worker()
    stores.book.run("UPDATE workers SET at_once = jsonb_build_object(%s::text, %s::int)", KIND, at_once)


def rung(stores: Stores) -> set[str]:
    return {each.id for each in stores.watch.ring()}


async def test_a_claim_takes_no_more_than_may_run_and_the_rest_is_rung_when_there_is_room(stores: Stores) -> None:
    announce(stores)
    jobs = [stores.book.put(rung_at="now()") for _ in range(5)]

    first = await stores.claim(*jobs, kinds=TWO)
    assert (len(first), await claim(stores, *jobs), rung(stores)) == (2, [], set())

    await stores.settle(first[0])
    (next_one,) = rung(stores)
    assert next_one in set(jobs) - {each.id for each in first}
    assert await claim(stores, next_one) == [next_one]
    assert rung(stores) == set()


async def test_the_more_urgent_and_then_the_older_have_the_places(stores: Stores) -> None:
    announce(stores)
    old = stores.book.put(created_at="now() - interval '1 h'")
    young = stores.book.put()
    urgent = stores.book.put(priority="1")

    assert rung(stores) == {urgent, old}
    assert sorted(await claim(stores, young, old, urgent)) == sorted([urgent, old])


async def test_a_limit_is_each_tenants_own_and_each_kinds(stores: Stores) -> None:
    theirs = stores.book.tenant("theirs")
    ours = [stores.book.put() for _ in range(3)]
    others = [stores.book.put(of=theirs) for _ in range(3)]
    another = [stores.book.put(kind="'nap'") for _ in range(3)]

    taken = await stores.claim(*ours, *others, *another, kinds={**TWO, "nap": KINDS[KIND]})

    assert [len({each.id for each in taken} & set(of)) for of in (ours, others, another)] == [2, 2, 3]


async def test_what_waits_for_a_person_or_was_given_back_holds_no_place(stores: Stores) -> None:
    jobs = [stores.book.put() for _ in range(4)]
    parked, back = await stores.claim(*jobs[:2], kinds=TWO)
    await stores.park(parked)
    await stores.settle(back, "given_back")

    assert sorted(await claim(stores, *jobs[2:])) == sorted(jobs[2:])


async def test_a_row_for_one_tenant_says_otherwise(stores: Stores) -> None:
    theirs = stores.book.tenant("theirs")
    limited = "INSERT INTO limits (tenant_id, kind, max_running) VALUES (%s, %s, %s)"
    stores.book.run(limited, stores.book.default.id, KIND, 1)
    ours, others = [[stores.book.put(of=of) for _ in range(3)] for of in (stores.book.default, theirs)]
    try:
        assert len(await stores.claim(*ours, *others)) == 1 + 3
        assert rung(stores) == set()
        stores.book.run("UPDATE limits SET max_running = 3")
        announce(stores)
        assert rung(stores) == set(ours) - {
            row["id"] for row in stores.book.run("SELECT id FROM jobs WHERE status = 'running'")
        }
    finally:
        stores.book.run("DELETE FROM limits")


async def test_however_many_claim_at_once_no_more_run_than_may(stores: Stores) -> None:
    chance, most = random.Random(20), 0
    theirs = stores.book.tenant("theirs")
    owners: list[Tenant] = [stores.book.default, theirs]
    announce(stores)
    jobs = [stores.book.put(of=owners[number % 2]) for number in range(60)]
    open_claims: list[Claim] = []

    async def one(worker: int) -> None:
        open_claims.extend(await stores.hands.claim(worker, LEASE_S, TWO, chance.sample(jobs, 12)))

    for _ in range(40):
        await asyncio.gather(*(one(worker) for worker in range(4)))
        running = stores.book.run(
            "SELECT tenant_id, count(*) AS running FROM jobs WHERE status = 'running' GROUP BY tenant_id"
        )
        most = max([most, *(row["running"] for row in running)])
        assert most <= 2
        chance.shuffle(open_claims)
        while open_claims and (len(open_claims) > 3 or chance.random() < 0.5):
            assert await stores.settle(open_claims.pop()) == COMPLETED

    assert most == 2
    assert stores.book.one("SELECT count(*) FROM jobs WHERE status = 'completed'") > 40


@pytest.mark.parametrize("by_setting", [False, True])
async def test_all_are_done_by_a_worker_two_at_a_time(
    stores: Stores, shared_settings: Settings, by_setting: bool
) -> None:
    kinds = Kinds([sleep if by_setting else replace(sleep, at_once=2)])
    settings = shared_settings.model_copy(update={"max_running_per_kind": 2 if by_setting else None})
    done = 0
    async with Backburner.open(settings, kinds=kinds) as app, open_hands(settings, kinds) as crew:
        for number in range(7):
            await app.create("sleep", {"note": str(number)})
        async with asyncio.timeout(30):
            while done < 7:
                crew.wake.clear()
                tasks = await crew.take_all(await crew.bell.take("default", 10))
                assert len(tasks) <= 2
                done += len(await asyncio.gather(*tasks))
                if not tasks:
                    await crew.wake.wait()

    assert stores.book.one("SELECT count(*) FROM jobs WHERE status = 'completed'") == 7


async def test_whoever_has_to_wait_is_told_that_and_how_many_run(stores: Stores, app: Backburner) -> None:
    announce(stores)
    job = (await app.create(KIND)).id
    assert "at once" not in await app.why(job)

    for _ in range(2):
        stores.book.put(RUNNING)

    assert "2 of 2 'sleep' jobs run, and no more do at once; 0 jobs of yours before it." in await app.why(job)
