"""A server as a child process that ends when its owner ends, however that happens."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent_tools.embedded.accounts import Account
from agent_tools.embedded.errors import StartFailed
from agent_tools.embedded.home import try_lock

PATIENCE_S = 60.0
GLANCE_S = 0.01  # between two looks at a server that is starting
LOG_LIMIT = 10_000_000
LAUNCH = str(Path(__file__).with_name("launch.py"))
GUARD = str(Path(__file__).with_name("guard.py"))
PYTHON = (sys.executable, "-I", "-S")  # for our own scripts: nothing of the environment, no site-packages


@dataclass(frozen=True)
class Log:
    """A server's log file, and how much of it was there before this start."""

    path: Path
    before: int

    def tail(self) -> str:
        """The last lines that were said since this start."""
        with self.path.open("rb") as file:
            file.seek(max(self.before, self.path.stat().st_size - 8_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-15:])


class Child:
    """A running server process."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], guard: subprocess.Popen[bytes] | None, log: Log
    ) -> None:
        self._name = name
        self._process = process
        self._guard = guard
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """None while it runs, else its exit code; a dead server is reaped here, and its successor needs that."""
        code = self._process.poll()
        if code is not None:
            self._dismiss_guard()
        return code

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Return when it is ready; if it ends first or takes a minute, raise StartFailed with what it said."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_ready():
            if self.poll() is not None:
                raise self._failed(f"ended while it started (exit code {self.poll()})")
            if time.monotonic() > deadline:
                self.stop()
                raise self._failed(f"was not ready after {PATIENCE_S:.0f} s")
            time.sleep(GLANCE_S)

    def wait_for_success(self) -> None:
        """Return when it has ended well; raise StartFailed with what it said when not."""
        try:
            if self._process.wait(PATIENCE_S) != 0:
                raise self._failed(f"failed (exit code {self.poll()})")
        except subprocess.TimeoutExpired:
            raise self._failed(f"had not ended after {PATIENCE_S:.0f} s") from None
        finally:
            self.stop()

    def stop(self, *asks: tuple[signal.Signals, float]) -> None:
        """Ask in each way in turn, each for so many seconds, then end it for certain."""
        for way, seconds in asks:
            self._process.send_signal(way)  # which looks first whether it still runs
            try:
                self._process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        self._process.kill()
        self._process.wait()
        self._dismiss_guard()

    def _failed(self, how: str) -> StartFailed:
        return StartFailed(f"{self._name} {how}. The end of {self._log.path}:\n{self._log.tail()}")

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.communicate(b"!")  # a guard that somebody killed is no error here
            self._guard = None


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    lock: int,
    last_signal: signal.Signals,
    account: Account | None = None,
) -> Child:
    """Start a server that gets `last_signal` when we end, and holds `lock` (see `server_lock`) as long as it lives.

    On Linux the kernel sends that signal, and sends it when the *thread* that started the server ends. So the kernel is
    asked from the main thread only; elsewhere a guard process watches.
    """
    by_kernel = sys.platform == "linux" and threading.current_thread() is threading.main_thread()
    start = [
        *PYTHON,
        LAUNCH,
        str(os.getpid()) if by_kernel else "",
        str(int(last_signal)),
        str(account.uid) if account else "",
        str(account.gid) if account else "",
        *map(str, command),
    ]
    with _opened(log) as output:
        before = output.tell()
        process = subprocess.Popen(
            start,
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for us; we stop servers in order
            pass_fds=[lock],
        )
    os.pwrite(lock, f"{process.pid:<10}".encode(), 0)
    return Child(name, process, None if by_kernel else _guard_of(process.pid, last_signal), Log(log, before))


@contextmanager
def server_lock(path: Path, name: str) -> Iterator[int]:
    """Hold a server's own lock, to be handed down to it.

    The server and every child of it inherit it, so it is free only when the last of them is gone. Without it a new
    Valkey would share the files of one that is still stopping, and an old Postgres's memory would refuse a new one.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not try_lock(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                pid = os.pread(lock, 10, 0).decode().strip()
                raise StartFailed(
                    f"An earlier {name} still uses {path.parent}: process {pid} or a child of it. End it."
                )
            time.sleep(GLANCE_S)
        yield lock
    finally:
        os.close(lock)  # a server that has it open keeps it


def _guard_of(pid: int, last_signal: signal.Signals) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PYTHON, GUARD, str(pid), str(int(last_signal))],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _opened(log: Path) -> BinaryIO:
    """The log at its end; a long one is put aside first, and the one before that goes."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".old.log"))
    file = log.open("ab")
    file.seek(0, os.SEEK_END)
    return file


def _environment() -> dict[str, str]:
    """Only what programs need to be found and run: our own holds secrets, and PG* variables that would mislead."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
