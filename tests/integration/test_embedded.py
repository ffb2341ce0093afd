"""The embedded servers: what they keep, what they leave behind, and what they make of what they find."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import redis

from agent_tools.embedded import (
    Home,
    HomeTaken,
    HomeUnusable,
    Postgres,
    Servers,
    StartFailed,
    Valkey,
    child,
)

ROOT = Path(__file__).parents[2]
SEARCH = os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))])
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


OWN = """
import signal, sys, threading
from pathlib import Path
from agent_tools.embedded import Home, Servers
home = Home(Path(sys.argv[1]))
with home.hold():
    servers = Servers(home)
    if sys.argv[2] == "thread":
        starter = threading.Thread(target=servers.__enter__)
        starter.start()
        starter.join()
    else:
        servers.__enter__()
    print("ready", flush=True)
    signal.pause()
"""


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


@pytest.fixture
def owner(home: Home) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the home and runs its servers."""
    with own(home) as process:
        yield process
        process.kill()
    assert eventually(lambda: processes_of(home) == [])


def own(home: Home, started_from: str = "main") -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", OWN, str(home), started_from]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": SEARCH})
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def write(url: str | None, number: int) -> None:
    with psycopg.connect(url or "", autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written (number int)")
        connection.execute("INSERT INTO written VALUES (%s)", [number])


def written(url: str | None) -> list[int]:
    with psycopg.connect(url or "") as connection:
        return [number for (number,) in connection.execute("SELECT number FROM written ORDER BY number")]


def valkey_client(url: str | None) -> "redis.Redis":
    return redis.Redis.from_url(url or "", decode_responses=True)


def processes_of(home: Home) -> list[str]:
    """What still runs in the home folder; both servers work in their data folders."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(home.path):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def eventually(happened: Callable[[], bool], within: float = 15) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.02)
    return False


def postmaster(home: Home) -> int:
    return int((home.postgres / "postmaster.pid").read_text().split()[0])


# What they keep.


def test_rows_and_keys_outlive_a_stop(home: Home) -> None:
    with Servers(home) as servers, valkey_client(servers.redis_url) as client:
        write(servers.database_url, 1)
        client.set("key", "kept")

    with Servers(home) as servers, valkey_client(servers.redis_url) as client:
        rows, value = written(servers.database_url), client.get("key")

    assert rows == [1]
    assert value == "kept"
    assert processes_of(home) == []


def test_a_killed_postgres_comes_back_with_its_rows(home: Home) -> None:
    with Servers(home, redis=False) as servers:
        write(servers.database_url, 1)
        os.kill(postmaster(home), signal.SIGKILL)

        assert eventually(lambda: servers.restart_dead() == ["postgres"])

        assert written(servers.database_url) == [1]
        assert servers.restart_dead() == []


def test_a_killed_valkey_comes_back_with_its_keys(home: Home) -> None:
    with Servers(home, postgres=False) as servers, valkey_client(servers.redis_url) as client:
        client.set("key", "kept")
        os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)

        assert eventually(lambda: servers.restart_dead() == ["valkey"])

        assert client.get("key") == "kept"


def test_postgres_comes_back_under_open_connections(home: Home) -> None:
    with Servers(home, redis=False) as servers:
        write(servers.database_url, 1)
        with psycopg.connect(servers.database_url or "", autocommit=True) as connection:
            connection.execute("SELECT 1")
            os.kill(postmaster(home), signal.SIGKILL)

            assert eventually(lambda: servers.restart_dead() == ["postgres"])

            assert written(servers.database_url) == [1]


def test_one_server_can_be_left_out(home: Home) -> None:
    with Servers(home, postgres=False) as servers:
        assert servers.database_url is None
        assert servers.redis_url
        assert not home.postgres.exists()


def test_valkey_keeps_every_write_and_refuses_rather_than_forgets(home: Home) -> None:
    with Servers(home, postgres=False) as servers, valkey_client(servers.redis_url) as client:
        settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "save")

    assert settings == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
    }


# What they leave behind.


def test_a_killed_owner_leaves_no_server_and_the_next_start_works(home: Home, owner: "subprocess.Popen[str]") -> None:
    servers = Servers(home)
    write(servers.database_url, 1)

    owner.kill()
    owner.wait()
    with home.hold(), servers:  # at once: the old servers may still be stopping
        rows = written(servers.database_url)

    assert rows == [1]
    assert eventually(lambda: processes_of(home) == [])


def test_a_killed_owner_takes_its_servers_along(home: Home, owner: "subprocess.Popen[str]") -> None:
    assert len(processes_of(home)) > 1

    owner.kill()

    assert eventually(lambda: processes_of(home) == [])


def test_a_server_waits_for_its_predecessor_to_end(
    home: Home, owner: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    with valkey_client(Servers(home).redis_url) as client:
        predecessor = int(client.info("server")["process_id"])
        client.set("key", "kept")
    os.kill(predecessor, signal.SIGSTOP)
    owner.kill()
    owner.wait()

    try:
        with monkeypatch.context() as impatient:
            impatient.setattr(child, "PATIENCE_S", 0.2)
            with pytest.raises(StartFailed, match=f"earlier Valkey .* {predecessor}"):
                Valkey(home).start()
    finally:
        os.kill(predecessor, signal.SIGCONT)

    with Servers(home, postgres=False) as servers, valkey_client(servers.redis_url) as client:
        assert client.get("key") == "kept"


def test_servers_started_from_a_thread_outlive_it_and_end_with_the_owner(home: Home) -> None:
    with own(home, started_from="thread") as owner:
        write(Servers(home).database_url, 1)

        owner.kill()

    assert eventually(lambda: processes_of(home) == [])


def test_a_server_that_is_stopped_dismisses_its_guard(home: Home) -> None:
    home.make()
    others = set(psutil.Process().children())
    valkey = Valkey(home)
    starter = threading.Thread(target=valkey.start)
    starter.start()
    starter.join()
    assert valkey.poll() is None

    valkey.stop()

    assert valkey.poll() == 0
    assert set(psutil.Process().children()) == others


def test_an_interrupted_terminal_is_not_told_to_the_servers(home: Home, owner: "subprocess.Popen[str]") -> None:
    groups = {os.getpgid(postmaster(home)), os.getpgid(owner.pid)}

    assert len(groups) == 2


def test_a_second_owner_is_refused_and_told_who_the_first_is(home: Home, owner: "subprocess.Popen[str]") -> None:
    with pytest.raises(HomeTaken, match="backburner stop") as refusal, home.hold():
        pass

    assert refusal.value.pid == owner.pid
    assert str(owner.pid) in str(refusal.value)


# What they find.


def test_a_half_made_database_is_named_and_left_alone(home: Home) -> None:
    home.make()
    (home.postgres / "base").mkdir(parents=True)
    (home.postgres / "base" / "precious").write_text("rows")

    with pytest.raises(HomeUnusable, match=f"{home.postgres} is not empty") as refusal:
        Postgres(home).start()

    assert "move it away" in str(refusal.value)
    assert (home.postgres / "base" / "precious").read_text() == "rows"


def test_a_database_of_another_version_is_left_alone(home: Home) -> None:
    home.make()
    (home.postgres / "global").mkdir(parents=True)
    (home.postgres / "global" / "pg_control").touch()
    (home.postgres / "PG_VERSION").write_text("9\n")

    with pytest.raises(HomeUnusable, match=r"made by Postgres 9, and .* BACKBURNER_PG_BIN"):
        Postgres(home).start()


def test_a_killed_initialisation_is_begun_again(home: Home) -> None:
    home.make()
    home.postgres.mkdir()
    left = home.path / "postgres.tmp-4000000"
    (left / "base").mkdir(parents=True)

    with Servers(home, redis=False) as servers:
        write(servers.database_url, 1)

    assert list(home.path.glob("postgres.tmp-*")) == []


def test_a_pid_that_came_round_does_not_keep_postgres_from_starting(home: Home) -> None:
    with Servers(home, redis=False) as servers:
        write(servers.database_url, 1)
        notes = [home.postgres / "postmaster.pid", home.sockets / "postgres" / ".s.PGSQL.5432.lock"]
        contents = [note.read_text().splitlines(keepends=True) for note in notes]

    with process_of_postgres_account(home) as other:
        for note, lines in zip(notes, contents, strict=True):
            note.write_text("".join([f"{other.pid}\n", *lines[1:]]))
            shutil.chown(note, home.postgres.stat().st_uid)
        try:
            with Servers(home, redis=False) as servers:
                rows = written(servers.database_url)
        finally:
            other.kill()

    assert rows == [1]


def process_of_postgres_account(home: Home) -> "subprocess.Popen[bytes]":
    """Some other program of the account that Postgres runs as; only those does it take for a Postgres."""
    account = home.postgres.stat()
    return subprocess.Popen(["/bin/sleep", "60"], cwd="/", user=account.st_uid if os.geteuid() == 0 else None)


@as_root
def test_a_restored_database_is_given_back_to_its_account(home: Home) -> None:
    with Servers(home, redis=False) as servers:
        write(servers.database_url, 1)
    subprocess.run(["chown", "-R", "root:root", home.postgres], check=True)

    with Servers(home, redis=False) as servers:
        assert written(servers.database_url) == [1]


def test_a_server_that_cannot_start_says_why(home: Home) -> None:
    home.make()
    aof = home.valkey / "appendonlydir"
    aof.mkdir()
    (aof / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(StartFailed, match=r"Valkey ended while it started .*(?s:.*)manifest"):
        Valkey(home).start()


# As an ordinary account.


def test_it_runs_as_an_ordinary_account(folder: Path) -> None:
    home = folder / "nobodys"
    home.mkdir()
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)

    said = as_nobody(f"""
home = Home(Path({str(home)!r}))
for attempt in range(2):
    with home.hold(), Servers(home) as servers:
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS written (number int)")
            connection.execute("INSERT INTO written VALUES (1)")
            rows = connection.execute("SELECT count(*) FROM written").fetchone()
print("rows", rows, "owner", home.postgres.stat().st_uid == os.getuid())
""")

    assert said == "rows (2,) owner True\n"


def test_a_home_without_permission_is_refused_in_words(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir()
    closed.chmod(0o500)

    said = as_nobody(f"Home(Path({str(closed / 'home')!r})).make()")

    assert "HomeUnusable" in said
    assert "no permission" in said
    assert "Set BACKBURNER_HOME" in said


def as_nobody(script: str) -> str:
    """Run this in a process without root's rights, and return what it says."""
    is_root = os.geteuid() == 0
    python = python_for_nobody() if is_root else sys.executable
    imports = "import os\nfrom pathlib import Path\nimport psycopg\nfrom agent_tools.embedded import Home, Servers\n"
    ended = subprocess.run(
        [python, "-c", imports + script],
        env={"PYTHONPATH": SEARCH, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        user=NOBODY if is_root else None,
        group=NOBODY if is_root else None,
        extra_groups=[] if is_root else None,
    )
    return ended.stdout


def python_for_nobody() -> str:
    """This Python, or the system's of the same version when ours lies where nobody may go."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        probe = subprocess.run(
            ["/bin/sh", "-c", '"$0" -c "import ctypes"', python],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if probe.returncode == 0:
            return python
    pytest.skip(f"no {name} that an ordinary account can run")
