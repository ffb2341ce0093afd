"""Worker processes of every sort, begun again whenever they end."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rig.book import Book
from rig.processes import LOOPS, Program, announced, is_alive

KEEP_S = 0.1
SUPERVISOR = [sys.executable, "-m", "agent_tools.cli", "worker", "--workers", "2"]
Environment = Callable[[int, int], dict[str, str]]
"""The version of the kinds, and how many jobs at once → what a worker is started with."""


class Post:
    """One place in the crew: whoever works there, now and in turn."""

    def __init__(
        self, name: str, command: list[str], environment: Environment, version: int, max_jobs: int, logs: Path
    ) -> None:
        self.name, self.version, self._max_jobs = name, version, max_jobs
        self._command, self._environment, self._logs = command, environment, logs
        self._number = 0
        self.program = self._begin()

    def _begin(self) -> Program:
        self._number += 1
        return Program(
            self._command,
            self._environment(self.version, self._max_jobs),
            self._logs / f"{self.name}-{self._number}.log",
        )

    def begin_again(self) -> None:
        self.program = self._begin()


class Crew:
    """Two workers under a supervisor that sees them die, two alone; one of those far away, one with the next version."""

    def __init__(self, near: Environment, far: Environment, logs: Path) -> None:
        self._near, self._far, self._logs = near, far, logs
        self.alone: list[Post] = []
        self._keeping: asyncio.Task[None] | None = None
        self.deaths: list[tuple[str, int]] = []
        """Who ended by itself, and with which code."""

    @property
    def posts(self) -> list[Post]:
        return [self.supervised, *self.alone] if self.alone else []

    async def begin(self, book: Book) -> None:
        """Start everybody; they are begun again from now on."""
        # The stock loop polls, and gets what the others leave: so these have little room.
        self.supervised = Post("supervisor", SUPERVISOR, self._near, 1, 6, self._logs)
        self.alone = [
            Post("stock", LOOPS["stock"], self._near, 1, 16, self._logs),
            Post("far", LOOPS["batched"], self._far, 2, 6, self._logs),
        ]
        for post in self.alone:
            await announced(book, post.program)
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            for post in self.posts:
                if not post.program.is_alive:
                    self.deaths.append((post.name, await post.program.exit_code()))
                    post.begin_again()
            await asyncio.sleep(KEEP_S)

    def pids(self) -> dict[int, str]:
        """Worker process → the post that it is of."""
        below = dict.fromkeys(self.supervised.program.children(), self.supervised.name)
        return below | {post.program.pid: post.name for post in self.alone if post.program.is_alive}

    def post_of(self, pid: int) -> Post:
        return next(post for post in self.alone if post.program.pid == pid)

    def end(self) -> None:
        """End everybody, for certain."""
        if self._keeping is not None:
            self._keeping.cancel()
        for post in self.posts:
            post.program.end()


def scratch_of(pid: int, folder: Path) -> list[Path]:
    """The scratch folders of one of our workers."""
    return list((folder / f"backburner-scratch-{os.getuid()}").glob(f"{pid}-*")) if is_alive(pid) else []
