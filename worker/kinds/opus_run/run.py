"""One run of a workflow, start to finish: each thing that happens in Opus is a step, and in between nobody waits with it."""

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from agent_tools import Artifact, GiveUp, JobContext, Result, TryAgain
from agent_tools.fetch import NotFetched, fetch
from agent_tools.opus import FINAL, WAITING, Opus, OpusAway, OpusError, OpusRefused, Workflow
from agent_tools.opus.client import COMPLETED, EXTENSIONS, FAILED, KNOWN, MOST_FILE_BYTES, PENDING
from agent_tools.settings import Settings
from worker.kinds.opus_run.results import comment_of, decision_of, files_of, line_of, outputs_of, shown_as

log = logging.getLogger("backburner.opus")
T = TypeVar("T")

RUNNING = "RUNNING"
WAITS_ON = {RUNNING: "the run in Opus", WAITING: "a person's decision in Opus"}
PACES: Mapping[str, Sequence[tuple[float, float]]] = {
    RUNNING: ((30, 2), (630, 10), (float("inf"), 60)),
    WAITING: ((3600, 60), (86_400, 300), (float("inf"), 900)),
}
"""Until so many seconds after it came to stand so, it is looked at with pauses of so many."""
LOOKS_S = (0.0, 1.0, 2.0, 4.0)
"""The pauses before each look at whether a run has begun, or is known at all."""
AT_ONCE = "2s..10m"
MOST_RESULT_BYTES = 50_000_000
MOST_FILES = 20
_JOB = re.compile(r"job://(?P<job>[0-9A-Za-z]{13})/artifacts/(?P<name>[^/]+)")
_AT_OPUS = re.compile(r"https://files\.opus\.com/")


async def run_workflow(job: JobContext, named: str, inputs: Mapping[str, Any] | None) -> Result:
    """Run it and wait for its end, however long that takes; without inputs, say which it takes."""
    async with Opus(Settings.read()) as opus:
        run = _Run(job, opus)
        workflow = await run.patiently("workflow", opus.workflow, named)
        if inputs is None:
            return _described(workflow)
        execution, since = await run.begin(workflow, await run.payload(workflow, inputs))
        status = await run.end(execution, since)
        return await run.outcome(workflow, execution, status)


def _described(workflow: Workflow) -> Result:
    taken = [{"name": each.name, "type": each.type, "required": each.is_required} for each in workflow.inputs]
    return Result(data={"workflow": workflow.named, "name": workflow.name, "inputs": taken}, line=workflow.in_words())


class _Run:
    """A run, and the job that follows it."""

    def __init__(self, job: JobContext, opus: Opus) -> None:
        self._job, self._opus = job, opus

    async def patiently(self, name: str, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """What `call` gives, once in the job's life: an outage of Opus holds the job up and does not end it."""

        @wraps(call)
        async def look(_: str, *args: Any) -> T | None:
            try:
                return await call(*args)
            except OpusAway as error:
                self._job.progress(str(error))
                return None

        # The key, so that a redo does all of it anew.
        return await self._job.until(name, look, self._job.key(name), *args, every=AT_ONCE)

    # ---------------------------------------------------------------------------------------------------- beginning

    async def payload(self, workflow: Workflow, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs as Opus takes them, with their files kept there. Raises OpusRefused."""
        filled = workflow.fill(inputs)
        files = dict[str, Any]()
        for each in workflow.inputs:
            sources = filled.files.get(each.variable, ())
            if each.type == "file" and len(sources) > 1:
                raise GiveUp(f"{each.name}: takes one file, not {len(sources)}.")
            taken = list(each.extensions or sorted(EXTENSIONS))
            named = [await self.patiently("upload", self._upload, workflow.id, source, taken) for source in sources]
            if named:
                files[each.variable] = named if each.type == "array_files" else named[0]
        return workflow.payload({**filled.values, **files})

    async def _upload(self, workflow_id: str, source: str, taken: list[str]) -> str:
        if _AT_OPUS.match(source):
            return source
        name, data = await self._file(source)
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in taken:
            raise GiveUp(f"{name}: Opus takes {', '.join(taken)} here.")
        if len(data) > MOST_FILE_BYTES:
            raise GiveUp(f"{name} has {len(data) / 1e6:.0f} MB; Opus takes at most {MOST_FILE_BYTES // 1_000_000}.")
        self._job.progress(f"Sending {name} to Opus")
        return await self._opus.upload(workflow_id, name, data)

    async def _file(self, source: str) -> tuple[str, bytes]:
        """A file's name and what is in it."""
        if named := _JOB.fullmatch(source):
            try:
                path = await self._job.artifact(named["job"], unquote(named["name"]))
            except LookupError as error:
                raise GiveUp(f"Nothing was sent to Opus. {error}") from None
            return path.name, await asyncio.to_thread(path.read_bytes)
        try:
            got = await fetch(source, most_bytes=MOST_FILE_BYTES, within_s=60)
        except NotFetched as error:
            raise TryAgain(because=f"Nothing was sent to Opus. {error}") from error
        return _name_in(got.url or source), got.data

    async def begin(self, workflow: Workflow, payload: Mapping[str, Any]) -> tuple[str, str]:
        """The run's id, and since when it runs."""
        begun = await self._job.step("begin", self._fence, self._job.key("begin"))
        execution = await self.patiently("initiate", self._initiate, workflow, begun)
        tried = await self._job.step("about to execute", self._fence, self._job.key("about to execute"))
        return execution, await self.patiently("execute", self._execute, execution, payload, tried)

    async def _fence(self, _: str) -> int:
        """Recorded before something happens that is not to happen twice: where it differs later, it may have happened."""
        return self._job.fence

    async def _initiate(self, workflow: Workflow, begun: int) -> str:
        self._job.progress("Making a run in Opus")
        if begun != self._job.fence and (found := await self._opus.find(workflow.id, self._job.id)):
            return found
        title = f"{self._job.title or workflow.name} [{self._job.id}]"
        return await self._opus.initiate(workflow, title, f"Made by Backburner as job {self._job.id}.")

    async def _execute(self, execution: str, payload: Mapping[str, Any], tried: int) -> str:
        self._job.progress(f"Opus {execution}: about to run")
        may_run = tried != self._job.fence
        if may_run and await self._has_begun(execution):
            return _now()
        callback = self._job.callback_url
        try:
            await self._once_known(
                self._opus.execute, execution, payload, callback if self._opus.takes_callback(callback) else None
            )
        except OpusAway:
            if not await self._has_begun(execution):
                raise
        except OpusRefused as error:
            if not (may_run and error.status in (400, 409) and "already" in str(error).lower()):
                raise
        return _now()

    async def _has_begun(self, execution: str) -> bool:
        """Whether it is more than a draft, seen more than once: one that was just let run may be called a draft still."""
        for pause_s in LOOKS_S:
            await asyncio.sleep(pause_s)
            if await self._once_known(self._opus.status, execution) != PENDING:
                return True
        return False

    async def _once_known(self, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """What `call` gives; what Opus says it does not know is asked for again a few times, as it may be too new."""
        for pause_s in LOOKS_S[1:]:
            try:
                return await call(*args)
            except OpusRefused as error:
                if error.status != 404:
                    raise
            await asyncio.sleep(pause_s)
        return await call(*args)

    # ---------------------------------------------------------------------------------------------------- following

    async def end(self, execution: str, since: str) -> str:
        """How it ended. Each change of what it waits for is recorded, no look is."""
        status = RUNNING
        while status not in FINAL:
            found = await self._job.until(
                WAITS_ON[status], self._look, self._job.key("look"), execution, status, every=_pause(status, since)
            )
            status, since = found["status"], found["at"]
        return status

    async def _look(self, _: str, execution: str, before: str) -> dict[str, str] | None:
        try:
            status = await self._once_known(self._opus.status, execution)
        except OpusError as error:
            if isinstance(error, OpusRefused) and error.status == 404:
                raise GiveUp(f"Opus does not know the run {execution} any more: somebody deleted it there.") from None
            self._job.progress(f"Opus {execution}: {error}")  # nor does a key that is being changed end the waiting
            return None
        if status not in KNOWN:
            log.warning("job %s: Opus says %r of run %s, which is taken for running", self._job.id, status, execution)
            self._job.progress(f"Opus {execution}: '{status[:40]}', which Backburner does not know")
            return None
        status = status if status in FINAL or status == WAITING else RUNNING
        if status not in FINAL:
            await self._tell(execution, status)
        return {"status": status, "at": _now()} if status != before else None

    async def _tell(self, execution: str, status: str) -> None:
        """How far it is and whom it waits for, as far as Opus says."""
        audit = await self._if_told(self._opus.audit, execution) or {}
        done, of = audit.get("nb_executed_nodes"), audit.get("nb_nodes")
        node = str(audit.get("running_node") or "")
        doing = f"running {node}" if node else "running"
        if status == WAITING:
            reviews = await self._if_told(self._opus.pending_reviews, execution) or ()
            asked = next((f" about {each['nodeName']}" for each in reviews if each.get("nodeName")), "")
            doing = f"a person decides in Opus{asked}, at app.opus.com"
        if isinstance(done, int) and isinstance(of, int) and 0 <= done <= of:
            self._job.progress(f"Opus {execution}: {doing}", done, of)
        else:
            self._job.progress(f"Opus {execution}: {doing}")

    async def _if_told(self, call: Callable[..., Awaitable[T]], *args: Any) -> T | None:
        """What is nice to know, and closed to some keys."""
        try:
            return await call(*args)
        except OpusError:
            return None

    # ------------------------------------------------------------------------------------------------------- ending

    async def outcome(self, workflow: Workflow, execution: str, status: str) -> Result:
        """What it gave. A reviewer's no is a result; GiveUp for what failed without one."""
        review = await self._job.step("review", self._review, self._job.key("review"), execution)
        about = {"workflow": workflow.named, "opus_run": execution}
        if status != COMPLETED:
            if decision_of((), review) != "rejected":
                raise GiveUp(await self._complaint(execution, status))
            return Result(data={"decision": "rejected", **about}, line=line_of((), "rejected", comment_of(review)))
        raw = await self.patiently("results", self._results, execution)
        outputs = outputs_of(raw)
        files, lost = list[Artifact](), list[str]()
        for url in files_of(outputs)[:MOST_FILES]:
            got = await self.patiently("download", self._download, url)
            files += [got["file"]] if got["file"] else []
            lost += [got["lost"]] if got["lost"] else []
        decision = decision_of(outputs, review)
        return Result(
            data={
                **({"decision": decision} if decision else {}),
                "outputs": shown_as(outputs),
                **({"not_fetched": lost} if lost else {}),
                **about,
            },
            artifacts=[_page(self._job.title or workflow.name, outputs), *files],
            line=line_of(outputs, decision, comment_of(review)),
        )

    async def _review(self, _: str, execution: str) -> dict[str, Any]:
        return dict(await self._if_told(self._opus.review_state, execution) or {})

    async def _results(self, execution: str) -> dict[str, Any]:
        self._job.progress(f"Opus {execution}: fetching what it gave")
        return dict(await self._once_known(self._opus.results, execution))

    async def _download(self, url: str) -> dict[str, Any]:
        name = _name_in(url)
        try:
            address = await self._opus.download_address(url)
            got = await fetch(address, most_bytes=MOST_RESULT_BYTES, within_s=300)
        except (NotFetched, OpusRefused) as error:
            return {"file": None, "lost": f"{name}: {error}"}
        file = Artifact(name, name, got.media_type or "application/octet-stream", data=got.data)
        return {"file": file, "lost": ""}

    async def _complaint(self, execution: str, status: str) -> str:
        if status != FAILED:
            return f"The run {execution} was cancelled in Opus, so there is no result. Redo this job for another run."
        audit = await self._if_told(self._opus.audit, execution) or {}
        nodes = audit.get("failed_nodes")
        where = f" at {', '.join(map(str, nodes[:5]))}" if isinstance(nodes, list) and nodes else ""
        return f"The run {execution} failed in Opus{where}. Its page at app.opus.com says more; redo this job for another run."


def _page(title: str, outputs: Sequence[Any]) -> Artifact:
    parts = [f"## {each.name}\n\n{each.as_text()}" for each in outputs]
    return Artifact.text("result.md", "\n\n".join([f"# {title}", *parts]) + "\n", title=title)


def _pause(status: str, since: str) -> str:
    """How long to leave it alone, a fifth more or less, so that many do not look at once."""
    elapsed_s = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
    pause_s = next(pause_s for until_s, pause_s in PACES[status] if elapsed_s < until_s)
    return f"{pause_s * random.uniform(0.8, 1.2):.2f}s"  # noqa: S311 - no secret


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _name_in(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name or "file"
