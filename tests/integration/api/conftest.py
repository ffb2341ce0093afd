"""The HTTP API over a real installation, and callers of it: two tenants, tokens good for this or that."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import psycopg
import pytest
from callers import Callers, open_site
from given import Book

from agent_tools.app import Backburner
from agent_tools.embedded import Servers
from agent_tools.people import AGENT_SCOPES
from agent_tools.settings import Settings
from sql.hands import Principal
from web.site import Site
from worker.hands import Hands, open_hands

Work = Callable[[], Awaitable[None]]


@pytest.fixture(scope="session")
def api_settings(servers: Servers, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation for all tests of the API: opening one for each takes longer than they do."""
    return Settings(
        DATABASE_URL=made_database(servers.database_url, "api", migrated),
        REDIS_URL=servers.redis_url,
        BACKBURNER_HOME=tmp_path_factory.mktemp("api"),
        BACKBURNER_DRILLS=True,
        BACKBURNER_LEASE_S=2,
        BACKBURNER_SWEEP_S=0.2,
    )


def made_database(url: str, name: str, template: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return psycopg.conninfo.make_conninfo(url, dbname=name)


@pytest.fixture(scope="session")
async def shared_site(api_settings: Settings) -> AsyncIterator[Site]:
    async with open_site(api_settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def shared_book(api_settings: Settings) -> Iterator[Book]:
    opened = Book(api_settings.database_url)
    yield opened
    opened.close()


@pytest.fixture
def book(shared_book: Book) -> Book:
    shared_book.empty()
    shared_book.run("DELETE FROM tokens")
    return shared_book


@pytest.fixture
def site(shared_site: Site, book: Book, redis_url: str) -> Site:
    """As it is when nobody has asked for anything."""
    return shared_site


@pytest.fixture
def backburner(site: Site) -> Backburner:
    return site.backburner


@pytest.fixture
async def hands(site: Site, api_settings: Settings) -> AsyncIterator[Hands]:
    async with open_hands(api_settings) as opened:
        yield opened


@pytest.fixture
async def callers(site: Site) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as stack:
        yield Callers(site, stack)


@pytest.fixture
async def client(callers: Callers) -> httpx2.AsyncClient:
    """The agent of the tenant `default`, with what agents may do."""
    return await callers.allowed(*AGENT_SCOPES)


@pytest.fixture
async def stranger(callers: Callers, book: Book) -> httpx2.AsyncClient:
    """Somebody of another tenant who may do everything there."""
    other = book.tenant("another")
    return await callers.allowed("admin", who=Principal(other.id, other.principal, "owner", ()))


@pytest.fixture
def work(hands: Hands) -> Work:
    """Do what is rung for, and wait until it is done."""

    async def do() -> None:
        for task in await hands.take_all(await hands.bell.take("default", 100)):
            await task

    return do


@pytest.fixture
def drill(client: httpx2.AsyncClient) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Create a drill, told by what it differs in from the plainest one; gives the job."""

    async def create(**different: Any) -> dict[str, Any]:
        answered = await client.post("/api/v1/jobs", json={"kind": "drill", "again": True, **different})
        assert answered.status_code == 202, answered.text
        job: dict[str, Any] = answered.json()
        return job

    return create
