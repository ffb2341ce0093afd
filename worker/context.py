"""The job as its handler sees it: JobContext itself."""

import asyncio
import hashlib
import inspect
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from agent_tools.jobs.artifact_store import ArtifactStore, Attempt, StepFile, digest_of
from agent_tools.jobs.artifacts import Artifact
from agent_tools.jobs.job import Progress, artifact_named
from sql.hands import Claim, HandsStore, Recorded
from worker.patience import until_the_book_answers
from worker.step_values import artifacts_in, as_json, files_in, with_artifacts

log = logging.getLogger("backburner.worker")

T = TypeVar("T")


class RunningJob:
    """One attempt. Everything it writes is guarded by its fence."""

    def __init__(
        self,
        claim: Claim,
        store: HandsStore,
        artifacts: ArtifactStore,
        scratch: Path,
        say: Callable[[Claim, Progress], None],
        lose: Callable[[], None],
    ) -> None:
        """`say` takes progress from any thread; `lose` is called when the book says that the job is no longer ours."""
        self._claim, self._store, self._artifacts, self._say, self._lose = claim, store, artifacts, say, lose
        self._attempt = Attempt(claim.tenant, claim.id, claim.fence)
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
        args_hash = await _hash(name, args)
        self._calls[name, args_hash] += 1
        nth = self._calls[name, args_hash]
        step = _Step(name, name if nth == 1 else f"{name}#{nth}", args_hash, reuse, _returned_by(fn))

        recorded = await until_the_book_answers(
            lambda: self._store.step(self.tenant, self.id, step.recorded_as, args_hash, reuse),
            f"step {name} of job {self.id}",
        )
        if recorded is not None:
            try:
                return cast("T", await self._taken_over(step, recorded))
            except FileNotFoundError as error:
                log.info("step %s of job %s runs again: its file is gone (%s)", name, self.id, error.filename)

        self._stage, began = name, time.monotonic()
        value = await fn(*args)
        return cast("T", await self._record(step, value, time.monotonic() - began))

    async def _taken_over(self, step: "_Step", recorded: Recorded) -> Any:
        """The value that was recorded. Raises FileNotFoundError where a file of it is gone."""
        files = files_in(recorded.value)
        value = with_artifacts(recorded.value, self._artifact)
        if any(file.job != self.id for file in files):
            # That job may be deleted any time: its files become ours, too.
            return await self._record(step, value, recorded.took_s)
        for file in files:
            await asyncio.to_thread(self._artifacts.step_path(self.tenant, file).stat)
        return step.returns.validate_python(value)

    async def _record(self, step: "_Step", value: Any, took_s: float) -> Any:
        files = [
            await asyncio.to_thread(self._artifacts.keep_step, self._attempt, artifact)
            for artifact in artifacts_in(value)
        ]
        plain = as_json(step.name, value, files)
        row = {
            "id": self.id, "fence": self.fence, "name": step.recorded_as, "args_hash": step.args_hash.hex(),
            "reuse": step.reuse, "value": plain, "took_s": took_s,
        }  # fmt: skip
        if not await until_the_book_answers(lambda: self._store.record_step(row), f"step {step.name} of job {self.id}"):
            self._lose()
            await asyncio.Event().wait()  # ends by the cancellation that `lose` asked for
        return step.returns.validate_python(with_artifacts(plain, self._artifact)) if files else value

    def _artifact(self, file: StepFile) -> Artifact:
        path = self._artifacts.step_path(self.tenant, file)
        return Artifact(file.name, file.title, file.media_type, path=path)

    async def artifact(self, job_id: str, name: str) -> Path:
        """The file of an artifact of a completed job of the same tenant."""
        wanted = job_id.strip().lower()
        found = await until_the_book_answers(
            lambda: self._store.artifacts(self.tenant, wanted), f"artifacts for job {self.id}"
        )
        if found is None:
            raise LookupError(f"There is no completed job '{job_id[:40]}'.")
        stored = artifact_named(wanted, found, name)
        path = self._artifacts.path(self.tenant, wanted, stored)
        if not await asyncio.to_thread(path.is_file):
            raise LookupError(f"The file '{stored.name}' of {wanted} is no longer where it was kept.")
        return path

    def key(self, name: str) -> str:
        """A stable idempotency key for one effect outside."""
        return f"{self.id}:{name}"


class _Step(NamedTuple):
    """A step as it is asked for: `recorded_as` counts those that are equal."""

    name: str
    recorded_as: str
    args_hash: bytes
    reuse: str | None
    returns: TypeAdapter[Any]


async def _hash(name: str, args: tuple[Any, ...]) -> bytes:
    """What makes two steps of one name the same; of a file it is what is in it, and not where it lies."""
    files = [
        StepFile("", each.name, each.title, each.media_type, 0, await asyncio.to_thread(digest_of, each))
        for each in artifacts_in(args)
    ]
    text = json.dumps(as_json(name, list(args), files), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()


def _returned_by(fn: Callable[..., Any]) -> TypeAdapter[Any]:
    try:
        returns = inspect.get_annotations(fn, eval_str=True).get("return", Any)
        return TypeAdapter(returns)
    except (TypeError, NameError, ValidationError):
        return TypeAdapter(Any)
