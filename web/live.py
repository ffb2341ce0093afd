"""One stream of news a page: which jobs to look at again."""

import asyncio
import json
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from agent_tools.app import Backburner
from agent_tools.jobs.errors import BookUnavailable
from agent_tools.tail import Change
from sql.door import Filter
from web.signing import signed_in
from web.site import Site

GATHER_S = 0.25
"""How long changes are gathered before they are told together."""
MOST = 200
"""Above so many changed jobs a page had better be read again as a whole."""
_KEEP_ALIVE_S = 20


@signed_in("jobs:read")
async def events(request: Request, backburner: Backburner) -> Response:
    """`changed` with ids to look at and ids that are gone, or `resync`: look at everything. Begins where the page's `after` was."""
    after = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return EventSourceResponse(
        _news(request, backburner, after),
        ping=_KEEP_ALIVE_S,
        send_timeout=30,
        headers={"Cache-Control": "no-store, no-transform"},
    )


async def _news(request: Request, backburner: Backburner, after: str) -> AsyncIterator[ServerSentEvent]:
    site = Site.of(request)
    with site.tail.follow(backburner.who.tenant) as queue:
        place = site.tail.place
        # The log is not replayed: who missed anything reads the page again, which is one request.
        yield ServerSentEvent(id=place, event="hello" if after == place else "resync", data="{}", retry=2000)
        while True:
            changes = await _gathered(queue)
            place = site.tail.place  # all up to here is in `changes`: the tail tells and moves on in one breath
            if await site.for_person(request) is None:
                return  # signed out, or the session ran out
            told = await _told(backburner, changes)
            if told is not None:
                yield ServerSentEvent(id=place, event=told[0], data=json.dumps(told[1]))


async def _gathered(queue: "asyncio.Queue[Change]") -> list[Change]:
    changes = [await queue.get()]
    await asyncio.sleep(GATHER_S)
    while not queue.empty():
        changes.append(queue.get_nowait())
    return changes


async def _told(backburner: Backburner, changes: list[Change]) -> tuple[str, dict[str, list[str]]] | None:
    """The event for these changes; None where none of them is this tenant's to know."""
    ids = sorted({change.job for change in changes if change.job})
    if len(ids) > MOST or any(change.job is None for change in changes):
        return "resync", {}
    try:
        seen = {job.id for job in (await backburner.jobs(Filter(ids=ids), limit=MOST)).jobs}
    except BookUnavailable:
        return "resync", {}
    # Only what stands in the log is surely ours: a hint may be about anybody's job.
    ours = {change.job for change in changes if change.cursor}
    news = {"jobs": sorted(seen), "gone": sorted(each for each in ours if each and each not in seen)}
    return ("changed", news) if any(news.values()) else None
