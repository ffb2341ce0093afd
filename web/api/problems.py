"""What was refused or went wrong, as problem+json (RFC 9457)."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from agent_tools.auth import NotAllowed
from agent_tools.jobs.errors import (
    BackburnerError,
    BadRequest,
    BookUnavailable,
    Conflict,
    JobNotFound,
    NoRoom,
    NotNow,
    NotYours,
    Problem,
    StoreUnavailable,
    TooLarge,
    Unstorable,
)
from web.api.replies import NOSNIFF

log = logging.getLogger("backburner.api")

RETRY_AFTER_S = 5
_GONE = 499


class Unauthorised(BackburnerError):
    """The request names nobody: no token, or one that is good no longer."""

    code = "unauthorised"


class Malformed(BackburnerError):
    """The body is not JSON, or JSON that two readers would read differently."""

    code = "malformed"


class WrongMediaType(BackburnerError):
    """The body is sent as something else than JSON."""

    code = "wrong_media_type"


class ArtifactNotFound(JobNotFound):
    """The job has no file of this name."""

    code = "artifact_not_found"


_STATUS: Mapping[type[BackburnerError], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    Unauthorised: HTTPStatus.UNAUTHORIZED,
    NotAllowed: HTTPStatus.FORBIDDEN,
    NotYours: HTTPStatus.FORBIDDEN,
    JobNotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    NotNow: HTTPStatus.CONFLICT,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    WrongMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BadRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unstorable: HTTPStatus.UNPROCESSABLE_ENTITY,
    BookUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    NoRoom: HTTPStatus.INSUFFICIENT_STORAGE,
}
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}


def phrase(status: int) -> str:
    """What HTTP calls this status."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, wrong: Sequence[Problem] = ()
) -> Response:
    """The answer that says so; `wrong` are the fields."""
    content: dict[str, Any] = {"title": phrase(status), "status": status, "detail": detail, "code": code}
    if wrong:
        content["errors"] = [each._asdict() for each in wrong]
    # A lone surrogate that was sent comes back as the escape it was.
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
    named = {"Cache-Control": "no-store", **NOSNIFF, **(headers or {})}
    return Response(body, status, named, media_type="application/problem+json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, BackburnerError)  # noqa: S101  # registered for nothing else
    status = next((_STATUS[each] for each in type(error).__mro__ if each in _STATUS), None)
    match status:
        case None:
            return await _unforeseen(request, error)
        case HTTPStatus.SERVICE_UNAVAILABLE:
            log.warning("%s %s: %s", request.method, request.url.path, error)
            detail = "The database does not answer at the moment. Try again; with an Idempotency-Key nothing is created twice."
            if isinstance(error, StoreUnavailable):
                detail = str(error)
            return problem(status, error.code, detail, {"Retry-After": str(RETRY_AFTER_S)})
        case HTTPStatus.UNAUTHORIZED:
            return problem(status, error.code, str(error), {"WWW-Authenticate": _challenge(request)})
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE | HTTPStatus.INSUFFICIENT_STORAGE:
            # The rest of the body is never read, so this connection is of no more use.
            return problem(status, error.code, str(error), {"Connection": "close"})
    return problem(status, error.code, str(error), wrong=error.problems if isinstance(error, BadRequest) else ())


def _challenge(request: Request) -> str:
    was_refused = "authorization" in request.headers
    return 'Bearer realm="backburner"' + (', error="invalid_token"' if was_refused else "")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    code = phrase(error.status_code).lower().replace(" ", "_")
    detail = f"{request.method} {request.url.path}: {error.detail}. /openapi.json lists what there is."
    return problem(error.status_code, code, detail, error.headers)


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "unexpected", "This failed in a way that was not foreseen. The log of the server has it.")


async def _left(_: Request, __: Exception) -> Response:
    return Response(status_code=_GONE)


HANDLERS: Mapping[Any, ExceptionHandler] = {
    BackburnerError: _refused,
    HTTPException: _http,
    ClientDisconnect: _left,
    Exception: _unforeseen,
}
