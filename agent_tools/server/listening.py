"""Telling a client what changes while it listens: `subscriptions/listen` of MCP 2026-07-28."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Notification,
    ServerNotification,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from agent_tools.auth import require
from agent_tools.jobs.errors import BackburnerError, BookUnavailable
from agent_tools.jobs.job import Job, job_id
from agent_tools.requests import job_filter
from agent_tools.server import wire
from agent_tools.server.resources import MOST_LISTED, ended_last, meant
from agent_tools.server.tasks import Tasks, refuse_undeclared
from agent_tools.server.tools import Desk, Desks
from agent_tools.tail import LOOK_S, RESYNC, Change, Tail
from agent_tools.view import present
from sql.door import Filter

MOST_STREAMS = 200
"""So many clients may listen to a process at once."""
MOST_WATCHED = 100
GATHER_S = 0.1
"""How long changes are gathered before it is looked what they mean."""
_LIST = "resources/list"

Context = ServerRequestContext[Any]
Known = Callable[[], Awaitable[bool]]
"""Whether the caller may still be told things: its token may have been revoked."""


class Said(Notification[dict[str, Any], str]):
    """A notification as it goes over the wire: what is null in it stays null."""


class Listening:
    """One stream a client; it ends when the client goes, is not known any longer, or has heard of the end of all that it waits for."""

    def __init__(self, desks: Desks, tasks: Tasks, tail: Tail, known: Known) -> None:
        self._desks, self._tasks, self._tail, self._known = desks, tasks, tail, known
        self._streams = 0

    def serve_on(self, server: "Server[Any]") -> None:
        """Offer it."""
        server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)

    async def _listen(self, context: Context, asked: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        with wire.protocol_errors(), self._room():
            desk = await self._desks()
            require(desk.backburner, "jobs:read")
            if getattr(asked.notifications, "taskIds", None):
                refuse_undeclared(context)
            watch = await Watch.of(desk, asked.notifications)
            # Followed from before the first look: what changes meanwhile is told.
            with self._tail.follow(desk.backburner.who.tenant) as news:
                await self._tell(context, "notifications/subscriptions/acknowledged", {"notifications": watch.honoured})
                await self._tell_all(context, desk, watch, news)
        return SubscriptionsListenResult(_meta={SUBSCRIPTION_ID_META_KEY: context.request_id})

    async def _tell_all(self, context: Context, desk: Desk, watch: "Watch", news: "asyncio.Queue[Change]") -> None:
        await watch.look([RESYNC])
        looked_at, changed = time.monotonic(), list(watch.tasks)
        while True:
            for each in changed:
                await self._tell_of(context, desk, watch, each)
            if watch.is_over or not await self._known():
                return
            heard = await _gathered(news)
            is_stale = time.monotonic() - looked_at > LOOK_S
            changed = []
            with suppress(BookUnavailable):
                changed = await watch.look([*heard, RESYNC] if heard and is_stale else heard)
            looked_at = time.monotonic() if is_stale else looked_at

    async def _tell_of(self, context: Context, desk: Desk, watch: "Watch", changed: str) -> None:
        if changed == _LIST:
            await self._tell(context, "notifications/resources/list_changed", {})
        elif changed not in watch.tasks:
            await self._tell(context, "notifications/resources/updated", {"uri": changed})
        elif job := await watch.job(changed):
            await self._tell(context, "notifications/tasks", await self._tasks.in_full(context, desk, job))

    async def _tell(self, context: Context, method: str, params: Mapping[str, Any]) -> None:
        said = Said(method=method, params={**params, "_meta": {SUBSCRIPTION_ID_META_KEY: context.request_id}})
        await context.session.send_notification(cast(ServerNotification, said), related_request_id=context.request_id)

    @contextmanager
    def _room(self) -> Iterator[None]:
        if self._streams >= MOST_STREAMS:
            raise MCPError(
                INTERNAL_ERROR, f"{MOST_STREAMS} clients listen here already. Ask again instead of listening."
            )
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1


class Watch:
    """What a client listens to: resources by their URI, tasks by their id, the list; and how each stood when it was last looked at."""

    def __init__(self, desk: Desk, uris: Sequence[str], tasks: Sequence[str], flags: Mapping[str, bool]) -> None:
        self._desk, self.tasks = desk, dict.fromkeys(tasks)
        self._jobs, self._subjects = defaultdict[str, list[str]](list), dict[str, Filter]()
        for uri in uris:
            it = meant(uri)
            if it.job is not None:
                self._jobs[it.job].append(uri)
            else:
                self._subjects[uri] = job_filter(subject=it.subject)
        for task in tasks:
            self._jobs[task].append(task)
        self._is_listed = bool(flags.get("resourcesListChanged"))
        self._stood: dict[str, Any] = {}
        self._ended = set[str]()
        self.honoured = present({**flags, "resourceSubscriptions": list(uris), "taskIds": list(self.tasks)})

    @classmethod
    async def of(cls, desk: Desk, wanted: SubscriptionFilter) -> "Watch":
        """What of all this there is. Raises MCPError where that is nothing, or where it is too much."""
        uris = list(dict.fromkeys(wanted.resource_subscriptions or ()))
        ids = [str(each) for each in getattr(wanted, "taskIds", None) or ()]
        if len(uris) + len(ids) > MOST_WATCHED:
            raise MCPError(INVALID_PARAMS, f"{len(uris) + len(ids)} are too many to listen to; at most {MOST_WATCHED}.")
        jobs, why_not = dict[str, str | None](), "Say what to listen to: resourceSubscriptions, taskIds or a list."
        for each in (*uris, *ids):
            try:
                jobs[each] = meant(each).job if each in uris else job_id(each)
            except BackburnerError as error:
                why_not = str(error)
        here = {job.id for job in await _found(desk, [job for job in jobs.values() if job])}
        if missing := [job for job in jobs.values() if job and job not in here]:
            why_not = f"No job {', '.join(missing)}."
        there = [each for each, job in jobs.items() if job is None or job in here]
        flags = {
            name: True
            for name in ("toolsListChanged", "promptsListChanged", "resourcesListChanged")
            if wanted.model_dump(by_alias=True).get(name)
        }
        if not (there or flags):
            raise MCPError(INVALID_PARAMS, f"There is nothing to listen to. {why_not}")
        return cls(
            desk, [each for each in there if each in uris], [job_id(each) for each in there if each in ids], flags
        )

    @property
    def is_over(self) -> bool:
        """Whether nothing else can come: only tasks are listened to, and all have ended."""
        return self._ended == self.tasks.keys() and self.honoured.keys() == {"taskIds"}

    async def look(self, heard: Sequence[Change]) -> list[str]:
        """What stands otherwise than before. What was heard says what to look at; where that is nothing, at the jobs."""
        named, stands = {change.job for change in heard}, dict[str, Any]()
        if not heard or None in named or named & self._jobs.keys():
            found = {job.id: job.version for job in await _found(self._desk, list(self._jobs))}
            stands |= {each: found.get(job) for job, those in self._jobs.items() for each in those}
        # What changes a page stands in the log; a hint of progress does not.
        if None in named or any(change.cursor for change in heard):
            stands |= await self._pages()
        changed = [each for each, how in stands.items() if self._stood.get(each, how) != how]
        self._stood |= stands
        return changed

    async def job(self, task: str) -> Job | None:
        """The task's job as it is now; None where it is gone."""
        found = await _found(self._desk, [task])
        if not found or found[0].status.is_final:
            self._ended.add(task)
        return found[0] if found else None

    async def _pages(self) -> dict[str, Any]:
        pages: dict[str, Any] = {}
        for uri, wanted in self._subjects.items():
            page = await self._desk.backburner.jobs(wanted, limit=MOST_LISTED)
            pages[uri] = [(job.id, job.version) for job in page.jobs]
        if self._is_listed:
            pages[_LIST] = [job.id for job in await ended_last(self._desk)]
        return pages


async def _found(desk: Desk, ids: Sequence[str]) -> Sequence[Job]:
    return (await desk.backburner.jobs(Filter(ids=ids), limit=len(ids))).jobs if ids else ()


async def _gathered(news: "asyncio.Queue[Change]") -> list[Change]:
    """What was heard; nothing, where that took too long."""
    try:
        async with asyncio.timeout(LOOK_S):
            heard = [await news.get()]
    except TimeoutError:
        return []
    await asyncio.sleep(GATHER_S)
    while not news.empty():
        heard.append(news.get_nowait())
    return heard
