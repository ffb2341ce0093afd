"""Who may do what over HTTP, over every row of the table: tokens, scopes, tenants."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import psycopg
import pytest
from callers import GUARDED, OF_A_JOB, Callers, ask, assert_is_problem, each_as, name_of, open_site, statuses

from agent_tools.app import Backburner
from agent_tools.embedded import Servers
from agent_tools.people import AGENT_SCOPES
from agent_tools.settings import Settings

Drill = Callable[..., Awaitable[dict[str, Any]]]
Work = Callable[[], Awaitable[None]]


async def test_nobody_gets_in_without_a_token(callers: Callers) -> None:
    nobody = await callers.anybody()

    assert await statuses(nobody, GUARDED) == each_as(401, GUARDED)
    assert (await nobody.get("/api/v1/jobs")).headers["www-authenticate"] == 'Bearer realm="backburner"'


@pytest.mark.parametrize("token", ["bb_wrong", "", "x" * 5000, "ÿ".encode("latin-1")])
async def test_nobody_gets_in_with_a_token_that_never_was(callers: Callers, token: str | bytes) -> None:
    nobody = await callers.anybody()
    header = b"Bearer " + (token if isinstance(token, bytes) else token.encode())

    refused = await nobody.get("/api/v1/jobs", headers=[(b"Authorization", header)])

    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


async def test_each_operation_needs_its_own_scope_and_admin_has_all(callers: Callers) -> None:
    for operation in GUARDED:
        others = {"jobs:read", "jobs:create", "jobs:organise", "jobs:cancel", "jobs:answer"} - {operation.scope}
        without = await callers.allowed(*others)
        allowed = [await callers.allowed(scope) for scope in (str(operation.scope), "admin")]

        refused = await ask(without, operation)
        assert_is_problem(refused)
        assert (name_of(operation), refused.status_code) == (name_of(operation), 403)
        assert str(operation.scope) in refused.json()["detail"]
        assert not {(await ask(each, operation)).status_code for each in allowed} & {401, 403}


async def test_another_tenants_jobs_are_not_there_and_nothing_happens_to_them(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    ended = await drill(args={"result_bytes": 70_000}, subject="Ours")
    await work()
    ended = (await client.get(f"/api/v1/jobs/{ended['job_id']}")).json()
    waiting = await drill(subject="Ours")

    for job in (ended, waiting):
        before = (await client.get(f"/api/v1/jobs/{job['job_id']}")).json()
        assert await statuses(stranger, OF_A_JOB, job=job["job_id"]) == each_as(404, OF_A_JOB)
        assert (await client.get(f"/api/v1/jobs/{job['job_id']}")).json()["version"] == before["version"]
    artifact = ended["artifacts"][0]["url"]
    assert ((await stranger.get(artifact)).status_code, (await client.get(artifact)).status_code) == (404, 200)


async def test_lists_show_nothing_of_another_tenant(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, drill: Drill
) -> None:
    job = await drill(subject="Ours", title="Secret")
    move = (await client.post("/api/v1/jobs/organise", json={"where": {}, "subject": "Theirs"})).json()["move_id"]

    assert (await stranger.get("/api/v1/jobs")).json()["jobs"] == []
    assert (await stranger.get("/api/v1/jobs", params={"search": "Secret"})).json()["jobs"] == []
    assert (await stranger.get("/api/v1/subjects")).json()["subjects"] == []
    named = {"job_ids": [job["job_id"]], "subject": "Mine"}
    assert (await stranger.post("/api/v1/jobs/organise", json=named)).status_code == 404
    assert (await stranger.post("/api/v1/jobs/organise", json={"where": {}, "subject": "Mine"})).json() == {"moved": []}
    assert (await stranger.post(f"/api/v1/moves/{move}/undo")).status_code == 409
    assert (await client.get(f"/api/v1/jobs/{job['job_id']}")).json()["subject"] == "Theirs"


async def test_the_same_key_of_two_tenants_is_two_jobs(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    asked = {"json": {"kind": "drill"}, "headers": {"Idempotency-Key": "ours"}}

    ours, theirs = await client.post("/api/v1/jobs", **asked), await stranger.post("/api/v1/jobs", **asked)

    assert (ours.status_code, theirs.status_code) == (202, 202)
    assert ours.json()["job_id"] != theirs.json()["job_id"]


async def test_a_revoked_token_is_refused_at_once(callers: Callers, backburner: Backburner) -> None:
    client = await callers.allowed(*AGENT_SCOPES)
    assert (await client.get("/api/v1/jobs")).status_code == 200

    (token,) = await backburner.people.tokens()
    await backburner.people.revoke_token(token["id"])

    assert (await client.get("/api/v1/jobs")).status_code == 401


async def test_an_expired_token_is_refused(callers: Callers, backburner: Backburner) -> None:
    client = await callers.holding(await backburner.people.add_token("short", AGENT_SCOPES, "-1 second"))

    assert (await client.get("/api/v1/jobs")).status_code == 401


async def test_a_signed_in_person_may_use_the_api(callers: Callers, backburner: Backburner) -> None:
    session = await callers.site.keys.sign_in(await backburner.people.sign_in_link())
    assert session
    browser = await callers.anybody(Cookie=f"backburner={session.secret}")

    assert (await browser.get("/api/v1/jobs")).status_code == 200


async def test_without_postgres_everything_is_refused_for_now(settings: Settings, servers: Servers) -> None:
    name = settings.database_url.rpartition("dbname=")[2].split()[0]
    async with open_site(settings) as site, AsyncExitStack() as stack:
        client = await Callers(site, stack).allowed("admin")
        with psycopg.connect(servers.database_url, autocommit=True) as postgres:
            postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        ready, healthy = await client.get("/readyz"), await client.get("/healthz")
        refused = await asyncio.gather(*(ask(client, operation) for operation in GUARDED))

    assert (ready.status_code, ready.json()["status"], ready.json()["redis"]) == (503, "unavailable", True)
    assert (healthy.status_code, healthy.json()) == (200, {"status": "up"})
    for each in refused:
        assert_is_problem(each)
    assert {(each.status_code, each.json()["code"], each.headers["retry-after"]) for each in refused} == {
        (503, "book_unavailable", "5")
    }
    assert not any("127.0.0.1" in each.text for each in refused)
