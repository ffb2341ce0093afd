"""Row-level security: what keeps tenants apart, and roles to what they need."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from given import LEASE_S, Book, Stores, Tenant

from agent_tools.jobs.errors import BadRequest, BookUnavailable, NotNow
from agent_tools.jobs.job import CANCELLED, COMPLETED, QUEUED, WAITING
from sql.connect import Pool, open_pool
from sql.door import AskFilter, DoorStore, Filter
from sql.hands import HandsStore
from sql.schema import DOOR, HANDS, OWNER

TABLES = """
  SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS is_walled, a.attname IS NOT NULL AS has_tenant,
         has_table_privilege('backburner_door', c.oid, 'SELECT') AS is_for_doors
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
   WHERE c.relnamespace = 'backburner'::regnamespace AND c.relkind IN ('r', 'p')
"""

A_ROW_IN_EVERY_TABLE = r"""
  INSERT INTO subjects (tenant_id, name, folded) VALUES ({tenant}, 'Cells', 'cells');
  INSERT INTO job_links (tenant_id, job_id, after_id) VALUES ({tenant}, '{job}', '{job}');
  INSERT INTO job_events (tenant_id, job_id, type) VALUES ({tenant}, '{job}', 'created');
  INSERT INTO job_steps (tenant_id, job_id, name, args_hash, value, took_s) VALUES ({tenant}, '{job}', 'fetch', '\x00', '1', 1);
  INSERT INTO artifacts (tenant_id, job_id, fence, name, position, title, media_type, bytes, sha256)
    VALUES ({tenant}, '{job}', 1, 'a.txt', 0, 'A', 'text/plain', 1, '\x00');
  INSERT INTO files (id, tenant_id, principal_id, name, media_type, bytes, sha256) VALUES ('f{tenant}', {tenant}, {principal}, 'f', 'f', 1, '\x00');
  INSERT INTO asks (tenant_id, job_id, name, question, shown_hash) VALUES ({tenant}, '{job}', 'approve', 'Shall we?', '\x00');
  INSERT INTO webhook_endpoints (tenant_id, url, secret) VALUES ({tenant}, 'https://example.org', 's');
  INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, job_id, type, body)
    SELECT 'd{tenant}', {tenant}, id, '{job}', 'completed', '1' FROM webhook_endpoints WHERE tenant_id = {tenant};
  INSERT INTO job_webhooks (tenant_id, job_id, endpoint_id)
    SELECT {tenant}, '{job}', id FROM webhook_endpoints WHERE tenant_id = {tenant};
  INSERT INTO tokens (tenant_id, principal_id, name, secret_hash, scopes)
    VALUES ({tenant}, {principal}, 't', sha256('t{tenant}'), '{{}}');
  INSERT INTO sessions (tenant_id, principal_id, secret_hash, expires_at) VALUES ({tenant}, {principal}, sha256('s{tenant}'), now());
  INSERT INTO sign_in_links (tenant_id, principal_id, secret_hash, expires_at) VALUES ({tenant}, {principal}, sha256('l{tenant}'), now());
  INSERT INTO limits (tenant_id, kind, max_running) VALUES ({tenant}, 'sleep', 1);
  INSERT INTO schedules (tenant_id, principal_id, name, folded, cron, job, next_at) VALUES ({tenant}, {principal}, 's', 's', '* * * * *', '1', now());
  INSERT INTO notice_addresses (tenant_id, person_id, address, wants) VALUES ({tenant}, {principal}, 'ntfy://me', '{{}}');
  INSERT INTO run_times (tenant_id, kind, took_s, run) VALUES ({tenant}, 'sleep', 1, '{{}}');
  INSERT INTO job_counts VALUES ({tenant}, 'ever', '-infinity', 'sleep', 'created', -1, 1, 0);
  INSERT INTO moves (tenant_id, principal_id, jobs) VALUES ({tenant}, {principal}, '[]');
  INSERT INTO feeds (tenant_id, address) VALUES ({tenant}, 'https://example.org/feed');
  INSERT INTO pages (tenant_id, hash, address, title, content) VALUES ({tenant}, sha256('p{tenant}'), 'https://example.org', 'P', 'P');
  INSERT INTO page_addresses (tenant_id, hash, page_id) SELECT tenant_id, hash, id FROM pages WHERE tenant_id = {tenant};
"""


@pytest.fixture
def theirs(stores: Stores) -> Tenant:
    return stores.book.tenant("theirs")


@pytest.fixture
async def door(stores: Stores) -> AsyncIterator[Pool]:
    """One connection of a door, without the store's care for the tenant."""
    async with open_pool(stores.book.connection.info.dsn, DOOR, size=1) as pool:
        yield pool


# ------------------------------------------------------------------------------------------------------ the walls stand


def test_every_table_is_walled_also_against_its_owner(stores: Stores) -> None:
    tables = stores.book.run(TABLES)

    assert len(tables) > 15
    assert [table["name"] for table in tables if not table["is_walled"]] == []


def test_every_table_has_a_policy_for_each_role_that_reads_it(stores: Stores) -> None:
    policies = {
        (row["tablename"], role): row["qual"]
        for row in stores.book.run(
            "SELECT tablename, roles::text[] AS roles, qual FROM pg_policies WHERE schemaname = 'backburner'"
        )
        for role in row["roles"]
    }

    for table in stores.book.run(TABLES):
        assert policies[table["name"], OWNER] == "true"
        assert policies[table["name"], HANDS] == "true"
        if table["has_tenant"]:
            assert policies[table["name"], DOOR] == "(tenant_id = current_tenant())"
    assert {role for _, role in policies} == {OWNER, HANDS, DOOR}


async def test_a_door_sees_rows_of_its_tenant_only_and_none_without_one(own_stores: Stores) -> None:
    book = own_stores.book
    ours, theirs = book.default, book.tenant("theirs")
    _fill_every_table(book, theirs)
    readable = [table["name"] for table in book.run(TABLES) if table["has_tenant"] and table["is_for_doors"]]

    async with open_pool(book.connection.info.dsn, DOOR, size=1) as pool:
        assert [await _count(pool, "tenants", tenant) for tenant in (ours.id, None)] == [1, 0]
        with_theirs = {name: await _count(pool, name, theirs.id) for name in readable}
        with_ours = {name: await _count(pool, name, ours.id) for name in readable if name != "principals"}
        with_none = {name: await _count(pool, name, None) for name in readable}

    assert min(with_theirs.values()) > 0, "fill the new table in A_ROW_IN_EVERY_TABLE"
    assert {name for name, count in with_ours.items() if count} == set()
    assert {name for name, count in with_none.items() if count} == set()


async def test_a_door_cannot_write_rows_of_another_tenant(stores: Stores, theirs: Tenant, door: Pool) -> None:
    ours = stores.book.put()
    writes = (
        f"INSERT INTO subjects (tenant_id, name, folded) VALUES ({theirs.id}, 'x', 'x')",
        f"UPDATE jobs SET tenant_id = {theirs.id}, principal_id = {theirs.principal} WHERE id = '{ours}'",
    )

    for write in writes:
        async with door.connection() as connection, connection.transaction():
            await connection.execute("SELECT set_config('app.tenant', %s, true)", (str(stores.book.default.id),))
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                await connection.execute(write)
            raise psycopg.Rollback

    assert stores.book.status(ours) == QUEUED


def test_keys_of_rows_include_the_tenant(stores: Stores, theirs: Tenant) -> None:
    foreign = stores.book.one(
        f"INSERT INTO subjects (tenant_id, name, folded) VALUES ({theirs.id}, 'x', 'x') RETURNING id"
    )

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        stores.book.put(subject_id=str(foreign))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        stores.book.put(principal_id=str(theirs.principal))


# -------------------------------------------------------------------------------------------- two tenants at the same door


async def test_another_tenants_job_is_not_found(stores: Stores, theirs: Tenant) -> None:
    job = stores.book.put(COMPLETED, of=theirs, title="'mitochondria'")
    ours, door = stores.book.default, stores.door

    assert await door.jobs(ours.id, Filter(ids=[job])) == []
    assert await door.jobs(ours.id, Filter(search="mitochondria")) == []
    assert await door.ids(ours.id, Filter(), limit=10) == []
    assert await door.events(ours.id, job) == []
    assert await door.heads(ours.id, [job]) == []
    assert [found.id for found in await door.jobs(theirs.id, Filter(search="mitochondria"))] == [job]


async def test_what_is_done_to_another_tenants_job_does_nothing(stores: Stores, theirs: Tenant) -> None:
    queued, ended = stores.book.put(of=theirs), stores.book.put(COMPLETED, of=theirs)
    ours, door = (stores.book.default.id, stores.book.default.principal), stores.door
    before = [stores.book.row(queued), stores.book.row(ended)]

    assert await door.cancel(*ours, [queued, ended]) == []
    assert (await door.organise(*ours, [queued, ended], {"title": "Mine"})).was == {}
    assert await door.delete(*ours, [queued, ended]) == []
    assert await door.see(ours[0], [ended]) == []
    with pytest.raises(NotNow):
        await stores.create({"redo_of": ended, "again": True})
    assert [stores.book.row(queued), stores.book.row(ended)] == before
    assert stores.book.events(queued) == stores.book.events(ended) == []


async def test_another_tenants_move_cannot_be_undone(stores: Stores, theirs: Tenant) -> None:
    job = stores.book.put(of=theirs)
    changes = {"subject": "Cells", "subject_folded": "cells"}
    move = (await stores.door.organise(theirs.id, theirs.principal, [job], changes)).move
    assert move is not None

    with pytest.raises(NotNow, match="undo"):
        await stores.door.undo_move(stores.book.default.id, stores.book.default.principal, move)

    assert stores.book.one("SELECT subject_id IS NOT NULL FROM jobs WHERE id = %s", job)


async def test_another_tenants_question_is_as_if_it_did_not_exist(stores: Stores, theirs: Tenant) -> None:
    job = stores.book.put(WAITING, of=theirs, waiting_on="'publish'")
    ask = stores.book.ask(job, "publish")

    answered = await stores.answer(ask)

    assert (answered.outcome, answered.job, answered.answer) == ("gone", None, None)
    assert await stores.door.asks(stores.book.default.id, AskFilter(open_only=False)) == []
    assert stores.book.asks(job)[0]["answered_at"] is None
    assert (await stores.answer(ask, of=theirs)).outcome == "answered"


async def test_another_tenants_job_cannot_be_come_after(stores: Stores, theirs: Tenant) -> None:
    parent = stores.book.put(of=theirs)

    with pytest.raises(BadRequest, match=parent):
        await stores.create({"after": [parent], "if_parent_fails": "cancel"})

    assert stores.book.one("SELECT count(*) FROM jobs") == 1
    assert stores.book.one("SELECT count(*) FROM job_links") == 0
    assert await stores.door.parents(stores.book.default.id, [parent]) == {}


async def test_another_tenants_equal_job_is_not_the_same_job(stores: Stores, theirs: Tenant) -> None:
    (ours,) = await stores.create({"args": {"n": 1}})
    (other,) = await stores.create({"args": {"n": 1}}, of=theirs)

    assert other.created
    assert ours.id != other.id


async def test_a_subject_of_one_name_is_each_tenants_own(stores: Stores, theirs: Tenant) -> None:
    subject = {"subject": "Cells", "subject_folded": "cells"}

    await stores.create(subject)
    await stores.create(subject, of=theirs)

    assert stores.book.one("SELECT count(*) FROM subjects") == 2
    for tenant in (stores.book.default, theirs):
        assert len(await stores.door.jobs(tenant.id, Filter(subject="cells"))) == 1


# ----------------------------------------------------------------------------------------- the setting ends with the call


async def test_the_tenant_does_not_reach_the_next_user_of_the_connection(stores: Stores, door: Pool) -> None:
    store, tenant = DoorStore(door), stores.book.default

    await store.jobs(tenant.id, Filter())
    after_a_read = await _tenant_of(door)
    await store.cancel(tenant.id, tenant.principal, [])
    after_a_write = await _tenant_of(door)
    with pytest.raises(NotNow):
        await store.undo_move(tenant.id, tenant.principal, 0)
    after_a_refusal = await _tenant_of(door)

    assert {after_a_read, after_a_write, after_a_refusal} <= {"", None}


# ----------------------------------------------------------------------------------------------------------- the roles


def test_no_role_is_more_than_a_role(stores: Stores) -> None:
    roles = stores.book.run(
        "SELECT rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication AS is_more"
        " FROM pg_roles WHERE rolname LIKE 'backburner%'"
    )

    assert [role["is_more"] for role in roles] == [False] * 3


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO jobs DEFAULT VALUES",
        "SELECT create_jobs('{}')",
        "SELECT cancel_jobs('{}')",
        "SELECT answer_asks('{}')",
        "DELETE FROM job_events",
        "INSERT INTO notice_addresses DEFAULT VALUES",
        "DELETE FROM notice_addresses",
        "INSERT INTO schedules DEFAULT VALUES",
        "UPDATE schedules SET paused_at = now()",
        "DELETE FROM schedules",
    ],
)
async def test_hands_may_not_do_what_doors_do(stores: Stores, statement: str) -> None:
    async with open_pool(stores.book.connection.info.dsn, HANDS, size=1) as pool, pool.connection() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        *(
            f"SELECT {verb}_jobs('{{}}')"
            for verb in ("claim", "beat", "progress", "settle", "wake", "reap", "ring", "expire")
        ),
        "SELECT nudge_job('{}')",
        "SELECT secret FROM installation",
        "SELECT take_notices('{}')",
        "SELECT told_notices('{}')",
        "SELECT fire_schedule('{}')",
        "SELECT count_jobs('{}')",
        "UPDATE keeping SET days = 1",
        "SELECT 1 FROM told_asks",
        "INSERT INTO asks DEFAULT VALUES",
        "DELETE FROM asks",
        "UPDATE asks SET question = 'Another?'",
        "SELECT announce_worker('{}')",
        "SELECT record_step('{}')",
        "SELECT nextval('fences')",
        "UPDATE job_events SET type = 'other'",
        "DELETE FROM job_events",
        "INSERT INTO limits VALUES (1, 'sleep', 9)",
        "DROP TABLE jobs",
    ],
)
async def test_doors_may_not_do_what_hands_do(door: Pool, statement: str) -> None:
    async with door.connection() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)


async def test_a_missing_right_says_that_the_database_must_be_migrated(stores: Stores, door: Pool) -> None:
    with pytest.raises(BookUnavailable, match="backburner migrate"):
        await HandsStore(door).claim(1, LEASE_S, {}, ["0c3k9x2mq7f4w"])


def test_nobody_else_may_call_the_verbs(stores: Stores) -> None:
    callable_by_all = stores.book.run(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'backburner'::regnamespace"
        " AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0 AND privilege_type = 'EXECUTE')"
    )

    assert callable_by_all == []


def test_what_runs_as_the_owner_looks_names_up_in_our_schema_only(stores: Stores) -> None:
    definers = stores.book.run(
        "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'backburner'::regnamespace AND prosecdef"
    )

    assert {row["proname"]: row["proconfig"] for row in definers} == {
        "search_jobs": ["search_path=backburner, pg_catalog"],
        "fire_schedule": ["search_path=backburner, pg_catalog"],
    }


def _fill_every_table(book: Book, tenant: Tenant) -> None:
    job = book.put(CANCELLED, of=tenant)
    book.connection.execute(A_ROW_IN_EVERY_TABLE.format(tenant=tenant.id, principal=tenant.principal, job=job).encode())


async def _count(pool: Pool, table: str, tenant: int | None) -> int:
    async with pool.connection() as connection, connection.transaction():
        if tenant is not None:
            await connection.execute("SELECT set_config('app.tenant', %s, true)", (str(tenant),))
        row = await (await connection.execute(f"SELECT count(*) AS count FROM {table}")).fetchone()
    assert row is not None
    return int(row["count"])


async def _tenant_of(pool: Pool) -> str | None:
    async with pool.connection() as connection:
        row = await (await connection.execute("SELECT current_setting('app.tenant', true) AS tenant")).fetchone()
    assert row is not None
    return row["tenant"]
