"""What tests of kinds are given: a job to hand to a handler, on a folder of the test, and pages in every theme."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pages_given
import pytest

from agent_tools import JobContext
from worker.kinds.presentation.layout.sheet import Page
from worker.kinds.presentation.theme import THEMES, Theme

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


@pytest.fixture(scope="module", params=THEMES.values(), ids=THEMES)
def theme(request: pytest.FixtureRequest) -> Theme:
    return request.param


@pytest.fixture(scope="module")
def folder(theme: Theme, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deck")


@pytest.fixture(scope="module")
def pages(theme: Theme, folder: Path) -> list[Page]:
    """A page of every ground and shape, in each of the themes."""
    return pages_given.pages(theme, folder)
