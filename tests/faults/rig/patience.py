"""Waiting for what must come, and watching what must not."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
GLANCE_S = 0.05


async def eventually(probe: Callable[[], T], within: float = 15, what: str = "") -> T:
    """The first answer of `probe` that holds; fails after `within` seconds with the last one."""
    deadline = time.monotonic() + within
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'it'} did not happen within {within:g} s; last seen: {answer!r}")
        await asyncio.sleep(GLANCE_S)
    return answer


async def throughout(seconds: float, holds: Callable[[], object]) -> None:
    """Fail as soon as `holds` does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert holds()
        await asyncio.sleep(GLANCE_S)


class Stopwatch:
    """Measures, and says what it measured (`pytest -s`, or the report of a failure)."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def say(self, what: str) -> float:
        print(f"\n  measured: {what}: {self.seconds:.2f} s")
        return self.seconds
