"""What happens to a job: the list so far, or live as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from agent_tools import view
from agent_tools.jobs.errors import JobNotFound
from agent_tools.jobs.job import Event, Job, job_id
from agent_tools.tail import LOOK_S, Change
from web.api import replies
from web.api.operation import Caller
from web.api.replies import answer

_MOST_DIGITS = 9


async def list_events(caller: Caller, job: str) -> Response:
    """Read what happened to a job, oldest first; with `Accept: text/event-stream`, live until it ends.

    Each live event has its number as its id: with Last-Event-ID the stream goes on after that one, without gap or
    double. Between them come `progress` events, without an id. 204: the job has ended and there is nothing more.
    """
    events = await caller.backburner.events(job)
    if not events:
        await caller.backburner.get(job)  # says that there is none
    if "text/event-stream" not in caller.request.headers.get("accept", ""):
        return answer(replies.Events(events=[_shown(number, each) for number, each in enumerate(events, 1)]))
    heard = _last_heard(caller)
    if heard >= len(events) and await _has_ended(caller, job):
        return Response(status_code=204)  # to a browser's EventSource: do not come back
    return EventSourceResponse(_live(caller, job_id(job), heard))


def _last_heard(caller: Caller) -> int:
    given = caller.request.headers.get("last-event-id", "")
    return int(given) if given.isdecimal() and given.isascii() and len(given) <= _MOST_DIGITS else 0


async def _has_ended(caller: Caller, job: str) -> bool:
    try:
        return (await caller.backburner.get(job)).status.is_final
    except JobNotFound:
        return True


async def _live(caller: Caller, job: str, heard: int) -> AsyncIterator[ServerSentEvent]:
    # Every change of a job holds its row, so its events are numbered in the order in which they can be read: what
    # stands after the last one heard is exactly what is new. The tail only says when to look.
    version = None
    with caller.site.tail.follow(caller.backburner.who.tenant) as changes:
        while await caller.site.for_program(caller.request):  # its token may have been revoked
            found = await _find(caller, job)
            if found is None or found.version != version:
                events = await caller.backburner.events(job)
                for number, event in enumerate(events[heard:], heard + 1):
                    yield _sent(event.type, _shown(number, event), number)
                heard = max(heard, len(events))
            if found is None or found.status.is_final:
                return
            eta = (await caller.backburner.etas([found])).get(found.id)
            if found.version != version and (progress := view.progress(found, eta)):
                yield _sent("progress", replies.Progress.model_validate(progress))
            version = found.version
            await _next(changes, job)


async def _find(caller: Caller, job: str) -> Job | None:
    with suppress(JobNotFound):
        return await caller.backburner.get(job)
    return None


async def _next(changes: "asyncio.Queue[Change]", job: str) -> None:
    """Until the job changes; at the latest until it is time to look anyway."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            while (await changes.get()).job not in (job, None):
                pass


def _shown(number: int, event: Event) -> replies.Event:
    fields: dict[str, Any] = {"number": number, "at": event.at, "type": event.type}
    if event.principal is not None:
        fields["principal"] = event.principal
    if event.data:
        fields["data"] = event.data
    return replies.Event.model_validate(fields)


def _sent(name: str, reply: replies.Reply, number: int | None = None) -> ServerSentEvent:
    return ServerSentEvent(
        event=name, data=reply.model_dump_json(exclude_unset=True), id=None if number is None else str(number)
    )
