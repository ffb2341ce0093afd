"""What tests of pages begin with: a browser without scripts, and texts that would like to be more than text."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import lxml.etree
import lxml.html
from starlette.applications import Starlette

HOST = "shelf.test"
OURS = {"sec-fetch-site": "same-origin"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "{{ 1234 * 5678 }}{% raw %}",
    "javascript:alert(1)//",
    "</textarea></pre><iframe srcdoc='<script>alert(1)</script>'>",
    "\u202egnp.exe",
    "&lt;script&gt;",
]


@asynccontextmanager
async def browser(application: Starlette, base: str = f"http://{HOST}") -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=base, headers={"accept": "text/html"}) as client:
        yield client


async def send(client: httpx2.AsyncClient, path: str, **fields: Any) -> httpx2.Response:
    """What a browser without scripts does with a form: send it, and follow to the page after."""
    answer = await client.post(path, data=fields, headers=OURS)
    assert answer.status_code == 303, answer.text
    return await client.get(answer.headers["location"])


def acting(html: str) -> list[str]:
    """What in a page could act, beyond our own module: scripts, handlers, addresses that are scripts, framed documents."""
    tree = lxml.html.document_fromstring(html)
    found = [each for each in tree.iter("script") if not (each.get("src") or "").startswith("/static/") or each.text]
    found += [
        each for each in tree.iter("base", "object", "embed", "meta") if each.get("http-equiv") or each.tag != "meta"
    ]
    found += [each for each in tree.iter("iframe") if each.get("srcdoc") or each.get("sandbox") != ""]
    for each in tree.iter(lxml.etree.Element):
        for name, value in each.items():
            is_address = name in ("href", "src", "action", "formaction")
            if name.startswith("on") or name == "style" or (is_address and not value.startswith(("/", "#"))):
                found.append(each)
    return [lxml.html.tostring(each, encoding="unicode") for each in found]
