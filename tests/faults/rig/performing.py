"""Hands in the test's own process, for kinds that a test makes up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent_tools.app import Backburner
from agent_tools.jobs.kinds import Kind, Kinds
from agent_tools.settings import Settings
from worker.hands import Hands, open_hands


@asynccontextmanager
async def performing(settings: Settings, kind: Kind) -> AsyncIterator[tuple[Hands, str]]:
    """Hands in this process that have begun a job of the kind."""
    kinds = Kinds([kind])
    async with open_hands(settings, installed=kinds) as hands, Backburner.open(settings, kinds=kinds) as backburner:
        job = (await backburner.create(kind.name)).id
        await hands.take(job)
        yield hands, job
