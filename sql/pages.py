"""What was scraped, as one tenant's doors keep it: feeds, and pages that are handed on once."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from sql.connect import Pool, open_pool, read_as
from sql.queries import queries
from sql.schema import DOOR


class Feed(NamedTuple):
    """A feed, and the edition of it that was read last."""

    address: str
    etag: str
    last_modified: str


class Known(NamedTuple):
    """A page that is kept: its edition, and whether it has been taken to be handed on."""

    etag: str
    last_modified: str
    is_taken: bool


class NewPage(NamedTuple):
    """A page that nobody took yet."""

    id: int
    address: str
    title: str
    author: str
    published: str
    content: str


class TakenPage(NamedTuple):
    """A page under way: with the key and the request under which its job is created, once."""

    id: int
    batch: str
    request: Mapping[str, Any]


class PageStore:
    """The reads and writes of one tenant."""

    def __init__(self, pool: Pool, tenant: int) -> None:
        self._pool, self._tenant = pool, tenant

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str, tenant: int) -> AsyncIterator["PageStore"]:
        """Connect. Raises BookUnavailable."""
        async with open_pool(database_url, DOOR, size=2) as pool:
            yield cls(pool, tenant)

    async def feeds(self) -> list[Feed]:
        """Every feed that is read."""
        return [Feed(**row) for row in await self._run("feeds")]

    async def keep_feed(self, feed: Feed) -> None:
        """Say that this edition of it was read now."""
        await self._run("keep_feed", **feed._asdict())

    async def forget_feed(self, address: str) -> bool:
        """Whether there was such a feed; it is read no more."""
        return bool(await self._run("forget_feed", address=address))

    async def known(self, hashes: Sequence[bytes]) -> dict[bytes, Known]:
        """The pages that these addresses led to before."""
        found = await self._run("known_pages", hashes=list(hashes))
        return {bytes(row.pop("hash")): Known(**row) for row in found}

    async def keep(self, page: Mapping[str, Any], hashes: Sequence[bytes]) -> bool:
        """Whether the page is new: none of its addresses has led to one before."""
        (kept,) = await self._run("keep_page", **page, hashes=list(hashes))
        return bool(kept["is_new"])

    async def new(self, limit: int) -> list[NewPage]:
        """The oldest of those that nobody took yet."""
        return [NewPage(**row) for row in await self._run("new_pages", limit=limit)]

    async def take(self, batch: str, requests: Mapping[int, Mapping[str, Any]]) -> list[int]:
        """Take pages, each with the request that its job is created by; gives those that nobody took before."""
        rows = [{"id": page, "request": dict(request)} for page, request in requests.items()]
        return sorted(row["id"] for row in await self._run("take_pages", batch=batch, requests=Jsonb(rows)))

    async def taken(self) -> list[TakenPage]:
        """Those that were taken and have no job yet, by batch."""
        return [TakenPage(**row) for row in await self._run("taken_pages")]

    async def hand_on(self, batch: str, jobs: Mapping[int, str]) -> None:
        """Say which job each page of a batch became."""
        await self._run(
            "hand_on_pages", batch=batch, made=Jsonb([{"id": page, "job": job} for page, job in jobs.items()])
        )

    async def give_back(self, batch: str) -> None:
        """Say that the pages of a batch became nothing: they are new again."""
        await self._run("give_back_pages", batch=batch)

    async def _run(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        return await read_as(self._pool, self._tenant, queries()[name], parameters)
