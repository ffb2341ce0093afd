"""A job to hand to a kind's handler: what the runtime's context promises, on a folder of the test."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent_tools import JobContext

TIDES = Path(__file__).parents[3] / "examples" / "tides.md"


@dataclass
class Job:
    folder: Path
    title: str = ""
    id: str = "7f3a"
    tenant: int = 1
    attempt: int = 1
    fence: int = 1
    said: list[tuple[str, float | None, float | None]] = field(default_factory=list)

    def progress(self, message: str, done: float | None = None, of: float | None = None) -> None:
        self.said.append((message, done, of))

    done: dict[tuple[str, str], Any] = field(default_factory=dict)
    """What steps gave: hand it to another job, and that one is a redo."""

    async def step(self, name: str, fn: Callable[..., Awaitable[Any]], *args: Any, reuse: str | None = None) -> Any:
        known = (name, repr(args))
        if known not in self.done:
            self.done[known] = await fn(*args)
        return self.done[known]

    async def artifact(self, job_id: str, name: str) -> Path:
        raise LookupError(f"There is no completed job '{job_id}'.")

    def key(self, name: str) -> str:
        return f"{self.id}/{name}"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job(tmp_path)
    _: JobContext = job
    return job


@pytest.fixture(scope="session")
def tides() -> str:
    return TIDES.read_text(encoding="utf-8")
