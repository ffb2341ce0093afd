"""Values for what a person begins to type: ids of their jobs, names of artifacts and of subjects."""

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.types import CompleteRequestParams, CompleteResult, Completion

from agent_tools.auth import require
from agent_tools.jobs.errors import JobNotFound
from agent_tools.requests import folded
from agent_tools.server import wire
from agent_tools.server.tools import Desk, Desks

MOST = 20
_LOOKED_THROUGH = 100
_JOBS, _SUBJECTS = ("id", "job"), ("name", "subject")

Context = ServerRequestContext[Any]


class Completions:
    """Of the arguments of resource templates and prompts."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks

    def serve_on(self, server: "Server[Any]") -> None:
        """Offer them."""
        server.add_request_handler("completion/complete", CompleteRequestParams, self._complete)

    async def _complete(self, _: Context, asked: CompleteRequestParams) -> CompleteResult:
        with wire.protocol_errors():
            desk = await self._desks()
            require(desk.backburner, "jobs:read")
            known = (asked.context.arguments if asked.context else None) or {}
            found = await _found(desk, getattr(asked.ref, "uri", ""), asked.argument.name, asked.argument.value, known)
            return CompleteResult(
                completion=Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)
            )


async def _found(desk: Desk, uri: str, argument: str, begun: str, known: dict[str, str]) -> list[str]:
    if uri.startswith("job://") and argument == "name":
        names = await _artifacts(desk, known.get("id", ""))
        return [name for name in names if folded(begun) in folded(name)]
    if argument in _JOBS:
        jobs = (await desk.backburner.jobs(limit=_LOOKED_THROUGH)).jobs
        # The words of the title, too: nobody knows an id by heart.
        return [job.id for job in jobs if job.id.startswith(begun.lower()) or folded(begun) in folded(job.title)]
    if argument in _SUBJECTS:
        counts = await desk.backburner.subjects()
        names = list(dict.fromkeys(count.name for count in counts if count.name is not None))
        return [name for name in names if folded(begun) in folded(name)]
    return []


async def _artifacts(desk: Desk, job: str) -> list[str]:
    try:
        return [artifact.name for artifact in (await desk.backburner.get(job)).artifacts]
    except JobNotFound:
        return []
