"""A web site with a feed and articles, and with everything that such sites have: moves, doubles, gaps and odd files.

`async with serving_site() as site:` serves it on loopback. `site.asked` has the path of every request, in order.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

ODD = (
    "/tides?utm_source=rss&utm_medium=feed",
    "/tides?fbclid=IwAR0",
    "/moved",
    "/harbour/#comments",
    "/gone",
    "/huge",
    "/chart.pdf",
    "/empty",
    "http://10.0.0.1/secret",
    "ftp://example.org/file",
)
"""Ten entries, and two articles among them."""


@dataclass
class Site:
    """`links` is what the feed leads to; `words` go into every article, `edition` is the ETag of the feed and of `/tides`."""

    url: str = ""
    links: list[str] = field(default_factory=lambda: list(ODD))
    words: str = "The sea comes and goes twice a day, since the moon pulls at it, and the Earth turns beneath."
    edition: str = '"1"'
    gone: set[str] = field(default_factory=lambda: {"/gone"})
    asked: list[str] = field(default_factory=list)

    def news(self, number: int) -> None:
        """Let the feed lead to so many articles and to nothing else."""
        self.links = [f"/news/{each}?utm_campaign={each}" for each in range(1, number + 1)]

    async def feed(self, request: Request) -> Response:
        if request.headers.get("if-none-match") == self.edition:
            return Response(status_code=304)
        items = "".join(f"<item><title>{escape(link)}</title><link>{escape(link)}</link></item>" for link in self.links)
        rss = f"<?xml version='1.0'?><rss version='2.0'><channel><title>Sea News</title>{items}</channel></rss>"
        return Response(rss, media_type="application/rss+xml", headers={"ETag": self.edition})

    async def page(self, request: Request) -> Response:
        path = request.url.path
        if path in self.gone:
            return HTMLResponse("<h1>Not found</h1>", 404)
        match path:
            case "/moved":
                return RedirectResponse("/harbour", 301)
            case "/huge":
                return HTMLResponse("<p>" + "x" * 5_000_001)
            case "/chart.pdf":
                return Response(b"%PDF-1.7", media_type="application/pdf")
            case "/empty":
                return HTMLResponse("<html><body><nav><a href='/'>Home</a></nav></body></html>")
            case "/thief":
                return self.article("Thief", canonical="https://example.org/tides")
            case "/tides":
                if request.headers.get("if-none-match") == self.edition:
                    return Response(status_code=304)
                return self.article("Tides", canonical="/tides", ETag=self.edition)
        return self.article(path.strip("/").replace("/", " ").capitalize())

    def article(self, title: str, canonical: str = "", **headers: str) -> Response:
        link = f'<link rel="canonical" href="{canonical}">' if canonical else ""
        return HTMLResponse(
            f"<html><head><title>{title} | Sea News</title>{link}<meta name=author content='Marta Sand'>"
            f"<meta property='article:published_time' content='2026-11-20T10:00:00Z'></head><body><nav>Home</nav><article>"
            f"<h1>{title}</h1><p>{self.words} That is what every sailor knows about {title.lower()}.</p>"
            "<h2>Two bulges</h2><ul><li>One faces the moon</li><li>One does not</li></ul></article>"
            "<footer>Cookies</footer></body></html>",
            headers=headers,
        )

    async def serve(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        return await (self.feed(request) if request.url.path == "/feed.xml" else self.page(request))

    def forget(self) -> Iterable[str]:
        """What was asked until now, and begin anew."""
        asked, self.asked = self.asked, []
        return asked


@asynccontextmanager
async def serving_site() -> AsyncIterator[Site]:
    """The site, served on loopback for a while."""
    site = Site()
    config = uvicorn.Config(
        Starlette(routes=[Route("/{path:path}", site.serve)]), host="127.0.0.1", port=0, log_level="error",
        timeout_graceful_shutdown=1, lifespan="off",
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    site.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield site
    finally:
        server.should_exit = True
        await task
