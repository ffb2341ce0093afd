"""Who is told of the ends of jobs: the endpoints of a tenant, and the addresses that single jobs name."""

from collections.abc import Collection, Mapping, Sequence

from agent_tools.jobs.errors import Conflict, JobNotFound
from agent_tools.jobs.webhooks import EVENTS, Delivery, Webhook, new_secret
from agent_tools.requests import refuse_unaskable_address
from sql.door import DoorStore
from sql.hands import Principal


class WebhookNotFound(JobNotFound):
    """No such endpoint or delivery in the caller's tenant."""

    code = "webhook_not_found"


class Webhooks:
    """The endpoints of one principal's tenant. A secret is given once, when it is made."""

    def __init__(self, store: DoorStore, who: Principal) -> None:
        self._store, self._tenant = store, who.tenant

    async def all(self) -> Sequence[Webhook]:
        """Those that were registered, then those that jobs name; at most 1,000."""
        return await self._store.webhooks(self._tenant)

    async def get(self, number: int) -> Webhook:
        """One of them. Raises WebhookNotFound."""
        found = await self._store.webhooks(self._tenant, number)
        if not found:
            raise WebhookNotFound(f"There is no webhook {number} here.")
        return found[0]

    async def add(self, url: str, events: Collection[str] = EVENTS) -> tuple[Webhook, str]:
        """Tell this address of these ends of all jobs; with no events only of jobs that name it. Gives the secret, too.

        Raises BadRequest for an address that cannot be, Conflict where it is registered already.
        """
        refuse_unaskable_address("url", url)
        secret = new_secret()
        number = await self._store.add_webhook(self._tenant, url, secret, sorted(set(events)))
        if number is None:
            raise Conflict("There is a webhook for this address already. Change that one, or delete it first.")
        return await self.get(number), secret

    async def change(
        self, number: int, *, events: Collection[str] | None = None, enabled: bool | None = None
    ) -> Webhook:
        """Other events, or on and off: what waits when it is switched off is not sent. Raises WebhookNotFound."""
        changed = await self._store.change_webhook(
            self._tenant, number, None if events is None else sorted(set(events)), enabled
        )
        return await self.get(number if changed else 0)

    async def rotate(self, number: int) -> str:
        """A new secret; for a day messages are signed with the old one, too. Raises WebhookNotFound."""
        secret = new_secret()
        if not await self._store.rotate_webhook(self._tenant, number, secret):
            raise WebhookNotFound(f"There is no webhook {number} here.")
        return secret

    async def delete(self, number: int) -> None:
        """Tell it nothing any more, and forget what it was told. Raises WebhookNotFound."""
        if not await self._store.delete_webhook(self._tenant, number):
            raise WebhookNotFound(f"There is no webhook {number} here.")

    async def deliveries(self, number: int, limit: int = 50) -> Sequence[Delivery]:
        """What it was told and is to be told, the newest first. Raises WebhookNotFound."""
        await self.get(number)
        return await self._store.deliveries(self._tenant, number, limit)

    async def retry(self, number: int, delivery: str) -> None:
        """Send a message again now, also one that was delivered or given up. Raises WebhookNotFound."""
        if not await self._store.retry_delivery(self._tenant, number, delivery):
            raise WebhookNotFound(f"There is no delivery '{delivery[:60]}' to webhook {number} here.")

    async def call(self, urls: Mapping[str, str]) -> None:
        """Job id → the address that is told of its end, at once where it has ended."""
        if urls:
            named = [{"job": job, "url": url, "secret": new_secret()} for job, url in urls.items()]
            await self._store.call_webhooks(self._tenant, named)
