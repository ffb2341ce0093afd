"""The page for whoever operates the installation: what is wrong, and how it goes."""

from starlette.requests import Request
from starlette.responses import Response

from agent_tools.app import Backburner
from agent_tools.auth import NotAllowed
from agent_tools.jobs.trouble import troubles
from agent_tools.operating import overview
from web import ops_view as view
from web.looks import page
from web.signing import signed_in
from web.site import Site
from web.words import size

EVERY_S = 15
"""How often the page reads itself again."""


@signed_in("jobs:read")
async def ops_page(request: Request, backburner: Backburner) -> Response:
    """What is wrong and what to do, then numbers."""
    if "admin" not in backburner.who.scopes:
        raise NotAllowed(
            "This page is for whoever operates Backburner. Where it runs, 'backburner link --admin' makes a link whose "
            "browser may see it."
        )
    installation = Site.of(request).installation
    await installation.count()
    found = await overview(backburner, await installation.tail_lag_s())
    seen = found.seen
    return await page(
        request,
        backburner,
        "ops.html",
        live="",
        every=EVERY_S,
        as_of=view.as_of(seen.now),
        is_shared=await installation.has_several_tenants(),
        troubles=troubles(seen),
        summary=view.summary(seen),
        tiles=view.tiles(found),
        chart=view.chart(found.hours),
        under_way=view.under_way(seen),
        kinds=view.kinds(found.week, found.month),
        workers=view.workers(seen),
        gone=view.gone(seen),
        limits=found.limits,
        database=size(found.database_bytes),
        tables=view.tables(found.tables),
        made=view.made(found.made),
        room=seen.room and f"{size(seen.room.free)} of {size(seen.room.all)} free",
        deliveries=seen.deliveries,
        kept=view.kept(found.keeping, seen.now),
    )
