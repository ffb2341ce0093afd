"""The book, open from all its sides at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis
from given import Stores, open_stores
from kinds_for_tests import KINDS_FOR_TESTS

from agent_tools.app import Backburner
from agent_tools.bell import Bell, RedisError, connect
from agent_tools.embedded import Servers
from agent_tools.settings import Settings
from agent_tools.tasks import end
from worker.hands import Hands, open_hands


@pytest.fixture(scope="session")
async def _shared_stores(servers: Servers, migrated: str) -> AsyncIterator[Stores]:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE shared TEMPLATE {migrated}")
    async with open_stores(psycopg.conninfo.make_conninfo(servers.database_url, dbname="shared")) as opened:
        yield opened


@pytest.fixture
def stores(_shared_stores: Stores) -> Stores:
    """An empty book, whose database is shared: making one for every test takes longer than the tests."""
    _shared_stores.book.empty()
    return _shared_stores


@pytest.fixture
async def own_stores(database_url: str) -> AsyncIterator[Stores]:
    """A book of the test's own, for those that change the schema."""
    async with open_stores(database_url) as opened:
        yield opened


@pytest.fixture
def shared_settings(stores: Stores, servers: Servers, tmp_path: Path) -> Settings:
    """An installation over the shared book, with an empty Redis and a folder of its own."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushall()
    return Settings(
        DATABASE_URL=stores.book.connection.info.dsn,
        REDIS_URL=servers.redis_url,
        BACKBURNER_HOME=tmp_path / "home",
        BACKBURNER_LEASE_S=2,
        BACKBURNER_SWEEP_S=0.2,
    )


@pytest.fixture
async def app(shared_settings: Settings) -> AsyncIterator[Backburner]:
    async with Backburner.open(shared_settings, kinds=KINDS_FOR_TESTS) as opened:
        yield opened


@pytest.fixture
async def the_bell(shared_settings: Settings) -> AsyncIterator[Bell]:
    """What workers hear."""
    async with connect(shared_settings.redis_url) as client:
        yield Bell(client)


@pytest.fixture
async def crew(shared_settings: Settings) -> AsyncIterator[Hands]:
    """A worker for what `app` creates."""
    async with open_hands(shared_settings, KINDS_FOR_TESTS) as opened:
        yield opened


@pytest.fixture
async def working(hands: Hands) -> AsyncIterator[Hands]:
    """Hands that take what is rung, and wake what waits."""

    async def take() -> None:
        while True:
            hands.wake.clear()
            with suppress(RedisError):
                await hands.take_all(await hands.bell.take("default", hands.room()))
            await hands.store.wake()
            with suppress(TimeoutError):
                await asyncio.wait_for(hands.wake.wait(), 0.1)

    task = asyncio.create_task(take())
    yield hands
    await end(task)
