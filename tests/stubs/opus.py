"""Opus's Job Operator API as it is known to behave, also on bad days.

`async with serving_opus() as opus:` serves it on loopback, with one workflow (`POST`). Its clock stands until a test calls
`await opus.advance(60)`. What a switch does is said beside it; `opus.calls` counts requests by route, `opus.runs` has all runs.
"""

import asyncio
import json
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

KEY = "sk-opus-7c1e5d"
POST = "3f0a8a52-6a0f-4b7e-9d7c-1f2b6a3c4d5e"
"""The workflow: it takes an article, a link and a picture that may be left out, and gives a post."""
EXTENSIONS = (".pdf", ".docx", ".csv", ".xls", ".xlsx", ".txt", ".json", ".html", ".xml", ".jpeg", ".jpg", ".png")
MOST_BYTES = 10_000_000
TYPES = ("str", "float", "bool", "date", "file", "array", "array_files", "object")
NOBODY = "No auth cookie provided"


def taken(display: str, type_: str = "str", *, nullable: bool = False, files: Sequence[str] = ()) -> dict[str, Any]:
    """One input, as a workflow's schema describes it."""
    tags = [{"variable_name": "allowed_file_types", "value": list(files)}] if files else []
    return {"id": uuid.uuid4().hex, "display_name": display, "type": type_, "is_nullable": nullable, "tags": tags}


SCHEMA: Mapping[str, Mapping[str, Any]] = {
    "workflow_input_we4tej0ly": taken("Article"),
    "workflow_input_k2m9xq0ab": taken("Link", nullable=True),
    "workflow_input_p7r3vd1zz": taken("Picture", "file", nullable=True, files=["PNG", "PDF"]),
}
NODES = ("read", "write", "review", "post", "report")
AT_ONCE = (("PENDING", 0), ("IN PROGRESS", 1), ("COMPLETED", 2))
WITH_A_REVIEW = (("PENDING", 0), ("IN PROGRESS", 1), ("WAITING", 5), ("IN_PROGRESS", 60), ("COMPLETED", 65))
REVIEWED_FOR_EVER = (("PENDING", 0), ("IN PROGRESS", 1), ("WAITING", 5))

Script = Sequence[tuple[str, float]]


@dataclass
class Run:
    """A run: a draft until it is executed."""

    id: str
    workflow: str
    title: str
    description: str
    script: Script
    version: int | None = None
    executed_at: float | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    callback: str | None = None
    called_back: int = 0
    rejected: bool = False
    comment: str = ""
    archived: bool = False


@dataclass
class StubOpus:
    """The server. `url` is for OPUS_BASE_URL."""

    url: str = ""
    key: str = KEY
    schema: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: dict(SCHEMA))
    status_script: Script = AT_ONCE
    """What the status is, and from how many seconds after execute."""
    space_in_progress: bool = True
    """Whether IN_PROGRESS is written with a space, whatever the script says."""
    results_shape: Literal["new", "old"] = "new"
    workflow_route: Literal["new", "graph"] = "new"
    """graph: the workflow's schema is found only in its graph."""
    require_callback: bool = False
    callback: Literal["ok", "none", "twice", "early", "garbage"] = "ok"
    review_routes: Literal["ok", "401cookie", "404"] = "ok"
    reject_path: bool = False
    """The reviewer says no, and the workflow has a path for that: COMPLETED, with other outputs."""
    fail_node: str = ""
    """This node fails, and the run with it."""
    lost_initiate_response: int = 0
    """After so many initiates and executes, done as they were, the connection breaks before the reply."""
    lost_execute_response: int = 0
    http_500_every: int = 0
    """Every nth request is answered 500, with nothing done."""
    retry_after: list[str] = field(default_factory=list)
    """The next requests are answered 429, each with this header."""
    inner_status: int = 0
    """The next status request is answered 200, with this statusCode inside."""
    gateway_404s: int = 0
    """So many requests, once it `is_behind_a_gateway`, are answered 404 by something that is not Opus."""
    is_behind_a_gateway: bool = False
    down: bool = False
    """Everything is answered 503."""
    numeric_ids: bool = False
    outputs: Mapping[str, Mapping[str, Any]] | None = None
    """What runs give, in the newer shape; None: a post."""

    before_reply: dict[str, Callable[[], None]] = field(default_factory=dict)
    """By route: called once, when what was asked is done and the reply not yet sent."""
    a_look_takes: float = 0
    """So many seconds pass with every look at a status."""
    now: float = 0.0
    runs: dict[str, Run] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    versions_asked: list[str | None] = field(default_factory=list)
    answered_for_people: list[str] = field(default_factory=list)
    """Review routes that write: nobody but a person may call them."""
    _requests: int = 0

    async def advance(self, seconds: float) -> None:
        """Let time pass, and whoever is to be called back be called."""
        self.now += seconds
        for run in self.runs.values():
            if self.status_of(run) in ("COMPLETED", "FAILED", "CANCELLED"):
                await self._call_back(run, {"ok": 1, "twice": 2, "garbage": 1}.get(self.callback, 0))

    async def decide(self, run: Run, *, accept: bool, comment: str = "", ends: str = "COMPLETED") -> None:
        """A reviewer decides in Opus's own app; the run ends a second later."""
        since = self.now - (run.executed_at or 0)
        run.script = (*[each for each in run.script if each[1] <= since], ("IN_PROGRESS", since), (ends, since + 1))
        run.rejected, run.comment = not accept, comment
        await self.advance(1)

    def status_of(self, run: Run) -> str:
        """The run's status now, as it is written on the wire."""
        if run.executed_at is None:
            return "PENDING"
        status = [name for name, at in run.script if run.executed_at + at <= self.now][-1]
        if self.fail_node and status == "COMPLETED":
            status = "FAILED"
        return "IN PROGRESS" if self.space_in_progress and status == "IN_PROGRESS" else status

    # -------------------------------------------------------------------------------------------------- the routes

    async def workflow(self, request: Request) -> Response:
        self.versions_asked.append(request.query_params.get("version"))
        if self.workflow_route == "graph" or request.path_params["id"] != POST:
            return _refused(404, "Workflow not found")
        schema = {name: {"variable_name": name, **about} for name, about in self.schema.items()}
        return JSONResponse(
            {
                "workflowId": POST,
                "name": "Post",
                "active": True,
                "jobPayloadSchema": schema,
                "jobResultsPayloadSchema": {},
            }
        )

    async def graph(self, request: Request) -> Response:
        if request.path_params["id"] != POST:
            return _refused(404, "Workflow not found")
        node = {"id": "n0", "input_schema": {"schema": self.schema}}
        return JSONResponse({"name": "Post", "workflow_input_node_id": "n0", "nodes": {"n0": node}, "edges": []})

    async def versions(self, request: Request) -> Response:
        return JSONResponse([{"version": 1, "workflowId": request.path_params["id"]}])

    async def initiate(self, request: Request) -> Response:
        body = await request.json()
        problems = [f"{name} should not be empty" for name in ("title", "description") if not body.get(name)]
        if not _is_uuid(body.get("workflowId")):
            problems.append("workflowId must be a UUID")
        if problems:
            return _refused(400, problems)
        if body["workflowId"] != POST:
            return _refused(404, "Workflow not found")
        name = str(2514 + len(self.runs)) if self.numeric_ids else str(uuid.uuid4())
        self.runs[name] = Run(name, body["workflowId"], body["title"], body["description"], tuple(self.status_script))
        self.runs[name].version = body.get("workflowVersionNumber")
        if self.lost_initiate_response > 0:
            self.lost_initiate_response -= 1
            return _BreaksOff()
        return JSONResponse({"jobExecutionId": name}, 201)

    async def upload(self, request: Request) -> Response:
        body = await request.json()
        if body.get("fileExtension") not in EXTENSIONS:
            return _refused(400, ["fileExtension is not supported"])
        if not (_is_uuid(body.get("workflowId")) or body.get("workspaceId")):
            return _refused(400, ["workflowId or workspaceId is required"])
        name = f"{uuid.uuid4().hex}{body['fileExtension']}"
        return JSONResponse(
            {"presignedUrl": f"{self.url}/bucket/{name}?signature=s3", "fileUrl": f"https://files.opus.com/{name}"}
        )

    async def put(self, request: Request) -> Response:
        data = await request.body()
        if "x-service-key" in request.headers or "signature" not in request.query_params or len(data) > MOST_BYTES:
            return PlainTextResponse("<Error><Code>AccessDenied</Code></Error>", 403)
        self.files[request.path_params["name"]] = data
        return Response()

    async def get_file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if "x-service-key" in request.headers or "signature" not in request.query_params or name not in self.files:
            return PlainTextResponse("<Error><Code>AccessDenied</Code></Error>", 403)
        return Response(self.files[name], media_type="image/png" if name.endswith(".png") else "text/plain")

    async def download(self, request: Request) -> Response:
        name = str((await request.json()).get("fileUrl", "")).rpartition("/")[2]
        if name not in self.files:
            return _refused(404, "File not found")
        found = {"presignedUrl": f"{self.url}/bucket/{name}?signature=s3", "contentLength": len(self.files[name])}
        return JSONResponse(
            {**found, "fileUrl": f"https://files.opus.com/{name}", "contentType": "application/octet-stream"}
        )

    async def execute(self, request: Request) -> Response:
        body = await request.json()
        run = self.runs.get(str(body.get("jobExecutionId")))
        if run is None:
            return _refused(404, "Job not found")
        if run.executed_at is not None:
            return _refused(400, "Job has already been executed")
        if problems := [*self._problems(body.get("jobPayloadSchemaInstance")), *self._callback_problems(body)]:
            return _refused(400, problems)
        run.executed_at, run.payload, run.callback = self.now, body["jobPayloadSchemaInstance"], body.get("callbackUrl")
        if self.callback == "early":
            await self._call_back(run, 1)
        if self.lost_execute_response > 0:
            self.lost_execute_response -= 1
            return _BreaksOff()
        return JSONResponse({"success": True, "jobExecutionId": run.id, "message": "Job execution has been started"})

    def _problems(self, payload: Any) -> list[str]:
        if not isinstance(payload, Mapping):
            return ["jobPayloadSchemaInstance must be an object"]
        problems = [f"property {name} should not exist" for name in payload if name not in self.schema]
        for name, about in self.schema.items():
            entry = payload.get(name)
            if entry is None:
                problems += [] if about["is_nullable"] else [f"{name} is required"]
            elif not isinstance(entry, Mapping) or "value" not in entry or entry.get("type") not in TYPES:
                problems.append(f"{name} must have value and type")
            elif not _fits(entry["type"], entry["value"]) or entry["type"] != about["type"]:
                problems.append(f"{name} must be of type {about['type']}")
        return problems

    def _callback_problems(self, body: Mapping[str, Any]) -> list[str]:
        return ["callbackUrl must be a URL address"] if self.require_callback and not body.get("callbackUrl") else []

    async def status(self, request: Request) -> Response:
        await self.advance(self.a_look_takes)
        if self.inner_status:
            status, self.inner_status = self.inner_status, 0
            return JSONResponse({"statusCode": status, "message": "Upstream said no"})
        run = self._run(request)
        return JSONResponse({"status": self.status_of(run)}) if run else _refused(404, "Job not found")

    async def results(self, request: Request) -> Response:
        run = self._run(request)
        if run is None or self.status_of(run) != "COMPLETED":
            return _refused(404 if run is None else 400, "Results are not available")
        given = self.outputs or _post(rejected=run.rejected or self.reject_path)
        if self.results_shape == "new":
            return JSONResponse({"jobResultsPayloadSchema": given})
        plain = {
            str(about["displayName"]).lower(): about["value"] for about in given.values() if about["type"] == "str"
        }
        files = [about["value"] for about in given.values() if about["type"] == "file"]
        old = {**plain, "outputFiles": files, "data": {"words": 7}}
        return JSONResponse({"jobExecutionId": run.id, "status": "COMPLETED", "results": old})

    async def audit(self, request: Request) -> Response:
        run = self._run(request)
        if run is None:
            return _refused(404, "Job not found")
        status = self.status_of(run)
        done = {"PENDING": 0, "WAITING": 2, "COMPLETED": 4}.get(status, 1)
        failed = [self.fail_node] if status == "FAILED" else []
        running = NODES[done] if status in ("WAITING", "IN PROGRESS", "IN_PROGRESS") else ""
        data = {node: {"execution_status": "SUCCESS", "execution_index": at} for at, node in enumerate(NODES[:done])}
        return JSONResponse({
            "nb_nodes": len(NODES), "executed_nodes": list(NODES[:done]), "nb_executed_nodes": done, "running_node": running,
            "next_node_to_execute": NODES[done + 1] if running else "", "remaining_nodes_to_execute": list(NODES[done:]),
            "failed_nodes": failed, "nb_failed_nodes": len(failed), "audit": {"nodes_execution_data": data},
        })  # fmt: skip

    async def job(self, request: Request) -> Response:
        run = self._run(request)
        return JSONResponse(self._listed(run)) if run else _refused(404, "Job not found")

    async def delete(self, request: Request) -> Response:
        gone = self.runs.pop(request.path_params["id"], None)
        return JSONResponse({"success": True}) if gone else _refused(404, "Job not found")

    async def archive(self, request: Request) -> Response:
        run = self._run(request)
        if run is None:
            return _refused(404, "Job not found")
        run.archived = request.method == "POST"
        return JSONResponse({"success": True})

    async def duplicate(self, request: Request) -> Response:
        run = self._run(request)
        return JSONResponse({"jobPayloadSchemaInstance": run.payload}) if run else _refused(404, "Job not found")

    async def search(self, request: Request) -> Response:
        asked = request.query_params
        wanted, workflow = asked.get("query", ""), asked.get("workflowId")
        found = [
            self._listed(run)
            for run in self.runs.values()
            if wanted in run.title and workflow in (None, run.workflow) and not run.archived
        ]
        first = int(asked.get("offset", 0))
        return JSONResponse({"totalCount": len(found), "jobs": found[first : first + int(asked.get("maxResults", 25))]})

    def _listed(self, run: Run) -> dict[str, Any]:
        return {
            "jobExecutionId": run.id, "workflowId": run.workflow, "title": run.title, "description": run.description,
            "status": self.status_of(run), "createdAt": "2026-11-22T05:00:00.000Z",
        }  # fmt: skip

    # --------------------------------------------------------------------------------------------------- reviewing

    async def reviews(self, request: Request) -> Response:
        if closed := self._closed():
            return closed
        found = [
            {
                "id": f"review-{run.id}", "jobExecutionId": run.id, "type": "HUMAN", "status": "PENDING", "nodeId": "review",
                "nodeName": "Check the post", "workflowId": run.workflow, "createdAt": "2026-11-22T05:00:00.000Z",
            }
            for run in self.runs.values()
            if self.status_of(run) == "WAITING" and request.query_params.get("status") in (None, "PENDING")
        ]  # fmt: skip
        return JSONResponse({"totalCount": len(found), "reviews": found})

    async def check_review(self, request: Request) -> Response:
        if closed := self._closed():
            return closed
        run = self._run(request)
        if run is None:
            return _refused(404, "Job not found")
        if not any(status == "WAITING" for status, _ in run.script):
            return JSONResponse({"reviews": []})
        is_no = run.rejected or self.reject_path
        output = {"accept": not is_no, "comment": run.comment or ("Not like this." if is_no else "")}
        is_open = self.status_of(run) == "WAITING"
        review = {"id": f"review-{run.id}", "status": "PENDING" if is_open else "COMPLETED"}
        return JSONResponse({"reviews": [review if is_open else {**review, "output": output}]})

    async def review(self, request: Request) -> Response:
        return self._closed() or JSONResponse({"id": request.path_params["id"]})

    async def answer_review(self, request: Request) -> Response:
        self.answered_for_people.append(request.url.path)
        return _refused(401, NOBODY)

    def _closed(self) -> Response | None:
        match self.review_routes:
            case "401cookie":
                return _refused(401, NOBODY)
            case "404":
                return PlainTextResponse("Cannot GET /review", 404)
        return None

    # ------------------------------------------------------------------------------------------------- round about

    def _run(self, request: Request) -> Run | None:
        return self.runs.get(request.path_params["id"])

    async def _call_back(self, run: Run, times: int) -> None:
        while run.callback and run.called_back < times:
            run.called_back += 1
            body = (
                b"\xff<html>" * 100 if self.callback == "garbage" else json.dumps({"jobExecutionId": run.id}).encode()
            )
            with suppress(httpx2.HTTPError):
                async with httpx2.AsyncClient(timeout=5) as client:
                    await client.post(run.callback, content=body)

    def guarded(self, name: str, route: Any) -> Any:
        """The route behind the door: counted, with the key wanted, and with everybody's bad days."""

        async def serve(request: Request) -> Response:
            self.calls[name] += 1
            self._requests += 1
            if self.down:
                return PlainTextResponse("upstream connect error", 503)
            if self.is_behind_a_gateway and self.gateway_404s > 0:
                self.gateway_404s -= 1
                return PlainTextResponse("default backend - 404", 404)
            if request.headers.get("x-service-key") != self.key:
                return _refused(401, "Invalid service key")
            if self.retry_after:
                headers = {"Retry-After": self.retry_after.pop(0)}
                return JSONResponse(
                    {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"}, 429, headers
                )
            if self.http_500_every and self._requests % self.http_500_every == 0:
                return _refused(500, "Internal server error")
            answer: Response = await route(request)
            if happens := self.before_reply.pop(name, None):
                happens()
            return answer

        return serve

    def routes(self) -> list[Route]:
        """All of it; the file store wants no key."""
        known = [
            ("GET", "/workflow/{id}", self.workflow), ("GET", "/reference-workflow/v2/workflow-object/{id}", self.graph),
            ("GET", "/executor/workflow/{id}/versions", self.versions), ("POST", "/job/initiate", self.initiate),
            ("POST", "/job/file/upload", self.upload), ("POST", "/job/file/download", self.download),
            ("POST", "/job/execute", self.execute), ("GET", "/job/search", self.search),
            ("GET", "/job/{id}/status", self.status), ("GET", "/job/{id}/results", self.results),
            ("GET", "/job/{id}/audit", self.audit), ("GET", "/job/{id}/duplicate", self.duplicate),
            ("POST", "/job/{id}/archive", self.archive), ("DELETE", "/job/{id}/archive", self.archive),
            ("DELETE", "/job/{id}/delete", self.delete), ("GET", "/job/{id}", self.job),
            ("GET", "/review", self.reviews), ("GET", "/review/check/{id}", self.check_review), ("GET", "/review/{id}", self.review),
            ("PUT", "/review/{id}", self.answer_review), ("PUT", "/review/{id}/output", self.answer_review),
            ("PUT", "/review/{id}/humanOutput", self.answer_review), ("POST", "/review/results", self.answer_review),
        ]  # fmt: skip
        store = [Route("/bucket/{name}", self.put, methods=["PUT"]), Route("/bucket/{name}", self.get_file)]
        return store + [Route(path, self.guarded(route.__name__, route), methods=[verb]) for verb, path, route in known]


class _BreaksOff(Response):
    """The connection ends before the reply does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _refused(status: int, message: str | list[str]) -> JSONResponse:
    error = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}.get(status, "Internal Server Error")
    return JSONResponse(
        {"statusCode": status, "message": message, "error": error}, status, {"x-request-id": uuid.uuid4().hex}
    )


def _post(*, rejected: bool) -> dict[str, dict[str, Any]]:
    if rejected:
        return {"workflow_output_b8": {"value": "Not published.", "type": "str", "displayName": "Notice"}}
    return {
        "workflow_output_a1": {"value": "The tide comes in twice a day. #sea", "type": "str", "displayName": "Summary"}
    }


def _is_uuid(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


def _fits(type_: str, value: Any) -> bool:
    match type_:
        case "str":
            return isinstance(value, str)
        case "file":
            return isinstance(value, str) and value.startswith("https://files.opus.com/")
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "date":
            return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None
        case "array" | "array_files":
            return isinstance(value, list)
    return isinstance(value, Mapping)


@asynccontextmanager
async def serving_opus(**switches: Any) -> AsyncIterator[StubOpus]:
    """The stub, served on loopback for a while."""
    stub = StubOpus(**switches)
    config = uvicorn.Config(
        Starlette(routes=stub.routes()), host="127.0.0.1", port=0, log_level="critical", timeout_graceful_shutdown=1, lifespan="off",
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    stub.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.should_exit = True
        await task
