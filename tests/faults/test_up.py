"""A whole installation killed: nothing of it stays behind, and the next one finds everything."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from rig.book import Book
from rig.patience import Stopwatch, eventually
from rig.processes import ROOT, end, holder

from agent_tools.embedded import Home, Runtime

BACKBURNER = [sys.executable, "-m", "agent_tools.cli"]


def processes_of(home: Home) -> set[int]:
    """Whatever works in or for this home."""
    return {process.pid for process in psutil.process_iter() if _belongs(process, home)}


def _belongs(process: psutil.Process, home: Home) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        ours = process.environ().get("BACKBURNER_HOME") == str(home.path)
        return ours or any(str(home.path) in word for word in [*process.cmdline(), process.cwd()])
    except psutil.Error:
        return False


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    made = Home(folder / "home")
    yield made
    for pid in processes_of(made):
        end(pid)


def backburner(home: Home, *words: str) -> str:
    """What a command says, run as from a shell."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    settings = {
        "BACKBURNER_HOME": str(home.path),
        "BACKBURNER_DRILLS": "1",
        "BACKBURNER_KINDS": "drill",
        "BACKBURNER_LEASE_S": "2",
    }
    ended = subprocess.run(
        [*BACKBURNER, *words], env=kept | settings, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.slow
async def test_a_killed_up_leaves_no_process_behind_and_the_next_one_goes_on_with_its_jobs(home: Home) -> None:
    running = backburner(home, "run", "drill", "seconds=4", "steps=8")
    first = Runtime.read(home)
    assert first
    book = Book(first.database_url)
    await holder(book, running)

    end(first.pid)
    watch = Stopwatch()
    await eventually(lambda: processes_of(home) == set(), 30, "the end of everything")
    watch.say("everything of a killed `up` was gone")
    later = backburner(home, "run", "drill", "--again")
    watch.say("and a new one had taken a job")
    await eventually(lambda: book.ended(2), 30)
    watch.say("and had done all jobs")

    book.assert_sound()
    assert {row["id"] for row in book.rows("SELECT id FROM jobs WHERE status = 'completed'")} == {running, later}
    assert book.one(running)["errors"] == 0
    assert book.number("SELECT count(*) FROM job_steps") == 8
    book.close()
    backburner(home, "stop")
    await eventually(lambda: processes_of(home) == set(), 5, "the end of everything")
