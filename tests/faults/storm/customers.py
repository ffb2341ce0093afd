"""Who asks for jobs, answers their questions and keeps every receipt."""

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agent_tools.app import Backburner, Receipt
from agent_tools.bell import Bell, connect
from agent_tools.jobs.errors import BookUnavailable, Conflict, JobNotFound, NotNow
from agent_tools.jobs.kinds import Kinds, load_kinds
from agent_tools.requests import NewJob
from agent_tools.tail import Tail
from sql.door import Filter
from sql.hands import HandsStore
from storm import work
from storm.site import OTHER, Site

PAUSE_S = 0.2
_GLANCE_S = 0.3
_ENOUGH = 50
_NEVER = 20
"""One question of so many is left unanswered until the end."""
_WEIGHTS = {
    "storm_instant": 30, "storm_steps": 22, "storm_sleeping": 8, "storm_flaky": 10, "storm_shelved": 10,
    "storm_asking": 8, "storm_until": 10, "storm_giving_up": 2,
}  # fmt: skip


@dataclass
class Order:
    """A job that we have a receipt for, and how it may end."""

    kind: str
    tenant: int
    may_end: tuple[str, ...] = ("completed",)
    """Statuses, or for a failure its code."""
    after: tuple[str, ...] = ()
    cancels_with_parents: bool = True
    was_cancelled: bool = False
    """Whether we asked for that; the job may have been faster."""


@dataclass
class Ledger:
    """What the customers know."""

    orders: dict[str, Order] = field(default_factory=dict)
    doubled: list[str] = field(default_factory=list)
    """What they were told twice or in two ways."""
    heard: list[tuple[int, int]] = field(default_factory=list)
    """Each event as (tx, id), as a subscriber was told of it."""
    heard_from: int = 0
    """The transaction with which it began to listen."""


class Customers:
    """Two tenants, each by a door near by and one far away. Whoever gets no answer asks again, by the same key."""

    def __init__(self, site: Site, doors: Sequence[Backburner], hands: HandsStore, chance: random.Random) -> None:
        self._site, self._doors, self._hands, self._chance = site, doors, hands, chance
        self.ledger = Ledger()
        self._batches = self._number = 0
        self.answers_all, self.is_ordering = False, True

    # -------------------------------------------------------------------------------------------------------- asking

    async def order_until_told(self, per_s: float) -> None:
        """A steady stream, in batches of all sizes. Returns when everything that was asked for has its receipt."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as group:
            while self.is_ordering:
                batch = self._batch()
                due += len(batch) / per_s
                group.create_task(self.order(batch))
                await asyncio.sleep(max(0.0, due - loop.time()))
                while self.is_ordering and await self._is_enough_queued():
                    await asyncio.sleep(PAUSE_S)
                    due = loop.time()

    async def _is_enough_queued(self) -> bool:
        """Whether a tenant has a backlog: a storm is about faults, and not about more work than there are workers."""
        try:
            pages = [await door.jobs(Filter(status=("queued",)), limit=_ENOUGH) for door in self._doors[::2]]
        except BookUnavailable:
            return True
        return any(page.next_cursor for page in pages)

    async def order(self, batch: Sequence[NewJob], may_end: tuple[str, ...] | None = None) -> list[str]:
        """Have these created; gives their ids once there is a receipt for them."""
        self._batches += 1
        key, door = f"order {self._batches}", self._doors[self._batches % len(self._doors)]
        receipts = await self._create(door, batch, key)
        if self._chance.random() < 0.2:
            again = await self._create(door, batch, key)
            if [receipt.id for receipt in again] != [receipt.id for receipt in receipts] or any(
                r.created for r in again
            ):
                self.ledger.doubled.append(f"{key} sent twice gave other jobs")
        ids = [receipt.id for receipt in receipts]
        for job, made in zip(batch, ids, strict=True):
            self.ledger.orders[made] = Order(
                job.kind, door.who.tenant, may_end or _ends_of(job.kind),
                tuple(ids[place] for place in job.after if isinstance(place, int)), job.if_parent_fails == "cancel",
            )  # fmt: skip
        return ids

    async def _create(self, door: Backburner, batch: Sequence[NewJob], key: str) -> list[Receipt]:
        while True:
            try:
                return await door.create_many(batch, idempotency_key=key)
            except BookUnavailable:
                await asyncio.sleep(PAUSE_S)

    def some(self, number: int) -> list[NewJob]:
        """Jobs of any sort."""
        return [self._job() for _ in range(number)]

    def _batch(self) -> list[NewJob]:
        if self._chance.random() < 0.2:
            first, second, third, last = (self._job() for _ in range(4))
            return [
                first,
                NewJob(second.kind, second.args, after=[0]),
                NewJob(third.kind, third.args, after=[0], if_parent_fails="run"),
                NewJob(last.kind, last.args, after=[1, 2]),
            ]
        return self.some(self._chance.choice((1, 1, 2, 5, 20)))

    def _job(self) -> NewJob:
        chance, url = self._chance, self._site.receiver.url
        self._number += 1
        (kind,) = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        args = {
            "storm_steps": {"url": url, "parts": chance.randint(1, 4), "seconds": round(chance.uniform(0, 1.5), 2)},
            "storm_sleeping": {"seconds": round(chance.uniform(0.5, 3), 2)},
            "storm_flaky": {"url": url, "times": chance.randint(1, 2)},
            "storm_shelved": {"size": chance.choice((0, 1000, 300_000))},
            "storm_asking": {"url": url},
            "storm_until": {"url": url},
        }.get(kind, {})
        return NewJob(kind, {"number": self._number, **args}, priority=chance.choice(("low", "normal", "high")))

    # ----------------------------------------------------------------------------------------------------- answering

    async def answer_forever(self) -> None:
        """People who answer after a while, some of them two at once; and an outside that calls back."""
        while True:
            try:
                for door in self._doors[1::2]:  # the far ones
                    now = await door.now()
                    for ask in (await door.asks.page(limit=200)).asks:
                        waits_s = (now - ask.asked_at).total_seconds()
                        slowness = zlib.crc32(ask.job.encode())
                        if self.answers_all or (slowness % _NEVER and waits_s > slowness % 30 / 10):
                            await self._answer(door, ask.id)
                for job in self._site.receiver.begun():
                    await self._hands.nudge(job)
            except BookUnavailable:
                pass
            await asyncio.sleep(_GLANCE_S)

    async def _answer(self, door: Backburner, ask: int) -> None:
        both = await asyncio.gather(
            *(door.asks.answer(ask, decision) for decision in ("approve", "reject")), return_exceptions=True
        )
        won = [each for each in both if not isinstance(each, Exception)]
        unforeseen = [
            each
            for each in both
            if isinstance(each, Exception) and not isinstance(each, Conflict | NotNow | JobNotFound | BookUnavailable)
        ]
        if len(won) > 1 or unforeseen:
            self.ledger.doubled.append(f"question {ask} was answered as {both}")

    async def cancel(self, jobs: Sequence[str]) -> None:
        """Ask for these to be stopped, each tenant its own, until there is an answer."""
        for job in jobs:
            self.ledger.orders[job].was_cancelled = True
        for door in self._doors[::2]:
            own = [job for job in jobs if self.ledger.orders[job].tenant == door.who.tenant]
            while own:
                try:
                    await door.cancel(own, "the storm")
                    break
                except BookUnavailable:
                    await asyncio.sleep(PAUSE_S)

    # ----------------------------------------------------------------------------------------------------- listening

    async def listen_forever(self, tail: Tail) -> None:
        """Follow both tenants, as a page does."""
        self.ledger.heard_from = int(tail.place.partition(".")[0])
        async with asyncio.TaskGroup() as group:
            for door in self._doors[::2]:
                group.create_task(self._listen(tail, door.who.tenant))

    async def _listen(self, tail: Tail, tenant: int) -> None:
        with tail.follow(tenant) as changes:
            while True:
                change = await changes.get()
                if change.cursor:
                    tx, _, number = change.cursor.partition(".")
                    self.ledger.heard.append((int(tx), int(number)))
                elif change.type == "resync":
                    self.ledger.doubled.append("a subscriber that reads was told to look at everything again")


def _ends_of(kind: str) -> tuple[str, ...]:
    return ("gave_up",) if kind == "storm_giving_up" else ("completed",)


@asynccontextmanager
async def served(site: Site, chance: random.Random) -> AsyncIterator[tuple[Customers, Tail]]:
    """Customers of the site, and the tail of events that they follow."""
    kinds = Kinds([*work.KINDS, *load_kinds(["drill"]).values()])
    async with (
        Backburner.open(site.settings, kinds=kinds) as near,
        Backburner.open(site.far_settings, kinds=kinds) as far,
        Backburner.open(site.settings, kinds=kinds, tenant=OTHER) as other,
        HandsStore.open(site.settings.database_url, size=2) as hands,
        connect(site.settings.redis_url) as client,
        Tail.open(hands, Bell(client)) as tail,
    ):
        yield Customers(site, [near, far, other, far.acting_as(other.who)], hands, chance), tail
