"""Where one person is told of what wants them."""

from collections.abc import Sequence

from agent_tools.jobs.errors import BadRequest, NotNow
from agent_tools.jobs.notices import TEST, WANTS, Notices
from agent_tools.postman import NotTaken, Postman
from sql.door import DoorStore
from sql.hands import Principal


class OwnNotices:
    """The address of one person, and of what they are told there."""

    def __init__(self, store: DoorStore, postman: Postman, who: Principal) -> None:
        self._store, self._postman, self._who = store, postman, who

    async def get(self) -> Notices | None:
        """Where this person is told of things, and how that goes; None: nowhere."""
        return await self._store.notices(self._who.tenant, self._who.principal)

    async def set(self, address: str | None, wants: Sequence[str] = WANTS) -> None:
        """Tell this person there (None: where until now) of what they want. Raises BadRequest for an address that cannot be used."""
        if unknown := [each for each in wants if each not in WANTS]:
            raise BadRequest(f"Nobody can be told of '{unknown[0][:40]}', only of {', '.join(WANTS)}.")
        checked_address = await self._postman.check(address) if address is not None else None
        if not await self._store.set_notices(self._who.tenant, self._who.principal, checked_address, wants):
            raise BadRequest(
                f"'{self._who.name}' is an agent: only people are told."
                if address is not None
                else "There is no address yet to tell you at: give one, such as ntfy://my-topic."
            )

    async def stop(self) -> None:
        """Forget this person's address."""
        await self._store.stop_notices(self._who.tenant, self._who.principal)

    async def test(self) -> None:
        """Send a test to this person's address. Raises NotNow where it was not taken, or another was sent just now."""
        address = await self._store.test_notices(self._who.tenant, self._who.principal)
        if address is None:
            has_one = await self.get() is not None
            raise NotNow(
                "A test was sent just now; wait ten seconds." if has_one else "There is no address to test yet."
            )
        refused = None
        try:
            await self._postman.send(address, TEST)
        except NotTaken as error:
            refused = str(error)
        await self._store.tested_notices(self._who.tenant, self._who.principal, address, refused)
        if refused:
            raise NotNow(f"The test was not taken. {refused}")
