"""Jobs that go one at a time, and what later ones read of earlier ones."""

import asyncio
from typing import Any

from given import Stores
from psycopg.types.json import Jsonb

from agent_tools.jobs.job import JobStatus
from sql.hands import Claim
from sql.queries import queries

TALK = {"interview": "i-1"}
LABELLED = """'{"interview": "i-1"}'"""


async def claimed(stores: Stores, *jobs: str) -> list[Claim]:
    claims = {claim.id: claim for claim in await stores.claim(*jobs)}
    return [claims[job] for job in jobs]


async def asked(stores: Stores, **different: Any) -> str:
    (made,) = await stores.create({"labels": TALK, "again": True, **different})
    return str(made.id)


async def goes(stores: Stores, claim: Claim, labels: dict[str, str] = TALK) -> bool | None:
    return await stores.hands.take_turn(claim.id, claim.fence, labels)


async def test_jobs_of_one_label_go_one_at_a_time_in_the_order_of_their_creation(stores: Stores) -> None:
    first, second = await claimed(stores, await asked(stores), await asked(stores))

    assert await goes(stores, second) is False
    assert await goes(stores, first) is True
    assert await goes(stores, first) is True
    assert await goes(stores, second) is False
    await stores.settle(first)
    assert await goes(stores, second) is True


async def test_of_many_that_look_at_once_one_goes_whoever_came_first(stores: Stores) -> None:
    """Also where the clock says nothing: all were created at one moment."""
    claims = await claimed(stores, *[await asked(stores) for _ in range(8)])
    stores.book.run("UPDATE jobs SET created_at = now()")

    for left in range(8, 0, -1):
        went = await asyncio.gather(*(goes(stores, claim) for claim in claims))
        assert went.count(True) == 1
        (claim,) = [claim for claim, is_its_turn in zip(claims, went, strict=True) if is_its_turn]
        await stores.settle(claim)
        claims.remove(claim)
        assert len(claims) == left - 1


async def test_whoever_has_its_turn_keeps_it_from_one_that_was_created_before_and_comes_later(stores: Stores) -> None:
    early, late = await claimed(stores, await asked(stores), await asked(stores))
    stores.book.run("UPDATE jobs SET labels = '{}' WHERE id = %s", early.id)

    assert await goes(stores, late) is True
    stores.book.run(f"UPDATE jobs SET labels = {LABELLED} WHERE id = %s", early.id)
    assert await goes(stores, early) is False
    await stores.settle(late)
    assert await goes(stores, early) is True


async def test_a_turn_outlives_the_attempt_that_took_it(stores: Stores) -> None:
    first, second = await claimed(stores, await asked(stores), await asked(stores))
    assert await goes(stores, first) is True
    await stores.settle(first, "errored", after_s=0)

    assert await goes(stores, second) is False
    assert await goes(stores, first) is None
    (again,) = await claimed(stores, first.id)
    assert await goes(stores, again) is True


async def test_what_waits_for_others_or_for_its_time_stands_in_nobodys_way(stores: Stores) -> None:
    parent = await asked(stores, labels={})
    await asked(stores, after=[parent], if_parent_fails="cancel")
    await asked(stores, run_after="2999-01-01T00:00:00Z")

    (claim,) = await claimed(stores, await asked(stores))

    assert await goes(stores, claim) is True


async def test_other_labels_kinds_and_tenants_are_lines_of_their_own(stores: Stores) -> None:
    other = stores.book.tenant("another")
    for different in ({"labels": {"interview": "i-2"}}, {"labels": {}}, {"kind": "other"}):
        await asked(stores, **different)
    await stores.create({"labels": TALK}, of=other)

    (claim,) = await claimed(stores, await asked(stores))

    assert await goes(stores, claim) is True


async def test_a_redo_does_not_inherit_a_turn(stores: Stores) -> None:
    first, second = await claimed(stores, await asked(stores), await asked(stores))
    assert await goes(stores, first) is True
    await stores.settle(first, "failed")
    (redo,) = await claimed(stores, await asked(stores, redo_of=first.id))

    assert await goes(stores, redo) is False
    assert await goes(stores, second) is True
    await stores.settle(second)
    assert await goes(stores, redo) is True


async def test_earlier_jobs_are_read_in_the_order_in_which_they_ended(stores: Stores) -> None:
    for number in (2, 1, 3):
        stores.book.put(
            JobStatus.COMPLETED,
            labels=LABELLED,
            finished_at=f"now() + interval '{number} s'",
            result=f"""'{{"n": {number}, "redo": {{"a": 1}}}}'""",
        )
    stores.book.put(JobStatus.FAILED, labels=LABELLED)
    stores.book.put(JobStatus.COMPLETED, labels="""'{"interview": "i-2"}'""")
    stores.book.put(JobStatus.COMPLETED, labels=LABELLED, kind="'other'")
    stores.book.put(JobStatus.COMPLETED, labels=LABELLED, of=stores.book.tenant("another"))

    found = await stores.hands.earlier(stores.book.default.id, "0e8z453fk1krg", "sleep", TALK)

    assert [each.result for each in found] == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_of_a_job_that_was_redone_later_ones_read_the_newest_version_and_its_redo_none(stores: Stores) -> None:
    def put(status: JobStatus, result: str, at: int, redo_of: str | None = None) -> str:
        return stores.book.put(
            status,
            labels=LABELLED,
            finished_at=f"now() + interval '{at} s'",
            result=f"""'{{"said": "{result}"}}'""",
            redo_of=f"'{redo_of}'" if redo_of else "NULL",
        )

    tenant = stores.book.default.id
    first = put(JobStatus.COMPLETED, "first", 1)
    put(JobStatus.COMPLETED, "second", 2)
    failed = put(JobStatus.FAILED, "failed", 3, first)
    third = put(JobStatus.COMPLETED, "first, again", 4, failed)
    going = stores.book.put(labels=LABELLED, redo_of=f"'{third}'")

    of_another = await stores.hands.earlier(tenant, "0e8z453fk1krg", "sleep", TALK)
    of_its_redo = await stores.hands.earlier(tenant, going, "sleep", TALK)

    assert [each.result for each in of_another] == [{"said": "second"}, {"said": "first, again"}]
    assert [each.result for each in of_its_redo] == [{"said": "second"}]


async def test_labels_are_found_by_an_index_among_many_jobs_without(stores: Stores) -> None:
    stores.book.put(labels=LABELLED)
    stores.book.run(
        """INSERT INTO jobs (id, tenant_id, principal_id, kind, args_hash)
           SELECT lpad(n::text, 13, '0'), %s, %s, 'sleep', '' FROM generate_series(1, 5000) n""",
        stores.book.default.id,
        stores.book.default.principal,
    )
    stores.book.run("ANALYZE jobs")

    wanted = {"tenant": stores.book.default.id, "kind": "sleep", "labels": Jsonb(TALK), "job": "0e8z453fk1krg"}
    plan = stores.book.connection.execute(f"EXPLAIN {queries()['earlier']}", wanted).fetchall()

    assert "jobs_labels" in str(plan)
