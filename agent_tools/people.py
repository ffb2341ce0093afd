"""Who may come in: people, their agents, links that sign them in, and tokens."""

import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from agent_tools.jobs.asks import Known
from agent_tools.jobs.errors import BadRequest, Conflict
from agent_tools.jobs.kinds import refuse_unstorable
from agent_tools.requests import hash_of_secret
from sql.door import DoorStore
from sql.hands import Principal

AGENT_SCOPES = ("jobs:read", "jobs:create", "jobs:organise", "jobs:cancel")
"""What a token may do unless it is made for more."""
LINK_S = 900.0
"""How long a sign-in link may wait to be used."""
MAX_NAME = 80


class People:
    """Everybody in one principal's tenant. A secret is given once, when it is made."""

    def __init__(self, store: DoorStore, who: Principal, *, self_answer: bool) -> None:
        self._store, self._who, self._self_answer = store, who, self_answer

    async def all(self) -> Sequence[Known]:
        """Everybody in the tenant: people, and agents with whose they are."""
        return await self._store.known(self._who.tenant)

    async def may_answer_own(self) -> bool:
        """Whether this principal may answer questions of jobs that it asked for itself.

        Where the operator lets everybody; and a person who is alone in the tenant, as nobody else could. What a person's agent
        asked is never their own.
        """
        if self._self_answer:
            return True
        people = [each.id for each in await self.all() if each.is_person]
        return people == [self._who.principal]

    async def add_token(self, name: str, scopes: Sequence[str], lasts: str | None = None) -> str:
        """A new token of this principal, shown only now; `lasts` such as `90 days`, None: for ever."""
        secret = f"bb_{os.urandom(32).hex()}"
        await self._store.add_token(self._who.tenant, self._who.principal, name, hash_of_secret(secret), scopes, lasts)
        return secret

    async def sign_in_link(self, person: str = "owner", *, new: bool = False, admin: bool = False) -> str:
        """The secret of a link that signs this person's browser in, once and soon; `new`: lets somebody in who is not here yet.

        With `admin` the browser may operate, too: it sees /ops, and may answer what is put to others.
        Raises BadRequest for nobody, and for a name that an agent has or that cannot be one.
        """
        refuse_unstorable({"name": person})
        person = " ".join(person.split())
        number = await self._store.person(self._who.tenant, person)
        if number is None and new:
            number = await self._let_in(person)
        if number is None:
            raise BadRequest(f"There is no person '{person}' here.")
        secret = secrets.token_urlsafe(32)
        await self._store.add_link(self._who.tenant, number, hash_of_secret(secret), LINK_S, is_admin=admin)
        return secret

    async def _let_in(self, person: str) -> int:
        if not person or len(person) > MAX_NAME or not person.isprintable():
            raise BadRequest(f"A person's name has 1 to {MAX_NAME} characters.")
        number = await self._store.add_person(self._who.tenant, person)
        if number is None:
            raise BadRequest(f"'{person}' is the name of an agent here. Take another one for the person.")
        return number

    async def tokens(self) -> Sequence[Mapping[str, Any]]:
        """The tenant's tokens, without their secrets."""
        return await self._store.tokens(self._who.tenant)

    async def revoke_token(self, number: int) -> None:
        """End a token at once. Raises Conflict when there is no such token that is still good."""
        if not await self._store.revoke_token(self._who.tenant, number):
            raise Conflict(f"There is no token {number} that is still good.")
