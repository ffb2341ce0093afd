"""Jobs, what they made, and subjects as resources of MCP, for clients whose people pick what goes into a chat."""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.types import (
    Annotations,
    BlobResourceContents,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from agent_tools.auth import require
from agent_tools.jobs.errors import BadRequest, JobNotFound, NotNow
from agent_tools.jobs.job import FINAL, Job, StoredArtifact, job_id
from agent_tools.reading import is_text
from agent_tools.requests import folded, job_filter
from agent_tools.server import card, wire
from agent_tools.server.replies import clean
from agent_tools.server.tools import Desk, Desks
from agent_tools.view import concise, full, present, when
from sql.door import Filter

MOST_LISTED = 20
"""So many jobs of those that ended last are listed, and lie on a subject's page."""
MOST_TEXT_BYTES = 500_000
MOST_BLOB_BYTES = 5_000_000
_URI = re.compile(
    r"job://(?P<job>[^/?#]+)(?:/artifacts/(?P<artifact>[^/?#]+))?|subject://(?P<subject>[^/?#]+)(?:\?(?P<query>[^#]*))?"
)
_JSON = "application/json"
_TEMPLATES = (
    ResourceTemplate(
        name="job", uri_template="job://{id}", title="Job", mime_type=_JSON,
        description="A job with everything about it: status, progress, result, artifacts, questions.",
    ),
    ResourceTemplate(
        name="artifact", uri_template="job://{id}/artifacts/{name}", title="What a job made",
        description="One file that a completed job made.",
    ),
    ResourceTemplate(
        name="subject", uri_template="subject://{name}{?cursor}", title="Subject", mime_type=_JSON,
        description="The jobs that are filed under a subject, newest first.",
    ),
)  # fmt: skip

Context = ServerRequestContext[Any]


class Meant(NamedTuple):
    """What a URI stands for: a job, an artifact of it, or a page of a subject."""

    job: str | None = None
    artifact: str | None = None
    subject: str | None = None
    cursor: str | None = None


def meant(uri: str) -> Meant:
    """What the URI stands for. Raises BadRequest for another one, JobNotFound for what can be no job's id."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise BadRequest(
            f"There is no resource '{uri[:80]}'. There are job://ID, job://ID/artifacts/NAME and subject://NAME."
        )
    if match["subject"] is not None:
        cursor = parse_qs(match["query"] or "").get("cursor", [None])[0]
        return Meant(subject=unquote(match["subject"]), cursor=cursor)
    artifact = match["artifact"]
    return Meant(job=job_id(match["job"]), artifact=unquote(artifact) if artifact is not None else None)


class Resources:
    """Resources of whoever asks."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks

    def serve_on(self, server: "Server[Any]") -> None:
        """Offer them."""
        server.extensions[card.EXTENSION] = {}
        server.add_request_handler("resources/list", PaginatedRequestParams, self._list)
        server.add_request_handler("resources/templates/list", PaginatedRequestParams, self._templates)
        server.add_request_handler("resources/read", ReadResourceRequestParams, self._read)

    async def _list(self, _: Context, asked: PaginatedRequestParams) -> ListResourcesResult:
        wire.refuse_cursor(asked)
        with wire.protocol_errors():
            desk = await self._desk()
            return ListResourcesResult(resources=[_listed(job) for job in await ended_last(desk)])

    async def _templates(self, _: Context, asked: PaginatedRequestParams) -> ListResourceTemplatesResult:
        wire.refuse_cursor(asked)
        return ListResourceTemplatesResult(resource_templates=list(_TEMPLATES))

    async def _read(self, _: Context, asked: ReadResourceRequestParams) -> ReadResourceResult:
        with wire.protocol_errors(uri=asked.uri):
            desk = await self._desk()
            if asked.uri == card.URI:
                return ReadResourceResult(contents=[card.contents()])
            it = meant(asked.uri)
            contents: TextResourceContents | BlobResourceContents
            if it.subject is not None:
                contents = _as_json(asked.uri, await _page(desk, it.subject, it.cursor))
            elif it.artifact is None:
                contents = _as_json(asked.uri, await _in_full(desk, it.job or ""))
            else:
                contents = await _file(desk, asked.uri, await desk.backburner.get(it.job or ""), it.artifact)
            return ReadResourceResult(contents=[contents])

    async def _desk(self) -> Desk:
        desk = await self._desks()
        require(desk.backburner, "jobs:read")
        return desk


async def ended_last(desk: Desk) -> list[Job]:
    """The jobs of this principal that ended, newest first; no more than are listed."""
    ended = Filter(principal=desk.backburner.who.principal, status=sorted(FINAL))
    return list((await desk.backburner.jobs(ended, limit=MOST_LISTED)).jobs)


async def _in_full(desk: Desk, job: str) -> Mapping[str, Any]:
    found = await desk.backburner.get(job)
    why, eta = (await desk.backburner.standings([found]))[found.id]
    asks = (await desk.backburner.open_asks([found])).get(found.id, ())
    await desk.backburner.see([found])
    return full(found, why, desk.addresses, asks, eta)


async def _page(desk: Desk, name: str, cursor: str | None) -> Mapping[str, Any]:
    wanted = job_filter(subject=name)
    found = await desk.backburner.jobs(wanted, limit=MOST_LISTED, cursor=cursor)
    if not found.jobs and wanted.subject is not None and not await _is_subject(desk, wanted.subject):
        raise BadRequest(f"There is no subject '{name[:80]}'. list_jobs names those there are.")
    standings, now = await desk.backburner.standings(found.jobs), await desk.backburner.now()
    jobs = [{**concise(job, standings[job.id].why, now), "uri": f"job://{job.id}"} for job in found.jobs]
    following = f"subject://{quote(name, safe='')}?cursor={found.next_cursor}" if found.next_cursor else None
    return present({"subject": name, "jobs": jobs, "next": following})


async def _is_subject(desk: Desk, name: str) -> bool:
    return any(count.name is not None and folded(count.name) == name for count in await desk.backburner.subjects())


async def _file(desk: Desk, uri: str, job: Job, name: str) -> TextResourceContents | BlobResourceContents:
    if job.status != "completed":
        raise NotNow(f"{job.id} has made nothing to read: it is {job.status}. {await desk.backburner.why(job.id)}")
    artifact = next((each for each in job.artifacts if each.name == name), None)
    if artifact is None:
        raise JobNotFound(f"{job.id} has no artifact '{name[:80]}'. Read job://{job.id}: it lists them.")
    if artifact.bytes > (MOST_TEXT_BYTES if is_text(artifact) else MOST_BLOB_BYTES):
        return TextResourceContents(uri=uri, mime_type="text/plain", text=_too_large(desk, job, artifact))
    try:
        data = await asyncio.to_thread(desk.backburner.artifact_file(job, artifact).read)
    except FileNotFoundError:
        raise JobNotFound(f"The file '{artifact.name}' of {job.id} is gone. redo_job makes it again.") from None
    await desk.backburner.see([job])
    if is_text(artifact):
        text = clean(data.decode("utf-8", "replace"))
        return TextResourceContents(uri=uri, mime_type=artifact.media_type, text=text)
    return BlobResourceContents(uri=uri, mime_type=artifact.media_type, blob=base64.b64encode(data).decode())


def _too_large(desk: Desk, job: Job, artifact: StoredArtifact) -> str:
    url = desk.addresses.artifact(job.id, artifact.name)
    parts = "The tool read_result gives it in parts." if is_text(artifact) else ""
    where = f"It is at {url}" if url else ""
    size = f"{artifact.name} ({artifact.media_type}) has {artifact.bytes:,} bytes: too many for a resource."
    return " ".join(part for part in (size, parts, where) if part)


def _listed(job: Job) -> Resource:
    ended = when(job.finished_at)
    return Resource(
        uri=f"job://{job.id}",
        name=job.id,
        title=clean(job.title or job.kind),
        description=clean(job.result_line or str(job.status)),
        mime_type=_JSON,
        annotations=Annotations(last_modified=ended) if ended else None,
    )


def _as_json(uri: str, value: Mapping[str, Any]) -> TextResourceContents:
    text = clean(json.dumps(value, ensure_ascii=False, default=str))
    return TextResourceContents(uri=uri, mime_type=_JSON, text=text)
