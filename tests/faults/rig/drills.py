"""Drills by the dozen."""

from typing import Any

from agent_tools.app import Backburner
from agent_tools.requests import MAX_BATCH, NewJob


async def drills(backburner: Backburner, number: int, **args: Any) -> list[str]:
    """Ids of so many new drills, all alike."""
    ids: list[str] = []
    while len(ids) < number:
        lot = [NewJob("drill", args, again=True)] * min(MAX_BATCH, number - len(ids))
        ids += [receipt.id for receipt in await backburner.create_many(lot)]
    return ids
