"""How pages are made: the templates, what all of them show, and the static files under an address of their own."""

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from agent_tools.app import Backburner
from web import shelf
from web.site import Site

STATIC = Path(__file__).parent / "static"
FLASH = "backburner_flash"
_FLASH_S = 60


@dataclass(frozen=True)
class Flash:
    """What the next page says first. `move` is the number of a move that can be undone."""

    said: str
    move: int | None = None


@cache
def environment() -> Environment:
    """The templates: all that is printed is escaped, and a name that nobody gave is an error."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = f"/static/{digest()}"
    return made


@cache
def digest() -> str:
    """Changes with any static file, so that browsers may keep what they have for ever."""
    found = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:12]


class StaticForever(StaticFiles):
    """Our styles and scripts; an address names one state of them, so that it never needs to be asked for again."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """As StaticFiles, kept by browsers."""
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


async def page(
    request: Request, backburner: Backburner, template: str, /, *, status: int = 200, **shown: Any
) -> Response:
    """A page of somebody who is signed in: with the rail, and what the last action left to say.

    `again` is where it is read anew when there is news; empty: at its own address.
    """
    # Where the log is read to, before the rows are: what comes later is news to this page.
    live = shown.pop("live", Site.of(request).tail.place)
    counted, waiting = await asyncio.gather(backburner.counted(), backburner.asks.waiting_count())
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    rail = shelf.rail(counted.subjects, counted.superseded, here, waiting)
    flash = taken_flash(request)
    response = plain(
        request,
        template,
        status=status,
        rail=rail,
        live=live,
        here=here,
        again=shown.pop("again", ""),
        flash=flash,
        who=backburner.who.name,
        is_operator="admin" in backburner.who.scopes,
        can_sign_out=Site.of(request).cookie(request) in request.cookies,
        **shown,
    )
    if FLASH in request.cookies:
        response.delete_cookie(FLASH, httponly=True, samesite="lax")
    return response


def plain(request: Request, template: str, /, *, status: int = 200, **shown: Any) -> Response:
    """A page for anybody: without anything of a tenant's but what is given."""
    html = environment().get_template(template).render(**shown)
    return HTMLResponse(html, status, {"cache-control": "no-store"})


def fragment(template: str, macro: str, *given: Any) -> Response:
    """One part of a page, to be put in place of what it was."""
    module = environment().get_template(template).module
    return HTMLResponse(getattr(module, macro)(*given), headers={"cache-control": "no-store"})


def leave_flash(response: Response, flash: Flash) -> None:
    """Let the next page say this. In a cookie of ours, so that no link can make a page say it."""
    value = json.dumps([flash.said, flash.move]).encode()
    response.set_cookie(
        FLASH, base64.urlsafe_b64encode(value).decode(), max_age=_FLASH_S, httponly=True, samesite="lax"
    )


def taken_flash(request: Request) -> Flash | None:
    """What the last action left; None for nothing, and for what no action of ours left."""
    try:
        said, move = json.loads(base64.urlsafe_b64decode(request.cookies.get(FLASH, "")))
    except (ValueError, TypeError):
        return None
    if not isinstance(said, str) or not (move is None or isinstance(move, int)):
        return None
    return Flash(said, move)
