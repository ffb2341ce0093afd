"""Real servers for the whole run, a fresh database and an empty Valkey for each test."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
import redis

from agent_tools.app import Backburner
from agent_tools.embedded import Home, Servers
from agent_tools.jobs.kinds import Kinds
from agent_tools.settings import Settings
from sql.migrate import migrate
from worker.hands import Hands, open_hands

os.environ["BACKBURNER_DRILLS"] = "1"
_number = count(1)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    # Not pytest's own folder: as root, Postgres runs as another account, which cannot pass through it.
    folder = Path(tempfile.mkdtemp(prefix="backburner-tests-"))
    folder.chmod(0o711)
    with Home(folder / "home").hold(), Servers(Home(folder / "home")) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated(servers: Servers) -> str:
    """The name of a migrated database; tests work on copies of it."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    migrate(on_database(servers.database_url, "migrated"))
    return "migrated"


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """A database that nobody has migrated."""
    yield from _database(servers.database_url, "template1")


@pytest.fixture
def database_url(servers: Servers, migrated: str) -> Iterator[str]:
    yield from _database(servers.database_url, migrated)


@pytest.fixture
def redis_url(servers: Servers) -> str:
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushall()
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """An installation of its own, with leases short enough to wait for."""
    return Settings(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        BACKBURNER_HOME=tmp_path / "home",
        BACKBURNER_DRILLS=True,
        BACKBURNER_LEASE_S=2,
        BACKBURNER_SWEEP_S=0.2,
    )


@pytest.fixture
def offered() -> Kinds | None:
    """The kinds of jobs there are, for files that test with others; None: those that are installed."""
    return None


@pytest.fixture
async def backburner(settings: Settings, offered: Kinds | None) -> AsyncIterator[Backburner]:
    async with Backburner.open(settings, kinds=offered) as opened:
        yield opened


@pytest.fixture
async def hands(settings: Settings, offered: Kinds | None) -> AsyncIterator[Hands]:
    async with open_hands(settings, offered) as opened:
        yield opened


def on_database(url: str, name: str) -> str:
    return psycopg.conninfo.make_conninfo(url, dbname=name)


def _database(url: str, template: str) -> Iterator[str]:
    name = f"test_{next(_number)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield on_database(url, name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
