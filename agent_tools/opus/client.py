"""Opus's Job Operator API: one method a call, with patience for what may be asked twice."""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from pathlib import PurePath
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from agent_tools.fetch import certificates
from agent_tools.llm.wire import retry_after
from agent_tools.opus.errors import OpusAway, OpusRefused
from agent_tools.opus.workflow import Workflow
from agent_tools.settings import Settings

log = logging.getLogger("backburner.opus")

PENDING, IN_PROGRESS, WAITING, COMPLETED, FAILED, CANCELLED = (
    "PENDING", "IN_PROGRESS", "WAITING", "COMPLETED", "FAILED", "CANCELLED",
)  # fmt: skip
FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
KNOWN = FINAL | {PENDING, IN_PROGRESS, WAITING}

MOST_FILE_BYTES = 10_000_000
EXTENSIONS = frozenset(
    {".pdf", ".docx", ".csv", ".xls", ".xlsx", ".txt", ".json", ".html", ".xml", ".jpeg", ".jpg", ".png"}
)
"""What Opus takes as files."""
PAUSES_S = (1.0, 2.0)
"""How long to wait before what may be asked twice is asked again."""
LONGEST_PAUSE_S = 20.0
"""An Opus that wants to be left alone for longer is asked by a later look."""
TIMEOUT_S = 30.0
_MOST_BYTES = 10_000_000
_MOST_SAID = 500


class Opus:
    """The installation's account at Opus. Raises OpusAway for what may pass, OpusRefused for what will not."""

    def __init__(self, settings: Settings) -> None:
        """Raises OpusRefused where there is no key, or one that no header can carry."""
        self._key = settings.opus_service_key.get_secret_value().strip()
        if not self._key:
            raise OpusRefused("Opus is not set up here: OPUS_SERVICE_KEY is not set.")
        if not (self._key.isascii() and self._key.isprintable()):
            raise OpusRefused("OPUS_SERVICE_KEY has characters that no key has.")
        self._url = settings.opus_base_url

    async def __aenter__(self) -> Self:
        timeout = httpx2.Timeout(TIMEOUT_S, connect=10)
        self._http = httpx2.AsyncClient(timeout=timeout, verify=await asyncio.to_thread(certificates))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def takes_callback(self, url: str | None) -> bool:
        """Whether this address may be handed to Opus: it wants https, and one that is asked over http gets the same."""
        return url is not None and (url.startswith("https://") or self._url.startswith("http://"))

    # ------------------------------------------------------------------------------------------------- before a run

    async def workflow(self, named: str) -> Workflow:
        """What a workflow (`ID`, or `ID@version`) is called, and what it takes."""
        workflow_id, _, number = named.partition("@")
        version = int(number) if number.isdecimal() else None
        path, query = f"/workflow/{quote(workflow_id, safe='')}", {} if version is None else {"version": str(version)}
        try:
            found = await self._get(path, query)
        except OpusRefused as error:
            if error.status != 404:
                raise
            found = await self._older_workflow(workflow_id)
        if not isinstance(found.get("jobPayloadSchema"), Mapping):
            raise OpusRefused(f"Opus does not say what the workflow {workflow_id} takes.")
        return Workflow.read(workflow_id, found, version)

    async def _older_workflow(self, workflow_id: str) -> Mapping[str, Any]:
        """The same from the workflow's graph, where Opus has it only there."""
        try:
            found = await self._get(f"/reference-workflow/v2/workflow-object/{quote(workflow_id, safe='')}")
        except OpusRefused as error:
            if error.status != 404:
                raise
            sentence = f"Opus has no workflow {workflow_id}, or OPUS_SERVICE_KEY may not use it."
            raise OpusRefused(sentence, 404) from None
        nodes, wanted = found.get("nodes"), found.get("workflow_input_node_id")
        by_id = nodes if isinstance(nodes, Mapping) else {each.get("id"): each for each in nodes or ()}
        schema = by_id.get(wanted, {}).get("input_schema", {}).get("schema")
        return {**found, "jobPayloadSchema": schema}

    async def upload(self, workflow_id: str, name: str, data: bytes) -> str:
        """Keep a file at Opus; gives the address to name it by."""
        wanted = {"fileExtension": PurePath(name).suffix.lower(), "originalName": name, "workflowId": workflow_id}
        granted = await self._call("POST", "/job/file/upload", {**wanted, "accessScope": "organization"}, again=True)
        to, named = _text(granted, "presignedUrl"), _text(granted, "fileUrl")
        try:
            # Whoever holds the address may write: the key is nobody else's business.
            put = await self._http.put(to, content=data)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise OpusAway(because=f"Opus's file store could not be reached ({type(error).__name__}).") from error
        if not put.is_success:
            raise OpusAway(because=f"Opus's file store did not take {name} (HTTP {put.status_code}).")
        return named

    async def download_address(self, file_url: str) -> str:
        """Where a file of a result can be fetched, for a while, by whoever holds this address."""
        return _text(await self._call("POST", "/job/file/download", {"fileUrl": file_url}, again=True), "presignedUrl")

    # -------------------------------------------------------------------------------------------------------- a run

    async def initiate(self, workflow: Workflow, title: str, description: str) -> str:
        """Make a draft of a run; gives its id. Nothing runs yet."""
        body: dict[str, Any] = {"workflowId": workflow.id, "title": title, "description": description, "source": "api"}
        if workflow.version is not None:
            body["workflowVersionNumber"] = workflow.version
        return _text(await self._call("POST", "/job/initiate", body), "jobExecutionId")

    async def find(self, workflow_id: str, mark: str) -> str | None:
        """The run whose title has this mark in it."""
        found = await self._get(
            "/job/search", {"query": mark, "workflowId": workflow_id, "offset": "0", "maxResults": "25"}
        )
        runs = [each for each in found.get("jobs") or () if mark in str(each.get("title"))]
        return str(runs[0]["jobExecutionId"]) if runs and runs[0].get("jobExecutionId") else None

    async def execute(self, run: str, payload: Mapping[str, Any], callback_url: str | None) -> None:
        """Let a draft run."""
        called = {"callbackUrl": callback_url} if callback_url else {}
        await self._call("POST", "/job/execute", {"jobExecutionId": run, "jobPayloadSchemaInstance": payload, **called})

    async def status(self, run: str) -> str:
        """The run's status, in one spelling of the many; also one that nobody knows."""
        said = str((await self._get(f"/job/{quote(run, safe='')}/status")).get("status", ""))
        status = re.sub(r"[\s-]+", "_", said.strip().upper())
        return {"CANCELED": CANCELLED}.get(status, status)

    async def results(self, run: str) -> Mapping[str, Any]:
        """What a completed run gave, in either of Opus's shapes."""
        return await self._get(f"/job/{quote(run, safe='')}/results")

    async def audit(self, run: str) -> Mapping[str, Any]:
        """How far it is, node by node."""
        return await self._get(f"/job/{quote(run, safe='')}/audit")

    async def pending_reviews(self, run: str) -> list[Mapping[str, Any]]:
        """What people are asked in it just now. Read only: answers are theirs to give, in Opus."""
        query = {"type": "HUMAN", "status": "PENDING", "offset": "0", "maxResults": "100"}
        found = (await self._get("/review", query)).get("reviews") or ()
        return [each for each in found if str(each.get("jobExecutionId")) == run]

    async def review_state(self, run: str) -> Mapping[str, Any]:
        """What became of its reviews, as far as Opus says."""
        return await self._get(f"/review/check/{quote(run, safe='')}")

    # ---------------------------------------------------------------------------------------------------- the wire

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        return await self._call("GET", path, query=query, again=True)

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> Mapping[str, Any]:
        """The reply. What may be done twice is asked `again` when it went wrong; what was turned away as too much, always."""
        pauses = iter(PAUSES_S)
        while True:
            try:
                return await self._call_once(method, path, body, query)
            except _TooMuch as error:
                pause_s = next(pauses, None)
                if pause_s is None or (error.after_s or 0) > LONGEST_PAUSE_S:
                    raise
                await asyncio.sleep(pause_s if error.after_s is None else error.after_s)
            except OpusAway:
                pause_s = next(pauses, None)
                if not again or pause_s is None:
                    raise
                await asyncio.sleep(pause_s)

    async def _call_once(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None
    ) -> Mapping[str, Any]:
        try:
            answer = await self._http.request(
                method, f"{self._url}{path}", json=body, params=query, headers={"x-service-key": self._key}
            )
        except httpx2.InvalidURL:
            raise OpusRefused("OPUS_BASE_URL is no address.") from None
        except httpx2.HTTPError as error:
            raise OpusAway(because=f"Opus could not be reached, or broke off ({type(error).__name__}).") from error
        reply = _json(answer.content)
        inner = reply.get("statusCode")
        status = inner if answer.is_success and isinstance(inner, int) and inner >= 400 else answer.status_code
        if 200 <= status < 300:
            return reply
        said = _complaint(reply, answer.content).replace(self._key, "•••")
        raise self._refusal(answer, path, status, said, is_opus="statusCode" in reply)

    def _refusal(
        self, answer: httpx2.Response, path: str, status: int, said: str, *, is_opus: bool
    ) -> OpusAway | OpusRefused:
        log.warning(
            "Opus answered %d to %s (request %s): %s", status, path, answer.headers.get("x-request-id", "?"), said
        )
        if status == 429:
            return _TooMuch(retry_after(answer), "Opus takes no more for now (HTTP 429).")
        if status in (408, 409, 425) or status >= 500:
            return OpusAway(because=f"Opus is busy or broken (HTTP {status}).")
        if status == 404 and not is_opus:
            return OpusAway(because="What answers at OPUS_BASE_URL does not sound like Opus (HTTP 404).")
        if status == 401 and "cookie" not in said.lower():
            return OpusRefused("Opus does not take the key in OPUS_SERVICE_KEY (HTTP 401).", 401)
        if status == 403:
            return OpusRefused("Opus does not let the key in OPUS_SERVICE_KEY use this (HTTP 403).", 403)
        if "callbackurl" in said.lower():
            sentence = (
                "Opus wants an address to call back: BACKBURNER_PUBLIC_URL must name one of this installation "
                "that begins with https://."
            )
            return OpusRefused(sentence, status)
        return OpusRefused(f"Opus does not take this (HTTP {status}). It said: {said or 'nothing'}", status)


class _TooMuch(OpusAway):
    """It was turned away before anything was done."""


def _json(content: bytes) -> Mapping[str, Any]:
    """The reply as an object; an empty one for anything else."""
    if len(content) > _MOST_BYTES:
        return {}
    try:
        reply = json.loads(content)
    except ValueError:
        return {}
    return reply if isinstance(reply, Mapping) else {"": reply}


def _complaint(reply: Mapping[str, Any], content: bytes) -> str:
    """What a refusal says: a text, or a list of them."""
    said = reply.get("message") or reply.get("error") or content.decode(errors="replace")
    text = "; ".join(map(str, said)) if isinstance(said, list) else str(said)
    tidy = " ".join(text.split())
    return tidy if len(tidy) <= _MOST_SAID else f"{tidy[: _MOST_SAID - 1]}…"


def _text(reply: Mapping[str, Any], name: str) -> str:
    """A field that must be there: a number is as good as the text of it."""
    value = reply.get(name)
    if not isinstance(value, str | int) or value == "":
        raise OpusAway(because=f"Opus answered without the {name} that it was asked for.")
    return str(value)
