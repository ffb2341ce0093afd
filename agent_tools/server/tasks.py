"""The Tasks extension of MCP: a job that a client follows to its end, as a task whose id is the job's."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp.types import METHOD_NOT_FOUND, ElicitResult, RequestParams
from mcp_types.jsonrpc import HEADER_MISMATCH, MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from agent_tools.auth import require
from agent_tools.jobs.eta import Eta
from agent_tools.jobs.job import Job
from agent_tools.server import wire
from agent_tools.server.chat import Declined, forms, shows_forms, take
from agent_tools.server.replies import clean
from agent_tools.server.tools import Desk, Desks, status_of
from agent_tools.view import present, when

EXTENSION = "io.modelcontextprotocol/tasks"
_SOON_S, _SELDOM_S = 1.0, 30.0
"""No client is asked to look more often, or more seldom, than this."""
_UNKNOWN_S = 3.0
_CLOSED_S = 10.0

Context = ServerRequestContext[Any]


class TaskId(RequestParams):
    """Which task."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")
    task_id: str


class Inputs(TaskId):
    """What the client's person said to what the task asked."""

    input_responses: dict[str, Any] = Field(default_factory=dict)


def are_declared(context: Context) -> bool:
    """Whether this request's client can be given a task."""
    capabilities = context.session.client_capabilities
    extensions = (capabilities.extensions if capabilities else None) or {}
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS and EXTENSION in extensions


def refuse_undeclared(context: Context) -> None:
    """Raise MCPError unless this request's client can be given a task."""
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(METHOD_NOT_FOUND, "Method not found", context.method)
    if not are_declared(context):
        needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, f"This takes a client that declares {EXTENSION}.", needed)


class Tasks:
    """Jobs as tasks: nothing is kept of a task beside its job, so any process can be asked about any."""

    def __init__(self, desks: Desks, declined: Declined, *, ask_in_chat: bool) -> None:
        self._desks, self._declined, self._ask_in_chat = desks, declined, ask_in_chat

    def serve_on(self, server: "Server[Any]") -> None:
        """Offer the extension."""
        server.extensions[EXTENSION] = {}
        server.add_request_handler("tasks/get", TaskId, self._get)
        server.add_request_handler("tasks/update", Inputs, self._update)
        server.add_request_handler("tasks/cancel", TaskId, self._cancel)

    async def begun(self, desk: Desk, job: Job) -> dict[str, Any]:
        """The answer to a call that is followed from now on."""
        return {"resultType": "task", **await self._in_short(desk, job)}

    async def in_full(self, context: Context, desk: Desk, job: Job) -> dict[str, Any]:
        """The task with what it asks or what it answers."""
        task = await self._in_short(desk, job)
        match task["status"]:
            case "input_required":
                task["inputRequests"] = await self._asked(context, desk, job)
            case "completed":
                # The call itself went well, also where the job did not: `failed` stands for errors of the protocol.
                result = wire.answer(await status_of(desk, [job]), is_error=job.status == "failed")
                task["result"] = result.model_dump(by_alias=True, mode="json", exclude_none=True)
            case "cancelled":
                await desk.backburner.see([job])
        return task

    async def _in_short(self, desk: Desk, job: Job) -> dict[str, Any]:
        why, eta = (await desk.backburner.standings([job]))[job.id]
        moments = (job.created_at, job.started_at, job.claimed_at, job.waiting_since, job.finished_at)
        keeps_s = (job.keep_until - job.created_at).total_seconds() if job.keep_until else None
        task = {
            "taskId": job.id,
            "status": _status(job),
            "statusMessage": _message(desk, job, why),
            "createdAt": when(job.created_at),
            "lastUpdatedAt": when(max(moment for moment in moments if moment)),
            "pollIntervalMs": None if job.status.is_final else round(1000 * _look_again_s(job, eta)),
        }
        return {**present(task), "ttlMs": None if keeps_s is None else round(1000 * keeps_s)}

    async def _asked(self, context: Context, desk: Desk, job: Job) -> Mapping[str, Any]:
        """What can be put to the person there; what cannot, its page asks."""
        if not (self._ask_in_chat and shows_forms(context)):
            return {}
        asked = await forms(await desk.backburner.as_person(), job, desk.addresses, self._declined)
        return {
            key: {
                "method": "elicitation/create",
                "params": form.model_dump(by_alias=True, mode="json", exclude_none=True),
            }
            for key, form in asked.items()
        }

    async def _get(self, context: Context, asked: TaskId) -> dict[str, Any]:
        with wire.protocol_errors():
            desk = await self._desk(context, asked, "jobs:read")
            return await self.in_full(context, desk, await desk.backburner.get(asked.task_id))

    async def _update(self, context: Context, given: Inputs) -> dict[str, Any]:
        with wire.protocol_errors():
            desk = await self._desk(context, given, "jobs:read")
            job = await desk.backburner.get(given.task_id)
            # Whatever was answered meanwhile, or never asked, is passed over, as the protocol wants it.
            asked = await self._asked(context, desk, job)
            person = await desk.backburner.as_person()
            for key in asked.keys() & given.input_responses.keys():
                with suppress(ValidationError):
                    said = ElicitResult.model_validate(given.input_responses[key])
                    await take(person, key, said, self._declined)
            return {}

    async def _cancel(self, context: Context, asked: TaskId) -> dict[str, Any]:
        with wire.protocol_errors():
            desk = await self._desk(context, asked, "jobs:cancel")
            await desk.backburner.cancel([asked.task_id], "The client that followed it cancelled it.")
            return {}

    async def _desk(self, context: Context, asked: TaskId, scope: str) -> Desk:
        refuse_undeclared(context)
        headers = getattr(context.request, "headers", None)
        named = headers.get(MCP_NAME_HEADER) if headers is not None else asked.task_id
        if named is None or decode_header_value(named.strip()) != asked.task_id:
            raise MCPError(HEADER_MISMATCH, f"{MCP_NAME_HEADER} must be the taskId, {asked.task_id[:40]}.")
        desk = await self._desks()
        require(desk.backburner, scope)
        return desk


def _status(job: Job) -> str:
    if job.status == "cancelled":
        return "cancelled"
    if job.status.is_final:
        return "completed"
    return "input_required" if job.waiting_for == "person" else "working"


def _message(desk: Desk, job: Job, why: str) -> str:
    page = desk.addresses.page(job.id)
    return clean(f"{why} {page}" if page and job.waiting_for == "person" else why)


def _look_again_s(job: Job, eta: Eta | None) -> float:
    """Often where the end is near, seldom where somebody else decides when it is."""
    if job.waiting_for:
        return _CLOSED_S
    if eta is None or eta.is_overdue:
        return _UNKNOWN_S
    return min(max(eta.left.low_s / 4, _SOON_S), _SELDOM_S)
