"""The HTTP server: pages, API and /mcp on one address."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvicorn
from starlette.routing import Route

from agent_tools import bell
from agent_tools.app import Backburner
from agent_tools.auth import Keys
from agent_tools.bell import Bell
from agent_tools.jobs.errors import Misconfigured
from agent_tools.people import AGENT_SCOPES
from agent_tools.server import mcp
from agent_tools.server.tools import Allowed
from agent_tools.settings import Settings
from agent_tools.tail import Tail
from agent_tools.view import Addresses
from sql.hands import HandsStore
from web import api
from web import app as pages
from web.site import Site

log = logging.getLogger("backburner.http")

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Binding:
    """Where to listen. `any_port`: where `port` is taken, any free one will do."""

    port: int
    any_port: bool = False
    lan: bool = False
    no_auth: bool = False


@asynccontextmanager
async def serving(settings: Settings, binding: Binding) -> AsyncIterator[str]:
    """Serve until the end of the block; gives the address. Raises Misconfigured for a port that is taken."""
    if binding.lan and binding.no_auth:
        raise Misconfigured("--no-auth lets everybody in, so it is for this machine alone: leave out --lan.")
    listening = _listen(binding)
    port = listening.getsockname()[1]
    host = lan_address() if binding.lan else LOOPBACK
    base = settings.public_url.rstrip("/") or f"http://{host}:{port}"
    async with AsyncExitStack() as stack:
        stack.callback(listening.close)
        site = await stack.enter_async_context(_site(settings, Addresses(base), binding))
        names = sorted({LOOPBACK, "localhost", "[::1]", host, *_host_of(settings.public_url)})
        # Without a secret people do everything, agents what agents may.
        agent = site.everybody._replace(scopes=(*AGENT_SCOPES, "jobs:answer")) if site.everybody else None
        tools = mcp.http_app(
            site.backburner,
            site.keys,
            site.addresses,
            allowed_hosts=[*names, *(f"{name}:*" for name in names)],
            allowed_origins=[
                f"{scheme}://{name}{at}" for scheme in ("http", "https") for name in names for at in ("", ":*")
            ],
            everybody=agent,
            allowed=Allowed.by(settings),
            tail=site.tail,
        )
        application = pages.app(site, *api.routes(), Route("/mcp", endpoint=tools), allowed_hosts=names)
        # In the server's own task: what goes wrong here must not come out wrapped by its task group.
        application.router.lifespan_context = tools.router.lifespan_context
        config = uvicorn.Config(
            application, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=3
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]), name="http")

        async def leave() -> None:
            server.should_exit = True
            await task

        stack.push_async_callback(leave)
        yield base


@asynccontextmanager
async def _site(settings: Settings, addresses: Addresses, binding: Binding) -> AsyncIterator[Site]:
    async with (
        Backburner.open(settings, name="owner") as backburner,
        HandsStore.open(settings.database_url, size=3) as hands,
    ):
        client = bell.connect(settings.redis_url)
        try:
            async with Tail.open(hands, Bell(client)) as tail:
                everybody = (
                    backburner.who._replace(scopes=(*AGENT_SCOPES, "jobs:answer", "admin")) if binding.no_auth else None
                )
                # Behind a proxy everybody comes from this machine.
                is_alone = not binding.lan and not settings.public_url
                yield Site(backburner, Keys(hands), tail, addresses, everybody, metrics_are_open=is_alone)
        finally:
            await client.aclose()


def _listen(binding: Binding) -> socket.socket:
    host = "0.0.0.0" if binding.lan else LOOPBACK  # noqa: S104  # asked for by --lan
    # Named TCP: else asyncio does not know it for that, leaves Nagle's algorithm on, and every answer waits 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, binding.port))
    except OSError as error:
        if not binding.any_port:
            listening.close()
            raise Misconfigured(
                f"Port {binding.port} cannot be used: {error.strerror}. Choose another: backburner up --port {binding.port + 1}"
            ) from error
        listening.bind((host, 0))
        log.warning("port %d is taken; serving on %d", binding.port, listening.getsockname()[1])
    return listening


def lan_address() -> str:
    """This machine's address in the local network; loopback where it is in none. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK


def _host_of(url: str) -> list[str]:
    host = urlsplit(url).hostname
    return [host] if host else []
