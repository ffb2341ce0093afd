"""Who is asking: tokens of agents and programs, one-time links and sessions of people."""

import secrets
from typing import NamedTuple

from agent_tools.app import Backburner
from agent_tools.bell import Ring
from agent_tools.jobs import callbacks
from agent_tools.jobs.errors import BackburnerError, JobNotFound
from agent_tools.jobs.job import job_id
from agent_tools.requests import hash_of_secret
from sql.hands import HandsStore, Principal

SESSION_S = 90 * 86_400.0
"""How long a browser stays signed in."""


class NotAllowed(BackburnerError):
    """The caller is known, but may not do this; the sentence says what it would take."""

    code = "not_allowed"


class Session(NamedTuple):
    """A browser that was signed in; the secret goes into its cookie and is kept nowhere."""

    secret: str
    lasts_s: float


class Keys:
    """Secrets against the book, which holds only their hashes. A revoked one is refused at once."""

    def __init__(self, hands: HandsStore) -> None:
        self.hands = hands

    async def principal_of_token(self, secret: str) -> Principal | None:
        """Who holds this token; None when nobody does, any longer or at all."""
        return await self.hands.principal_of_token(hash_of_secret(secret))

    async def principal_of_session(self, secret: str) -> Principal | None:
        """Whose browser sent this cookie; None when it is nobody's."""
        return await self.hands.principal_of_session(hash_of_secret(secret))

    async def sign_in(self, link_secret: str) -> Session | None:
        """Redeem a one-time link; None where it was used, has expired, or never was."""
        secret = secrets.token_urlsafe(32)
        signed_in = await self.hands.sign_in(hash_of_secret(link_secret), hash_of_secret(secret), SESSION_S)
        return Session(secret, SESSION_S) if signed_in else None

    async def sign_out(self, secret: str) -> None:
        """End a session."""
        await self.hands.end_session(hash_of_secret(secret))

    async def check_callback(self, job: str, proof: str) -> None:
        """Raise JobNotFound unless this installation gave out this address."""
        if not callbacks.is_ours(await self.hands.secret(), job_id(job), proof):
            raise JobNotFound("This address was not given out here.")

    async def call_back(self, job: str) -> list[Ring]:
        """Have the job look at once, where it waits for something outside; gives what is to be rung for that.

        What the caller does not ring, the sweep does a moment later.
        """
        if not await self.hands.nudge(job_id(job)):
            return []
        await self.hands.wake()
        return [Ring(due.id, due.dispatch, due.queue, due.tenant, due.priority) for due in await self.hands.ring()]


def require(backburner: Backburner, scope: str) -> None:
    """Raise NotAllowed unless the principal holds this scope (`admin` holds all)."""
    if scope not in backburner.who.scopes and "admin" not in backburner.who.scopes:
        raise NotAllowed(f"This token may not do that: it lacks the scope '{scope}'.")
