"""Running a kind's handler in a test: no servers, no worker, and everything that the job would see."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agent_tools.answers import Said as Sent
from agent_tools.answers import checked
from agent_tools.jobs import callbacks
from agent_tools.jobs.artifact_store import ArtifactStore
from agent_tools.jobs.artifacts import Artifact, guess_media_type, safe_name
from agent_tools.jobs.asks import Answer, Ask
from agent_tools.jobs.context import Earlier, Parked, is_park
from agent_tools.jobs.files import UploadedFile, new_id
from agent_tools.jobs.folder import Folder
from agent_tools.jobs.job import Progress, StoredArtifact
from agent_tools.jobs.kinds import Kind, Made
from agent_tools.jobs.upload_store import UploadStore
from sql.hands import Claim, Reaction, Recorded
from worker import ending
from worker.context import RunningJob

Said = str | Mapping[str, Any] | Answer | None
"""A decision; or `decision`, `values` and `notes`; None: nobody answers within the time."""

JOB_ID = "0c3k9x2mq7f4w"
MOST_GOES = 300
"""How often a handler is run again before the test is given up."""


@dataclass(frozen=True)
class Performed:
    """What a handler made, and what it said and asked on the way."""

    data: Mapping[str, Any] | None
    line: str | None
    artifacts: tuple[Artifact, ...]
    """In memory: `artifact.data`."""
    progress: tuple[Progress, ...]
    asks: tuple[Ask, ...]
    """Every question that was put, in order, with its answer."""
    goes: int
    """How often the handler was run: once, and once more after every park."""

    def text(self, name: str) -> str:
        """What is in the artifact of this name. Raises LookupError."""
        for artifact in self.artifacts:
            if artifact.name == name:
                return (artifact.data or b"").decode()
        raise LookupError(
            f"There is no artifact '{name}', but: {', '.join(each.name for each in self.artifacts) or 'none'}."
        )


async def perform(
    kind: Kind,
    /,
    *,
    answers: Mapping[str, Said | Callable[[Ask], Said]] | None = None,
    earlier: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    title: str = "",
    **args: Any,
) -> Performed:
    """Run a job of the kind with these arguments to its end, as a worker would.

    `answers` are what people say, by the name of the question or its words; a function is given the question. Where the
    handler parks it is run again from its beginning, with what its steps recorded; what `until` looks for is looked for
    again at once. `earlier` are the results of earlier jobs by their kind, oldest first, whatever labels are asked for; it is
    always this job's turn. An argument that takes a file may be given as a Path: it is uploaded. `job.folder` lies in a
    temporary directory. Raises what the handler raises, and BadRequest as the door does: for arguments that do not fit, for
    answers that fit neither choices nor form, and for a result that cannot be kept.
    """
    home = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="backburner-test-"))
    try:
        uploads = _Uploads(home / "artifacts")
        given = {name: await asyncio.to_thread(uploads.take, value) for name, value in args.items()}
        return await _Rehearsal(kind, kind.parse(given), title, home, answers or {}, earlier or {}, uploads).perform()
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


class _Uploads:
    """The files that a test gives."""

    def __init__(self, artifacts: Path) -> None:
        self._store = UploadStore(Folder(artifacts))
        self.files: dict[str, UploadedFile] = {}

    def take(self, value: Any) -> Any:
        """What an argument says to mean this path; any other value as it is."""
        if isinstance(value, list | tuple):
            return [self.take(each) for each in value]
        if not isinstance(value, Path):
            return value
        upload = new_id()
        arriving = self._store.begin(1, upload)
        arriving.write(value.read_bytes())
        name, size, digest = arriving.finish(safe_name(value.name))
        kept = UploadedFile(upload, name, guess_media_type(name), size, digest, datetime.now(UTC), None)
        self.files[upload] = kept
        return kept.value


class _Rehearsal:
    """One job, and what the book would know of it."""

    def __init__(
        self,
        kind: Kind,
        args: Mapping[str, Any],
        title: str,
        home: Path,
        answers: Mapping[str, Said | Callable[[Ask], Said]],
        earlier: Mapping[str, Sequence[Mapping[str, Any]]],
        uploads: _Uploads,
    ) -> None:
        self._uploads = uploads
        self._kind, self._args, self._title, self._home, self._answers = kind, args, title, home, answers
        self._earlier = earlier
        self._store = ArtifactStore(Folder(home / "artifacts"))
        self._steps: dict[tuple[str, bytes], Recorded] = {}
        self._reactions: dict[tuple[str, bytes], Reaction] = {}
        self._progress: list[Progress] = []
        self._asks: list[Ask] = []

    async def perform(self) -> Performed:
        waits_on = ""
        for go in range(1, MOST_GOES + 1):
            made, parked = await self._go(go)
            if parked is None:
                return await self._performed(made, go)
            if parked.ask is not None:
                self._react(dict(parked.ask))
            waits_on = parked.waiting_on
        raise AssertionError(f"The handler was run {MOST_GOES} times, and waits for {waits_on!r} still.")

    async def _go(self, go: int) -> tuple[Made, Parked | None]:
        claim = Claim(JOB_ID, 1, self._kind.name, self._title, self._args, go, 1, self._kind.timeout_s)
        job = RunningJob(
            claim,
            self,
            self._store,
            self._home / "scratch",
            say=lambda _, progress: self._progress.append(progress),
            lose=lambda: None,
            callback_url=lambda job_id: callbacks.address("https://backburner.invalid", b"", job_id),
        )
        try:
            return await self._kind.run(job, self._args), job.parked
        except BaseException as error:
            if job.parked is None or not is_park(error):
                raise
            return None, job.parked
        finally:
            if job.parked is not None:
                await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)

    async def _performed(self, made: Made, goes: int) -> Performed:
        ended = ending.of_made(made)
        artifacts = [await asyncio.to_thread(_in_memory, artifact) for artifact in ended.artifacts]
        return Performed(ended.result, ended.line, tuple(artifacts), tuple(self._progress), tuple(self._asks), goes)

    def _react(self, row: dict[str, Any]) -> None:
        ask = self._as_ask(row)
        said = self._said(ask)
        key = ask.name, bytes.fromhex(ask.shown_hash)
        if said is None:
            if ask.deadline_at is None:
                raise AssertionError(
                    f"Nobody answers '{ask.name}', and it has no `within`: the job would wait for ever."
                )
            self._asks.append(replace(ask, withdrawn_at=ask.deadline_at))
            self._reactions[key] = Reaction(None, None, None, is_expired=True)
            return
        values = said.values.model_dump(mode="json") if isinstance(said.values, BaseModel) else said.values
        answer = checked(ask, Sent(said.decision, values, said.notes, said.edited))
        at, by = said.at or datetime.now(UTC), said.by or "somebody"
        self._asks.append(replace(ask, answer=answer, answered_at=at, answered_by=by))
        self._reactions[key] = Reaction(answer, at, by, is_expired=False)

    def _said(self, ask: Ask) -> Answer | None:
        for known_as in (ask.name, ask.name.partition("#")[0], ask.question):
            if known_as in self._answers:
                said = self._answers[known_as]
                return _as_answer(said(ask) if callable(said) else said)
        known = ", ".join(repr(each) for each in self._answers) or "nothing"
        raise AssertionError(f"The job asks {ask.question!r} (name {ask.name!r}), and `answers` knows {known}.")

    def _as_ask(self, row: dict[str, Any]) -> Ask:
        now = datetime.now(UTC)
        within_s = row.pop("within_s")
        return Ask(
            id=len(self._asks) + 1,
            job=JOB_ID,
            kind=self._kind.name,
            title=self._title,
            principal=1,
            shown_hash=row.pop("shown_hash_hex"),
            asked_at=now,
            deadline_at=now + timedelta(seconds=within_s) if within_s else None,
            answer=None,
            answered_at=None,
            answered_by=None,
            withdrawn_at=None,
            **row,
        )

    # ------------------------------------------------------------------------------------ what the job reads and writes

    async def step(self, tenant: int, job_id: str, name: str, args_hash: bytes, reuse: str | None) -> Recorded | None:
        return self._steps.get((name, args_hash))

    async def record_step(self, step: Mapping[str, Any]) -> bool:
        recorded = Recorded(step["value"], step["took_s"])
        self._steps[step["name"], bytes.fromhex(step["args_hash"])] = recorded
        return True

    async def ask(self, tenant: int, job_id: str, name: str, shown_hash: bytes) -> Reaction | None:
        return self._reactions.get((name, shown_hash))

    async def artifacts(self, tenant: int, job_id: str) -> list[StoredArtifact] | None:
        return None

    async def earlier(self, tenant: int, job_id: str, kind: str, labels: Mapping[str, str]) -> list[Earlier]:
        now = datetime.now(UTC)
        return [Earlier(f"{number:013}", now, result) for number, result in enumerate(self._earlier.get(kind, ()), 1)]

    async def take_turn(self, job_id: str, fence: int, labels: Mapping[str, str]) -> bool | None:
        return True

    async def file(self, tenant: int, upload: str) -> UploadedFile | None:
        return self._uploads.files.get(upload)


def _as_answer(said: Said) -> Answer | None:
    match said:
        case str():
            return Answer(said)
        case Mapping():
            return Answer(**said)
    return said


def _in_memory(artifact: Artifact) -> Artifact:
    if artifact.path is None:
        return artifact
    return Artifact(artifact.name, artifact.title, artifact.media_type, data=artifact.path.read_bytes())
