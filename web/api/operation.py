"""One thing that a program can ask for: how it is reached, who may, what it takes, what it gives."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from agent_tools.app import Backburner
from agent_tools.auth import require
from agent_tools.view import Addresses
from web.api.asked import Asked, NoQuery
from web.api.problems import Unauthorised
from web.api.reading import read_body, read_query
from web.site import Site

PREFIX = "/api/v1"

Content = Mapping[str, type[BaseModel] | None]
"""Media type → the model of what it carries; None: bytes."""
NOTHING: Content = {}


def json_of(model: type[BaseModel]) -> Content:
    """An answer that is this model as JSON."""
    return {"application/json": model}


@dataclass(frozen=True)
class Caller:
    """Who asks: the request, and the installation acting as its sender (as nobody in particular where that is allowed)."""

    request: Request
    site: Site
    backburner: Backburner

    @property
    def addresses(self) -> Addresses:
        """Where this caller finds things: artifacts here, where its token is good."""
        return _Addresses(self.site.addresses.base)

    @property
    def idempotency_key(self) -> str | None:
        """The key under which a repeated creation is the same one."""
        key = self.request.headers.get("idempotency-key")
        return key if key is None else key.strip()


@dataclass(frozen=True)
class Operation:
    """A row of the table. The handler's parameters say what it takes: names in the path, `query`, `body`."""

    method: str
    path: str
    handler: Callable[..., Awaitable[Response]]
    replies: Mapping[int, Content]
    scope: str | None = None
    """What the token must be good for; None: anybody may ask."""
    refuses: frozenset[int] = frozenset()
    """What it can be refused with, beyond what follows from who may ask and what it takes."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers that mean something here, and what."""
    takes: Content = field(default_factory=dict)
    """What its body may be where that is no JSON; the handler reads it."""

    @cached_property
    def query(self) -> type[Asked]:
        """The model of its query parameters."""
        return self._taken("query") or NoQuery

    @cached_property
    def body(self) -> type[Asked] | None:
        """The model of its body; None: it takes none."""
        return self._taken("body")

    @property
    def problems(self) -> frozenset[int]:
        """Every status with which it is refused."""
        of_scope = {401, 403, 503} if self.scope else set()
        of_path = {404} if "{job}" in self.path else set()
        of_body = {400, 413, 415} if self.body else set()
        return frozenset({422} | of_scope | of_path | of_body) | self.refuses

    async def __call__(self, request: Request) -> Response:
        """Answer. Raises BackburnerError for what is refused."""
        caller = await self._caller(request)
        taken: dict[str, object] = dict(request.path_params)
        query = read_query(request, self.query)
        if "query" in self._parameters:
            taken["query"] = query
        if self.body:
            taken["body"] = await read_body(request, self.body)
        return await self.handler(caller, **taken)

    async def _caller(self, request: Request) -> Caller:
        site = Site.of(request)
        if self.scope is None:
            return Caller(request, site, site.backburner)
        backburner = await site.for_program(request)
        if backburner is None:
            raise Unauthorised(
                "This needs a token that is good: send 'Authorization: Bearer …'. 'backburner token create' makes one."
            )
        require(backburner, self.scope)
        return Caller(request, site, backburner)

    @cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.handler, eval_str=True).parameters

    def _taken(self, name: str) -> type[Asked] | None:
        parameter = self._parameters.get(name)
        return parameter.annotation if parameter else None


class _Addresses(Addresses):
    def artifact(self, job_id: str, name: str) -> str | None:
        return f"{self.base}{PREFIX}/jobs/{job_id}/artifacts/{quote(name)}" if self.base else None
