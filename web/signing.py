"""Signing in by a one-time link, and out; and the page for those who have not."""

import base64
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from agent_tools.app import Backburner
from agent_tools.auth import require
from web.looks import plain
from web.site import Site, cookie_options

_MEANT = "backburner-meant"
_MEANT_S = 3600
_MOST_MEANT = 2000

Endpoint = Callable[[Request, Backburner], Awaitable[Response]]


def signed_in(scope: str) -> Callable[[Endpoint], Callable[[Request], Awaitable[Response]]]:
    """An endpoint for people who are signed in and may do this; others learn how to get there."""

    def decorate(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def ask(request: Request) -> Response:
            backburner = await Site.of(request).for_person(request)
            if backburner is None:
                return _not_signed_in(request)
            require(backburner, scope)
            return await endpoint(request, backburner)

        return ask

    return decorate


async def offer(request: Request) -> Response:
    """One button: what follows links to look at them does not press it, so the link is still good afterwards."""
    key = request.query_params.get("key", "")
    return plain(request, "sign-in.html", key=key, refused="")


async def sign_in(request: Request) -> Response:
    """Redeem the link, and go where they meant to go before they had one."""
    site, form = Site.of(request), await request.form()
    session = await site.keys.sign_in(str(form.get("key", "")))
    if session is None:
        refused = "This link was used already, or it has expired. Each one is good once, for 15 minutes."
        return plain(request, "sign-in.html", status=403, key="", refused=refused)
    response = RedirectResponse(_meant(request), 303)
    response.set_cookie(site.cookie(request), session.secret, **cookie_options(request, session.lasts_s))
    response.delete_cookie(_MEANT, httponly=True, samesite="lax")
    return response


async def offer_sign_out(request: Request) -> Response:
    """For whoever typed the address: reading a page ends nothing."""
    return plain(request, "sign-out.html")


async def sign_out(request: Request) -> Response:
    """End the session. What the browser kept of our files it must ask for again, and then is refused."""
    site = Site.of(request)
    cookie = site.cookie(request)
    if secret := request.cookies.get(cookie):
        await site.keys.sign_out(secret)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(cookie, secure=request.url.scheme == "https", httponly=True, samesite="lax")
    return response


def _not_signed_in(request: Request) -> Response:
    if "text/html" not in request.headers.get("accept", "") or request.url.path.startswith("/fragments/"):
        return PlainTextResponse("You are not signed in. Get a link with 'backburner link'.", 401)
    response = plain(request, "sign-in.html", status=401, key="", refused="")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method == "GET" and len(here) <= _MOST_MEANT:
        value = base64.urlsafe_b64encode(here.encode()).decode()
        response.set_cookie(_MEANT, value, **cookie_options(request, _MEANT_S))
    return response


def _meant(request: Request) -> str:
    """A path of ours that somebody asked for who was not signed in; else the shelf."""
    try:
        path = base64.urlsafe_b64decode(request.cookies.get(_MEANT, "")).decode()
    except ValueError:
        return "/"
    # Neither an address of its own nor what a browser would take for one.
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else "/"
