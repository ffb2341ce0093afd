"""Bringing a database to this version's schema, by whatever account, and what is said where that cannot be."""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from given import Book, Stores
from psycopg.conninfo import make_conninfo

from agent_tools.embedded import Home, Servers
from agent_tools.jobs.errors import BookUnavailable
from sql.door import DoorStore, Filter
from sql.hands import HandsStore
from sql.migrate import migrate
from sql.schema import OWNER, migrations

NEWEST = migrations()[-1]


@pytest.fixture(scope="module")
def unmigrated_cluster() -> Iterator[str]:
    """A superuser's address of a cluster in which nobody has made the roles yet."""
    folder = Path(tempfile.mkdtemp(prefix="backburner-tests-"))
    folder.chmod(0o711)
    with Home(folder / "home").hold(), Servers(Home(folder / "home"), redis=False) as running:
        assert running.database_url
        yield running.database_url
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_database(unmigrated_cluster: str) -> Iterator[Callable[..., str]]:
    """Makes databases in that cluster, each for an account of its own; all is as before at the end."""
    made: list[str] = []

    def make(name: str, account: str = "", rights: str = "") -> str:
        made.append(name)
        if account:
            admin.execute(f'CREATE ROLE "{account}" LOGIN {rights}')
        admin.execute(f"CREATE DATABASE {name}" + (f' OWNER "{account}"' if account else ""))
        return make_conninfo(unmigrated_cluster, dbname=name, **({"user": account} if account else {}))

    with psycopg.connect(unmigrated_cluster, autocommit=True) as admin:
        yield make
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        # Members before what they are members of: a grant depends on who gave it.
        for (role,) in admin.execute(
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres' ORDER BY rolname LIKE 'backburner%'"
        ).fetchall():
            admin.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')


def _as_administrator(url: str, statements: str) -> None:
    with psycopg.connect(make_conninfo(url, user="postgres"), autocommit=True) as connection:
        connection.execute(statements.encode())


async def _opens(url: str) -> bool:
    async with DoorStore.open(url) as door, HandsStore.open(url):
        return await door.jobs(1, Filter()) == []


# ---------------------------------------------------------------------------------------------------------- the usual way


async def test_an_empty_database_becomes_this_versions_and_stays_so(empty_database_url: str) -> None:
    first = migrate(empty_database_url)
    again = migrate(empty_database_url)

    assert first == [*(migration.name for migration in migrations()), "machine.sql"]
    assert again == []
    assert await _opens(empty_database_url)


async def test_there_are_a_tenant_a_person_and_their_agent_from_the_start(database_url: str) -> None:
    async with HandsStore.open(database_url) as hands:
        owner = await hands.principal_by_name("default", "owner")
        agent = await hands.principal_by_name("default", "agent")

    assert owner is not None
    assert agent is not None
    assert owner.tenant == agent.tenant


def test_two_migrations_of_one_database_at_once_apply_everything_once(empty_database_url: str) -> None:
    done = _at_once(lambda: migrate(empty_database_url), lambda: migrate(empty_database_url))

    assert sorted(map(len, done)) == [0, len(migrations()) + 1]


async def test_everything_lies_in_the_schema_backburner(own_stores: Stores) -> None:
    elsewhere = own_stores.book.run(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )

    assert elsewhere == []


# ------------------------------------------------------------------------------------------- 24: roles are cluster-wide


def test_two_databases_of_a_cluster_may_be_migrated_at_once(new_database: Callable[..., str]) -> None:
    urls = [new_database(f"together_{number}") for number in range(4)]

    done = _at_once(*(lambda url=url: migrate(url) for url in urls))

    assert [len(names) for names in done] == [len(migrations()) + 1] * 4


def test_one_account_that_may_create_roles_may_migrate_two_databases_at_once(new_database: Callable[..., str]) -> None:
    first = new_database("first", "app-user", "CREATEROLE")
    second = new_database("second")
    _as_administrator(second, 'ALTER DATABASE second OWNER TO "app-user"')

    done = _at_once(lambda: migrate(first), lambda: migrate(make_conninfo(second, user="app-user")))

    assert [len(names) for names in done] == [len(migrations()) + 1] * 2


async def test_an_account_that_may_create_roles_needs_no_superuser(new_database: Callable[..., str]) -> None:
    url = new_database("self_made", "app-user", "CREATEROLE")

    assert migrate(url)
    assert migrate(url) == []
    assert await _opens(url)


async def test_an_account_that_may_not_gets_what_its_administrator_must_run(new_database: Callable[..., str]) -> None:
    url = new_database("asked_for", "app-user")

    with pytest.raises(BookUnavailable, match="administrator") as refused:
        migrate(url)
    _as_administrator(
        url,
        "\n".join(line for line in str(refused.value).splitlines() if line.partition(" ")[0] in ("CREATE", "GRANT")),
    )

    assert migrate(url)
    assert await _opens(url)


async def test_a_second_account_is_told_what_to_ask_for_too(new_database: Callable[..., str]) -> None:
    migrate(new_database("first", "first-user", "CREATEROLE"))
    url = new_database("second", "second-user", "CREATEROLE")

    with pytest.raises(BookUnavailable, match='TO "second-user"') as refused:
        migrate(url)
    assert "CREATE ROLE" not in str(refused.value)
    _as_administrator(
        url,
        "\n".join(line for line in str(refused.value).splitlines() if line.partition(" ")[0] in ("CREATE", "GRANT")),
    )

    assert migrate(url)
    assert await _opens(url)


async def test_a_cluster_without_the_roles_says_to_migrate(new_database: Callable[..., str]) -> None:
    with pytest.raises(BookUnavailable, match="backburner migrate"):
        await _opens(new_database("roleless"))


def test_a_backfill_of_the_owner_sees_the_rows_under_forced_policies(own_stores: Stores) -> None:
    book = own_stores.book
    book.put()
    book.put(of=book.tenant("theirs"))

    book.run(f"SET ROLE {OWNER}")
    filled = book.run("UPDATE jobs SET title = 'filled' RETURNING id")

    assert len(filled) == 2


# ------------------------------------------------------------------------------------------------------------ refusals


def test_an_applied_file_that_was_changed_is_refused(own_stores: Stores, database_url: str) -> None:
    own_stores.book.run("UPDATE migrations SET checksum = 'another' WHERE version = 2")

    with pytest.raises(BookUnavailable, match=r"0002_jobs\.sql was applied .* with other content"):
        migrate(database_url)


async def test_a_newer_schema_is_refused_with_what_to_do(database_url: str) -> None:
    with closing(Book(database_url)) as book:
        book.run("INSERT INTO migrations (version, name, checksum) VALUES (9999, '9999_future.sql', 'x')")
    sentence = rf"at schema 9999, this version of Backburner knows {NEWEST.version}\. Upgrade"

    with pytest.raises(BookUnavailable, match=sentence):
        migrate(database_url)
    for store in (DoorStore, HandsStore):
        with pytest.raises(BookUnavailable, match=sentence):
            async with store.open(database_url):
                pass


async def test_an_older_schema_is_refused_with_what_to_do(database_url: str) -> None:
    with closing(Book(database_url)) as book:
        book.run("DELETE FROM migrations WHERE version = %s", NEWEST.version)

    with pytest.raises(BookUnavailable, match=rf"this version needs {NEWEST.version}\. Run 'backburner migrate'"):
        await _opens(database_url)


async def test_a_database_that_nobody_migrated_says_to_migrate(empty_database_url: str) -> None:
    with pytest.raises(BookUnavailable, match="Run 'backburner migrate'"):
        await _opens(empty_database_url)


async def test_an_account_that_may_not_take_the_roles_says_to_migrate(own_stores: Stores, database_url: str) -> None:
    own_stores.book.run("DROP ROLE IF EXISTS stranger")
    own_stores.book.run("CREATE ROLE stranger LOGIN")

    with pytest.raises(BookUnavailable, match="backburner migrate"):
        await _opens(make_conninfo(database_url, user="stranger"))


async def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as was_here:
        port = was_here.getsockname()[1]

    await _is_refused(f"postgresql://somebody:secret@127.0.0.1:{port}/db", "Postgres cannot be reached: ")


async def test_a_server_that_is_no_postgres_is_a_sentence() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=_answer_as_a_web_server, args=(server,), daemon=True).start()

        await _is_refused(
            f"postgresql://somebody:secret@127.0.0.1:{server.getsockname()[1]}/db", "Postgres cannot be reached: "
        )


@pytest.mark.parametrize("url", ["nonsense", "postgres//somebody:secret@here/db"])
async def test_an_address_that_is_none_is_a_sentence_without_its_password(url: str) -> None:
    await _is_refused(url, "DATABASE_URL is no address of a Postgres")


async def test_a_server_that_is_read_only_just_now_is_unavailable(own_stores: Stores, database_url: str) -> None:
    name = own_stores.book.one("SELECT current_database()")
    own_stores.book.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    owner = own_stores.book.default

    async with DoorStore.open(database_url) as door:
        with pytest.raises(BookUnavailable, match="read-only"):
            await door.cancel(owner.id, owner.principal, ["0c3k9x2mq7f4w"])


async def _is_refused(url: str, sentence: str) -> None:
    for attempt in (migrate, lambda url: asyncio.run(_opens(url))):
        with pytest.raises(BookUnavailable, match=sentence) as refused:
            await asyncio.to_thread(attempt, url)
        assert "secret" not in str(refused.value)


def _answer_as_a_web_server(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def _at_once(*calls: Callable[[], list[str]]) -> list[list[str]]:
    async def run() -> list[list[str]]:
        return await asyncio.gather(*(asyncio.to_thread(call) for call in calls))

    return asyncio.run(run())
