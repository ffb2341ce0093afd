"""Fixtures for faults: each test has an installation of its own, and leaves no process behind."""

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import redis
from rig.book import Book
from rig.homes import processes_of
from rig.processes import LOOPS, Program, Start, StartWorker, announced, end, environment
from rig.proxy import Proxy
from rig.receiver import Receiver

from agent_tools.embedded import Home
from agent_tools.settings import Settings


@pytest.fixture
def book(settings: Settings) -> Iterator[Book]:
    opened = Book(settings.database_url)
    yield opened
    opened.close()


@pytest.fixture
def valkey(settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.redis_url) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


@pytest.fixture
def proxy(settings: Settings) -> Iterator[Proxy]:
    with Proxy(settings.database_url) as opened:
        yield opened


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program; whatever is left of it at the end is ended."""
    started: list[Program] = []
    number = count(1)

    def begin(command: list[str], environment: dict[str, str]) -> Program:
        started.append(Program(command, environment, tmp_path / f"process-{next(number)}.log"))
        return started[-1]

    yield begin
    for program in started:
        program.end()
        print(f"--- process {program.pid}:\n{program.log[-6000:]}")


@pytest.fixture
def worker(settings: Settings, book: Book, start: Start) -> StartWorker:
    """Start a worker with either loop; it is given back when it has announced itself."""

    async def begin(loop: str = "batched", **more: object) -> Program:
        program = start(LOOPS[loop], environment(settings, **more))
        await announced(book, program)
        return program

    return begin


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that every account can pass through, unlike tmp_path."""
    made = Path(tempfile.mkdtemp(prefix="bb-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    """Of a whole installation; whatever works in it afterwards is ended."""
    made = Home(folder / "home")
    yield made
    for pid in processes_of(made):
        end(pid)
