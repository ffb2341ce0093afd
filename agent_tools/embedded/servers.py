"""The embedded servers together."""

import logging
from types import TracebackType
from typing import Self

from agent_tools.embedded.home import Home
from agent_tools.embedded.postgres import Postgres
from agent_tools.embedded.valkey import Valkey

log = logging.getLogger(__name__)


class Servers:
    """The embedded servers that nobody else provides, running for the length of a `with` block.

    Leave one out where DATABASE_URL or REDIS_URL names a real one.
    """

    def __init__(self, home: Home, *, postgres: bool = True, redis: bool = True) -> None:
        self._home = home
        self._postgres = Postgres(home) if postgres else None
        self._valkey = Valkey(home) if redis else None
        self._servers: list[Postgres | Valkey] = [server for server in (self._valkey, self._postgres) if server]

    @property
    def database_url(self) -> str | None:
        """Postgres's address; None if it was left out."""
        return self._postgres.url if self._postgres else None

    @property
    def redis_url(self) -> str | None:
        """Valkey's address; None if it was left out."""
        return self._valkey.url if self._valkey else None

    def __enter__(self) -> Self:
        self._home.make()
        try:
            for server in self._servers:
                server.launch()
            for server in self._servers:
                server.wait_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def restart_dead(self) -> list[str]:
        """Start each server again that has ended, and name those; call it about once a second, from any thread.

        Takes no time while all is well, else until the server is ready. Raises StartFailed.
        """
        dead = [server for server in self._servers if server.poll() is not None]
        for server in dead:
            log.warning("%s ended with code %s and is started again", server.name, server.poll())
            server.start()
        return [server.name for server in dead]

    def _stop(self) -> None:
        for server in reversed(self._servers):
            server.stop()
