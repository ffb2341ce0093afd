"""The home folder: who holds it, where it may be, and what it says when it cannot be used."""

import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from arq.connections import RedisSettings

from agent_tools.embedded import (
    Home,
    HomeUnusable,
    Postgres,
    Runtime,
    Servers,
    default_home,
    postgres,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that every account can pass through, unlike tmp_path."""
    made = Path(tempfile.mkdtemp(prefix="bb-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def home(folder: Path) -> Home:
    return Home(folder / "home")


def written(url: str | None) -> list[int]:
    with psycopg.connect(url or "") as connection:
        return [number for (number,) in connection.execute("SELECT number FROM written ORDER BY number")]


def write(url: str | None, number: int) -> None:
    with psycopg.connect(url or "", autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written (number int)")
        connection.execute("INSERT INTO written VALUES (%s)", [number])


def valkey_client(url: str | None) -> "redis.Redis":
    return redis.Redis.from_url(url or "", decode_responses=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Who holds it.


def test_servers_do_not_inherit_the_home(home: Home) -> None:
    with Servers(home):
        with home.hold():
            pass

        assert not home.is_held()


def test_runtime_is_read_while_its_writer_holds_the_home(home: Home) -> None:
    runtime = Runtime("http://localhost:8808", "postgresql://", "unix:///valkey", os.getpid())

    with home.hold():
        runtime.write(home)
        during = Runtime.read(home)
        secrecy = mode(home.runtime)

    assert during == runtime
    assert secrecy == 0o600
    assert Runtime.read(home) is None


def test_runtime_of_a_killed_owner_reads_as_none(home: Home) -> None:
    home.make()
    Runtime(None, "postgresql://", "unix:///valkey", 4_000_000).write(home)

    assert Runtime.read(home) is None


def test_runtime_of_a_killed_owner_is_not_taken_for_the_next_owners(home: Home) -> None:
    home.make()
    Runtime(None, "postgresql://", "unix:///valkey", 4_000_000).write(home)

    with home.hold():
        assert Runtime.read(home) is None


def test_runtime_with_values_of_another_kind_reads_as_none(home: Home) -> None:
    with home.hold():
        said = {"http_url": None, "database_url": 5, "redis_url": "unix:///valkey", "pid": 1}
        home.runtime.write_text(json.dumps(said))

        assert Runtime.read(home) is None


def test_runtime_of_no_home_reads_as_none(folder: Path) -> None:
    (folder / "file").touch()

    assert Runtime.read(Home(folder / "nowhere")) is None
    assert Runtime.read(Home(folder / "file" / "home")) is None


@pytest.mark.parametrize("said", ["", "{", "[]", "{}", '{"pid": 1}', "null", b"\xff\xfe"])
def test_a_runtime_file_that_is_none_reads_as_none(home: Home, said: str | bytes) -> None:
    with home.hold():
        home.runtime.write_bytes(said if isinstance(said, bytes) else said.encode())

        assert Runtime.read(home) is None


# Where it is.


def test_a_home_is_closed_to_others(home: Home) -> None:
    home.make()

    assert mode(home.path) == (0o711 if os.geteuid() == 0 else 0o700)
    assert {mode(secret) for secret in (home.valkey, home.logs, home.artifacts)} == {0o700}


def test_a_strict_umask_does_not_lock_postgres_out(home: Home) -> None:
    before = os.umask(0o077)
    try:
        with Servers(Home(home.path / "deeper"), redis=False) as servers:
            write(servers.database_url, 1)
    finally:
        os.umask(before)


def test_a_relative_home_means_one_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    home = Home(Path("here"))

    with Servers(home, postgres=False) as servers, valkey_client(servers.redis_url) as client:
        monkeypatch.chdir("/")
        answered = client.ping()

    assert answered
    assert home.path == folder.resolve() / "here"
    assert (home.valkey / "appendonlydir").exists()


@pytest.mark.parametrize("name", ["long" * 40, "50% of it, really?", "with space", "mît"])
def test_a_home_may_have_any_name(folder: Path, name: str) -> None:
    home = Home(folder / name)

    with Servers(home) as servers, valkey_client(servers.redis_url) as client:
        write(servers.database_url, 1)
        client.set("key", "kept")
        assert servers.redis_url
        settings = RedisSettings.from_dsn(servers.redis_url)

        assert written(servers.database_url) == [1]
        assert settings.unix_socket_path == client.connection_pool.connection_kwargs["path"]

    if home.sockets.parent != home.path:
        shutil.rmtree(home.sockets)


def test_a_strangers_socket_folder_is_not_trusted(folder: Path) -> None:
    home = Home(folder / ("long" * 40))
    home.sockets.mkdir()
    home.sockets.chmod(0o777)

    with pytest.raises(HomeUnusable, match="shorter path"):
        home.make()

    home.sockets.rmdir()


def test_the_default_home_is_one_that_postgres_can_reach() -> None:
    expected = Path("/var/lib/backburner") if os.geteuid() == 0 else Path.home() / ".local/share/backburner"

    assert default_home() == expected or sys.platform != "linux"


def test_a_home_below_a_file_is_refused_in_words(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(HomeUnusable, match=r"a file, not a folder.*Set BACKBURNER_HOME"):
        Home(folder / "file" / "home").make()
    with pytest.raises(HomeUnusable, match=r"a file, not a folder.*Set BACKBURNER_HOME"):
        Home(folder / "file").make()


def test_a_full_disk_is_refused_in_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "ROOM_FOR_NEW", 10**18)
    home.make()

    with pytest.raises(HomeUnusable, match=r"no space.*MB are free"):
        Postgres(home).start()


@as_root
def test_folders_above_the_home_stay_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(0o700)

    with pytest.raises(HomeUnusable, match=r"cannot reach.*var/lib/backburner"), Servers(Home(closed / "home")):
        pass

    assert mode(closed) == 0o700


@as_root
def test_a_folder_with_other_things_is_not_opened(folder: Path) -> None:
    full = folder / "full"
    full.mkdir(0o700)
    (full / "diary").touch()

    Home(full).make()

    assert mode(full) == 0o700


@as_root
def test_an_empty_home_that_somebody_closed_lets_postgres_through(home: Home) -> None:
    home.path.mkdir(0o700)

    with Servers(home, redis=False) as servers:
        write(servers.database_url, 1)

    assert mode(home.path) == 0o711
