"""Handing a deck over to Presenton once: also where the worker died over it, or the answer was lost."""

import time
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from agent_tools.presenton import Deck, Presenton, PresentonRefused, Task, moment
from worker.kinds.presentation.presenton.order import Order


class Before(BaseModel):
    """What was going on there before anything was sent. `at` is our clock, `since` and `known` the newest tasks by its own."""

    at: float
    keeps_list: bool
    since: str = ""
    known: list[str] = []


class Handed(BaseModel):
    """A deck that Presenton has taken: by its task, by its own id, or by both."""

    at: float
    task: str | None
    deck: str | None = None


async def look_around(presenton: Presenton) -> Before:
    """What there is before we come."""
    newest = await presenton.tasks(most=20)
    if newest is None:
        return Before(at=time.time(), keeps_list=False)
    since = newest[0].created_at if newest else ""
    return Before(
        at=time.time(), keeps_list=True, since=since, known=[task.id for task in newest if task.created_at == since]
    )


async def begin(presenton: Presenton, order: Order, files: Sequence[str], *, webhook: bool) -> Handed:
    """Hand it over."""
    try:
        task = await presenton.begin(order.body(files, webhook=webhook))
    except PresentonRefused as error:
        if "template" in str(error).lower() and (known := await presenton.templates()):
            raise PresentonRefused(
                f"{error} presenton.template is one of: {', '.join(known)}.", error.status
            ) from error
        raise
    return Handed(at=time.time(), task=task.id, deck=task.numbers.presentation_id)


async def begun_before(
    presenton: Presenton, order: Order, before: Before, patience_s: float
) -> Handed | Literal[False] | None:
    """What became of an earlier attempt to hand it over: the deck, False where it never came, None while that is unclear.

    Presenton knows no idempotency key. What tells our deck from others is the sign in its content, and that is only there
    once its outline is written. So as long as one of the tasks that came since may be ours, it is too early to say; but not
    for longer than `patience_s`, as those that a restart left behind never end.
    """
    tasks = await _came_since(presenton, before)
    decks = {deck.id: deck for deck in await presenton.decks()}
    ours = next((deck for deck in decks.values() if order.sign in (deck.content or "")), None)
    if ours is None:
        may_come = time.time() < before.at + patience_s and _may_be_ours(tasks, decks)
        return None if may_come else False
    if tasks is None:
        return Handed(at=before.at, task=None, deck=ours.id)
    named = [task for task in tasks if task.numbers.presentation_id == ours.id]
    unnamed = [task for task in tasks if task.numbers.presentation_id is None]
    task = named[0] if named else unnamed[0] if len(unnamed) == 1 else None
    return Handed(at=before.at, task=task.id if task else None, deck=ours.id)


async def _came_since(presenton: Presenton, before: Before) -> list[Task] | None:
    if not before.keeps_list:
        return None
    tasks = await presenton.tasks(moment(before.since) if before.since else None)
    if tasks is None:
        return None
    since = moment(before.since)
    return [task for task in tasks if moment(task.created_at) >= since and task.id not in before.known]


def _may_be_ours(tasks: list[Task] | None, decks: dict[str, Deck]) -> bool:
    """Whether a deck of ours may still appear; of those that have one already none is ours."""
    if tasks is None:
        return True
    unknown = [task for task in tasks if task.numbers.presentation_id not in decks]
    return not all(task.is_completed or task.is_failed for task in unknown)
