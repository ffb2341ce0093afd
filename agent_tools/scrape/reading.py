"""What is in a feed, and the article of a page. Blocking: call it in a thread."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_tools.jobs.errors import Misconfigured
from agent_tools.jobs.signature import lack
from agent_tools.scrape.address import joined, same_host

MOST_TITLE = 200
LEAST_CONTENT = 80
"""What is shorter is a menu, or a notice that there is nothing to read."""
MOST_CONTENT = 200_000
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LIBRARIES = ("module:feedparser", "module:trafilatura")


class NotReadable(Exception):
    """What came is no feed, or has no article in it; as a sentence that begins with what it is."""


@dataclass(frozen=True)
class Article:
    """What a page says. `address` is the one that it calls its own, where it may."""

    address: str
    title: str
    author: str
    published: str
    content: str


def refuse_without_libraries() -> None:
    """Raise Misconfigured where what reads feeds and pages is not installed."""
    if missing := lack(LIBRARIES, {}):
        raise Misconfigured(f"{missing} Reading feeds and pages is an extra: pip install 'backburner[scrape]'.")


def read_feed(data: bytes, url: str) -> list[str]:
    """The addresses that a feed leads to, in its order. Raises NotReadable."""
    import feedparser  # noqa: PLC0415 - an extra

    feed = feedparser.parse(io.BytesIO(data))  # never as text: that would be taken for an address
    if not feed.version:
        raise NotReadable("is no feed that is known. If it is a page, give it as --page.")
    links = (joined(url, entry.get("link") or "") for entry in feed.entries if entry.get("link"))
    return list(dict.fromkeys(link for link in links if link))


def read_article(data: bytes, url: str) -> Article:
    """The article of a page, as Markdown. Raises NotReadable."""
    import trafilatura  # noqa: PLC0415 - an extra

    found = trafilatura.bare_extraction(data, url=url, with_metadata=True, include_comments=False)
    text = trafilatura.extract(data, url=url, output_format="markdown", include_comments=False)
    if found is None or not text or len(text.strip()) < LEAST_CONTENT:
        raise NotReadable("has no article that could be found.")
    about, content = found if isinstance(found, dict) else found.as_dict(), _storable(text)
    return Article(
        address=_own_address(data, url),
        title=_tidy(about.get("title")) or _tidy(content.splitlines()[0].lstrip("# ")) or url[:MOST_TITLE],
        author=_tidy(about.get("author")),
        published=_tidy(about.get("date"))[:10],
        content=content if len(content) <= MOST_CONTENT else f"{content[:MOST_CONTENT]}…",
    )


def _own_address(data: bytes, url: str) -> str:
    """The canonical link, if it is of the same host: else one page could pass for another's."""
    from trafilatura import load_html  # noqa: PLC0415

    tree = load_html(data)
    links: Sequence[str] = (
        tree.xpath('//link[translate(@rel, "CANONIL", "canonil")="canonical"]/@href') if tree is not None else ()
    )
    own = joined(url, links[0]) if links else None
    return own if own and same_host(own, url) else url


def _tidy(text: str | None) -> str:
    return " ".join(_storable(text or "").split())[:MOST_TITLE]


def _storable(text: str) -> str:
    """Without what no database keeps, and without what a terminal would obey."""
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode().strip()
