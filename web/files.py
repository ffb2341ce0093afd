"""Artifacts as files: what a job made, served so that nothing in it can touch our pages."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent_tools import page_scripts
from agent_tools.app import Backburner
from agent_tools.jobs.places import KeptFile
from web import kept
from web.signing import signed_in

SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
_OPENED = frozenset({
    "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/svg+xml",
    "application/pdf", "application/json", "text/html", "text/plain", "text/markdown", "text/csv", "text/vtt",
})  # fmt: skip
"""Types that a browser may open; all others it saves."""


@signed_in("jobs:read")
async def artifact(request: Request, backburner: Backburner) -> Response:
    """One file of a job. Whoever may not see the job is told that there is none."""
    job = await backburner.get(request.path_params["job_id"])
    stored = next((each for each in job.artifacts if each.name == request.path_params["name"]), None)
    if stored is None:
        raise HTTPException(404, "This job made no file of that name.")
    return await sent(request, backburner.artifact_file(job, stored), stored.name, stored.media_type, stored.sha256)


@signed_in("jobs:read")
async def shown(request: Request, backburner: Backburner) -> Response:
    """The file that a question is about."""
    ask = next(iter(await backburner.asks.numbered([request.path_params["ask"]])), None)
    file = (ask.shown or {}).get("file") if ask else None
    if ask is None or file is None or file["name"] != request.path_params["name"]:
        raise HTTPException(404, "No question here shows a file of that name.")
    return await sent(request, backburner.asks.shown_file(ask), file["name"], file["media_type"], file["sha256"])


async def sent(request: Request, file: KeptFile, name: str, media_type: str, sha256: str) -> Response:
    """A file that a job made, fenced in."""
    etag = f'"{sha256}"'
    headers = {
        "etag": etag,
        "cache-control": "private, no-cache",
        "content-security-policy": _policy(media_type),
    }
    if _is_known(request.headers.get("if-none-match", ""), etag):
        return Response(None, 304, headers)
    is_opened = _is_opened(media_type) and "download" not in request.query_params
    try:
        return await kept.response(
            file,
            headers=headers,
            media_type=_media_type(media_type),
            filename=name,
            disposition="inline" if is_opened else "attachment",
        )
    except OSError:
        raise HTTPException(404, "This file is no longer where it was kept.") from None


def own_script(media_type: str) -> str:
    """The script of ours that a page says it carries; empty: none, and then nothing in it may run."""
    _, _, name = media_type.partition("; script=")
    return name if _bare(media_type) == "text/html" and name in page_scripts.known() else ""


def _policy(media_type: str) -> str:
    if name := own_script(media_type):
        return f"sandbox allow-scripts; script-src {page_scripts.source_of(name)}; {SANDBOX.removeprefix('sandbox; ')}"
    # Browsers show PDFs in a viewer of their own, which does not start in a sandbox.
    return SANDBOX.removeprefix("sandbox; ") if _bare(media_type) == "application/pdf" else SANDBOX


def _is_opened(media_type: str) -> bool:
    return _bare(media_type) in _OPENED or _bare(media_type).startswith(("audio/", "video/"))


def _media_type(media_type: str) -> str:
    """The type as it is sent: text that says no charset is UTF-8, and what is no type is just bytes."""
    if not media_type.isascii() or not media_type.isprintable() or "/" not in media_type:
        return "application/octet-stream"
    is_text = _bare(media_type).startswith("text/") or _bare(media_type) == "application/json"
    return f"{media_type}; charset=utf-8" if is_text and "charset" not in media_type else media_type


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _is_known(if_none_match: str, etag: str) -> bool:
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in if_none_match.split(","))
