"""Who calls the API in tests, and how each of its operations is asked for."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.applications import Starlette

from agent_tools import bell
from agent_tools.app import Backburner
from agent_tools.auth import Keys
from agent_tools.bell import Bell
from agent_tools.settings import Settings
from agent_tools.tail import Tail
from agent_tools.view import Addresses
from sql.hands import HandsStore, Principal
from web import api
from web.api.operation import Operation
from web.api.table import OPERATIONS
from web.site import Site

BASE = "http://backburner.test"


@asynccontextmanager
async def open_site(settings: Settings) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        backburner = await stack.enter_async_context(Backburner.open(settings))
        hands = await stack.enter_async_context(HandsStore.open(settings.database_url))
        client = bell.connect(settings.redis_url)
        stack.push_async_callback(client.aclose)
        tail = await stack.enter_async_context(Tail.open(hands, Bell(client)))
        yield Site(backburner, Keys(hands), tail, Addresses(BASE))


@dataclass(frozen=True)
class Callers:
    """Makes clients of one site."""

    site: Site
    stack: AsyncExitStack

    async def anybody(self, **headers: str) -> httpx2.AsyncClient:
        """A client that says nothing of itself."""
        app = Starlette(routes=api.routes())
        app.state.site = self.site
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE, headers=headers)
        return await self.stack.enter_async_context(client)

    async def holding(self, token: str) -> httpx2.AsyncClient:
        return await self.anybody(Authorization=f"Bearer {token}")

    async def allowed(self, *scopes: str, who: Principal | None = None) -> httpx2.AsyncClient:
        """A client whose token is good for these scopes."""
        backburner = self.site.backburner.acting_as(who) if who else self.site.backburner
        return await self.holding(await backburner.people.add_token("test", scopes))


GUARDED = [operation for operation in OPERATIONS if operation.scope]
TAKING_BODIES = [operation for operation in GUARDED if operation.body]
OF_A_JOB = [operation for operation in GUARDED if "{job}" in operation.path]
BODIES: dict[str, Any] = {
    "create_job": {"kind": "drill"},
    "create_jobs": {"jobs": [{"kind": "drill"}]},
    "organise_jobs": {"subject": "Drills", "where": {}},
    "delete_jobs": {"where": {}, "expect": 0},
    "file_job": {"title": "New"},
    "answer_ask": {"decision": "approve"},
    "add_webhook": {"url": "https://hooks.example/hook"},
    "change_webhook": {"enabled": True},
    "add_schedule": {"name": "nightly", "cron": "0 2 * * *", "kind": "drill"},
    "change_schedule": {"cron": "0 3 * * *"},
    "answer_asks": {"answers": [{"ask": 1, "decision": "approve"}]},
}


async def ask(
    client: httpx2.AsyncClient, operation: Operation, job: str = "0e8z453fk1krg", **more: Any
) -> httpx2.Response:
    """The operation as it works, but for what `more` says."""
    path = operation.path.format(
        job=job, name="result.json", move=1, ask=1, proof="none", file=job, webhook=1, delivery="msg_1", schedule=1
    )
    body = {"json": BODIES.get(name_of(operation), {})} if operation.body else {}
    return await client.request(operation.method, path, **(body | more))


def name_of(operation: Operation) -> str:
    return operation.handler.__name__


def each_as(status: int, operations: list[Operation]) -> dict[str, int]:
    return {name_of(operation): status for operation in operations}


async def statuses(client: httpx2.AsyncClient, operations: list[Operation], **more: Any) -> dict[str, int]:
    answered = {name_of(operation): await ask(client, operation, **more) for operation in operations}
    for answer in answered.values():
        assert_is_problem(answer)
    return {name: answer.status_code for name, answer in answered.items()}


def assert_is_problem(answer: httpx2.Response) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["code"]
    assert problem["detail"]
