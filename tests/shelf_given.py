"""What tests of the pages begin with: a site over real servers, and a port on which it is served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette

from agent_tools import bell
from agent_tools.app import Backburner
from agent_tools.auth import Keys
from agent_tools.bell import Bell
from agent_tools.settings import Settings
from agent_tools.tail import Tail
from agent_tools.view import Addresses
from sql.hands import HandsStore, Principal
from web.site import Site


@asynccontextmanager
async def open_site(
    settings: Settings, backburner: Backburner, everybody: Principal | None = None
) -> AsyncIterator[Site]:
    client = bell.connect(settings.redis_url)
    try:
        async with (
            HandsStore.open(settings.database_url, size=2) as store,
            Tail.open(store, Bell(client)) as tail,
        ):
            yield Site(backburner, Keys(store), tail, Addresses("http://shelf.test"), everybody)
    finally:
        await client.aclose()


@asynccontextmanager
async def serving(app: Starlette, **options: Any) -> AsyncIterator[str]:
    """The address under which the app is served for a while."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=3, **options)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
