"""The job as its handler sees it: JobContext itself."""

import asyncio
import hashlib
import inspect
import json
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.job import Progress
from agent_tools.jobs.kinds import refuse_unstorable
from sql.hands import Claim, HandsStore
from worker.patience import until_the_book_answers

T = TypeVar("T")


class RunningJob:
    """One attempt. Everything it writes is guarded by its fence."""

    def __init__(
        self,
        claim: Claim,
        store: HandsStore,
        scratch: Path,
        say: Callable[[Claim, Progress], None],
        lose: Callable[[], None],
    ) -> None:
        """`say` takes progress from any thread; `lose` is called when the book says that the job is no longer ours."""
        self._claim, self._store, self._say, self._lose = claim, store, say, lose
        self._folder = scratch / f"{claim.id}-{claim.fence}"
        self._stage: str | None = None
        self._calls: Counter[tuple[str, bytes]] = Counter()

    @property
    def id(self) -> str:
        """The job's id, the same over all attempts."""
        return self._claim.id

    @property
    def title(self) -> str:
        """What the job is called on the shelf."""
        return self._claim.title

    @property
    def tenant(self) -> int:
        """The tenant that the job belongs to."""
        return self._claim.tenant

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._claim.attempt

    @property
    def fence(self) -> int:
        """A number that no two claims share."""
        return self._claim.fence

    @property
    def folder(self) -> Path:
        """Scratch space of this attempt."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def progress(self, message: str, done: float | None = None, of: float | None = None) -> None:
        """Say how far the job is."""
        for number in (done, of):
            if number is not None and (not math.isfinite(number) or number < 0):
                raise ValueError(f"progress is told in numbers from 0, not {number!r}")
        text = str(message).replace("\0", "").encode("utf-8", "replace").decode()[:300]
        self._say(self._claim, Progress(text, done, of, self._stage))

    async def step(self, name: str, fn: Callable[..., Awaitable[T]], *args: Any, reuse: str | None = None) -> T:
        """Run `fn(*args)` once in the job's life."""
        args_hash = _hash(name, args)
        self._calls[name, args_hash] += 1
        nth = self._calls[name, args_hash]
        recorded_as = name if nth == 1 else f"{name}#{nth}"
        returns = _returned_by(fn)

        recorded = await until_the_book_answers(
            lambda: self._store.step(self.tenant, self.id, recorded_as, args_hash, reuse),
            f"step {name} of job {self.id}",
        )
        if recorded is not None:
            return cast("T", returns.validate_python(recorded[0]))

        self._stage, began = name, time.monotonic()
        value = await fn(*args)
        row = {
            "id": self.id, "fence": self.fence, "name": recorded_as, "args_hash": args_hash.hex(), "reuse": reuse,
            "value": _as_json(name, value), "took_s": time.monotonic() - began,
        }  # fmt: skip
        if not await until_the_book_answers(lambda: self._store.record_step(row), f"step {name} of job {self.id}"):
            self._lose()
            await asyncio.Event().wait()  # ends by the cancellation that `lose` asked for
        return value

    def key(self, name: str) -> str:
        """A stable idempotency key for one effect outside."""
        return f"{self.id}:{name}"


def _hash(name: str, args: tuple[Any, ...]) -> bytes:
    text = json.dumps(_as_json(name, list(args)), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()


def _as_json(name: str, value: Any) -> Any:
    try:
        plain = to_jsonable_python(value)
        refuse_unstorable(plain)
    except (PydanticSerializationError, BadRequest) as error:
        raise TypeError(f"Step '{name}' cannot be recorded: {error}") from error
    return plain


def _returned_by(fn: Callable[..., Any]) -> TypeAdapter[Any]:
    try:
        returns = inspect.get_annotations(fn, eval_str=True).get("return", Any)
        return TypeAdapter(returns)
    except (TypeError, NameError, ValidationError):
        return TypeAdapter(Any)
