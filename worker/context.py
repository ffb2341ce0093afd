"""The job as its handler sees it: JobContext itself."""

import asyncio
import hashlib
import inspect
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, Protocol, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from agent_tools.jobs.artifact_store import ArtifactStore, Attempt, StepFile
from agent_tools.jobs.artifacts import Artifact, digest_of
from agent_tools.jobs.asks import Answer
from agent_tools.jobs.context import Earlier, Parked, pace
from agent_tools.jobs.eta import size_of
from agent_tools.jobs.files import Upload, UploadedFile, named
from agent_tools.jobs.job import Progress, StoredArtifact, artifact_named
from agent_tools.jobs.places import KeptFile
from agent_tools.jobs.upload_store import UploadStore
from sql.hands import Claim, Reaction, Recorded
from worker import questions
from worker.patience import until_the_book_answers, until_the_store_answers
from worker.questions import Question
from worker.stages import Stages
from worker.step_values import artifacts_in, as_json, files_in, with_artifacts

log = logging.getLogger("backburner.worker")

T = TypeVar("T")
_STEP: ContextVar[str | None] = ContextVar("step", default=None)
"""The step whose function is running."""


class Notes(Protocol):
    """What an attempt reads and writes of its job (HandsStore)."""

    async def step(self, tenant: int, job_id: str, name: str, args_hash: bytes, reuse: str | None) -> Recorded | None:
        """What was recorded."""

    async def record_step(self, step: Mapping[str, Any]) -> bool:
        """Whether it was recorded: the job is still ours."""

    async def ask(self, tenant: int, job_id: str, name: str, shown_hash: bytes) -> Reaction | None:
        """What became of a question."""

    async def artifacts(self, tenant: int, job_id: str) -> list[StoredArtifact] | None:
        """The files of a completed job."""

    async def earlier(self, tenant: int, job_id: str, kind: str, labels: Mapping[str, str]) -> list[Earlier]:
        """Completed jobs with these labels."""

    async def take_turn(self, job_id: str, fence: int, labels: Mapping[str, str]) -> bool | None:
        """Whether it is this job's turn; None: it is no longer ours."""

    async def file(self, tenant: int, upload: str) -> UploadedFile | None:
        """An upload."""


class RunningJob:
    """One attempt. Everything it writes is guarded by its fence. `parked` is what it waits for, once it does."""

    def __init__(
        self,
        claim: Claim,
        store: Notes,
        artifacts: ArtifactStore,
        scratch: Path,
        *,
        say: Callable[[Claim, Progress], None],
        lose: Callable[[], None],
        callback_url: Callable[[str], str | None],
        note: Callable[[Claim, Progress], None] = lambda _, __: None,
    ) -> None:
        """`say` takes progress from any thread, `note` what is known without the handler: that another stage begins.

        `lose` is called when the book says that the job is no longer ours.
        """
        self._claim, self._store, self._artifacts, self._say, self._lose = claim, store, artifacts, say, lose
        self._note = note
        self.stages = Stages(claim.fence, size_of(claim.args))
        self._said: Progress | None = None
        self._address = callback_url
        self._attempt = Attempt(claim.tenant, claim.id, claim.fence)
        self._folder, self._near = folders_of(scratch, claim)
        self._stage: str | None = None
        self._calls: Counter[tuple[str, bytes]] = Counter()
        self._looks: Counter[str] = Counter()
        self.parked: Parked | None = None

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
        self.stages.said(done, of, in_step=_STEP.get() is not None)
        self._said = Progress(text, done, of, self._stage, self.stages.so_far())
        self._say(self._claim, self._said)

    @property
    def callback_url(self) -> str | None:
        """Where others call to have this job look again."""
        return self._address(self.id)

    async def step(self, name: str, fn: Callable[..., Awaitable[T]], *args: Any, reuse: str | None = None) -> T:
        """Run `fn(*args)` once in the job's life."""
        self._refuse_inside_a_step("step")
        step = await self._step(name, fn, args, reuse)
        if (recorded := await self._recorded(step)) is not None:
            return cast("T", recorded.value)
        self._enter(step.name)
        value, took_s = await self._run(step, fn, args)
        return cast("T", await self._record(step, value, took_s))

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
        """Ask a person, and park until somebody has answered."""
        self._refuse_inside_a_step("ask")
        first = asked = await questions.question(question, choices, form, show, who, within, name, may_edit)
        while True:
            recorded_as = self._recorded_as(asked.name, asked.shown_hash)
            reaction = await self._reaction(recorded_as, asked.shown_hash)
            if reaction is not None and reaction.is_expired:
                self.stages.waited()
                return Answer(expired=True)
            if reaction is None or reaction.answer is None:
                self._park(Parked("person", recorded_as, ask=await self._put(asked, recorded_as)))
            self.stages.waited()
            try:
                return asked.answer(reaction)
            except ValidationError as error:
                asked = first.corrected(error)

    async def until(
        self,
        name: str,
        check: Callable[..., Awaitable[T | Literal[False] | None]],
        *args: Any,
        every: str = "1m..1h",
    ) -> T:
        """Look outside by `check(*args)` again and again, parked in between, until it gives something."""
        self._refuse_inside_a_step("until")
        shortest_s, longest_s = pace(every)
        self._looks[name] += 1
        waits_on = _numbered(name, self._looks[name])
        step = await self._step(name, check, args, None)
        if (recorded := await self._recorded(step)) is not None:
            self.stages.waited()
            return cast("T", recorded.value)
        self._enter(name)
        value, took_s = await self._run(step, check, args)
        if value is None or value is False:
            waited_s = (self._claim.waited_s or 0) if self._claim.waiting_on == waits_on else 0
            self._park(Parked("outside", waits_on, look_s=min(max(waited_s / 4, shortest_s), longest_s)))
        self.stages.waited()
        return cast("T", await self._record(step, value, took_s))

    def _refuse_inside_a_step(self, what: str) -> None:
        if (step := _STEP.get()) is not None:
            raise TypeError(
                f"job.{what} was called inside the step '{step}': a step is recorded as a whole, so call it beside the step."
            )
        if self.parked:
            raise self.parked  # what runs on beside the one that parked ends as well

    def _park(self, parked: Parked) -> NoReturn:
        self.parked = self.parked or parked  # of several at once the first counts
        raise self.parked

    def _recorded_as(self, name: str, args_hash: bytes) -> str:
        self._calls[name, args_hash] += 1
        return _numbered(name, self._calls[name, args_hash])

    async def _reaction(self, recorded_as: str, shown_hash: bytes) -> Reaction | None:
        return await until_the_book_answers(
            lambda: self._store.ask(self.tenant, self.id, recorded_as, shown_hash),
            f"question {recorded_as} of job {self.id}",
        )

    async def _put(self, asked: Question, recorded_as: str) -> dict[str, Any]:
        """The question as it is kept, with the file that it shows."""
        shown = asked.shown
        if asked.file is not None:
            shown = questions.kept(shown, await self._keep_step(asked.file))
        return asked.row(recorded_as, shown)

    async def _step(
        self, name: str, fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...], reuse: str | None
    ) -> "_Step":
        args_hash = await _hash(name, args)
        return _Step(name, self._recorded_as(name, args_hash), args_hash, reuse, _returned_by(fn))

    async def _recorded(self, step: "_Step") -> "_Value | None":
        recorded = await until_the_book_answers(
            lambda: self._store.step(self.tenant, self.id, step.recorded_as, step.args_hash, step.reuse),
            f"step {step.name} of job {self.id}",
        )
        if recorded is None:
            return None
        try:
            value = _Value(await self._taken_over(step, recorded))
            self.stages.recorded(step.name, recorded.took_s, is_taken_over=recorded.is_taken_over)
            return value
        except FileNotFoundError as error:
            log.info("step %s of job %s runs again: its file is gone (%s)", step.name, self.id, error.filename)
            return None

    def _enter(self, step: str) -> None:
        """A step begins; of another stage that is told as if the handler had said it."""
        self._stage = step
        if self.stages.enter(step):
            said = self._said or Progress(step)
            self._note(self._claim, replace(said, stage=step, so_far=self.stages.so_far()))

    async def _run(self, step: "_Step", fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> tuple[Any, float]:
        """What the function gives, and how long it took."""
        began = time.monotonic()
        inside = _STEP.set(step.name)
        try:
            return await fn(*args), time.monotonic() - began
        finally:
            _STEP.reset(inside)

    async def _taken_over(self, step: "_Step", recorded: Recorded) -> Any:
        """The value that was recorded. Raises FileNotFoundError where a file of it is gone."""
        value = await self._with_artifacts(recorded.value)
        if any(file.job != self.id for file in files_in(recorded.value)):
            # That job may be deleted any time: its files become ours, too.
            return await self._record(step, value, recorded.took_s)
        return step.returns.validate_python(value)

    async def _record(self, step: "_Step", value: Any, took_s: float) -> Any:
        files = [await self._keep_step(artifact) for artifact in artifacts_in(value)]
        plain = as_json(step.name, value, files)
        row = {
            "id": self.id, "fence": self.fence, "name": step.recorded_as, "args_hash": step.args_hash.hex(),
            "reuse": step.reuse, "value": plain, "took_s": took_s,
        }  # fmt: skip
        if not await until_the_book_answers(lambda: self._store.record_step(row), f"step {step.name} of job {self.id}"):
            if self.parked:
                raise self.parked
            await self._end_lost()
        return step.returns.validate_python(await self._with_artifacts(plain)) if files else value

    async def _keep_step(self, artifact: Artifact) -> StepFile:
        return await until_the_store_answers(
            lambda: self._artifacts.keep_step(self._attempt, artifact, self._near),
            f"'{artifact.name}' of job {self.id}",
        )

    async def _with_artifacts(self, recorded: Any) -> Any:
        """A recorded value with the files that it holds. Raises FileNotFoundError."""
        paths = {file: await self._local(self._artifacts.step_file(self.tenant, file)) for file in files_in(recorded)}
        return with_artifacts(recorded, lambda file: Artifact(file.name, file.title, file.media_type, path=paths[file]))

    async def _local(self, file: KeptFile) -> Path:
        """A path to read it from. Raises FileNotFoundError."""
        return await until_the_store_answers(lambda: file.local(self._near), f"job {self.id}")

    async def file(self, value: str) -> Path:
        """The file that an argument names."""
        file = named(value)
        if file is None:
            raise LookupError(f"'{value[:60]}' names no file: that is upload:ID or job://ID/artifacts/NAME.")
        if not isinstance(file, Upload):
            return await self.artifact(file.job, file.name)
        kept = await until_the_book_answers(
            lambda: self._store.file(self.tenant, file.id), f"upload {file.id} for job {self.id}"
        )
        try:
            if kept:
                return await self._local(UploadStore(self._artifacts.place).file(self.tenant, file.id, kept.name))
        except FileNotFoundError:
            log.info("upload %s is in the book, and its file is gone", file.id)
        raise LookupError(f"The upload {file.id} is not here any longer. Upload it again, for a new job.")

    async def artifact(self, job_id: str, name: str) -> Path:
        """The file of an artifact of a completed job of the same tenant."""
        wanted, found = await self._made_by(job_id)
        return await self._path(wanted, artifact_named(wanted, found, name))

    async def artifacts(self, job_id: str) -> list[Artifact]:
        """Everything that a completed job of the same tenant made."""
        wanted, found = await self._made_by(job_id)
        return [
            Artifact(stored.name, stored.title, stored.media_type, path=await self._path(wanted, stored))
            for stored in found
        ]

    async def _made_by(self, job_id: str) -> tuple[str, list[StoredArtifact]]:
        wanted = job_id.strip().lower()
        found = await until_the_book_answers(
            lambda: self._store.artifacts(self.tenant, wanted), f"artifacts for job {self.id}"
        )
        if found is None:
            raise LookupError(f"There is no completed job '{job_id[:40]}'.")
        return wanted, found

    async def _path(self, job_id: str, stored: StoredArtifact) -> Path:
        try:
            return await self._local(self._artifacts.file(self.tenant, job_id, stored))
        except FileNotFoundError:
            raise LookupError(f"The file '{stored.name}' of {job_id} is no longer where it was kept.") from None

    async def earlier(self, kind: str, /, **labels: str) -> list[Earlier]:
        """The completed jobs of the kind in the same tenant that bear all of these labels, oldest first."""
        return await until_the_book_answers(
            lambda: self._store.earlier(self.tenant, self.id, kind, labels), f"earlier jobs for job {self.id}"
        )

    async def turn(self, **labels: str) -> bool:
        """Whether it is this job's turn among those of its kind that bear these labels."""
        is_its_turn = await until_the_book_answers(
            lambda: self._store.take_turn(self.id, self.fence, labels), f"a turn for job {self.id}"
        )
        if is_its_turn is None:
            await self._end_lost()
        return bool(is_its_turn)

    async def _end_lost(self) -> NoReturn:
        self._lose()
        await asyncio.Event().wait()  # ends by the cancellation that `lose` asked for
        raise AssertionError("nobody sets it")

    def key(self, name: str) -> str:
        """A stable idempotency key for one effect outside."""
        return f"{self.id}:{name}"


def folders_of(scratch: Path, claim: Claim) -> tuple[Path, Path]:
    """Where an attempt works, and where copies lie of what it reads from a bucket. Both go with it."""
    folder = scratch / f"{claim.id}-{claim.fence}"
    return folder, folder.with_name(f"{folder.name}-kept")


class _Step(NamedTuple):
    """A step as it is asked for: `recorded_as` counts those that are equal."""

    name: str
    recorded_as: str
    args_hash: bytes
    reuse: str | None
    returns: TypeAdapter[Any]


class _Value(NamedTuple):
    """What a step gave, which may be None."""

    value: Any


def _numbered(name: str, nth: int) -> str:
    return name if nth == 1 else f"{name}#{nth}"


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
