"""What every page and every endpoint shares: the installation, its addresses, and who is asking."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.requests import HTTPConnection

from agent_tools.app import Backburner
from agent_tools.auth import Keys
from agent_tools.installation import Installation
from agent_tools.tail import Tail
from agent_tools.view import Addresses
from sql.hands import Principal

COOKIE = "backburner"
SECURE_COOKIE = "__Host-backburner"
"""Under https the browser itself vouches that no other host has set it."""


@dataclass(frozen=True)
class Site:
    """Wired once, and found at `request.app.state.site`."""

    backburner: Backburner
    keys: Keys
    tail: Tail
    addresses: Addresses
    everybody: Principal | None = None
    """Whom callers without a secret act as (`--no-auth`, loopback only); None: nobody."""
    metrics_are_open: bool = False
    """To callers on this machine, without a token."""

    @cached_property
    def installation(self) -> Installation:
        """All of it, in numbers."""
        return Installation(self.keys.hands, self.tail)

    @classmethod
    def of(cls, connection: HTTPConnection) -> "Site":
        """The site that serves this request."""
        site: Site = connection.app.state.site
        return site

    async def for_program(self, connection: HTTPConnection) -> Backburner | None:
        """The installation as the bearer of the request's token, else as the signed-in person; None when it is neither."""
        scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and secret:
            return self._as(await self.keys.principal_of_token(secret.strip()))
        return await self.for_person(connection)

    async def for_person(self, connection: HTTPConnection) -> Backburner | None:
        """The installation as the person whose browser this is; None when it is nobody's."""
        secret = connection.cookies.get(self.cookie(connection))
        who = await self.keys.principal_of_session(secret) if secret else None
        return self._as(who or self.everybody)

    def cookie(self, connection: HTTPConnection) -> str:
        """What the session's cookie is called here."""
        return SECURE_COOKIE if connection.url.scheme == "https" else COOKIE

    def _as(self, who: Principal | None) -> Backburner | None:
        return self.backburner.acting_as(who) if who else None


def cookie_options(connection: HTTPConnection, lasts_s: float) -> dict[str, Any]:
    """How the session's cookie is set: never readable by scripts, never sent along from other sites."""
    return {
        "max_age": int(lasts_s),
        "httponly": True,
        "samesite": "lax",
        "path": "/",
        "secure": connection.url.scheme == "https",
    }
