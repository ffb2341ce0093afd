"""What one worker process holds: its connections, its leases, and the attempts that run under them."""

import asyncio
import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent_tools import bell
from agent_tools.batcher import Batcher
from agent_tools.bell import Bell, Changes, RedisError, Ring
from agent_tools.jobs import callbacks
from agent_tools.jobs.artifact_store import ArtifactStore
from agent_tools.jobs.errors import BookUnavailable, StoreUnavailable, Unstorable
from agent_tools.jobs.kinds import Kinds, load_kinds
from agent_tools.jobs.upload_store import UploadStore
from agent_tools.settings import Settings
from agent_tools.tasks import end
from agent_tools.view import Addresses
from sql.hands import Claim, HandsStore
from worker.beat import Beat
from worker.context import folders_of
from worker.notices import NoticeRound
from worker.patience import until_the_book_answers
from worker.progress import ProgressBoard
from worker.run import Running, Why, attempt, begin
from worker.schedules import ScheduleRound
from worker.sweep import Sweep
from worker.threads import JobThreads
from worker.times import RunTimes
from worker.webhooks import Sender

log = logging.getLogger("backburner.worker")

TIDY_S = 600
"""How often files that no job names are looked for."""
_LEAVE_BEHIND_S = 3600
DRAIN_S = 20.0
"""How long a worker that leaves tries to give back what it runs."""


class Hands:
    """One worker process. `accepting` is False once it was asked to leave."""

    def __init__(
        self,
        settings: Settings,
        installed: Kinds,
        name: str,
        store: HandsStore,
        the_bell: Bell,
        threads: JobThreads,
        secret: bytes,
    ) -> None:
        self.name, self.max_jobs, self.lease_s, self.queues = name, settings.max_jobs, settings.lease_s, settings.queues
        self.unavailable = {
            kind.name: why for kind in installed.values() if (why := kind.missing(os.environ))
        } | installed.broken
        self.kinds = Kinds(kind for kind in installed.values() if kind.name not in self.unavailable)
        limits = {kind.name: kind.at_once or settings.max_running_per_kind for kind in self.kinds.values()}
        self.at_once = {name: most for name, most in limits.items() if most}
        self.store, self.bell, self.threads = store, the_bell, threads
        self.artifacts = ArtifactStore(settings.artifacts)
        self.uploads = UploadStore(self.artifacts.place)
        self._settings, self._secret = settings, secret
        self.scratch = _scratch(name)
        self.board = ProgressBoard(self._write_progress)
        self.runs = RunTimes(self.store.record_runs)
        # A worker has one claim in flight, so that the guard against poison sees what the claim before it took.
        self.claims: Batcher[str, Claim | None] = Batcher(self._claim)
        self.settles: Batcher[dict[str, Any], str | None] = Batcher(self._settle, alone_on=(Unstorable,))
        self.running: dict[str, Running] = {}
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        self._awaited = asyncio.Event()
        self.wake = asyncio.Event()
        self.accepting = True
        self.leaving = asyncio.Event()
        self.worker = 0
        self._performing = 0
        self._attempts: set[asyncio.Task[None]] = set()
        self._claims_in_flight = 0
        self._unanswered: list[str] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self.has_left = asyncio.Event()

    # ------------------------------------------------------------------------------------------------ the attempts

    def room(self) -> int:
        """How many more jobs this worker takes now: slots free when the handler ends, but not without bound."""
        if not self.accepting:
            return 0
        return max(0, min(self.max_jobs - self._performing, 2 * self.max_jobs - len(self._attempts)))

    async def take(self, job_id: str) -> "asyncio.Task[None] | None":
        """Claim one job and begin it; claims of one moment share a statement. None: not ours. Raises BookUnavailable."""
        if not self.accepting:
            return None
        with self._claiming():
            claim = await self.claims.put(job_id)
            return self._begin(claim) if claim else None

    async def take_all(self, job_ids: Sequence[str]) -> list["asyncio.Task[None]"]:
        """Claim these and begin those that are ours now. Raises BookUnavailable."""
        if not self.accepting or not job_ids:
            return []
        with self._claiming():
            return [self._begin(claim) for claim in await self._claim(list(dict.fromkeys(job_ids))) if claim]

    def _begin(self, claim: Claim) -> "asyncio.Task[None]":
        self._performing += 1
        if earlier := self.running.get(claim.id):
            earlier.stop("lost")  # no beat speaks for it any more
        running = self.running[claim.id] = begin(self, claim)
        if not self.accepting:
            running.stop("given_back")
        task = asyncio.create_task(attempt(self, running), name=f"attempt {claim.id}")
        self._attempts.add(task)
        task.add_done_callback(self._attempt_ended)
        return task

    def held(self) -> list[tuple[str, int]]:
        """The leases to keep, as (id, fence). From any thread."""
        return [(running.claim.id, running.claim.fence) for running in list(self.running.values())]

    def stop_running(self, attempts: Iterable[tuple[str, int]], why: Why) -> None:
        """Stop these (id, fence) attempts, where they still run here."""
        for job_id, fence in attempts:
            running = self.running.get(job_id)
            if running is not None and running.claim.fence == fence:
                running.stop(why)

    def handler_ended(self, claim: Claim) -> None:
        """A slot is free, although the attempt is not settled yet."""
        self._performing -= 1
        # Ask for more once half the hands are free: one claim for many instead of many for one.
        if self._performing <= self.max_jobs // 2:
            self.wake.set()

    def forget(self, running: Running) -> None:
        """The attempt is over: its lease is no longer kept, its folder goes with its last thread."""
        claim = running.claim
        if self.running.get(claim.id) is running:
            del self.running[claim.id]
        self.threads.when_idle(claim.fence, lambda: _delete(*folders_of(self.scratch, claim)))

    async def leave(self, patience_s: float = DRAIN_S) -> None:
        """Claim nothing more, give back what runs, and wait until that is written."""
        self.accepting = False
        self.leaving.set()
        self.wake.set()
        for running in list(self.running.values()):
            running.stop("given_back")
        try:
            async with asyncio.timeout(patience_s):
                await self._idle.wait()
                await until_the_book_answers(self._give_back_unanswered, "leaving")
        except TimeoutError:
            log.error(
                "%d jobs could not be given back in %.0f s; the sweep will find them", len(self._attempts), patience_s
            )
            for task in self._attempts:
                task.cancel()
        self.has_left.set()

    def tell(self, jobs: Iterable[str]) -> None:
        """Have a hint published soon. Nobody waits for that: a Redis that is away must not hold up a claim."""
        self._changed.update(jobs)
        self._news.set()

    def ring_next(self, kind: str) -> None:
        """Where only so many of a kind run at once, one has just made room for the next."""
        if kind in self.at_once:
            self._awaited.set()

    def _attempt_ended(self, task: "asyncio.Task[None]") -> None:
        self._attempts.discard(task)
        self._check_idle()
        if not task.cancelled() and (error := task.exception()):
            log.error("%s broke off; its lease will run out", task.get_name(), exc_info=error)

    @contextmanager
    def _claiming(self) -> Iterator[None]:
        self._claims_in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._claims_in_flight -= 1
            self._check_idle()

    def _check_idle(self) -> None:
        if not self._attempts and not self._claims_in_flight:
            self._idle.set()
            self.wake.set()

    # ------------------------------------------------------------------------------------- what the batchers write

    async def _claim(self, job_ids: Sequence[str]) -> list[Claim | None]:
        await self._give_back_unanswered()
        self._unanswered = list(job_ids)
        claimed = await self.store.claim(self.worker, self.lease_s, self.announced_kinds(), job_ids)
        self._unanswered = []
        ours: dict[str, Claim | None] = {claim.id: claim for claim in claimed}
        if ours:
            self.tell(ours)
        # The same id twice in a batch is one job: the second asker gets nothing.
        return [ours.pop(job_id, None) for job_id in job_ids]

    async def _give_back_unanswered(self) -> None:
        """Give back what a claim before took whose reply was lost: its fence is not known here, so nobody keeps its lease."""
        if self._unanswered:
            taken = await self.store.claimed(self.worker, self._unanswered)
            unknown = [each for each in taken if each not in self.held()]
            await self.store.settle(
                [{"id": job_id, "fence": fence, "outcome": "given_back"} for job_id, fence in unknown]
            )

    async def _settle(self, endings: Sequence[dict[str, Any]]) -> list[str | None]:
        settled = await self.store.settle(endings)
        if any(each.is_awaited for each in settled.values()):
            self._awaited.set()
        return [
            settled[key].status if (key := (ending["id"], ending["fence"])) in settled else None for ending in endings
        ]

    async def _write_progress(self, said: Sequence[dict[str, Any]]) -> None:
        if written := await self.store.progress(said):
            self.tell(written)

    # ---------------------------------------------------------------------------------------------- around the loop

    def announced_kinds(self) -> dict[str, dict[str, float]]:
        """What this worker may claim, and for how long each may run."""
        return {
            kind.name: {"timeout_s": kind.timeout_s, "max_attempts": kind.retries + 1}
            | ({"at_once": self.at_once[kind.name]} if kind.name in self.at_once else {})
            for kind in self.kinds.values()
        }

    def callback_url(self, job_id: str) -> str | None:
        """Where others call to have this job look again; None where nothing is served that they could call."""
        base = self._settings.address()
        return callbacks.address(base, self._secret, job_id) if base else None

    def presence(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "name": self.name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": list(self.queues),
            "kinds": sorted(self.kinds),
            "unavailable": self.unavailable,
            "max_jobs": self.max_jobs,
            "at_once": self.at_once,
            "version": version("backburner"),
        }

    async def hear_changes(self) -> None:
        """Stop attempts that were cancelled, as soon as a hint says so; without it the next beat finds out."""
        async for changes in self.bell.changes():
            self.stop_running(changes.cancelled.items(), "cancelled")

    async def publish_hints(self) -> None:
        """Tell whoever watches which jobs changed; where Redis is away nobody is told, and everybody looks for himself."""
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, set()
            await self.bell.tell(Changes(jobs=list(changed)))

    async def wake_dependants(self) -> None:
        """Begin what came after a job that has just ended here, or has room now; without this the sweep does, a moment later."""
        while True:
            await self._awaited.wait()
            self._awaited.clear()
            while woken := await self.store.wake():
                self.tell(each.id for each in woken)
            due = await self.store.ring()
            await self.bell.ring(Ring(job.id, job.dispatch, job.queue, job.tenant, job.priority) for job in due)

    async def hear_wakes(self) -> None:
        """Look into the queues when something was rung."""
        async for _ in self.bell.wakes():
            self.wake.set()

    async def tell_webhooks(self) -> None:
        """Tell other programs which jobs have ended."""
        await Sender(self.store, self._page_url).run()

    def _page_url(self, job_id: str) -> str | None:
        return Addresses(self._settings.address()).page(job_id)

    async def tidy(self) -> None:
        """Delete files of attempts that never settled, of jobs that are gone, and uploads whose time is over."""
        while True:
            await self.tidy_once()
            await asyncio.sleep(TIDY_S)

    async def tidy_once(self) -> None:
        """As `tidy`, of those that were left an hour ago or longer."""
        await self.store.forget_webhooks()
        try:
            await self._tidy_artifacts()
            await self._tidy_uploads()
        except StoreUnavailable as error:
            log.warning("files that nobody names stay for now: %s", error)

    async def _tidy_artifacts(self) -> None:
        left = await asyncio.to_thread(lambda: list(self.artifacts.left(_LEAVE_BEHIND_S)))
        for start in range(0, len(left), 1000):
            lot = left[start : start + 1000]
            kept = await self.store.kept_files([(each.job, each.fence) for each in lot])
            for each in lot:
                if (each.job, each.fence) not in kept:
                    await asyncio.to_thread(self.artifacts.remove, each.tenant, each.job, each.fence)
                    log.info("deleted files of job %s that nobody names", each.job)

    async def _tidy_uploads(self) -> None:
        while expired := await self.store.expire_files():
            for tenant, upload in expired:
                await asyncio.to_thread(self.uploads.remove, tenant, upload)
                log.info("upload %s expired", upload)
        left = await asyncio.to_thread(lambda: list(self.uploads.left(_LEAVE_BEHIND_S)))
        for start in range(0, len(left), 1000):
            lot = left[start : start + 1000]
            kept = await self.store.kept_uploads([upload for _, upload in lot])
            for tenant, upload in lot:
                if upload not in kept:
                    await asyncio.to_thread(self.uploads.remove, tenant, upload)
                    log.info("deleted upload %s, which never came to its end", upload)


@asynccontextmanager
async def open_hands(settings: Settings, installed: Kinds | None = None) -> AsyncIterator[Hands]:
    """A worker that has announced itself and keeps its leases; at the end it gives everything back.

    `installed` None: the kinds that installed packages offer.
    Raises BookUnavailable or Misconfigured.
    """
    settings = settings.attached()
    name = os.environ.get("BACKBURNER_WORKER_NAME") or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(HandsStore.open(settings.database_url))
        client = bell.connect(settings.redis_url)
        stack.push_async_callback(client.aclose)
        threads = JobThreads(settings.max_jobs)
        loop.set_default_executor(threads)

        kinds = installed or load_kinds(settings.kinds)
        hands = Hands(settings, kinds, name, store, Bell(client), threads, await store.secret())
        stack.callback(shutil.rmtree, hands.scratch, ignore_errors=True)
        hands.worker = await store.announce(hands.presence())
        beat = Beat(hands, settings, Sweep(settings), loop)
        beat.start()
        stack.callback(beat.stop)
        for each in (
            hands.board.write_forever,
            hands.runs.write_times,
            hands.publish_hints,
            hands.hear_changes,
            hands.hear_wakes,
            hands.wake_dependants,
            hands.tidy,
            NoticeRound(hands.store, settings).tell_people,
            hands.tell_webhooks,
            ScheduleRound(hands.store, hands.bell, settings, kinds, hands.unavailable).fire_schedules,
        ):
            task = asyncio.create_task(_forever(each), name=each.__name__)
            stack.push_async_callback(end, task)
        log.info("worker %s announced %s", name, ", ".join(sorted(hands.kinds)) or "no kind")
        try:
            yield hands
        finally:
            await hands.leave()


async def _forever(run: Callable[[], Awaitable[None]]) -> None:
    """Begin again whatever ends, a moment later."""
    while True:
        try:
            await run()
        except (RedisError, OSError, BookUnavailable) as error:
            log.info("%s begins again: %s", run.__name__, error)
        except Exception:
            log.exception("%s broke off and begins again", run.__name__)
        await asyncio.sleep(0.5)


def _delete(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _scratch(name: str) -> Path:
    """Scratch space of this process; what killed processes left behind is deleted."""
    root = Path(tempfile.gettempdir()) / f"backburner-scratch-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    for left in root.iterdir():
        pid = left.name.partition("-")[0]
        if pid.isdecimal() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return root / f"{os.getpid()}-{name}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
