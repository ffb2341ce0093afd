"""Going through feeds and pages, and keeping what is new."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agent_tools.fetch import Edition, Fetched, NotChanged, NotFetched, fetch
from agent_tools.scrape.address import hash_of
from agent_tools.scrape.reading import Article, NotReadable, read_article, read_feed
from sql.pages import Feed, Known, PageStore

MOST_BYTES = 5_000_000
WITHIN_S = 30.0
AT_ONCE = 4
_PAGES = frozenset({"text/html", "application/xhtml+xml", ""})
_HERE = re.compile(r"localhost|127\.[\d.]+|::1")


@dataclass
class Scraped:
    """What a round brought: titles of new pages, how many were known, and a sentence for each that could not be read."""

    new: list[str] = field(default_factory=list)
    known: int = 0
    unread: list[str] = field(default_factory=list)
    left: int = 0
    """Pages beyond the most that were wanted; the next round takes them."""


class Scraper:
    """One round through feeds and pages."""

    def __init__(self, store: PageStore, most: int) -> None:
        """`most` is how many pages are fetched at all."""
        self._store, self._left, self._gate = store, most, asyncio.Semaphore(AT_ONCE)
        self.found = Scraped()

    async def feed(self, feed: Feed) -> None:
        """Keep the new pages of a feed. It counts as read when all of them are: else the next round reads it again."""
        try:
            got = await _fetch(feed.address, Edition(feed.etag, feed.last_modified))
            links = await asyncio.to_thread(read_feed, got.data, got.url or feed.address)
        except NotChanged:
            return
        except (NotFetched, NotReadable) as error:
            self._unread(feed.address, error)
            return
        is_whole = await self._pages(links)
        edition = got.edition if is_whole else Edition()
        await self._store.keep_feed(Feed(feed.address, edition.etag, edition.last_modified))

    async def pages(self, urls: Sequence[str]) -> None:
        """Keep these pages; one that is known is looked at again until it is handed on."""
        known = await self._store.known([hash_of(url) for url in urls])
        await asyncio.gather(*(self._page(url, known.get(hash_of(url))) for url in urls))

    async def _pages(self, links: Sequence[str]) -> bool:
        """Whether all of them are kept now."""
        pages = {hash_of(link): link for link in reversed(links)}
        known = await self._store.known(list(pages))
        new = [link for link in links if pages[hash_of(link)] == link and hash_of(link) not in known]
        self.found.known += len(links) - len(new)
        wanted, beyond = new[: self._left], new[self._left :]
        self._left -= len(wanted)
        self.found.left += len(beyond)
        kept = await asyncio.gather(*(self._page(link, None) for link in wanted))
        return all(kept) and not beyond

    async def _page(self, url: str, known: Known | None) -> bool:
        """Whether it is kept, now or before."""
        if known and known.is_taken:
            self.found.known += 1
            return True
        async with self._gate:
            try:
                got = await _fetch(url, Edition(known.etag, known.last_modified) if known else None)
                if got.media_type not in _PAGES:
                    raise NotReadable(f"is {got.media_type} and no page.")
                article = await asyncio.to_thread(read_article, got.data, got.url or url)
            except NotChanged:
                self.found.known += 1
                return True
            except (NotFetched, NotReadable) as error:
                self._unread(url, error)
                return False
        await self._keep(url, got, article)
        return True

    async def _keep(self, url: str, got: Fetched, article: Article) -> None:
        page = {
            "hash": hash_of(article.address),
            "address": article.address,
            "title": article.title,
            "author": article.author,
            "published": article.published,
            "content": article.content,
            "etag": got.edition.etag,
            "last_modified": got.edition.last_modified,
        }
        if await self._store.keep(page, [hash_of(each) for each in {url, got.url or url, article.address}]):
            self.found.new.append(article.title)
        else:
            self.found.known += 1

    def _unread(self, url: str, error: Exception) -> None:
        said = str(error)
        self.found.unread.append(f"{url[:200]} {said}" if isinstance(error, NotReadable) else f"{url[:200]}: {said}")


async def _fetch(url: str, newer_than: Edition | None) -> Fetched:
    """What is there, over https: old feeds say http of hosts that have long had both."""
    is_here = _HERE.fullmatch(urlsplit(url).hostname or "")
    secure = url if is_here else re.sub(r"^http:", "https:", url)
    return await fetch(secure, most_bytes=MOST_BYTES, within_s=WITHIN_S, newer_than=newer_than)
