"""What tests of the agent's door begin with: clients of both eras, over memory and over HTTP, and one that follows tasks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

import httpx2
from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, NotificationBinding, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, Request, RequestParams, Result
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from agent_tools.app import Backburner
from agent_tools.people import AGENT_SCOPES
from agent_tools.serve import Binding, serving
from agent_tools.server.mcp import server
from agent_tools.server.tasks import EXTENSION
from agent_tools.server.tools import NOTHING_MORE, Allowed, Desk
from agent_tools.settings import Settings
from agent_tools.tail import Tail
from agent_tools.view import Addresses

PAGES = "http://127.0.0.1:8808"


class Handle(Result):
    """What a client that follows tasks gets instead of an answer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")
    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    ttl_ms: int | None
    poll_interval_ms: int


class Params(RequestParams):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")
    task_id: str


class TaskRequest(Request[Params, str]):
    """`tasks/get`, `tasks/update`, `tasks/cancel`, and those that the extension no longer has."""

    name_param = "taskId"


class ListenRequest(Request[Any, str]):
    """`subscriptions/listen` with whatever an extension adds to it."""


class Anything(Result):
    model_config = ConfigDict(extra="allow")


class AnyParams(BaseModel):
    model_config = ConfigDict(extra="allow")


class Follows(ClientExtension):
    """Declares the Tasks extension; what is done with a task is left to the test."""

    identifier = EXTENSION

    def __init__(self) -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Handle, resolve=self._resolve)]

    def notifications(self) -> list[NotificationBinding[Any]]:
        return [NotificationBinding(method="notifications/tasks", params_type=AnyParams, handler=self._hear)]

    async def _resolve(self, handle: Handle, _: ClaimContext) -> CallToolResult:
        raise AssertionError("these tests look at the handle")

    async def _hear(self, params: AnyParams) -> None:
        self.heard.put_nowait(params.model_extra or {})


async def follow(client: Client, job: str) -> Handle:
    """The task that stands for the job."""
    arguments = {"job_ids": [job], "follow": True}
    handle = await client.session.call_tool("job_status", arguments, allow_claimed=True)
    assert isinstance(handle, Handle), handle
    return handle


async def task(client: Client, verb: str, task_id: str, **params: Any) -> Mapping[str, Any]:
    """What `tasks/<verb>` answers."""
    request = TaskRequest(method=f"tasks/{verb}", params=Params(task_id=task_id, **params))
    return (await client.session.send_request(request, Anything)).model_dump(by_alias=True)


async def listened(client: Client, **notifications: Any) -> Mapping[str, Any]:
    """How a stream ended that told of these."""
    request = ListenRequest(method="subscriptions/listen", params={"notifications": notifications})
    return (await client.session.send_request(request, Anything)).model_dump(by_alias=True)


@asynccontextmanager
async def connected(
    backburner: Backburner,
    settings: Settings,
    over: str = "memory",
    era: Any = "auto",
    *,
    scopes: tuple[str, ...] = AGENT_SCOPES,
    allowed: Allowed = NOTHING_MORE,
    **more: Any,
) -> AsyncIterator[Client]:
    """A client of this era, over memory (as that principal) or over HTTP (by a token of it)."""
    async with AsyncExitStack() as stack:
        if over == "http":
            base = await stack.enter_async_context(serving(settings, Binding(0, any_port=True)))
            headers = {"Authorization": f"Bearer {await backburner.people.add_token('chat', scopes)}"}
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=30))
            door: Any = streamable_http_client(f"{base}/mcp", http_client=http)
        else:

            async def at_desk() -> Desk:
                return Desk(backburner.acting_as(backburner.who._replace(scopes=scopes)), Addresses(PAGES))

            tail = await stack.enter_async_context(Tail.attached(settings))
            door = server(backburner, at_desk, allowed, tail=tail)
        yield await stack.enter_async_context(Client(door, mode=era, **more))
