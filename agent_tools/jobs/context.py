"""What a handler can do while it runs, and the ways it may end early."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel

from agent_tools.jobs.artifacts import Artifact
from agent_tools.jobs.asks import Answer

T = TypeVar("T")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Earlier:
    """A completed job, as later ones read it. `result` None: it gave none, or one that is too large to be kept with it."""

    id: str
    finished_at: datetime
    result: Mapping[str, Any] | None


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

    async def ask(
        self,
        question: str,
        *,
        choices: Sequence[str] | Mapping[str, str] = ("approve", "reject"),
        form: type[BaseModel] | Mapping[str, Any] | None = None,
        show: str | Artifact | Mapping[str, Any] | None = None,
        who: str | None = None,
        within: str | None = None,
        name: str | None = None,
        may_edit: bool = False,
    ) -> Answer:
        """Ask a person, and park until somebody has answered: for months, if that is how long it takes.

        Parked, the job holds no worker and no slot, and spends no attempt. When the answer is there, the handler is run from
        its beginning: its steps give what they recorded, and this gives the answer. So what must not happen twice belongs
        in a step; `finally` blocks run at every park.

        `choices` are the words to choose from, or a mapping of each to what it leads to. `show` is what the question is
        about: text (Markdown), a file, or a small mapping. `form` is filled in by whoever answers, and comes back as
        `Answer.values`: as its model or, where it is a JSON schema, as a mapping. An answer is bound to exactly what was
        asked and shown: where that is different when the handler runs again, it is asked anew and the earlier question is
        withdrawn.

        What a form requires is required for the first choice, and for every other that does not turn down ("reject", "send
        back"). With `may_edit` the person may change the text that is shown: `Answer.edited`.

        `who` names the person who answers; None, or a name that nobody here has: anybody who may answer. `within` (`"7d"`) is
        how long the question stays open; then the answer is one that has `expired`. `name` is what the question is known by,
        else its first words. Of two questions asked at once (`asyncio.gather`) the second is put after the first was answered.
        """

    async def until(
        self,
        name: str,
        check: Callable[..., Awaitable[T | Literal[False] | None]],
        *args: Any,
        every: str = "1m..1h",
    ) -> T:
        """Look outside by `check(*args)` again and again, parked in between, until it gives something else than None or False.

        What it gives is recorded as a step. The pauses grow with the time that it has taken so far, between the two ends
        of `every`; a call of `callback_url` makes it look at once. The handler is run from its beginning for every look.
        """

    @property
    def callback_url(self) -> str | None:
        """An address to hand to a service: a POST to it, whatever is in it, makes `until` look at once.

        The same over all attempts. None where this installation has no address.
        """

    async def file(self, value: str) -> Path:
        """The file that an `InputFile` argument names, under the name that it had, to be read only.

        Raises LookupError with a sentence where it is not there any longer, and for a value that names no file.
        """

    async def artifact(self, job_id: str, name: str) -> Path:
        """The file of an artifact of a completed job of the same tenant, to be read only.

        By its name, its title, or its name without the suffix. Raises LookupError with a sentence for a job or an
        artifact that is not there.
        """

    async def artifacts(self, job_id: str) -> list[Artifact]:
        """Everything that a completed job of the same tenant made, each with its `path`, to be read only.

        Raises LookupError with a sentence for a job that is not there.
        """

    async def earlier(self, kind: str, /, **labels: str) -> list[Earlier]:
        """The completed jobs of the kind in the same tenant that bear all of these labels, oldest first.

        Of a job that was redone only its newest version, and never one that this job is a version of.
        """

    async def turn(self, **labels: str) -> bool:
        """Whether it is this job's turn among those of its kind that bear these labels: one goes at a time.

        False while another one has its turn, or was created earlier and is due, too. Once it is true it stays so, over
        all attempts, and the next one's comes when this job has ended. Wait for it by `until`.
        """

    def key(self, name: str) -> str:
        """A stable idempotency key for one effect outside: the same over all attempts of this job."""


class Parked(BaseException):
    """The handler ends here, and is run again when what it waits for may have come. Raised by `ask` and `until`: let it pass."""

    def __init__(
        self,
        waiting_for: Literal["person", "outside"],
        waiting_on: str,
        *,
        look_s: float | None = None,
        ask: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"waiting for {waiting_on!r}")
        self.waiting_for, self.waiting_on, self.look_s, self.ask = waiting_for, waiting_on, look_s, ask


def is_park(error: BaseException) -> bool:
    """Whether this is a Parked, or the group of several that a TaskGroup makes of them."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_park(each) for each in error.exceptions)
    return isinstance(error, Parked)


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


def pace(every: str) -> tuple[float, float]:
    """`"1m..1h"`, or one duration for both ends, as seconds. Raises ValueError."""
    low, _, high = every.partition("..")
    shortest, longest = seconds(low), seconds(high or low)
    if shortest > longest:
        raise ValueError(f"{every!r} is no pace: it begins with the longer one.")
    return shortest, longest
