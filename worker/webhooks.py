"""Telling other programs that jobs have ended: beside the jobs, which never wait for it."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

from agent_tools.jobs import webhooks
from agent_tools.jobs.errors import BookUnavailable
from agent_tools.jobs.webhooks import Tried
from agent_tools.tasks import end
from sql.hands import HandsStore, Message

log = logging.getLogger("backburner.webhooks")

TIMEOUT_S = 20.0
LEASE_S = 60.0
"""For so long nobody else sends what this one is sending; longer than a try can take."""
LOOK_S = 1.0
MOST_AT_ONCE = 32
EACH = 4
"""So many at a time to one endpoint: a slow one holds up nobody but itself."""


class Sender:
    """Sends what is due, until it is cancelled. What breaks off is sent again, under the same id."""

    def __init__(self, store: HandsStore, page_url: Callable[[str], str | None]) -> None:
        """`page_url` is where people look at a job, if anywhere."""
        self._store, self._page_url = store, page_url
        self._sending: dict[asyncio.Task[None], int] = {}
        self._has_room = asyncio.Event()

    async def run(self) -> None:
        """Look, send, and look again. Raises BookUnavailable."""
        try:
            while True:
                self._has_room.clear()
                if not await self.send_due():
                    try:
                        async with asyncio.timeout(LOOK_S):
                            await self._has_room.wait()
                    except TimeoutError:
                        pass
        finally:
            await end(*self._sending)

    async def send_due(self) -> list["asyncio.Task[None]"]:
        """Begin to send what is due and not too much; gives the tasks that do."""
        room = MOST_AT_ONCE - len(self._sending)
        if room <= 0:
            return []
        busy = sorted(set(self._sending.values()))
        taken = await self._store.take_deliveries(busy, each=EACH, most=room, lease_s=LEASE_S)
        tasks = [asyncio.create_task(self._send(message), name=f"webhook {message.id}") for message in taken]
        for task, message in zip(tasks, taken, strict=True):
            self._sending[task] = message.endpoint
            task.add_done_callback(self._sent)
        return tasks

    def _sent(self, task: "asyncio.Task[None]") -> None:
        del self._sending[task]
        self._has_room.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("%s broke off; it is sent again", task.get_name(), exc_info=error)

    async def _send(self, message: Message) -> None:
        tried = await self._try(message)
        try:
            await self._store.settle_delivery(message, tried)
            if tried.is_gone:
                await self._store.disable_webhook(message.endpoint, "It answered 410 Gone.")
        except BookUnavailable as error:
            log.warning("webhook %s is sent again: its answer could not be kept (%s)", message.id, error)
            return
        if not tried.delivered:
            when = "given up" if tried.again_s is None else f"again in {tried.again_s:.0f} s"
            log.info("webhook %s of job %s: %s; %s", message.id, message.job, tried.answer, when)

    async def _try(self, message: Message) -> Tried:
        from agent_tools.fetch import NotFetched, post  # noqa: PLC0415  # slow to load, and most have nobody to tell

        page = self._page_url(message.job)
        body = webhooks.payload(
            message.type, message.created_at, {**message.body, **({"page_url": page} if page else {})}
        )
        secrets = [each for each in (message.secret, message.old_secret) if each]
        headers = webhooks.headers(message.id, time.time(), body, secrets)
        jitter = random.random()  # noqa: S311  # spreads load, keeps no secret
        try:
            answer = await post(message.url, body, headers=headers, within_s=TIMEOUT_S)
        except NotFetched as error:
            return webhooks.failed(message.tries, str(error), jitter)
        retry_after = answer.headers.get("retry-after", "")
        return webhooks.tried(message.tries, answer.status, answer.reason, retry_after, datetime.now(UTC), jitter)
