"""Endpoints that are told when jobs end."""

import re

from starlette.responses import Response

from agent_tools import view
from agent_tools.jobs.webhooks import Delivery, Webhook
from agent_tools.webhooks import WebhookNotFound
from web.api import asked, replies
from web.api.operation import PREFIX, Caller
from web.api.replies import answer

_NUMBER = re.compile(r"[0-9]{1,18}")


async def add_webhook(caller: Caller, body: asked.NewWebhook) -> Response:
    """Have an address told when jobs end.

    Messages are signed as Standard Webhooks says; `secret` is shown only here. With no events it is told only of jobs
    that name it as their `webhook_url`.
    """
    made, secret = await caller.backburner.webhooks.add(body.url, body.events)
    shown = replies.MadeWebhook.model_validate({**_shown(made), "secret": secret})
    return answer(shown, 201, Location=f"{PREFIX}/webhooks/{made.id}")


async def list_webhooks(caller: Caller) -> Response:
    """List who is told, how many messages wait or were given up, and the last answer."""
    found = await caller.backburner.webhooks.all()
    return answer(replies.Webhooks.model_validate({"webhooks": list(map(_shown, found))}))


async def get_webhook(caller: Caller, webhook: str) -> Response:
    """Read one of them."""
    return answer(replies.Webhook.model_validate(_shown(await caller.backburner.webhooks.get(_number(webhook)))))


async def change_webhook(caller: Caller, webhook: str, body: asked.WebhookChanges) -> Response:
    """Tell it of other events, or switch it off and on; what waits when it is switched off is given up."""
    changed = await caller.backburner.webhooks.change(_number(webhook), events=body.events, enabled=body.enabled)
    return answer(replies.Webhook.model_validate(_shown(changed)))


async def delete_webhook(caller: Caller, webhook: str) -> Response:
    """Tell it nothing any more."""
    await caller.backburner.webhooks.delete(_number(webhook))
    return Response(status_code=204)


async def rotate_webhook(caller: Caller, webhook: str) -> Response:
    """Make a new secret, shown only here; for a day messages are signed with the old one, too."""
    return answer(replies.WebhookSecret(secret=await caller.backburner.webhooks.rotate(_number(webhook))))


async def list_deliveries(caller: Caller, webhook: str, query: asked.Newest) -> Response:
    """List what it was told and is to be told, newest first, with the last answer to each."""
    found = await caller.backburner.webhooks.deliveries(_number(webhook), query.limit)
    return answer(replies.Deliveries.model_validate({"deliveries": list(map(_delivery, found))}))


async def retry_delivery(caller: Caller, webhook: str, delivery: str) -> Response:
    """Send a message again now, under the same id; also one that was delivered or given up."""
    await caller.backburner.webhooks.retry(_number(webhook), delivery)
    return Response(status_code=202, headers={"Cache-Control": "no-store"})


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise WebhookNotFound(f"There is no webhook '{text[:40]}' here.")
    return int(text)


def _shown(webhook: Webhook) -> dict[str, object]:
    return view.present(
        {
            "id": webhook.id,
            "url": webhook.url,
            "of_jobs": webhook.of_jobs or None,
            "created_at": view.when(webhook.created_at),
            "disabled_because": webhook.disabled_because,
            "last_answer": webhook.last_answer,
            "tried_at": view.when(webhook.tried_at),
        }
    ) | {
        "events": list(webhook.events),
        "enabled": webhook.disabled_at is None,
        "waiting": webhook.waiting,
        "given_up": webhook.given_up,
    }


def _delivery(delivery: Delivery) -> dict[str, object]:
    return view.present(
        {
            "id": delivery.id,
            "job_id": delivery.job,
            "type": delivery.type,
            "state": delivery.state,
            "tries": delivery.tries,
            "last_answer": delivery.last_answer,
            "created_at": view.when(delivery.created_at),
            "tried_at": view.when(delivery.tried_at),
            "next_at": view.when(delivery.next_at),
            "delivered_at": view.when(delivery.delivered_at),
        }
    )
