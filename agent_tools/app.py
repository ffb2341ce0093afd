"""The verbs that every door shares; also the Python client."""

import asyncio
import copy
import difflib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agent_tools import bell
from agent_tools.asks import Asks
from agent_tools.bell import Bell, Changes, Ring
from agent_tools.changes import with_changes
from agent_tools.counts import Counted, Counts
from agent_tools.doorbell import Doorbell
from agent_tools.files import Files, Sent, Wanted
from agent_tools.found import found_batch, found_jobs
from agent_tools.history import Histories
from agent_tools.jobs import queue
from agent_tools.jobs import why as reasons
from agent_tools.jobs.artifact_store import ArtifactStore
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import (
    BadRequest,
    KindUnavailable,
    Misconfigured,
    Problem,
)
from agent_tools.jobs.eta import Eta, Span, size_of
from agent_tools.jobs.files import UploadedFile
from agent_tools.jobs.job import Batch, Event, Job, JobStatus, Limit, StoredArtifact, Worker, job_id
from agent_tools.jobs.kinds import Kind, Kinds, listed, load_kinds, refuse_unstorable
from agent_tools.jobs.places import KeptFile
from agent_tools.jobs.queue import Place
from agent_tools.jobs.upload_store import UploadStore
from agent_tools.notices import OwnNotices
from agent_tools.people import People
from agent_tools.postman import Postman
from agent_tools.requests import (
    MAX_BATCH,
    NewJob,
    Parsed,
    as_sent,
    checked_key,
    checked_labels,
    checked_title,
    cursor_after,
    episode_cursor_after,
    episode_place,
    file_cursor_after,
    folded,
    hash_of,
    parse_all,
    parse_one,
    place,
    subject_name,
)
from agent_tools.schedules import Schedules
from agent_tools.settings import Settings
from agent_tools.watch import LOOK_S, Offers, Watch
from agent_tools.webhooks import Webhooks
from sql.door import AskFilter, DoorStore, Episode, EpisodeFilter, Filter, KindStats, Moved, SubjectCount
from sql.hands import HandsStore, Principal
from sql.operations import Operations

MAX_MOVE = 10_000
GUARD_S = 600.0
"""Without a key, the same kind and arguments within this time are the same job."""
_REMOVE_S = 5.0
_UNSET: Any = object()


@dataclass(frozen=True)
class Receipt:
    """A job that is kept. `created` is False where it is an earlier one that was asked for again."""

    id: str
    kind: Kind
    created: bool


class Standing(NamedTuple):
    """Why a job is where it is, and when it will have ended, where that can be told."""

    why: str
    eta: Eta | None


class JobPage(NamedTuple):
    """A page of jobs; `next_cursor` None: there are no more."""

    jobs: Sequence[Job]
    next_cursor: str | None


class FilePage(NamedTuple):
    """A page of uploads; `next_cursor` None: there are no more."""

    files: Sequence[UploadedFile]
    next_cursor: str | None


class EpisodePage(NamedTuple):
    """A page of episodes; `next_cursor` None: there are no more."""

    episodes: Sequence[Episode]
    next_cursor: str | None


@dataclass(frozen=True)
class Ended:
    """What a cancel or delete did to each job: those that moved, and a sentence for each that did not."""

    done: tuple[str, ...]
    not_done: Mapping[str, str]


class Backburner:
    """What one principal may do, over the book and the bell.

    Raises BadRequest, JobNotFound, Conflict or NotNow for what it refuses, and BookUnavailable when Postgres is away.
    A Redis that is away refuses nothing: what it should have been told, the sweep finds.
    """

    def __init__(
        self, store: DoorStore, the_bell: Bell, kinds: Kinds, artifacts: ArtifactStore, who: Principal
    ) -> None:
        """Wired by `open`; `acting_as` gives the same for another principal."""
        self._store, self.kinds, self._artifacts, self.who = store, kinds, artifacts, who
        self._bell = Doorbell(the_bell)
        self.self_answer = False
        self.postman = Postman(())
        self._watch = Watch(the_bell)
        self._offers = Offers(store)
        self._histories = Histories(store, kinds)
        self._counts = Counts(store)
        self._files = Files(store, UploadStore(artifacts.place))

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings | None = None,
        *,
        tenant: str = "default",
        name: str = "agent",
        kinds: Kinds | None = None,
    ) -> AsyncIterator["Backburner"]:
        """Connect to the running installation as one of its principals.

        Raises Misconfigured when none runs, BookUnavailable when its database cannot be reached.
        """
        settings = (settings or Settings.read()).attached()
        async with HandsStore.open(settings.database_url, size=1) as hands:
            who = await hands.principal_by_name(tenant, name)
        if who is None:
            raise Misconfigured(f"There is no principal '{name}' in tenant '{tenant}'.")
        client = bell.connect(settings.redis_url)
        try:
            async with DoorStore.open(settings.database_url) as store:
                artifacts = ArtifactStore(settings.artifacts)
                self = cls(store, Bell(client), kinds or load_kinds(settings.kinds), artifacts, who)
                self.self_answer = settings.self_answer
                self.postman = Postman.of(settings)
                self._files = Files(
                    store,
                    UploadStore(artifacts.place),
                    most_bytes=int(settings.upload_mb * 1e6),
                    keep_days=settings.upload_days,
                )
                async with self._watch:
                    yield self
        finally:
            await client.aclose()

    def acting_as(self, who: Principal) -> "Backburner":
        """The same installation for another principal; shares every connection."""
        other = copy.copy(self)
        other.who = who
        return other

    async def as_person(self) -> "Backburner":
        """The same for the person that this principal is, or whose agent it is."""
        principal, name = await self._store.person_of(self.who.tenant, self.who.principal)
        return self.acting_as(self.who._replace(principal=principal, name=name))

    # ------------------------------------------------------------------------------------------- around the jobs

    @property
    def asks(self) -> Asks:
        """What jobs ask of people."""
        return Asks(self._store, self._bell, self._artifacts, self.who)

    @property
    def people(self) -> People:
        """Who may come in here."""
        return People(self._store, self.who, self_answer=self.self_answer)

    @property
    def notices(self) -> OwnNotices:
        """Where this person is told of what wants them."""
        return OwnNotices(self._store, self.postman, self.who)

    @property
    def webhooks(self) -> Webhooks:
        """Who is told of the ends of jobs."""
        return Webhooks(self._store, self.who)

    @property
    def schedules(self) -> Schedules:
        """What is created by the clock."""

        async def check(job: NewJob) -> Kind:
            return (await self._checked([job], is_batch=False))[0].kind

        async def create(job: NewJob) -> str:
            return (await self._create([job], keys=[None], is_batch=False))[0].id

        return Schedules(self._store, self.who, check, create)

    # --------------------------------------------------------------------------------------------------- creating

    async def create(
        self,
        kind: str,
        args: Mapping[str, Any] | None = None,
        *,
        subject: str | None = None,
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
        again: bool = False,
        priority: Literal["low", "normal", "high"] = "normal",
        run_after: datetime | None = None,
        after: Sequence[str | int] = (),
        if_parent_fails: Literal["cancel", "run"] = "cancel",
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Keep a job, durably, and ring for it.

        The same key, or without one the same kind and arguments (unfinished, or completed within ten minutes), is
        the same job; `again=True` asks for another one. It begins when the jobs named by `after` have ended, and is
        cancelled where one of them fails, unless `if_parent_fails` is `run`. `webhook_url` is told of its end.
        """
        job = NewJob(
            kind, args or {}, subject, title, labels or {}, again, priority, run_after, after, if_parent_fails, webhook_url
        )  # fmt: skip
        return (await self._create([job], keys=[idempotency_key], is_batch=False))[0]

    async def create_many(self, jobs: Sequence[NewJob], *, idempotency_key: str | None = None) -> list[Receipt]:
        """Keep all of these or none, in order. A refusal names every bad item (`jobs/3/args/theme`)."""
        if not jobs:
            raise BadRequest("There is no job in this batch.")
        if len(jobs) > MAX_BATCH:
            raise BadRequest(
                f"{len(jobs)} jobs are too many for one batch; at most {MAX_BATCH} are accepted. Send several."
            )
        key = checked_key(idempotency_key)
        keys = [f"{key}#{number}" if key else None for number in range(len(jobs))]
        return await self._create(jobs, keys=keys, is_batch=True)

    async def redo(self, job: str, changes: Mapping[str, Any] | None = None) -> Receipt:
        """A new version of a job that has ended, with arguments changed by path (`{"slides/2": "# …"}`, from 0).

        Without changes it is a plain retry. Steps with equal arguments are taken over. Changes are made to what the job
        said it can be redone from, where it did. Raises NotNow before the end, BadRequest as `with_changes` does.
        """
        old = await self.get(job)
        args = with_changes({**old.args, **(old.redo or {})}, changes) if changes else old.args
        new = NewJob(old.kind, args, old.subject, old.title, old.labels, again=True)
        return (await self._create([new], keys=[None], is_batch=False, redo_of=old.id))[0]

    async def _create(
        self, jobs: Sequence[NewJob], *, keys: Sequence[str | None], is_batch: bool, redo_of: str | None = None
    ) -> list[Receipt]:
        parsed = await self._checked(jobs, is_batch)
        request_hash = hash_of([as_sent(job) for job in jobs])
        rows = [
            {
                **row,
                "redo_of": redo_of,
                "idempotency_key": checked_key(key),
                "request_hash": request_hash if key else None,
            }
            for (_, row), key in zip(parsed, keys, strict=True)
        ]
        created = await self._store.create(
            self.who.tenant, self.who.principal, rows, guard_s=GUARD_S, is_batch=is_batch
        )
        await self._bell.ring(
            Ring(made.id, made.dispatch, made.queue, self.who.tenant, made.priority)
            for made in created
            if made.created and made.dispatch
        )
        named = zip(created, jobs, strict=True)
        await self.webhooks.call({made.id: job.webhook_url for made, job in named if job.webhook_url})
        return [Receipt(made.id, kind, made.created) for made, (kind, _) in zip(created, parsed, strict=True)]

    async def _checked(self, jobs: Sequence[NewJob], is_batch: bool) -> list[Parsed]:
        parsed = parse_all(jobs, self.kinds) if is_batch else [parse_one(jobs[0], self.kinds)]
        await self._refuse_unavailable([kind for kind, _ in parsed], is_batch)
        await self._refuse_strangers(parsed, is_batch)
        await self._files.refuse_missing(self.who, list(_wanted(parsed, is_batch)))
        return parsed

    async def _refuse_unavailable(self, kinds: Sequence[Kind], is_batch: bool) -> None:
        problems: list[Problem] = []
        for number, kind in enumerate(kinds):
            try:
                await self._offers.refuse_unavailable(self.who.tenant, kind)
            except KindUnavailable as error:
                if not is_batch:
                    raise
                problems.append(Problem(f"jobs/{number}", str(error)))
        if problems:
            listed = " ".join(f"{problem.field}: {problem.message}" for problem in problems[:5])
            raise KindUnavailable(f"Nothing was created. {listed}", problems)

    async def _refuse_strangers(self, parsed: Sequence[Parsed], is_batch: bool) -> None:
        named = [
            (f"jobs/{number}/{field}" if is_batch else field, row["args"][field])
            for number, (kind, row) in enumerate(parsed)
            for field in kind.people
            if row["args"][field] is not None
        ]
        if not named:
            return
        people = [each.name for each in await self.people.all() if each.is_person]
        here = {name.casefold() for name in people}
        problems = [
            Problem(field, f"'{name}' is nobody here. There are: {', '.join(people)}.")
            for field, name in named
            if name.casefold() not in here
        ]
        if problems:
            raise BadRequest(f"Nothing was created. {listed(problems)}", problems)

    async def ring(self, rings: Iterable[Ring]) -> None:
        """Tell workers of jobs that are due."""
        await self._bell.ring(rings)

    # ---------------------------------------------------------------------------------------------------- reading

    async def get(self, job: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        return (await found_jobs(self._store, self.who.tenant, [job]))[0]

    async def jobs(self, wanted: Filter | None = None, *, limit: int = 10, cursor: str | None = None) -> JobPage:
        """The tenant's jobs that fit, newest first; `cursor` is the page before's. Raises BadRequest for a bad one."""
        wanted = replace(wanted or Filter(), older_than=place(cursor) if cursor else None)
        found = await self._store.jobs(self.who.tenant, wanted, limit=limit + 1)
        page = found[:limit]
        return JobPage(page, cursor_after(page[-1]) if len(found) > limit else None)

    async def count(self, wanted: Filter) -> int:
        """How many of the tenant's jobs fit. Raises BadRequest for more than can be changed at once."""
        return len(await self._meant(wanted, "done"))

    async def batch(self, batch_id: str) -> Batch:
        """How far the jobs are that were created together. Raises JobNotFound where there are none."""
        return await found_batch(self._store, self.who.tenant, batch_id)

    async def episodes(
        self, wanted: EpisodeFilter | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> EpisodePage:
        """The tenant's episodes that fit, newest first; `cursor` is the page before's. Raises BadRequest for a bad one."""
        wanted = replace(wanted or EpisodeFilter(), older_than=episode_place(cursor) if cursor else None)
        found = await self._store.episodes(self.who.tenant, wanted, limit=limit + 1)
        page = found[:limit]
        return EpisodePage(page, episode_cursor_after(page[-1].at, page[-1].source) if len(found) > limit else None)

    async def subjects(self) -> Sequence[SubjectCount]:
        """How many jobs lie under each subject in each status; a name of None: under none."""
        return (await self.counted()).subjects

    async def stats(self, days: int = 30) -> Sequence[KindStats]:
        """How the jobs of each kind went that were created within so many days, and how many wait now."""
        return await self._store.stats(self.who.tenant, days)

    async def shelf(self, each: int = 12) -> Sequence[Job]:
        """The newest completed jobs of every subject and of none, the newest version of each; newest first."""
        return await self._store.shelf(self.who.tenant, each)

    async def counted(self) -> Counted:
        """What lies under each subject, and how much of it stands behind a newer version, in one look."""
        return await self._counts.of(self.who.tenant)

    async def version_counts(self, jobs: Sequence[Job]) -> Mapping[str, int]:
        """Job id → how many versions it has become, for those that are not the first."""
        redone = [job.id for job in jobs if job.redo_of]
        return await self._store.version_counts(self.who.tenant, redone) if redone else {}

    async def versions(self, job: str) -> Sequence[str]:
        """The ids of the job's versions over all redos, oldest first."""
        return await self._store.versions(self.who.tenant, job_id(job))

    async def unseen(self, limit: int = 6) -> Sequence[Job]:
        """What this principal asked for, that ended within a day and nobody was told of, newest first."""
        ids = await self._store.unseen(self.who.tenant, self.who.principal, limit)
        return await self._store.jobs(self.who.tenant, Filter(ids=ids), limit=limit) if ids else []

    async def see(self, jobs: Sequence[Job]) -> None:
        """Say that somebody has been told how these ended."""
        if ids := [job.id for job in jobs if job.status.is_final and job.seen_at is None]:
            await self._store.see(self.who.tenant, ids)

    async def wait(
        self,
        ids: Sequence[str],
        seconds: float,
        *,
        until: Literal["final", "any", "change"] = "final",
        since: Mapping[str, int] | None = None,
    ) -> Sequence[Job]:
        """The jobs, as soon as all are final, any one is, or any one changed; at the latest after `seconds`.

        `since` gives the versions that the caller has seen; None: those of now. Returns early when a person is needed,
        unless the caller has seen that.
        """
        deadline, seen = time.monotonic() + seconds, since or {}
        with self._watch.watching([job_id(each) for each in ids]) as news:
            while True:
                news.clear()
                jobs = await found_jobs(self._store, self.who.tenant, ids)
                since = since or {job.id: job.version for job in jobs}
                left = deadline - time.monotonic()
                if left <= 0 or _needs_a_person(jobs, seen) or _is_over(jobs, until, since):
                    return jobs
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, LOOK_S)):
                        await news.wait()

    async def why(self, job: str) -> str:
        """One sentence saying why the job is where it is. Raises JobNotFound."""
        found = await self.get(job)
        return (await self.standings([found]))[found.id].why

    async def standings(self, jobs: Sequence[Job]) -> dict[str, Standing]:
        """How jobs in hand stand, by id."""
        tenant = self.who.tenant
        now, workers = await self._store.now(tenant), await self._store.workers(tenant)
        queued = [job for job in jobs if job.status == "queued"]
        going = await self._store.going(tenant) if queued else []
        heads = await self._store.heads(tenant, [job.id for job in queued]) if queued else []
        places, limits = queue.places(queued, now, heads, going), queue.limits(queued, going)
        open_ones = [job for job in jobs if not job.status.is_final]
        etas = await self._histories.etas(tenant, open_ones, now, places=places, workers=workers) if open_ones else {}
        asks = await self.open_asks(jobs)
        after = [job.id for job in jobs if job.waiting_for == "jobs"]
        parents = await self._store.parents(tenant, after) if after else {}
        return {
            job.id: Standing(
                reasons.why(
                    job,
                    now,
                    workers,
                    _before(job, places.get(job.id), limits.get(job.kind)),
                    asks=asks.get(job.id, ()),
                    parents=parents.get(job.id, ()),
                    eta=etas.get(job.id),
                    limit=limits.get(job.kind),
                ),
                etas.get(job.id),
            )
            for job in jobs
        }

    async def etas(self, jobs: Sequence[Job]) -> dict[str, Eta]:
        """Job id → when it will have ended, for those that run and where that can be told. Asks the book every few seconds only."""
        running = [job for job in jobs if job.status == "running"]
        return await self._histories.etas(self.who.tenant, running) if running else {}

    async def takes(self, kind: str, args: Mapping[str, Any]) -> Span | None:
        """What such a job takes once it is begun; None before there are samples. As of a few seconds ago."""
        return (await self._histories.of(self.who.tenant, kind, args)).takes(size_of(args))

    async def open_asks(self, jobs: Sequence[Job]) -> Mapping[str, Sequence[Ask]]:
        """Job id → its open questions, for those of these jobs that wait for a person."""
        asks: dict[str, list[Ask]] = defaultdict(list)
        if asking := [job.id for job in jobs if job.waiting_for == "person"]:
            for ask in await self._store.asks(self.who.tenant, AskFilter(jobs=asking), limit=2 * len(asking)):
                asks[ask.job].append(ask)
        return asks

    async def events(self, job: str) -> Sequence[Event]:
        """What happened to the job, oldest first; also after it was deleted."""
        return await self._store.events(self.who.tenant, job_id(job))

    async def workers(self) -> Sequence[Worker]:
        """Who works here, the living first."""
        return await self._store.workers(self.who.tenant)

    async def is_worked(self) -> bool:
        """Whether any worker runs, as of a moment ago."""
        return await self._offers.is_worked(self.who.tenant)

    async def now(self) -> datetime:
        """The database's clock, which decides."""
        return await self._store.now(self.who.tenant)

    async def redis_answers(self, within_s: float) -> bool:
        """Whether Redis is there. Without it everything is kept, and rung for later."""
        return await self._bell.answers(within_s)

    def artifact_file(self, job: Job, artifact: StoredArtifact) -> KeptFile:
        """The artifact's file, wherever it is kept."""
        return self._artifacts.file(job.tenant, job.id, artifact)

    def artifact_path(self, job: Job, artifact: StoredArtifact) -> Path:
        """Where the artifact's file is on this machine. Raises Misconfigured where artifacts lie in a bucket."""
        return self.artifact_file(job, artifact).path

    # --------------------------------------------------------------------------------------------------- changing

    async def organise(
        self,
        ids: Sequence[str] = (),
        *,
        where: Filter | None = None,
        expect: int | None = None,
        subject: str | None = _UNSET,
        create_subject: bool = True,
        title: str = _UNSET,
        labels: Mapping[str, str] = _UNSET,
    ) -> Moved:
        """File jobs under a subject (None: unorganised), name or label them: those named, or all that fit `where`.

        With `expect`, nothing is done unless so many jobs are meant. With `create_subject=False` a name that is nearly
        that of another subject is refused. Raises BadRequest, JobNotFound.
        """
        given = {"subject": subject, "title": title, "labels": labels}
        refuse_unstorable({name: value for name, value in given.items() if value is not _UNSET})
        changes: dict[str, Any] = {}
        if subject is not _UNSET:
            name = subject_name(subject)
            changes |= {"subject": name, "subject_folded": folded(name) if name else None}
        if title is not _UNSET:
            changes["title"] = checked_title(title)
        if labels is not _UNSET:
            changes["labels"] = checked_labels(labels)
        if not changes:
            raise BadRequest("Nothing was changed: give a subject, a title or labels.")
        if changes.get("subject") and not create_subject:
            await self._refuse_near_miss(changes["subject"])
        if where:
            meant = await self._meant(where, "moved")
        else:
            meant = [job.id for job in await found_jobs(self._store, self.who.tenant, ids)]
        if expect is not None:
            _refuse_another_number(meant, expect, "moved")
        moved = await self._store.organise(self.who.tenant, self.who.principal, meant, changes)
        await self._bell.tell(Changes(jobs=list(moved.was)))
        return moved

    async def undo(self, move: int) -> Sequence[str]:
        """Put the jobs of a move back, but for those moved on since. Raises NotNow when it was undone before."""
        back = await self._store.undo_move(self.who.tenant, self.who.principal, move)
        await self._bell.tell(Changes(jobs=back))
        return back

    async def _meant(self, where: Filter, done: str) -> Sequence[str]:
        meant = await self._store.ids(self.who.tenant, where, limit=MAX_MOVE + 1)
        if len(meant) > MAX_MOVE:
            raise BadRequest(
                f"Nothing was {done}: this means more than {MAX_MOVE:,} jobs, the most at once. Narrow it."
            )
        return meant

    async def _refuse_near_miss(self, subject: str) -> None:
        names = {folded(name): name for name in await self._store.subject_names(self.who.tenant)}
        near = difflib.get_close_matches(folded(subject), names, n=1, cutoff=0.8)
        if folded(subject) not in names and near:
            raise BadRequest(
                f"There is no subject '{subject}', but there is '{names[near[0]]}'. Use that name, or create_subject=true for a new one."
            )

    async def cancel_batch(self, batch_id: str, reason: str | None = None) -> Ended:
        """Stop those jobs of a batch that have not ended. Raises JobNotFound for no batch."""
        batch = await self.batch(batch_id)
        unended = Filter(batch_id=batch.id, status=[str(each) for each in JobStatus if not each.is_final])
        return await self.cancel(await self._store.ids(self.who.tenant, unended, limit=MAX_MOVE), reason)

    async def cancel(self, ids: Sequence[str], reason: str | None = None) -> Ended:
        """Stop jobs that have not ended. A running one is told at once."""
        refuse_unstorable({"reason": reason})
        wanted = [job.id for job in await found_jobs(self._store, self.who.tenant, ids)] if ids else []
        stopped = await self._store.cancel(self.who.tenant, self.who.principal, wanted, reason)
        running = {each.id: each.fence for each in stopped if each.fence is not None}
        await self._bell.tell(Changes(jobs=[each.id for each in stopped], cancelled=running))
        return await self._ended(wanted, [each.id for each in stopped], "{} is {} already.")

    async def delete(self, ids: Sequence[str] = (), *, where: Filter | None = None, expect: int | None = None) -> Ended:
        """Delete jobs that have ended, with their artifacts: those named, or all that fit `where`.

        Nothing is done unless `expect` jobs are meant; with `where` it has to be said. What happened to them stays in the
        events. Raises BadRequest, JobNotFound where none that is named is here.
        """
        wanted = await self._meant(where, "deleted") if where else [job_id(each) for each in ids]
        if where or expect is not None:
            _refuse_another_number(wanted, expect, "deleted")
        gone = await self._store.delete(self.who.tenant, self.who.principal, wanted)
        if not gone:
            await found_jobs(self._store, self.who.tenant, wanted)  # says which are not here
        with suppress(TimeoutError):  # a store that is slow or away: workers find what is left there
            async with asyncio.timeout(_REMOVE_S):
                removals = (asyncio.to_thread(self._artifacts.remove, self.who.tenant, each) for each in gone)
                await asyncio.gather(*removals)
        await self._bell.tell(Changes(jobs=gone))
        return await self._ended(wanted, gone, "{} is {}: cancel it first.")

    async def _ended(self, wanted: Sequence[str], done: Sequence[str], sentence: str) -> Ended:
        rest = [each for each in wanted if each not in set(done)]
        left = (
            {job.id: job for job in await self._store.jobs(self.who.tenant, Filter(ids=rest), limit=len(rest))}
            if rest
            else {}
        )
        not_done = {
            each: sentence.format(each, left[each].status) if each in left else f"{each} is gone." for each in rest
        }
        return Ended(tuple(done), not_done)

    # ------------------------------------------------------------------------------------------------------ files

    async def keep_file(self, sent: Sent) -> UploadedFile:
        """Take in a file for jobs to work on; arguments name it by its `value`.

        Raises TooLarge, NoRoom, BadRequest for an empty one; whatever `sent.chunks` raises leaves nothing behind.
        """
        return await self._files.keep(self.who, sent)

    async def files(self, *, limit: int = 50, cursor: str | None = None) -> FilePage:
        """The tenant's uploads, the newest first; `cursor` is the page before's. Raises BadRequest for a bad one."""
        found = await self._files.page(self.who, limit + 1, place(cursor) if cursor else None)
        page = found[:limit]
        return FilePage(page, file_cursor_after(page[-1]) if len(found) > limit else None)

    async def file(self, upload: str) -> UploadedFile:
        """One upload, by its id or as arguments name it. Raises FileNotKept."""
        return await self._files.get(self.who, upload)

    async def delete_file(self, upload: str) -> None:
        """Delete an upload with its file. Raises FileNotKept, NotNow while a job that has not ended needs it."""
        await self._files.delete(self.who, upload)

    @property
    def operations(self) -> Operations:
        """What an operator looks at in this tenant."""
        return self._store.operations(self.who.tenant)

    @property
    def artifacts_folder(self) -> Path | None:
        """The folder in which artifacts lie; None: they lie in a bucket."""
        return self._artifacts.folder


def _before(job: Job, place: Place | None, limit: Limit | None) -> int:
    """How many jobs stand before it; where no more of its kind may run, how many of those."""
    if place is None:
        return 0
    return place.ahead.get(job.kind, 0) if limit and limit.is_reached and place.is_counted else place.count


def _wanted(parsed: Sequence[Parsed], is_batch: bool) -> Iterable[Wanted]:
    """The files that jobs name, each with where it is named."""
    for number, (kind, row) in enumerate(parsed):
        for field, file in kind.files_in(row["args"]) if kind.takes_files else ():
            yield Wanted(f"jobs/{number}/{field}" if is_batch else field, file, row["after"] or ())


def _refuse_another_number(meant: Sequence[str], expect: int | None, done: str) -> None:
    if len(meant) != expect:
        other = "" if expect is None else f", not {expect}"
        raise BadRequest(
            f"Nothing was {done}: this means {len(meant)} jobs{other}. Narrow it, or send expect={len(meant)}."
        )


def _needs_a_person(jobs: Sequence[Job], seen: Mapping[str, int]) -> bool:
    return any(job.waiting_for == "person" and job.version != seen.get(job.id) for job in jobs)


def _is_over(jobs: Sequence[Job], until: str, since: Mapping[str, int]) -> bool:
    if until == "change":
        return any(job.version != since.get(job.id) for job in jobs)
    finals = [job.status.is_final for job in jobs]
    return any(finals) if until == "any" else all(finals)
