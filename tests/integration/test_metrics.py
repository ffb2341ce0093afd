"""What a scraper reads: it parses, it agrees with the book whoever serves it, and only those read it who may."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from given import ERROR, Book, Stores, Tenant
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from shelf_given import open_site
from starlette.requests import Request
from web_given import HOST

from agent_tools.app import Backburner
from agent_tools.embedded import Servers
from agent_tools.jobs.job import QUEUED, WAITING
from agent_tools.people import AGENT_SCOPES
from agent_tools.settings import Settings
from web.app import app as pages
from web.metrics import is_from_here
from web.site import Site

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def site(app: Backburner, shared_settings: Settings) -> AsyncIterator[Site]:
    async with open_site(shared_settings, app) as opened:
        yield opened


@pytest.fixture
async def callers(site: Site) -> AsyncIterator["Callers"]:
    async with AsyncExitStack() as stack:
        yield Callers(site, stack)


class Callers:
    """Makes clients of a server that is open to this machine, or not."""

    def __init__(self, site: Site, stack: AsyncExitStack) -> None:
        self.site, self._stack = site, stack

    async def of(
        self, *scopes: str, is_open: bool = False, address: str = "127.0.0.1", **headers: str
    ) -> httpx2.AsyncClient:
        """A scraper with a token good for these scopes, or with none."""
        if scopes:
            headers["authorization"] = f"Bearer {await self.site.backburner.people.add_token('scraper', scopes)}"
        application = pages(replace(self.site, metrics_are_open=is_open), allowed_hosts=[HOST])
        transport = httpx2.ASGITransport(app=application, client=(address, 50_000))
        client = httpx2.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=headers)
        return await self._stack.enter_async_context(client)

    async def scrape(self) -> Samples:
        """Every sample, as a scraper that has just begun reads it."""
        answer = await (await self.of("admin")).get("/metrics")
        assert answer.status_code == 200, answer.text
        return samples(answer.text)


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found["backburner_" + name, frozenset(labels.items())]


async def done(stores: Stores, outcome: str = "completed", *, of: Tenant | None = None) -> None:
    (made,) = await stores.create({"again": True}, of=of)
    (claim,) = await stores.claim(made.id)
    await stores.settle(claim, outcome, **({"error": ERROR} if outcome == "failed" else {}))


def a_busy_book(book: Book, theirs: Tenant) -> None:
    """Something of everything, of two tenants."""
    book.worker()
    book.worker("silent")
    book.run("UPDATE workers SET running = 3 WHERE name = 'worker-1'")
    book.run("UPDATE workers SET seen_at = now() - interval '1 h' WHERE name = 'silent'")
    book.put(QUEUED, run_after="now() - interval '100 s'", created_at="now() - interval '1 h'")
    book.put(QUEUED, of=theirs)
    book.put(QUEUED, run_after="now() + interval '1 h'")
    book.put(WAITING)
    job = book.put(WAITING, of=theirs)
    book.ask(job, "publish", asked_at="now() - interval '50 s'")
    book.put(WAITING, waiting_for="'outside'")


# ----------------------------------------------------------------------------------------------------- what is said


async def test_what_is_said_agrees_with_the_book_over_all_tenants(stores: Stores, callers: Callers) -> None:
    theirs = stores.book.tenant("Theirs & Co")
    for owner in (None, theirs):
        await done(stores, of=owner)
    await done(stores, "failed")
    a_busy_book(stores.book, theirs)

    found = await callers.scrape()

    ended = {
        outcome: value(found, "jobs_ended_total", kind="sleep", outcome=outcome)
        for outcome in ("completed", "failed", "cancelled")
    }
    assert ended == {"completed": 2, "failed": 1, "cancelled": 0}
    assert value(found, "jobs_created_total", kind="sleep") == 3
    assert value(found, "jobs_queued", kind="sleep", queue="default") == 2
    assert value(found, "jobs_queued_oldest_age_seconds", kind="sleep", queue="default") == pytest.approx(100, abs=10)
    assert value(found, "jobs_scheduled", kind="sleep", queue="default") == 1
    assert value(found, "jobs_waiting", kind="sleep", reason="person") == 2
    assert value(found, "jobs_waiting", kind="sleep", reason="outside") == 1
    assert value(found, "workers_alive") == 1
    assert (value(found, "worker_slots"), value(found, "worker_slots_used")) == (10, 3)
    assert value(found, "kind_workers", kind="sleep") == 1
    assert value(found, "questions_open") == 1
    assert value(found, "questions_oldest_age_seconds") == pytest.approx(50, abs=10)
    assert (value(found, "postgres_up"), value(found, "redis_up")) == (1, 1)
    assert value(found, "event_tail_lag_seconds") < 30
    assert value(found, "database_size_bytes") > 1e6
    assert value(found, "job_queue_wait_seconds_count", kind="sleep") == 3
    assert value(found, "job_duration_seconds_bucket", kind="sleep", outcome="completed", le="+Inf") == 2
    assert found["process_start_time_seconds", frozenset()] > 0


async def test_nothing_of_a_tenant_stands_in_it(stores: Stores, callers: Callers) -> None:
    theirs = stores.book.tenant("Theirs & Co")
    await stores.create(
        {"title": "Secret", "subject": "Hidden", "subject_folded": "hidden", "labels": {"for": "Marta"}}, of=theirs
    )

    text = (await (await callers.of("admin")).get("/metrics")).text

    assert "sleep" in text
    assert [word for word in ("Theirs", "Secret", "Hidden", "Marta", "owner", "tenant") if word in text] == []


async def test_counters_go_on_where_they_were_whoever_serves_them(
    stores: Stores, callers: Callers, app: Backburner, shared_settings: Settings
) -> None:
    await done(stores)
    first = await callers.scrape()
    await done(stores)
    async with open_site(shared_settings, app) as restarted, AsyncExitStack() as stack:
        second = await Callers(restarted, stack).scrape()

    labels = {"kind": "sleep", "outcome": "completed"}
    assert (value(first, "jobs_ended_total", **labels), value(second, "jobs_ended_total", **labels)) == (1, 2)


async def test_many_scrapes_at_once_read_the_book_once(stores: Stores, callers: Callers) -> None:
    client = await callers.of("admin")
    await client.get("/metrics")
    stores.book.put(QUEUED)

    at_once = samples((await client.get("/metrics")).text)

    assert ("backburner_jobs_queued", frozenset({("kind", "sleep"), ("queue", "default")})) not in at_once
    assert (await callers.site.installation.read(at_least_s=0)).unfinished[0].jobs == 1


async def test_a_scraper_gets_the_format_that_it_asks_for(stores: Stores, callers: Callers) -> None:
    await done(stores)
    client = await callers.of("admin")

    plain = await client.get("/metrics")
    open_metrics = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family.type for family in parse_openmetrics(open_metrics.text)}
    assert families["backburner_jobs_ended"] == "counter"
    assert families["backburner_job_duration_seconds"] == "histogram"
    assert families["backburner_build"] == "info"
    assert all(
        family.documentation for family in parse_openmetrics(open_metrics.text) if family.name.startswith("backburner")
    )


async def test_where_postgres_is_away_that_is_what_is_said(settings: Settings, servers: Servers) -> None:
    name = psycopg.conninfo.conninfo_to_dict(settings.database_url)["dbname"]
    async with AsyncExitStack() as stack:
        backburner = await stack.enter_async_context(Backburner.open(settings))
        site = await stack.enter_async_context(open_site(settings, backburner))
        client = await Callers(site, stack).of(is_open=True)
        with psycopg.connect(servers.database_url, autocommit=True) as postgres:
            postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        answer = await client.get("/metrics")

    found = samples(answer.text)
    assert (answer.status_code, value(found, "postgres_up"), value(found, "redis_up")) == (200, 0, 1)
    assert not [name for name, _ in found if name.startswith("backburner_jobs")]


async def test_every_metric_on_which_the_example_alerts_is_offered(stores: Stores, callers: Callers) -> None:
    await done(stores)
    stores.book.put(QUEUED)
    rules = (Path(__file__).parents[2] / "examples" / "prometheus-alerts.yml").read_text()

    offered = {name for name, _ in await callers.scrape()}

    named = set(re.findall(r"backburner_[a-z_]+", rules))
    assert len(named) > 8
    assert named <= offered | {"backburner_kind_workers"}  # of no kind while no worker is alive


# ---------------------------------------------------------------------------------------------------- who may read it


async def test_it_takes_a_token_with_the_scope_admin(callers: Callers) -> None:
    asked: list[tuple[dict[str, Any], int]] = [
        ({}, 401),
        ({"scopes": AGENT_SCOPES}, 403),
        ({"scopes": ("jobs:read",), "is_open": True, "address": "192.168.1.9"}, 403),
        ({"scopes": ("admin",)}, 200),
        ({"scopes": ("admin",), "address": "192.168.1.9"}, 200),
    ]

    for given, status in asked:
        scopes = given.pop("scopes", ())
        answer = await (await callers.of(*scopes, **given)).get("/metrics")
        assert (given, scopes, answer.status_code) == (given, scopes, status)
        assert ("backburner_jobs" in answer.text) == (status == 200)


async def test_where_it_is_open_to_this_machine_it_is_to_nobody_else(callers: Callers) -> None:
    here = await callers.of(is_open=True)
    elsewhere = await callers.of(is_open=True, address="192.168.1.9")
    proxied = await callers.of(is_open=True, **{"x-forwarded-for": "192.168.1.9"})

    assert [(await client.get("/metrics")).status_code for client in (here, elsewhere, proxied)] == [200, 401, 401]


@pytest.mark.parametrize(
    ("client", "is_here"),
    [(("127.0.0.1", 1), True), (("::1", 1), True), (("10.0.0.1", 1), False), (("unix", 1), False), (None, False)],
)
def test_only_an_address_of_this_machine_is_one(client: tuple[str, int] | None, is_here: bool) -> None:
    assert is_from_here(Request({"type": "http", "client": client, "headers": []})) == is_here
