"""A program that is told by webhooks, and answers as programs do, also on bad days.

`async with serving_receiver() as receiver:` serves it on loopback. `receiver.then(…)` says how the next requests are
answered, one each; all others get 204.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Told:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.body)
        return said

    @property
    def signatures(self) -> list[str]:
        return self.headers["webhook-signature"].split(" ")

    def is_signed_with(self, secret: str) -> bool:
        """As receivers check it, from the specification: one good signature is enough."""
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        good = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return good in self.signatures


Answer = Response | Callable[[], Awaitable[Response]]


@dataclass
class Receiver:
    """The server. `told` has every request, in order."""

    url: str = ""
    told: list[Told] = field(default_factory=list)
    _script: list[Answer] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def then(self, *answers: Answer) -> None:
        """How the next requests are answered."""
        self._script += answers

    async def next(self, count: int, within_s: float = 20) -> list[Told]:
        """All that came, once there are so many."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: len(self.told) >= count)
        return self.told

    async def receive(self, request: Request) -> Response:
        told = Told(request.url.path, dict(request.headers), await request.body())
        answer = self._script.pop(0) if self._script else Response(status_code=204)
        async with self._news:
            self.told.append(told)
            self._news.notify_all()
        return answer if isinstance(answer, Response) else await answer()


@asynccontextmanager
async def serving_receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback, until the end of the block."""
    receiver = Receiver()
    routes = [Route("/{path:path}", receiver.receive, methods=["POST", "GET"])]
    config = uvicorn.Config(
        Starlette(routes=routes),
        host="127.0.0.1",
        port=0,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    receiver.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.should_exit = True
        await task
