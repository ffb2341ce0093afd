"""The bell as doors pull it: they wait for Redis no longer than half a second, and lose nothing without it."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from agent_tools.bell import Bell, Changes, RedisError, Ring

_PATIENCE_S = 0.5


class Doorbell:
    """Rings and hints that may be lost: what is kept and was not rung, the sweep finds."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    async def ring(self, rings: Iterable[Ring]) -> None:
        """Tell workers of jobs that are due."""
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._bell.ring(rings)

    async def tell(self, changes: Changes) -> None:
        """Tell whoever watches."""
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._bell.tell(changes)

    async def answers(self, within_s: float) -> bool:
        """Whether Redis is there."""
        try:
            async with asyncio.timeout(within_s):
                await self._bell.ping()
        except (RedisError, OSError):
            return False
        return True
