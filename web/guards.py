"""What every request passes before a route sees it, and what every answer carries."""

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.site import COOKIE, SECURE_COOKIE

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: under it browsers send `Origin: null`, and the check for forged requests has only that on plain http.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SecurityHeaders:
    """Every answer says what a browser may do with it; a route that says more strictly or more loosely is kept."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers that the route has not set."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class OnlyOurHosts:
    """Answers only to names that are ours, so that no foreign name can be pointed at this address (421)."""

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self.app, self.allowed = app, frozenset(map(host_name, allowed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what asks for one of our hosts."""
        if scope["type"] not in ("http", "websocket") or "*" in self.allowed:
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("host", "")
        if host_name(asked) in self.allowed:
            await self.app(scope, receive, send)
        else:
            sentence = (
                f"This server does not go by the name '{asked[:100]}'. Use the address that 'backburner up' printed."
            )
            await PlainTextResponse(sentence, status_code=421)(scope, receive, send)


class OnlyOurForms:
    """Refuses what another site's page makes a browser send (403). Tokens are proof enough: browsers add none by themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what reads only, what carries a token, and what our own pages sent."""
        if scope["type"] != "http" or scope["method"] in _SAFE or is_ours(Headers(scope=scope)):
            await self.app(scope, receive, send)
        else:
            sentence = (
                "This was sent from a page of another site, so nothing was done. Do it from Backburner's own page."
            )
            await PlainTextResponse(sentence, status_code=403)(scope, receive, send)


class BoundedBody:
    """Refuses bodies above what `limit` says for the path (413), while they arrive; None: no limit."""

    def __init__(self, app: ASGIApp, limit: Callable[[str], int | None]) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received."""
        most = self.limit(scope["path"]) if scope["type"] == "http" else None
        if most is None:
            await self.app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        if said.isdecimal() and int(said) > most:
            await PlainTextResponse(_too_much(most), status_code=413)(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413, _too_much(most))
            return message

        await self.app(scope, receive_bounded, send)


def is_ours(headers: Headers) -> bool:
    """Whether one of our own pages, or no page at all, sent this."""
    if headers.get("authorization", "").lower().startswith("bearer "):
        return True
    # Browsers say this only where they trust the address: https, or this machine itself.
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    if origin := headers.get("origin"):
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    # Every browser sends one of the two with a form; what carries a cookie without them is none that we know.
    cookies = headers.get("cookie", "")
    return f"{COOKIE}=" not in cookies and f"{SECURE_COOKIE}=" not in cookies


def host_name(host: str) -> str:
    """`[::1]:8808` → `::1`."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _too_much(most: int) -> str:
    return f"That is more than the {most:,} bytes that are taken here."
