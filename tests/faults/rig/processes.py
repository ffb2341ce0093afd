"""Workers and whole installations as processes that can be stopped, killed and read."""

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from agent_tools.settings import Settings
from rig.book import Book
from rig.patience import eventually

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
LOOPS = {
    "batched": [sys.executable, "-m", "worker"],
    "stock": [str(BIN / "arq"), "worker.WorkerSettings"],
}
"""Both ways to bring messages to the hands."""


class Program:
    """A process of ours, and what it said."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def children(self) -> list[int]:
        """The processes below it, grandchildren too."""
        try:
            return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    async def exit_code(self, within: float = 20) -> int:
        """Its exit code, once it has ended by itself."""
        await eventually(lambda: not self.is_alive, within, f"the end of process {self.pid} ({self._log.name})")
        return self._process.wait()

    def end(self) -> None:
        """End it and everything below it, for certain."""
        below = self.children()
        if self.is_alive:
            self._process.kill()
        self._process.wait()
        for pid in below:
            end(pid)


def end(pid: int) -> None:
    """End a process of ours that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


Start = Callable[[list[str], dict[str, str]], Program]
StartWorker = Callable[..., Awaitable[Program]]


async def announced(book: Book, program: Program) -> None:
    """Wait until a worker has said that it works here."""
    await eventually(lambda: program.pid in book.workers() or not program.is_alive, 30, "a worker's coming")
    assert program.is_alive, program.log


async def holder(book: Book, job: str) -> int:
    """The process that runs the job, once one does."""
    text = "SELECT w.pid FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE j.id = %(job)s AND j.status = 'running'"
    return int((await eventually(lambda: book.rows(text, job=job), what=f"a start of {job}"))[0]["pid"])


def environment(settings: Settings, **more: object) -> dict[str, str]:
    """What a process of this installation is started with, and nothing of the shell's own settings."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    ours = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "BACKBURNER_HOME": settings.home,
        "BACKBURNER_DRILLS": 1,
        "BACKBURNER_KINDS": "drill",
        "BACKBURNER_LEASE_S": settings.lease_s,
        "BACKBURNER_SWEEP_S": settings.sweep_s,
        **more,
    }
    return {**kept, **{name: str(value) for name, value in ours.items() if value not in ("", None)}}
