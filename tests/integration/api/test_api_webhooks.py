"""Webhooks as programs set them up: registered, named by single jobs, and told by the worker that ran them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from callers import Callers, assert_is_problem
from stubs.receiver import Receiver, serving_receiver

Work = Callable[[], Awaitable[None]]
Drill = Callable[..., Awaitable[dict[str, Any]]]
WEBHOOKS = "/api/v1/webhooks"


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")
    async with serving_receiver() as opened:
        yield opened


@pytest.fixture
async def admin(callers: Callers) -> httpx2.AsyncClient:
    return await callers.allowed("admin")


async def test_whoever_registers_is_told_of_the_next_end_and_sees_the_answer(
    admin: httpx2.AsyncClient, receiver: Receiver, drill: Drill, work: Work
) -> None:
    made = (await admin.post(WEBHOOKS, json={"url": receiver.url})).json()
    job = await drill(title="A drill")
    await work()

    (told,) = await receiver.next(1)

    assert told.is_signed_with(made["secret"])
    assert (told.said["type"], told.said["data"]["job_id"]) == ("job.completed", job["job_id"])
    deliveries = (await admin.get(f"{WEBHOOKS}/{made['id']}/deliveries")).json()["deliveries"]
    assert [(each["id"], each["job_id"], each["type"]) for each in deliveries] == [
        (told.id, job["job_id"], "job.completed")
    ]


async def test_a_job_names_who_is_to_be_told_of_its_end_also_in_a_batch(
    client: httpx2.AsyncClient, receiver: Receiver, work: Work
) -> None:
    new = {"kind": "drill", "again": True, "webhook_url": receiver.url}
    one = (await client.post("/api/v1/jobs", json=new)).json()["job_id"]
    jobs = [new, {"kind": "drill", "again": True}, {**new, "args": {"fail": "error", "fail_times": 9}}]
    batch = [each["job_id"] for each in (await client.post("/api/v1/jobs/batch", json={"jobs": jobs})).json()["jobs"]]
    await client.post(f"/api/v1/jobs/{batch[2]}/cancel")
    await work()

    told = await receiver.next(3)

    said = {(each.said["data"]["job_id"], each.said["type"]) for each in told}
    assert said == {(one, "job.completed"), (batch[0], "job.completed"), (batch[2], "job.cancelled")}


async def test_the_same_job_asked_for_again_tells_the_second_address_too_also_after_its_end(
    client: httpx2.AsyncClient, receiver: Receiver, work: Work
) -> None:
    new = {"kind": "drill", "args": {"steps": 2}}
    first = (await client.post("/api/v1/jobs", json={**new, "webhook_url": f"{receiver.url}/first"})).json()
    await work()
    second = (await client.post("/api/v1/jobs", json={**new, "webhook_url": f"{receiver.url}/second"})).json()

    told = await receiver.next(2)

    assert (second["job_id"], second["created"]) == (first["job_id"], False)
    assert {each.path for each in told} == {"/hook/first", "/hook/second"}


async def test_a_secret_is_shown_once_and_a_new_one_when_it_is_changed(admin: httpx2.AsyncClient) -> None:
    made = (await admin.post(WEBHOOKS, json={"url": "https://hooks.example/hook", "events": []})).json()
    one = f"{WEBHOOKS}/{made['id']}"

    rotated = (await admin.post(f"{one}/rotate")).json()["secret"]

    assert made["secret"].startswith("whsec_")
    assert rotated.startswith("whsec_")
    assert rotated != made["secret"]
    shown = [(await admin.get(path)).text for path in (WEBHOOKS, one)]
    assert not any("whsec_" in text for text in shown)
    assert (await admin.get(one)).json() == {name: value for name, value in made.items() if name != "secret"}


async def test_a_webhook_is_changed_switched_off_and_deleted(admin: httpx2.AsyncClient) -> None:
    one = f"{WEBHOOKS}/{(await admin.post(WEBHOOKS, json={'url': 'https://hooks.example/hook'})).json()['id']}"

    fewer = (await admin.patch(one, json={"events": ["job.failed"]})).json()
    off = (await admin.patch(one, json={"enabled": False})).json()
    on = (await admin.patch(one, json={"enabled": True})).json()

    assert (fewer["events"], fewer["enabled"]) == (["job.failed"], True)
    assert (off["events"], off["enabled"], off["disabled_because"]) == (["job.failed"], False, "It was switched off.")
    assert (on["enabled"], "disabled_because" in on) == (True, False)
    assert (await admin.delete(one)).status_code == 204
    assert (await admin.delete(one)).status_code == 404
    assert (await admin.get(WEBHOOKS)).json() == {"webhooks": []}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"url": "http://hooks.example"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://[::1]/"}, "url"),
        ({"url": "ftp://hooks.example"}, "url"),
        ({"url": "https://hooks.example/" + "a" * 2000}, "url"),
        ({"url": "https://a:b@hooks.example"}, "url"),
        ({"url": "https://hooks.example\u0000"}, "url"),
        ({"url": ""}, "url"),
        ({"url": "https://hooks.example", "events": ["job.begun"]}, "events/0"),
        ({}, "url"),
    ],
)
async def test_what_cannot_be_told_is_refused_by_field(admin: httpx2.AsyncClient, sent: Any, field: str) -> None:
    refused = await admin.post(WEBHOOKS, json=sent)

    assert_is_problem(refused)
    assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (422, [field])


async def test_an_address_is_registered_once(admin: httpx2.AsyncClient, client: httpx2.AsyncClient) -> None:
    url = "https://hooks.example/hook"
    await client.post("/api/v1/jobs", json={"kind": "drill", "webhook_url": url})
    first = await admin.post(WEBHOOKS, json={"url": url})
    second = await admin.post(WEBHOOKS, json={"url": url})

    assert (first.status_code, second.status_code) == (201, 409)
    assert [(each["url"], len(each["events"])) for each in (await admin.get(WEBHOOKS)).json()["webhooks"]] == [(url, 3)]


async def test_another_tenant_sees_and_changes_nothing(admin: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    one = f"{WEBHOOKS}/{(await admin.post(WEBHOOKS, json={'url': 'https://hooks.example/hook'})).json()['id']}"

    assert (await stranger.get(WEBHOOKS)).json() == {"webhooks": []}
    answered = [
        await stranger.get(one),
        await stranger.patch(one, json={"enabled": False}),
        await stranger.post(f"{one}/rotate"),
        await stranger.get(f"{one}/deliveries"),
        await stranger.post(f"{one}/deliveries/msg_1/retry"),
        await stranger.delete(one),
    ]
    assert {each.status_code for each in answered} == {404}
    assert (await admin.get(one)).json()["enabled"]
