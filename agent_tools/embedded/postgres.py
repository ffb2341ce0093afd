"""The embedded Postgres."""

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from agent_tools.embedded.accounts import Account, account_for, give
from agent_tools.embedded.binaries import PostgresBinaries, find_postgres
from agent_tools.embedded.child import Child, server_lock, spawn
from agent_tools.embedded.errors import HomeUnusable
from agent_tools.embedded.home import Home, saying_why

ROOM_FOR_NEW = 200_000_000  # bytes: a new data folder has 39 MB, and its log grows before it is reused


class Postgres:
    """One Postgres on a Unix socket, in a home folder that exists."""

    name = "postgres"

    def __init__(self, home: Home) -> None:
        self._home = home
        self._data = home.postgres
        self._sockets = home.sockets / "postgres"
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """What psycopg and libpq connect to, the same before and after a start."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._sockets))}"

    def start(self) -> None:
        """Start it and wait until it takes connections, making a database first where there is none."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it, without waiting until it is ready."""
        with saying_why(self._home.path), server_lock(self._home.path / "postgres.lock", "Postgres") as lock:
            account = account_for(self._data)
            self._require_passage(account)
            binaries = find_postgres().usable_by(account, self._home)
            self._ensure_data(binaries, account, lock)
            self._ensure_sockets(account)
            for note in (self._data / "postmaster.pid", self._sockets / ".s.PGSQL.5432.lock"):
                _drop_misleading_pid(note, self._data)
            self._child = self._spawn("Postgres", self._command(binaries), account, lock)

    def wait_ready(self) -> None:
        """Wait until it takes connections; raises StartFailed with the end of its log."""
        self._started.wait_until(self._is_ready)

    def poll(self) -> int | None:
        """None while it runs, else its exit code."""
        return self._started.poll()

    def stop(self) -> None:
        """Stop it, ending its connections; nothing to do if it was never started."""
        if self._child is not None:
            self._child.stop((signal.SIGINT, 30), (signal.SIGQUIT, 5))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._started.pid

    @property
    def _started(self) -> Child:
        if self._child is None:
            raise RuntimeError("Postgres was not started.")
        return self._child

    def _command(self, binaries: PostgresBinaries) -> list[str | Path]:
        settings = ("listen_addresses=", "port=5432", f"unix_socket_directories={self._sockets}")
        return [binaries.postgres, "-D", self._data, *(word for setting in settings for word in ("-c", setting))]

    def _spawn(self, name: str, command: Sequence[str | Path], account: Account | None, lock: int) -> Child:
        log = self._home.logs / "postgres.log"
        return spawn(name, command, log=log, lock=lock, last_signal=signal.SIGINT, account=account)

    def _is_ready(self) -> bool:
        try:
            words = (self._data / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        return words[:1] == [str(self._started.pid)] and words[-1] == "ready"  # its first and eighth, last, line

    def _require_passage(self, account: Account | None) -> None:
        for folder in (self._home.path, self._sockets.parent):
            if account is not None and not account.can_enter(folder):
                raise HomeUnusable(
                    f"Postgres refuses to run as root, and the account `{account.name}` cannot reach {folder}: it or a "
                    "folder above it is closed. Set BACKBURNER_HOME to an open place, such as /var/lib/backburner."
                )

    def _ensure_sockets(self, account: Account | None) -> None:
        self._sockets.mkdir(0o700, exist_ok=True)
        give(self._sockets, account)

    def _ensure_data(self, binaries: PostgresBinaries, account: Account | None, lock: int) -> None:
        for draft in self._home.path.glob("postgres.tmp-*"):
            shutil.rmtree(draft)  # we hold Postgres's lock, so whoever made it is dead
        if not self._data.exists() or not any(self._data.iterdir()):
            self._initialise(binaries, account, lock)
        _require_whole(self._data)
        _require_major(self._data, binaries)
        give(self._data, account)

    def _initialise(self, binaries: PostgresBinaries, account: Account | None, lock: int) -> None:
        """Make a new database beside its place and move it there when it is whole: a crash leaves no half one."""
        _require_room(self._home.path)
        draft = self._home.path / f"postgres.tmp-{os.getpid()}"
        draft.mkdir(0o700)
        try:
            give(draft, account)
            # From 17 on, Postgres brings a UTF-8 locale of its own; before, C is the one that every system has.
            locale = ["--locale-provider=builtin", "--locale=C.UTF-8"] if binaries.major >= 17 else ["--locale=C"]
            command: list[str | Path] = [
                binaries.initdb,
                "-D",
                draft,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                *locale,
            ]
            self._spawn("initdb", command, account, lock).wait_for_success()
            draft.rename(self._data)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _require_whole(data: Path) -> None:
    if not ((data / "PG_VERSION").exists() and (data / "global" / "pg_control").exists()):
        raise HomeUnusable(
            f"{data} is not empty and not a Postgres database: PG_VERSION or global/pg_control is missing. It was left "
            "as it is. Restore it from a backup, or move it away to begin with an empty database."
        )


def _require_major(data: Path, binaries: PostgresBinaries) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    if made_by != str(binaries.major):
        raise HomeUnusable(
            f"{data} was made by Postgres {made_by}, and {binaries.folder} is Postgres {binaries.version}. Set "
            f"BACKBURNER_PG_BIN to the programs of a Postgres {made_by}, or move the data with pg_upgrade or pg_dump."
        )


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < ROOM_FOR_NEW:
        raise HomeUnusable(
            f"{folder} has no space for a database: {free // 1_000_000} MB are free, and a new one needs "
            f"{ROOM_FOR_NEW // 1_000_000}. Make room, or set BACKBURNER_HOME to a folder on another disk."
        )


def _drop_misleading_pid(note: Path, data: Path) -> None:
    """Remove a killed server's note of its pid when that is another program's by now: Postgres would refuse to start.

    In a container that restarts, numbers come round at once.
    """
    try:
        pid = int(note.read_text().split()[0])
        works_in = Path(f"/proc/{pid}/cwd").readlink()  # a Postgres works in its data folder
    except (OSError, ValueError, IndexError):
        return  # no file, or nothing to be learnt: Postgres itself looks whether the process lives
    if works_in != data.resolve():
        note.unlink()
