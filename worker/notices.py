"""Telling people: who is to be told now is asked of the book, told by the postman, and written down."""

import asyncio
import logging
from typing import Any

from agent_tools.jobs.notices import notice
from agent_tools.postman import WITHIN_S, NotTaken, Postman
from agent_tools.settings import Settings
from sql.hands import HandsStore, News
from worker.patience import until_the_book_answers

log = logging.getLogger("backburner.notices")

LOOK_S = 5.0
LEASE_S = 3 * WITHIN_S
"""For how long a notice is its sender's; told again by another when that one is gone."""
_AT_ONCE = 4


class NoticeRound:
    """What one worker does so that people learn of things; any number of them go round at once."""

    def __init__(self, store: HandsStore, settings: Settings) -> None:
        self._store, self._settings, self._postman = store, settings, Postman.of(settings)

    async def tell_people(self) -> None:
        """Go round and round."""
        while True:
            await self.once()
            await asyncio.sleep(LOOK_S)

    async def once(self) -> int:
        """Tell everybody for whom there is something now; gives how many those were."""
        told = 0
        while due := await self._due():
            told += len(due)
            async with asyncio.TaskGroup() as group:
                for news in due:
                    group.create_task(self._tell(news))
        return told

    async def _due(self) -> list[News]:
        settings = self._settings
        return await self._store.take_notices(
            settings.remind_s, own=settings.self_answer, lease_s=LEASE_S, most=_AT_ONCE
        )

    async def _tell(self, news: News) -> None:
        try:
            await self._postman.send(news.address, notice(news.asks, news.ends, self._settings.address()))
        except NotTaken as error:
            is_stopped = await self._record(news, refused=str(error), after_s=error.after_s)
            log.warning("person %d was not told%s: %s", news.person, ", for the last time" if is_stopped else "", error)
        else:
            await self._record(news)
            log.info("told person %d of %d questions and %d ends", news.person, len(news.asks), len(news.ends))

    async def _record(self, news: News, **how: Any) -> bool | None:
        return await until_the_book_answers(lambda: self._store.told_notices(news, **how), "a notice")
