"""Telling programs that jobs have ended: written with the end, sent until it is taken, in nobody's way."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from given import LEASE_S, Stores, Tenant
from starlette.responses import RedirectResponse, Response
from stubs.receiver import Receiver, serving_receiver

from agent_tools.jobs.job import COMPLETED, QUEUED, RUNNING, WAITING
from agent_tools.jobs.webhooks import EVENTS, PAUSES_S, Tried, new_secret
from worker import webhooks
from worker.webhooks import EACH, Sender


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")
    async with serving_receiver() as opened:
        yield opened


@pytest.fixture
def sender(stores: Stores) -> Sender:
    return Sender(stores.hands, lambda job: f"https://here.example/jobs/{job}")


async def listening(
    stores: Stores, url: str = "https://hooks.example", *events: str, of: Tenant | None = None
) -> tuple[int, str]:
    """An endpoint for these ends, or for all; gives its number and secret."""
    secret = new_secret()
    number = await stores.door.add_webhook((of or stores.book.default).id, url, secret, events or EVENTS)
    assert number is not None
    return number, secret


async def completed(stores: Stores, of: Tenant | None = None, **columns: str) -> str:
    (claim,) = await stores.claim(stores.book.put(of=of, **columns))
    await stores.settle(claim, result={"pages": 3, "redo": {"n": 1}}, result_line="Three pages")
    return claim.id


async def send(sender: Sender) -> int:
    """How many were sent."""
    tasks = await sender.send_due()
    await asyncio.gather(*tasks)
    return len(tasks)


def deliveries(stores: Stores) -> list[dict[str, Any]]:
    return stores.book.run("SELECT * FROM webhook_deliveries ORDER BY created_at, id")


def types(stores: Stores) -> list[tuple[str, str]]:
    return [(row["job_id"], row["type"]) for row in deliveries(stores)]


def hurry(stores: Stores) -> None:
    """What waits is due now."""
    stores.book.run("UPDATE webhook_deliveries SET next_at = now() WHERE next_at IS NOT NULL")


# ----------------------------------------------------------------------------------------------------- with the end


async def test_every_way_to_end_is_told_once_and_nothing_else_is(stores: Stores) -> None:
    await listening(stores)
    told = [(await completed(stores), "job.completed")]
    (claim,) = await stores.claim(stores.book.put())
    await stores.settle(claim, "errored")
    assert types(stores) == told
    (claim,) = await stores.claim(stores.book.put())
    await stores.settle(claim, "failed")
    told.append((claim.id, "job.failed"))
    for status in (QUEUED, RUNNING, WAITING):
        job = stores.book.put(status)
        parented = stores.book.put(WAITING, waiting_for="'jobs'", look_at="now()")
        stores.book.link(parented, after=job)
        await stores.door.cancel(stores.book.default.id, stores.book.default.principal, [job])
        await stores.door.cancel(stores.book.default.id, stores.book.default.principal, [job])
        await stores.hands.wake()
        told += [(job, "job.cancelled"), (parented, "job.cancelled")]
    poisoned = stores.book.put(RUNNING, crashes="2", lease_until="now() - interval '1 s'")
    crashed = stores.book.put(RUNNING, lease_until="now() - interval '1 s'")
    assert set(stores.watch.reap()) == {poisoned, crashed}
    told.append((poisoned, "job.failed"))

    assert sorted(types(stores)) == sorted(told)


async def test_an_end_that_was_refused_is_not_told(stores: Stores) -> None:
    await listening(stores)
    (slow,) = await stores.claim(stores.book.put())
    stores.book.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    stores.watch.reap()
    (other,) = await stores.claim(slow.id)

    assert await stores.settle(slow) is None
    assert types(stores) == []
    assert await stores.settle(other) == COMPLETED
    assert await stores.settle(slow) is None
    assert types(stores) == [(slow.id, "job.completed")]


async def test_where_nobody_listens_nothing_is_written(stores: Stores) -> None:
    theirs = stores.book.tenant("theirs")
    await completed(stores)
    number, _ = await listening(stores, "https://a.example", "job.failed")
    await listening(stores, "https://b.example", of=theirs)
    await completed(stores)
    await stores.door.change_webhook(stores.book.default.id, number, list(EVENTS), enabled=False)
    await completed(stores)

    assert types(stores) == []


async def test_a_job_that_names_an_address_has_it_told_and_no_other_job_does(stores: Stores) -> None:
    job, tenant = stores.book.put(), stores.book.default.id
    named = {"job": job, "url": "https://a.example", "secret": new_secret()}
    await stores.door.call_webhooks(tenant, [named, named])
    await stores.door.call_webhooks(tenant, [{**named, "secret": new_secret()}])

    (claim,) = await stores.claim(job)
    await stores.settle(claim)
    await completed(stores)

    assert types(stores) == [(job, "job.completed")]
    (webhook,) = await stores.door.webhooks(tenant)
    assert (webhook.url, webhook.events, webhook.of_jobs, webhook.waiting) == ("https://a.example", (), True, 1)


async def test_an_address_that_is_registered_and_named_is_told_once(stores: Stores) -> None:
    job = stores.book.put()
    await listening(stores, "https://a.example")
    named = {"job": job, "url": "https://a.example", "secret": new_secret()}
    await stores.door.call_webhooks(stores.book.default.id, [named])

    (claim,) = await stores.claim(job)
    await stores.settle(claim)
    await stores.door.call_webhooks(stores.book.default.id, [named])

    assert types(stores) == [(job, "job.completed")]


async def test_whoever_is_named_while_the_job_ends_is_told_once(stores: Stores) -> None:
    for number in range(60):
        (claim,) = await stores.claim(stores.book.put())
        named = {"job": claim.id, "url": f"https://{number % 3}.example", "secret": new_secret()}

        await asyncio.gather(stores.settle(claim), stores.door.call_webhooks(claim.tenant, [named]))

        assert types(stores).count((claim.id, "job.completed")) == 1, number


# ------------------------------------------------------------------------------------------------------------- sending


async def test_what_is_told_is_signed_and_says_how_the_job_ended(
    stores: Stores, receiver: Receiver, sender: Sender
) -> None:
    number, secret = await listening(stores, receiver.url)
    job = await completed(stores, title="'Tides'", labels="""'{"by": "nightly"}'""")

    assert await send(sender) == 1
    assert await send(sender) == 0

    (told,) = receiver.told
    assert told.is_signed_with(secret)
    assert not told.is_signed_with(new_secret())
    assert told.headers["content-type"] == "application/json"
    said = told.said
    assert (said["type"], said["data"]["job_id"], said["data"]["status"]) == ("job.completed", job, "completed")
    assert said["data"]["result"] == {"pages": 3}
    assert said["data"]["page_url"] == f"https://here.example/jobs/{job}"
    more = {name: said["data"][name] for name in ("kind", "title", "result_line", "labels")}
    assert more == {"kind": "sleep", "title": "Tides", "result_line": "Three pages", "labels": {"by": "nightly"}}
    (webhook,) = await stores.door.webhooks(stores.book.default.id, number)
    assert (webhook.waiting, webhook.given_up, webhook.last_answer) == (0, 0, "204 No Content")


async def test_a_large_result_stays_at_the_job(stores: Stores, receiver: Receiver, sender: Sender) -> None:
    await listening(stores, receiver.url)
    (claim,) = await stores.claim(stores.book.put())
    await stores.settle(claim, result={"filling": "x" * 60_000})

    await send(sender)

    assert "result" not in receiver.told[0].said["data"]
    assert len(receiver.told[0].body) < 20_000


async def test_what_is_not_taken_is_sent_again_under_the_same_id_with_the_same_body_signed_anew(
    stores: Stores, receiver: Receiver, sender: Sender
) -> None:
    number, secret = await listening(stores, receiver.url)
    receiver.then(Response(status_code=500), RedirectResponse("http://127.0.0.1:1/other", 307))
    await completed(stores)

    for expected_s in PAUSES_S[:2]:
        await send(sender)
        wait_s = stores.book.one("SELECT extract(epoch FROM next_at - now())::float8 FROM webhook_deliveries")
        assert expected_s - 2 < wait_s <= expected_s * 1.2
        assert await send(sender) == 0
        hurry(stores)
    await send(sender)

    assert len(receiver.told) == 3
    assert len({(told.id, told.body) for told in receiver.told}) == 1
    assert all(told.is_signed_with(secret) for told in receiver.told)
    (delivery,) = await stores.door.deliveries(stores.book.default.id, number, 10)
    assert (delivery.state, delivery.tries, delivery.last_answer) == ("delivered", 3, "204 No Content")


async def test_after_the_last_try_it_is_given_up_and_can_be_sent_again_by_hand(
    stores: Stores, receiver: Receiver, sender: Sender
) -> None:
    tenant = stores.book.default.id
    number, _ = await listening(stores, receiver.url)
    receiver.then(*(Response(status_code=500) for _ in range(len(PAUSES_S) + 1)))
    await completed(stores)

    for _ in range(len(PAUSES_S) + 1):
        hurry(stores)
        assert await send(sender) == 1
    hurry(stores)
    assert await send(sender) == 0
    (delivery,) = await stores.door.deliveries(tenant, number, 10)
    assert (delivery.state, delivery.tries, delivery.last_answer) == ("given up", 10, "500 Internal Server Error")

    assert await stores.door.retry_delivery(tenant, number, delivery.id)
    assert await send(sender) == 1
    assert (await stores.door.deliveries(tenant, number, 10))[0].state == "delivered"
    assert len({told.id for told in receiver.told}) == 1


async def test_who_asks_to_be_left_alone_is_and_who_is_gone_is_told_nothing_more(
    stores: Stores, receiver: Receiver, sender: Sender
) -> None:
    number, _ = await listening(stores, receiver.url)
    receiver.then(Response(status_code=503, headers={"Retry-After": "600"}), Response(status_code=410))
    first, second = await completed(stores), await completed(stores)
    stores.book.run("UPDATE webhook_deliveries SET next_at = now() + interval '1 h' WHERE job_id = %s", second)

    await send(sender)
    assert stores.book.one("SELECT next_at > now() + interval '9 min' FROM webhook_deliveries WHERE job_id = %s", first)
    stores.book.run("UPDATE webhook_deliveries SET next_at = now() WHERE job_id = %s", first)
    await send(sender)
    await completed(stores)

    (webhook,) = await stores.door.webhooks(stores.book.default.id, number)
    assert (webhook.disabled_because, webhook.waiting, webhook.given_up) == ("It answered 410 Gone.", 0, 2)
    assert len(deliveries(stores)) == 2


async def test_a_secret_that_is_changed_signs_for_another_day(
    stores: Stores, receiver: Receiver, sender: Sender
) -> None:
    number, old = await listening(stores, receiver.url)
    new = new_secret()
    await stores.door.rotate_webhook(stores.book.default.id, number, new)
    await completed(stores)
    await send(sender)
    stores.book.run("UPDATE webhook_endpoints SET old_secret_until = now()")
    await completed(stores)
    await send(sender)

    assert [(told.is_signed_with(old), told.is_signed_with(new)) for told in receiver.told] == [
        (True, True),
        (False, True),
    ]


async def test_one_that_never_answers_is_a_failure_and_holds_up_only_itself(
    stores: Stores, receiver: Receiver, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = asyncio.Event()

    async def hang() -> Response:
        await hanging.wait()
        return Response()

    await listening(stores, f"{receiver.url}/slow", "job.failed")
    await listening(stores, f"{receiver.url}/quick", "job.completed")
    receiver.then(*[hang] * EACH)
    for _ in range(2 * EACH):
        (claim,) = await stores.claim(stores.book.put())
        await stores.settle(claim, "failed")
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 2.0)

    slow = await sender.send_due()
    await receiver.next(EACH)
    for _ in range(3):
        await completed(stores)
        assert await send(sender) == 1
    assert len(slow) == EACH
    assert sum(told.path == "/hook/quick" for told in receiver.told) == 3
    assert not any(task.done() for task in slow)
    await asyncio.gather(*slow)
    hanging.set()

    answers = {row["last_answer"] for row in deliveries(stores) if row["type"] == "job.failed" and row["tries"]}
    assert answers == {"127.0.0.1 took longer than 2 s."}


async def test_nothing_is_sent_into_our_own_network(
    stores: Stores, receiver: Receiver, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BACKBURNER_ALLOW_LOOPBACK")
    port = receiver.url.rsplit(":", 1)[1].partition("/")[0]
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == "inside.example" else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    await listening(stores, "https://inside.example/hook")
    await listening(stores, receiver.url)
    await listening(stores, f"https://127.0.0.1:{port}/hook")
    await completed(stores)

    assert await send(sender) == 3

    assert receiver.told == []
    answers = sorted(row["last_answer"] for row in deliveries(stores))
    assert [answer.partition(" ")[2] for answer in answers if "public" in answer] == [
        "is no public address, and others are not asked."
    ]
    assert all(row["next_at"] for row in deliveries(stores))


async def test_two_senders_at_once_send_each_message_once(stores: Stores, receiver: Receiver) -> None:
    for number in range(5):
        await listening(stores, f"{receiver.url}/{number}")
    for _ in range(6):
        await completed(stores)
    senders = [Sender(stores.hands, lambda _: None) for _ in range(2)]

    while any(await asyncio.gather(*map(send, senders))):
        pass

    assert len(receiver.told) == len({told.id for told in receiver.told}) == 30


async def test_what_a_sender_took_along_when_it_died_is_sent_by_another_and_its_late_answer_counts_no_more(
    stores: Stores, receiver: Receiver, sender: Sender
) -> None:
    await listening(stores, receiver.url)
    await completed(stores)
    (taken,) = await stores.hands.take_deliveries([], each=1, most=1, lease_s=60)
    assert await send(sender) == 0
    hurry(stores)

    assert await send(sender) == 1

    assert receiver.told[0].id == taken.id
    assert not await stores.hands.settle_delivery(taken, Tried(False, 5.0, "500 Late"))
    assert deliveries(stores)[0]["delivered_at"] is not None


async def test_what_is_old_is_forgotten_and_what_waits_is_not(stores: Stores) -> None:
    tenant = stores.book.default.id
    await listening(stores)
    old, waiting, named = await completed(stores), await completed(stores), stores.book.put()
    await stores.door.call_webhooks(tenant, [{"job": named, "url": "https://once.example", "secret": new_secret()}])
    (claim,) = await stores.claim(named)
    await stores.settle(claim)
    stores.book.run("UPDATE webhook_deliveries SET created_at = now() - interval '31 days'")
    stores.book.run("UPDATE webhook_deliveries SET delivered_at = now() WHERE job_id = ANY (%s)", [old, named])
    stores.book.run("UPDATE webhook_endpoints SET named_at = now() - interval '2 days' WHERE of_jobs")
    stores.book.run("UPDATE jobs SET finished_at = now() - interval '2 days'")

    await stores.hands.forget_webhooks()

    assert [job for job, _ in types(stores)] == [waiting]
    assert [webhook.url for webhook in await stores.door.webhooks(tenant)] == ["https://hooks.example"]


async def test_another_tenants_webhooks_are_not_there(stores: Stores) -> None:
    ours, theirs = stores.book.default.id, stores.book.tenant("theirs")
    number, _ = await listening(stores, of=theirs)
    await completed(stores, of=theirs)
    (delivery,) = await stores.door.deliveries(theirs.id, number, 10)

    assert await stores.door.webhooks(ours) == []
    assert await stores.door.deliveries(ours, number, 10) == []
    assert not await stores.door.retry_delivery(ours, number, delivery.id)
    assert not await stores.door.change_webhook(ours, number, None, enabled=False)
    assert not await stores.door.rotate_webhook(ours, number, new_secret())
    assert not await stores.door.delete_webhook(ours, number)
    await stores.door.call_webhooks(ours, [{"job": delivery.job, "url": "https://spy.example", "secret": new_secret()}])
    assert stores.book.one("SELECT count(*) FROM job_webhooks") == 0


async def test_a_lease_is_longer_than_a_try_can_take() -> None:
    assert webhooks.LEASE_S > 2 * webhooks.TIMEOUT_S > LEASE_S
