"""Submitting jobs and looking at one."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bench import callers as by
from bench.callers import Call, Callers, at_once, callers
from bench.figures import Figures, percentile
from bench.place import Place

_WARM = 20


async def submits(
    place: Place, figures: Figures, turn: int, *, alone: int, together: int, batch: int, kept: int
) -> None:
    """One round, on a database of its own: each way in turn, every other round from the last to the first."""
    place.fresh()
    async with callers(place) as ways:
        ids = await _alone(ways, figures, turn, alone)
        await _looks(ways, figures, turn, ids)
        place.settle_down()
        await _together(ways, figures, turn, together)
        place.settle_down()
        await _batches(ways, figures, turn, batch)
        await ways.keep(kept)
        place.settle_down()
        await _beside_many(ways, figures, turn, kept)


async def _alone(ways: Callers, figures: Figures, turn: int, times: int) -> dict[str, list[Any]]:
    each: dict[str, Call] = {
        by.INSERT: ways.insert,
        by.ENQUEUE: ways.enqueue,
        by.STORE: ways.store_create,
        by.CREATE: ways.create,
        by.CREATE_GUARDED: ways.create_guarded,
    }
    ids: dict[str, list[Any]] = {}
    for who in _in_turn(list(each), turn):
        took, ids[who] = await _one_by_one([each[who]] * times)
        for share in (50, 99):
            figure = figures.figure(f"submit, 1 caller, p{share}", "ms", bare=by.INSERT, arq=by.ENQUEUE)
            figure.add(who, percentile(took, share / 100) * 1000)
    return ids


async def _looks(ways: Callers, figures: Figures, turn: int, ids: dict[str, list[Any]]) -> None:
    each: dict[str, tuple[Callable[[Any], Awaitable[Any]], list[Any]]] = {
        by.SELECT: (ways.select, ids[by.CREATE]),
        "arq Job.status": (ways.arq_status, ids[by.ENQUEUE]),
        "Backburner.get": (ways.get, ids[by.CREATE]),
    }
    figure = figures.figure("status of one, p50", "ms", bare=by.SELECT, arq="arq Job.status")
    for who in _in_turn(list(each), turn):
        look, known = each[who]
        took, _ = await _one_by_one([lambda one=one, look=look: look(one) for one in known])
        figure.add(who, percentile(took, 0.5) * 1000)


async def _together(ways: Callers, figures: Figures, turn: int, times: int) -> None:
    each: dict[str, Call] = {
        "bare INSERT, 1 connection": ways.insert,
        by.INSERT_POOLED: ways.insert_pooled,
        by.ENQUEUE: ways.enqueue,
        by.STORE: ways.store_create,
        by.CREATE: ways.create,
        by.CREATE_GUARDED: ways.create_guarded,
    }
    figure = figures.figure("submit, 50 callers", "per s", bare=by.INSERT_POOLED, arq=by.ENQUEUE)
    for who in _in_turn(list(each), turn):
        await at_once(each[who], 100, callers=50)
        began = time.perf_counter()
        await at_once(each[who], times, callers=50)
        figure.add(who, times / (time.perf_counter() - began))


async def _batches(ways: Callers, figures: Figures, turn: int, amount: int) -> None:
    each: dict[str, Callable[[int], Awaitable[None]]] = {
        by.INSERT_MANY: ways.insert_many,
        "arq, 50 callers": ways.enqueue_many,
        "Backburner.create_many": ways.create_many,
    }
    figure = figures.figure(f"{amount:,} in one call", "s", bare=by.INSERT_MANY, arq="arq, 50 callers")
    for who in _in_turn(list(each), turn):
        await each[who](10)
        began = time.perf_counter()
        await each[who](amount)
        figure.add(who, time.perf_counter() - began)


async def _beside_many(ways: Callers, figures: Figures, turn: int, kept: int) -> None:
    """What must not grow with the table: the look for an equal job."""
    each: dict[str, Call] = {
        by.INSERT: ways.insert,
        by.CREATE: ways.create,
        by.CREATE_GUARDED: ways.create_guarded,
    }
    figure = figures.figure(f"submit beside {kept:,}, p50", "ms", bare=by.INSERT)
    for who in _in_turn(list(each), turn):
        took, _ = await _one_by_one([each[who]] * 30)
        figure.add(who, percentile(took, 0.5) * 1000)


async def _one_by_one(calls: Sequence[Call]) -> tuple[list[float], list[Any]]:
    """How long each took in seconds, after some to warm up, and what it gave."""
    took, gave = list[float](), list[Any]()
    for call in calls[:_WARM]:
        await call()
    for call in calls:
        began = time.perf_counter()
        gave.append(await call())
        took.append(time.perf_counter() - began)
    return took, gave


def _in_turn(names: list[str], turn: int) -> list[str]:
    return names if turn % 2 == 0 else names[::-1]
