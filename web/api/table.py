"""Everything that programs can ask for, in one table: the source of the routes and of the OpenAPI document."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from agent_tools.jobs import callbacks
from web.api import artifacts, asks, catalogue, episodes, events, files, health, jobs, replies, schedules, webhooks
from web.api.openapi import document
from web.api.operation import NOTHING, PREFIX, Caller, Content, Operation, json_of
from web.api.problems import HANDLERS


async def openapi(_: Caller) -> Response:
    """Read this document."""
    return JSONResponse(_document(), headers={"Cache-Control": "no-cache"})


@cache
def _document() -> Mapping[str, Any]:
    return document(OPERATIONS)


_JOB = json_of(replies.Job)
_ONE, _WEBHOOK = f"{PREFIX}/jobs/{{job}}", f"{PREFIX}/webhooks/{{webhook}}"
_SCHEDULE, _ONE_SCHEDULE = f"{PREFIX}/schedules/{{schedule}}", json_of(replies.Schedule)
_CONFLICT = frozenset({409})
_KEY = {
    "Idempotency-Key": "The same key and request is the same creation; the same key for another request is refused."
}
_EVENTS = {"application/json": replies.Events, "text/event-stream": None}
_FILE: Content = {"*/*": None, "multipart/form-data": None}
_READ, _CREATE, _ORGANISE, _CANCEL = "jobs:read", "jobs:create", "jobs:organise", "jobs:cancel"
_ANSWER, _ADMIN = "jobs:answer", "admin"

OPERATIONS: Sequence[Operation] = (
    Operation("POST", f"{PREFIX}/jobs", jobs.create_job, {202: _JOB, 200: _JOB}, _CREATE, _CONFLICT, _KEY),
    Operation("POST", f"{PREFIX}/jobs/batch", jobs.create_jobs, {202: json_of(replies.Batch)}, _CREATE, _CONFLICT, _KEY),
    Operation("GET", f"{PREFIX}/jobs", jobs.list_jobs, {200: json_of(replies.Jobs)}, _READ, frozenset({404})),
    Operation("POST", f"{PREFIX}/jobs/organise", jobs.organise_jobs, {200: json_of(replies.Move)}, _ORGANISE, frozenset({404})),
    Operation("POST", f"{PREFIX}/jobs/cancel", jobs.cancel_jobs, {200: json_of(replies.Cancelled)}, _CANCEL, frozenset({404})),
    Operation("POST", f"{PREFIX}/jobs/delete", jobs.delete_jobs, {200: json_of(replies.Deleted)}, _CANCEL, frozenset({404})),
    Operation("POST", f"{PREFIX}/moves/{{move}}/undo", jobs.undo_move, {200: json_of(replies.Undone)}, _ORGANISE, _CONFLICT),
    Operation("GET", _ONE, jobs.get_job, {200: _JOB, 304: NOTHING}, _READ, headers={"If-None-Match": "The ETag that is known."}),
    Operation("PATCH", _ONE, jobs.file_job, {200: _JOB}, _ORGANISE),
    Operation("DELETE", _ONE, jobs.delete_job, {202: _JOB, 204: NOTHING}, _CANCEL, _CONFLICT),
    Operation("POST", f"{_ONE}/cancel", jobs.cancel_job, {200: _JOB}, _CANCEL, _CONFLICT),
    Operation("POST", f"{_ONE}/redo", jobs.redo_job, {202: _JOB}, _CREATE, _CONFLICT),
    Operation("GET", f"{_ONE}/events", events.list_events, {200: _EVENTS, 204: NOTHING}, _READ, headers={"Last-Event-ID": "The last event heard."}),
    Operation("GET", f"{_ONE}/artifacts/{{name}}", artifacts.read_artifact, {200: {"*/*": None}, 206: {"*/*": None}, 304: NOTHING, 416: NOTHING}, _READ, headers={"Range": "A part of it.", "If-None-Match": "The ETag that is known."}),
    Operation("POST", f"{_ONE}/asks/{{ask}}", asks.answer_ask, {200: _JOB}, _ANSWER, _CONFLICT),
    Operation("GET", f"{PREFIX}/asks", asks.list_asks, {200: json_of(replies.Asks)}, _READ, frozenset({404})),
    Operation("POST", f"{PREFIX}/asks/answers", asks.answer_asks, {200: json_of(replies.AnsweredAll)}, _ANSWER, frozenset({404, 409})),
    Operation("POST", f"{PREFIX}/files", files.upload_file, {201: json_of(replies.File)}, _CREATE, frozenset({400, 413, 507}), takes=_FILE),
    Operation("GET", f"{PREFIX}/files", files.list_files, {200: json_of(replies.Files)}, _READ),
    Operation("GET", f"{PREFIX}/files/{{file}}", files.get_file, {200: json_of(replies.File)}, _READ, frozenset({404})),
    Operation("DELETE", f"{PREFIX}/files/{{file}}", files.delete_file, {204: NOTHING}, _CREATE, frozenset({404, 409})),
    Operation("POST", f"{PREFIX}/webhooks", webhooks.add_webhook, {201: json_of(replies.MadeWebhook)}, _ADMIN, _CONFLICT),
    Operation("GET", f"{PREFIX}/webhooks", webhooks.list_webhooks, {200: json_of(replies.Webhooks)}, _ADMIN),
    Operation("GET", _WEBHOOK, webhooks.get_webhook, {200: json_of(replies.Webhook)}, _ADMIN, frozenset({404})),
    Operation("PATCH", _WEBHOOK, webhooks.change_webhook, {200: json_of(replies.Webhook)}, _ADMIN, frozenset({404})),
    Operation("DELETE", _WEBHOOK, webhooks.delete_webhook, {204: NOTHING}, _ADMIN, frozenset({404})),
    Operation("POST", f"{_WEBHOOK}/rotate", webhooks.rotate_webhook, {200: json_of(replies.WebhookSecret)}, _ADMIN, frozenset({404})),
    Operation("GET", f"{_WEBHOOK}/deliveries", webhooks.list_deliveries, {200: json_of(replies.Deliveries)}, _ADMIN, frozenset({404})),
    Operation("POST", f"{_WEBHOOK}/deliveries/{{delivery}}/retry", webhooks.retry_delivery, {202: NOTHING}, _ADMIN, frozenset({404})),
    Operation("POST", f"{PREFIX}/schedules", schedules.add_schedule, {201: _ONE_SCHEDULE}, _CREATE, _CONFLICT),
    Operation("GET", f"{PREFIX}/schedules", schedules.list_schedules, {200: json_of(replies.Schedules)}, _READ),
    Operation("GET", _SCHEDULE, schedules.get_schedule, {200: _ONE_SCHEDULE}, _READ, frozenset({404})),
    Operation("PATCH", _SCHEDULE, schedules.change_schedule, {200: _ONE_SCHEDULE}, _CREATE, frozenset({404, 409})),
    Operation("DELETE", _SCHEDULE, schedules.delete_schedule, {204: NOTHING}, _CREATE, frozenset({404})),
    Operation("POST", f"{_SCHEDULE}/pause", schedules.pause_schedule, {200: _ONE_SCHEDULE}, _CREATE, frozenset({404})),
    Operation("POST", f"{_SCHEDULE}/resume", schedules.resume_schedule, {200: _ONE_SCHEDULE}, _CREATE, frozenset({404})),
    Operation("POST", f"{_SCHEDULE}/run", schedules.run_schedule, {202: _JOB}, _CREATE, frozenset({404})),
    Operation("GET", f"{PREFIX}/kinds", catalogue.list_kinds, {200: json_of(replies.Kinds)}, _READ),
    Operation("GET", f"{PREFIX}/subjects", catalogue.list_subjects, {200: json_of(replies.Subjects)}, _READ),
    Operation("GET", f"{PREFIX}/stats", catalogue.read_stats, {200: json_of(replies.Stats)}, _READ),
    Operation("GET", f"{PREFIX}/episodes", episodes.list_episodes, {200: json_of(replies.Episodes)}, _READ),
    Operation("POST", f"{PREFIX}/episodes/discover", episodes.discover_episodes, {202: _JOB}, _CREATE, _CONFLICT),
    Operation("POST", f"{callbacks.PATH}/{{job}}/{{proof}}", asks.call_back, {202: NOTHING}, refuses=frozenset({413, 503})),
    Operation("GET", "/healthz", health.healthz, {200: json_of(replies.Health)}),
    Operation("GET", "/readyz", health.readyz, {200: json_of(replies.Readiness), 503: json_of(replies.Readiness)}),
    Operation("GET", "/openapi.json", openapi, {200: {"application/json": None}}),
)  # fmt: skip


def routes() -> list[BaseRoute]:
    """The whole table. Whatever is refused or goes wrong below it is answered as problem+json."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    inside = [_route(path.removeprefix(PREFIX), each) for path, each in by_path.items() if path.startswith(PREFIX)]
    outside = [_route(path, each, _PROBLEMS) for path, each in by_path.items() if not path.startswith(PREFIX)]
    return [Mount(PREFIX, routes=inside, middleware=_PROBLEMS), *outside]


_PROBLEMS = [Middleware(ExceptionMiddleware, handlers=HANDLERS)]


def _route(path: str, operations: Mapping[str, Operation], middleware: Sequence[Middleware] = ()) -> Route:
    async def answer(request: Request) -> Response:
        return await operations["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, answer, methods=list(operations), name=path, middleware=middleware)
