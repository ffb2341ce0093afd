"""Schedules as programs make them: checked as jobs are, changed, paused, run and deleted."""

import asyncio
from datetime import UTC, datetime

import httpx2
from callers import Callers, assert_is_problem
from given import Book

from worker.hands import Hands

SCHEDULES = "/api/v1/schedules"
NIGHTLY = {
    "name": "Nightly Drill", "cron": "30 2 * * MON-FRI", "timezone": "Europe/Berlin", "kind": "drill", "args": {"steps": 2},
    "title": "Drill of {date}", "subject": "Drills", "labels": {"by": "clock"}, "priority": "high",
    "webhook_url": "https://hooks.example/x", "overlap": "allow", "catch_up": "none",
}  # fmt: skip


async def test_what_is_asked_for_is_kept_and_said_with_its_next_times(client: httpx2.AsyncClient) -> None:
    made = await client.post(SCHEDULES, json=NIGHTLY)

    assert made.status_code == 201
    said = made.json()
    assert {name: said[name] for name in NIGHTLY} == NIGHTLY
    assert (said["when"], said["state"]) == ("At 02:30 on Monday through Friday (Europe/Berlin)", "active")
    assert len(said["next_times"]) == 3
    assert said["next_at"] == said["next_times"][0] > f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert (await client.get(made.headers["location"])).json() == said
    assert (await client.get(f"{SCHEDULES}/nightly%20drill")).json() == said
    assert (await client.get(SCHEDULES)).json() == {"schedules": [said]}


async def test_its_jobs_are_found_by_its_label_and_it_tells_how_the_last_one_went(
    client: httpx2.AsyncClient, book: Book, hands: Hands
) -> None:
    made = (await client.post(SCHEDULES, json={"name": "often", "cron": "* * * * *", "kind": "drill"})).json()
    book.run("UPDATE schedules SET next_at = now() - interval '1 s'")
    (event,) = await came(book, "often")
    job = event["job_id"]
    for task in await hands.take_all(await hands.bell.take("default", 10)):
        await task

    found = (await client.get("/api/v1/jobs", params={"label": "schedule:often"})).json()["jobs"]
    now = (await client.get(f"{SCHEDULES}/{made['id']}")).json()

    assert [each["job_id"] for each in found] == [job]
    assert (now["last_job"], now["last_status"]) == (job, "completed")
    types = [each["type"] for each in (await client.get(f"/api/v1/jobs/{job}/events")).json()["events"]]
    assert types == ["created", "scheduled", "started", "completed"]


async def came(book: Book, name: str) -> list[dict[str, str]]:
    """The event of the job, once a worker's own round has fired it."""
    async with asyncio.timeout(10):
        while not (found := book.run("SELECT job_id FROM job_events WHERE data ->> 'schedule' = %s", name)):
            await asyncio.sleep(0.05)
    return found


async def test_it_is_paused_resumed_run_changed_and_deleted(client: httpx2.AsyncClient) -> None:
    one = f"{SCHEDULES}/{(await client.post(SCHEDULES, json=NIGHTLY)).json()['id']}"

    paused = (await client.post(f"{one}/pause")).json()
    resumed = (await client.post(f"{one}/resume")).json()
    run = await client.post(f"{one}/run")
    changed = await client.patch(one, json={"cron": "@hourly", "title": None, "labels": {}, "args": {"steps": 1}})

    assert (paused["state"], "next_at" in paused, resumed["state"]) == ("paused", False, "active")
    assert (run.status_code, run.json()["labels"]) == (202, {"by": "clock", "schedule": "Nightly Drill"})
    assert run.headers["location"] == f"/api/v1/jobs/{run.json()['job_id']}"
    said = changed.json()
    assert (said["cron"], said["when"], said["args"]) == (
        "@hourly",
        "At the start of every hour (Europe/Berlin)",
        {"steps": 1},
    )
    assert {"title", "labels"}.isdisjoint(said)
    assert said["subject"] == "Drills"
    assert (await client.delete(one)).status_code == 204
    gone = await client.get(one)
    assert_is_problem(gone)
    assert (gone.status_code, gone.json()["code"]) == (404, "schedule_not_found")


async def test_each_bad_field_is_named_with_what_is_allowed(client: httpx2.AsyncClient) -> None:
    for different, field, said in (
        ({"cron": "0 25 * * *"}, "cron", "hour '25' is not right: allowed are 0 to 23"),
        ({"cron": "0 0 30 2 *"}, "cron", "never comes"),
        ({"timezone": "Europe/Belrin"}, "timezone", "Did you mean 'Europe/Berlin'?"),
        ({"name": "1234"}, "name", "with a letter among them"),
        ({"overlap": "perhaps"}, "overlap", "'skip' or 'allow'"),
        ({"args": {"stepz": 1}}, "stepz", "Did you mean 'steps'?"),
        ({"webhook_url": "http://example.org"}, "webhook_url", "https"),
        ({"zone": "UTC"}, "zone", "is not an argument"),
    ):
        refused = await client.post(SCHEDULES, json={**NIGHTLY, **different})
        assert_is_problem(refused)
        assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (422, [field])
        assert said in refused.json()["detail"]
    one = f"{SCHEDULES}/{(await client.post(SCHEDULES, json=NIGHTLY)).json()['id']}"
    refused = await client.patch(one, json={"cron": None})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cron")


async def test_a_taken_name_is_a_conflict(client: httpx2.AsyncClient) -> None:
    await client.post(SCHEDULES, json=NIGHTLY)

    for again in (
        await client.post(SCHEDULES, json={**NIGHTLY, "name": "NIGHTLY drill"}),
        await client.patch(
            f"{SCHEDULES}/{(await client.post(SCHEDULES, json={**NIGHTLY, 'name': 'other'})).json()['id']}",
            json={"name": "nightly drill"},
        ),
    ):
        assert_is_problem(again)
        assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_another_tenants_schedules_are_not_found(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    one = f"{SCHEDULES}/{(await client.post(SCHEDULES, json=NIGHTLY)).json()['id']}"

    assert (await stranger.get(SCHEDULES)).json() == {"schedules": []}
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/run"),
    ):
        body = {"json": {"cron": "@daily"}} if method == "PATCH" else {}
        assert (await stranger.request(method, one + path, **body)).status_code == 404
    assert (await client.get(one)).status_code == 200


async def test_who_may_only_read_makes_none(callers: Callers, client: httpx2.AsyncClient) -> None:
    reader = await callers.allowed("jobs:read")
    await client.post(SCHEDULES, json=NIGHTLY)

    assert (await reader.post(SCHEDULES, json=NIGHTLY)).status_code == 403
    assert (await reader.post(f"{SCHEDULES}/nightly%20drill/run")).status_code == 403
    assert len((await reader.get(SCHEDULES)).json()["schedules"]) == 1
