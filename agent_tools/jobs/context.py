"""What a handler can do while it runs, and the two ways it may end early."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class JobContext(Protocol):
    """The job, as its handler sees it."""

    @property
    def id(self) -> str:
        """The job's id, the same over all attempts."""

    @property
    def title(self) -> str:
        """What the job is called on the shelf; empty when its creator gave no title."""

    @property
    def tenant(self) -> int:
        """The tenant that the job belongs to."""

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1. An attempt that was given back at a shutdown is not counted."""

    @property
    def fence(self) -> int:
        """A number that no two claims of any job share: grows with every claim."""

    @property
    def folder(self) -> Path:
        """Scratch space of this attempt, made when first asked for and gone afterwards."""

    def progress(self, message: str, done: float | None = None, of: float | None = None) -> None:
        """Say how far the job is. Not awaited: callable from threads and callbacks, written at most once a second.

        Raises ValueError when `done` or `of` is negative or not a number.
        """

    async def step(self, name: str, fn: Callable[..., Awaitable[T]], *args: Any, reuse: str | None = None) -> T:
        """Run `fn(*args)` once in the job's life: its value is recorded and a later attempt gets it back.

        A step is known by its name and a hash of its arguments; both, and the value, must be JSON or pydantic
        models (a model comes back as the type that `fn` says it returns). With `reuse="sha256:…"` an equal
        step of an earlier job of the tenant is taken over, too.

        Both may also be or hold an Artifact, in lists and mappings: its file is kept as long as the job, and what comes
        back, the first time too, has its `path` there, to be read only. A step whose file is gone is run again.
        """

    async def artifact(self, job_id: str, name: str) -> Path:
        """The file of an artifact of a completed job of the same tenant, to be read only.

        By its name, its title, or its name without the suffix. Raises LookupError with a sentence for a job or an
        artifact that is not there.
        """

    def key(self, name: str) -> str:
        """A stable idempotency key for one effect outside: the same over all attempts of this job."""


class TryAgain(Exception):
    """The attempt failed, and another one, `after` this long, may not. Spends an attempt."""

    def __init__(self, after: str | float | timedelta | None = None, because: str = "") -> None:
        super().__init__(because or "The handler asked to be run again.")
        self.after_s = None if after is None else seconds(after)


class GiveUp(Exception):
    """The job has failed for good, and this sentence may be shown to the agent that asked for it."""

    def __init__(self, because: str) -> None:
        super().__init__(because)


def seconds(duration: str | float | timedelta) -> float:
    """`"90s"`, `"5m"`, `"1h 30m"`, `"7d"`, a number of seconds or a timedelta, as seconds.

    Raises ValueError for anything else.
    """
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, int | float):
        return float(duration)
    if not duration.strip() or _DURATION.sub("", duration).strip():
        raise ValueError(f"{duration!r} is no duration. Write it as '90s', '5m', '1h 30m' or '7d'.")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))
