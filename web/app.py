"""The shelf as an application: its routes, its guards, and what it says when something is refused."""

import logging
from collections.abc import Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from agent_tools.auth import NotAllowed
from agent_tools.jobs.errors import (
    BackburnerError,
    BadRequest,
    BookUnavailable,
    Conflict,
    JobNotFound,
    NotNow,
    NotYours,
    StoreUnavailable,
)
from web import (
    actions,
    answering,
    creating,
    deleting,
    files,
    live,
    metrics,
    notices,
    ops,
    pages,
    schedules,
    signing,
    waiting,
)
from web.guards import HEADERS, BoundedBody, OnlyOurForms, OnlyOurHosts, SecurityHeaders
from web.looks import STATIC, StaticForever, digest, plain
from web.site import Site

log = logging.getLogger("backburner.web")

MOST_OF_A_FORM = 1_000_000
MOST_OF_A_CALL = 32_000_000
_STATUS_OF = {
    JobNotFound: 404, NotAllowed: 403, NotYours: 403, BadRequest: 400, NotNow: 409, Conflict: 409, BookUnavailable: 503, StoreUnavailable: 503,
}  # fmt: skip


def app(site: Site, *more_routes: BaseRoute, allowed_hosts: Sequence[str]) -> Starlette:
    """Everything that is served. `allowed_hosts` are the names we go by, without ports; `*`: any."""
    made = Starlette(
        routes=[*more_routes, *routes()],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(OnlyOurHosts, allowed=allowed_hosts),
            Middleware(OnlyOurForms),
            Middleware(BoundedBody, limit=_most),
        ],
        exception_handlers={BackburnerError: _refused, HTTPException: _http_error, Exception: _broken},
    )
    made.state.site = site
    return made


def routes() -> list[BaseRoute]:
    """The pages, and what they load."""
    return [
        Route("/", pages.shelf_page),
        Route("/subjects/{name:path}", pages.subject_page),
        Route("/jobs", pages.jobs_page),
        Route("/jobs/delete", deleting.ask_first),
        Route("/jobs/delete", deleting.delete, methods=["POST"]),
        Route("/jobs/{job_id}", pages.job_page),
        Route("/jobs/{job_id}/delete", pages.delete_page),
        Route("/jobs/{job_id}/delete", actions.delete, methods=["POST"]),
        Route("/jobs/{job_id}/rename", actions.rename, methods=["POST"]),
        Route("/jobs/{job_id}/redo", actions.redo, methods=["POST"]),
        Route("/jobs/{job_id}/cancel", actions.cancel, methods=["POST"]),
        Route("/new", creating.choose),
        Route("/new/{kind}", creating.form),
        Route("/new/{kind}", creating.create, methods=["POST"]),
        Route("/batches/{batch_id}/cancel", actions.cancel_batch, methods=["POST"]),
        Route("/move", actions.move, methods=["POST"]),
        Route("/undo", actions.undo, methods=["POST"]),
        Route("/waiting", waiting.inbox),
        Route("/waiting/together", waiting.nothing_together),
        Route("/waiting/together", answering.together, methods=["POST"]),
        Route("/waiting/{ask:int}", waiting.ask_page),
        Route("/waiting/{ask:int}", answering.answer, methods=["POST"]),
        Route("/waiting/{ask:int}/files/{name}", files.shown),
        Route("/schedules", schedules.schedules_page),
        Route("/schedules/{schedule:int}/run", schedules.run, methods=["POST"]),
        Route("/schedules/{schedule:int}/pause", schedules.pause, methods=["POST"]),
        Route("/schedules/{schedule:int}/resume", schedules.resume, methods=["POST"]),
        Route("/schedules/{schedule:int}/delete", schedules.delete, methods=["POST"]),
        Route("/notices", notices.notices_page),
        Route("/notices", notices.change, methods=["POST"]),
        Route("/notices/test", notices.test, methods=["POST"]),
        Route("/notices/off", notices.off, methods=["POST"]),
        Route("/ops", ops.ops_page),
        Route("/metrics", metrics.metrics),
        Route("/artifacts/{job_id}/{name}", files.artifact),
        Route("/events", live.events),
        Route("/fragments/card/{job_id}", pages.card_fragment),
        Route("/fragments/progress/{job_id}", pages.progress_fragment),
        Route("/sign-in", signing.offer),
        Route("/sign-in", signing.sign_in, methods=["POST"]),
        Route("/sign-out", signing.offer_sign_out),
        Route("/sign-out", signing.sign_out, methods=["POST"]),
        Mount(f"/static/{digest()}", StaticForever(directory=STATIC)),
    ]


def _most(path: str) -> int | None:
    """How large a body may be: uploads are streamed and counted where they are taken."""
    if path == "/api/v1/files":
        return None
    return MOST_OF_A_CALL if path.startswith(("/api/", "/mcp")) else MOST_OF_A_FORM


async def _refused(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS_OF.items() if isinstance(error, kind)), 400)
    return _error_page(request, status, str(error))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - how Starlette registers handlers loses the type
    said = error.detail if error.detail != HTTPStatus(error.status_code).phrase else ""
    return _error_page(request, error.status_code, said, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    log.error("%s %s broke off", request.method, request.url.path, exc_info=error)
    response = _error_page(request, 500, "")
    response.headers.update(HEADERS)  # this one is answered outside the guards
    return response


_HEADINGS = {
    400: ("That did not work", "What was sent cannot be accepted."),
    403: ("Not allowed", "You may not do that here."),
    404: ("Nothing here", "There is no such page, or it is not yours to see."),
    405: ("Nothing here", "This address is for forms; there is no page to read."),
    409: ("Not now", "Things have changed meanwhile."),
    413: ("Too large", "That is more than is taken here."),
    500: ("Something broke", "This was not foreseen; the log says what. Nothing that was kept is lost. Try again in a moment."),
    503: ("Back in a moment", "The database is away. Jobs go on where they can; this page works again when it is back."),
}  # fmt: skip


def _error_page(request: Request, status: int, said: str, headers: object = None) -> Response:
    heading, usual = _HEADINGS.get(status, ("That did not work", HTTPStatus(status).phrase))
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(said or usual, status)
    return plain(request, "error.html", status=status, heading=heading, said=said or usual)
