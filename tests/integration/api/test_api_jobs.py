"""Jobs over HTTP: created, waited for, read, filed, stopped, made again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from agent_tools.app import Backburner
from agent_tools.people import AGENT_SCOPES
from worker.hands import Hands

Drill = Callable[..., Awaitable[dict[str, Any]]]
Work = Callable[[], Awaitable[None]]
JOBS = "/api/v1/jobs"


async def test_a_job_is_accepted_with_its_address_and_everything_about_it(client: httpx2.AsyncClient) -> None:
    asked = {
        "kind": "drill",
        "args": {"steps": 2},
        "subject": "Drills",
        "title": "One",
        "labels": {"project": "apollo"},
    }

    answered = await client.post(JOBS, json=asked)

    job = answered.json()
    assert (answered.status_code, answered.headers["location"]) == (202, f"{JOBS}/{job['job_id']}")
    assert job | {"kind": "drill", "status": "queued", "subject": "Drills", "title": "One", "created": True} == job
    assert job["labels"] == {"project": "apollo"}
    assert job["why"].startswith("Queued")
    assert (await client.get(answered.headers["location"])).json()["job_id"] == job["job_id"]


async def test_everything_that_a_job_shows_is_documented(client: httpx2.AsyncClient, drill: Drill, work: Work) -> None:
    document = (await client.get("/openapi.json")).json()
    known = document["components"]["schemas"]["Job"]["properties"]
    done = await drill(args={"result_bytes": 70_000}, subject="Drills", title="One", labels={"a": "b"}, priority="high")
    later = await drill(run_after="2030-01-01T00:00:00Z")
    await work()

    for job_id in (done["job_id"], later["job_id"]):
        shown = (await client.get(f"{JOBS}/{job_id}")).json()
        assert set(shown) <= set(known)


async def test_the_same_request_is_the_same_job_unless_another_is_asked_for(client: httpx2.AsyncClient) -> None:
    first = await client.post(JOBS, json={"kind": "drill"})
    same = await client.post(JOBS, json={"kind": "drill"})
    other = await client.post(JOBS, json={"kind": "drill", "again": True})

    assert (first.status_code, same.status_code, other.status_code) == (202, 200, 202)
    assert same.json()["job_id"] == first.json()["job_id"] != other.json()["job_id"]
    assert same.json()["created"] is False


async def test_a_key_stands_for_one_request_for_ever(client: httpx2.AsyncClient, work: Work) -> None:
    key = {"Idempotency-Key": "order-7"}
    asked = {"kind": "drill", "again": True}
    first = await client.post(JOBS, json=asked, headers=key)
    await work()

    again = await client.post(JOBS, json=asked, headers=key)
    other = await client.post(JOBS, json={**asked, "title": "Another"}, headers=key)

    assert (again.status_code, again.json()["job_id"]) == (200, first.json()["job_id"])
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert "order-7" in other.json()["detail"]


async def test_of_many_creations_at_once_under_one_key_one_is_made(client: httpx2.AsyncClient) -> None:
    asked = {"json": {"kind": "drill"}, "headers": {"Idempotency-Key": "at once"}}

    answered = await asyncio.gather(*(client.post(JOBS, **asked) for _ in range(10)))

    assert len({each.json()["job_id"] for each in answered}) == 1
    assert sorted(each.status_code for each in answered) == [200] * 9 + [202]


async def test_creating_with_wait_answers_as_soon_as_the_job_has_ended(
    client: httpx2.AsyncClient, hands: Hands
) -> None:
    began = time.monotonic()
    asking = asyncio.create_task(client.post(f"{JOBS}?wait=25", json={"kind": "drill", "args": {"steps": 1}}))
    while not (kept := (await client.get(JOBS)).json()["jobs"]):
        await asyncio.sleep(0)
    attempt = await hands.take(kept[0]["job_id"])
    assert attempt
    await attempt

    answered = await asking
    assert (answered.status_code, answered.json()["status"]) == (202, "completed")
    assert answered.json()["result"]["attempt"] == 1
    assert time.monotonic() - began < 5


async def test_creating_with_wait_answers_with_the_job_when_the_time_is_up(client: httpx2.AsyncClient) -> None:
    answered = await client.post(f"{JOBS}?wait=0.2", json={"kind": "drill"})

    assert (answered.status_code, answered.json()["status"]) == (202, "queued")


async def test_a_batch_is_kept_in_order_under_one_number(client: httpx2.AsyncClient) -> None:
    jobs = [{"kind": "drill", "title": f"No. {number}"} for number in range(5)]

    answered = await client.post(f"{JOBS}/batch", json={"jobs": jobs})

    batch = answered.json()
    assert (answered.status_code, [job["title"] for job in batch["jobs"]]) == (202, [job["title"] for job in jobs])
    assert all(job["created"] and job["batch_id"] == batch["batch_id"] for job in batch["jobs"])
    listed = (await client.get(JOBS, params={"batch_id": batch["batch_id"]})).json()["jobs"]
    assert {job["job_id"] for job in listed} == {job["job_id"] for job in batch["jobs"]}


async def test_jobs_come_after_others_by_id_or_by_place(client: httpx2.AsyncClient) -> None:
    batch = {"jobs": [{"kind": "drill"}, {"kind": "drill", "after": [0]}]}
    first, second = (await client.post(f"{JOBS}/batch", json=batch)).json()["jobs"]

    third = await client.post(JOBS, json={"kind": "drill", "after": [second["job_id"]], "if_parent_fails": "run"})
    nowhere = await client.post(JOBS, json={"kind": "drill", "after": ["0c3k9x2mq7f4w"]})
    by_place = await client.post(JOBS, json={"kind": "drill", "after": [0]})

    assert (first["status"], second["status"], second["waiting_for"]) == ("queued", "waiting", "jobs")
    assert (third.status_code, third.json()["waiting_for"]) == (202, "jobs")
    assert third.json()["why"].startswith(f"Waiting for 1 job to end first: {second['job_id']} (drill, waiting)")
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "bad_request")
    assert "there is no job 0c3k9x2mq7f4w" in nowhere.json()["detail"]
    assert by_place.status_code == 422


async def test_a_batch_sent_again_under_its_key_is_the_same_batch(client: httpx2.AsyncClient) -> None:
    asked = {"json": {"jobs": [{"kind": "drill"}, {"kind": "drill"}]}, "headers": {"Idempotency-Key": "nightly"}}
    first, again = [await client.post(f"{JOBS}/batch", **asked) for _ in range(2)]
    shorter = await client.post(f"{JOBS}/batch", json={"jobs": [{"kind": "drill"}]}, headers=asked["headers"])

    assert again.json()["batch_id"] == first.json()["batch_id"]
    assert [job["job_id"] for job in again.json()["jobs"]] == [job["job_id"] for job in first.json()["jobs"]]
    assert not any(job["created"] for job in again.json()["jobs"])
    assert shorter.status_code == 409


async def test_a_bad_batch_keeps_nothing_and_names_every_bad_job(client: httpx2.AsyncClient) -> None:
    bad = [
        {"kind": "drill"},
        {"kind": "dril"},
        {"kind": "drill", "args": {"steps": -1}},
        {"kind": "drill", "title": "x" * 300},
    ]

    refused = await client.post(f"{JOBS}/batch", json={"jobs": bad})

    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == ["jobs/1", "jobs/2/steps", "jobs/3/title"]
    assert (await client.get(JOBS)).json()["jobs"] == []


async def test_reading_with_a_known_version_says_that_nothing_changed(client: httpx2.AsyncClient, drill: Drill) -> None:
    job = await drill()
    address = f"{JOBS}/{job['job_id']}"
    etag = (await client.get(address)).headers["etag"]

    known = await client.get(address, headers={"If-None-Match": etag})
    await client.patch(address, json={"title": "New"})
    changed = await client.get(address, headers={"If-None-Match": etag})

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert (changed.status_code, changed.json()["title"]) == (200, "New")
    assert changed.headers["etag"] != etag


async def test_waiting_for_a_change_ends_with_the_change(client: httpx2.AsyncClient, drill: Drill) -> None:
    job = await drill()
    address = f"{JOBS}/{job['job_id'].upper()}"
    etag = (await client.get(address)).headers["etag"]
    began = time.monotonic()

    waiting = asyncio.create_task(client.get(f"{address}?wait=25", headers={"If-None-Match": etag}))
    nothing = await client.get(f"{address}?wait=0.2", headers={"If-None-Match": etag})
    await client.patch(address, json={"subject": "Drills"})

    assert nothing.status_code == 304
    assert (await waiting).json()["subject"] == "Drills"
    assert time.monotonic() - began < 5


async def test_waiting_for_the_end_passes_over_other_changes(
    client: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    address = f"{JOBS}/{(await drill())['job_id']}"
    began = time.monotonic()

    waiting = asyncio.create_task(client.get(f"{address}?wait=25"))
    await client.patch(address, json={"title": "Not the end"})
    await work()

    assert ((await waiting).json()["status"], (await waiting).json()["title"]) == ("completed", "Not the end")
    assert time.monotonic() - began < 5


async def test_who_knows_that_a_person_is_needed_waits_for_the_change(
    client: httpx2.AsyncClient, drill: Drill, book: Any
) -> None:
    job = await drill()
    book.run("UPDATE jobs SET status = 'waiting', waiting_for = 'person', version = 2 WHERE id = %s", job["job_id"])
    address, began = f"{JOBS}/{job['job_id']}", time.monotonic()

    told = await client.get(f"{address}?wait=25", headers={"If-None-Match": 'W/"1"'})
    known = await client.get(f"{address}?wait=0.3", headers={"If-None-Match": told.headers["etag"]})

    assert (told.json()["waiting_for"], known.status_code) == ("person", 304)
    assert 0.3 <= time.monotonic() - began < 5


async def test_what_is_named_is_changed_and_nothing_else(client: httpx2.AsyncClient, drill: Drill) -> None:
    job = await drill(subject="Drills", title="Old", labels={"a": "b"})
    address = f"{JOBS}/{job['job_id']}"

    renamed = (await client.patch(address, json={"title": "New"})).json()
    taken_off = (await client.patch(address, json={"subject": None, "labels": {}})).json()

    assert (renamed["title"], renamed["subject"], renamed["labels"]) == ("New", "Drills", {"a": "b"})
    assert taken_off["title"] == "New"
    assert "subject" not in taken_off
    assert "labels" not in taken_off


async def test_jobs_are_moved_by_what_they_have_in_common_and_back_again(
    client: httpx2.AsyncClient, drill: Drill
) -> None:
    jobs = [await drill(subject=subject, labels={"week": "47"}) for subject in ("Old", None)]
    await drill(subject="Else")

    move = await client.post(
        f"{JOBS}/organise", json={"where": {"labels": {"week": "47"}}, "subject": "Week 47", "expect": 2}
    )
    moved = (await client.get(JOBS, params={"subject": "week 47"})).json()["jobs"]
    undone = await client.post(f"/api/v1/moves/{move.json()['move_id']}/undo")
    twice = await client.post(f"/api/v1/moves/{move.json()['move_id']}/undo")

    assert {each["job_id"]: each["was"] for each in move.json()["moved"]} == {
        jobs[0]["job_id"]: "Old",
        jobs[1]["job_id"]: None,
    }
    assert {each["job_id"] for each in moved} == {job["job_id"] for job in jobs} == set(undone.json()["job_ids"])
    assert (await client.get(f"{JOBS}/{jobs[0]['job_id']}")).json()["subject"] == "Old"
    assert (twice.status_code, twice.json()["code"]) == (409, "not_now")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"subject": "Old", "where": {}, "expect": 5}, "expect=1"),
        ({"subject": "Tidal force", "where": {}}, "'Tidal forces'"),
        ({"subject": "New"}, "either job_ids or where"),
        ({"subject": "New", "where": {}, "job_ids": ["0e8z453fk1krg"]}, "either job_ids or where"),
        ({"where": {}}, "subject: is required"),
        ({"subject": "New", "where": {"lables": {}}}, "labels"),
    ],
)
async def test_a_move_that_may_not_be_meant_is_refused(
    client: httpx2.AsyncClient, drill: Drill, body: dict[str, Any], said: str
) -> None:
    await drill(subject="Tidal forces")

    refused = await client.post(f"{JOBS}/organise", json=body)

    assert refused.status_code == 422
    assert said in refused.json()["detail"]


async def test_a_job_is_stopped_once_with_the_reason_kept(client: httpx2.AsyncClient, drill: Drill) -> None:
    address = f"{JOBS}/{(await drill())['job_id']}"

    stopped = await client.post(f"{address}/cancel", json={"reason": "Not needed any more"})
    again = await client.post(f"{address}/cancel")

    assert (stopped.status_code, stopped.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()["code"]) == (409, "not_now")
    assert "cancelled already" in again.json()["detail"]
    events = (await client.get(f"{address}/events")).json()["events"]
    assert events[-1]["data"]["reason"] == "Not needed any more"


async def test_many_are_stopped_by_name_or_as_a_batch(client: httpx2.AsyncClient, drill: Drill) -> None:
    jobs = [{"kind": "drill", "args": {"steps": number}} for number in (1, 2)]
    batch = (await client.post("/api/v1/jobs/batch", json={"jobs": jobs})).json()
    one = (await drill())["job_id"]
    ids = [each["job_id"] for each in batch["jobs"]]

    by_name = (await client.post("/api/v1/jobs/cancel", json={"job_ids": [one]})).json()
    again = (await client.post("/api/v1/jobs/cancel", json={"job_ids": [one]})).json()
    as_batch = (await client.post("/api/v1/jobs/cancel", json={"batch_id": batch["batch_id"], "reason": "no"})).json()
    both = await client.post("/api/v1/jobs/cancel", json={"batch_id": batch["batch_id"], "job_ids": [one]})
    unknown = await client.post("/api/v1/jobs/cancel", json={"batch_id": "0c3k9x2mq7f4w"})

    assert (by_name["cancelled"], by_name["not_cancelled"]) == ([one], [])
    assert again["not_cancelled"] == [{"job_id": one, "detail": f"{one} is cancelled already."}]
    assert set(as_batch["cancelled"]) == set(ids)
    assert (both.status_code, unknown.status_code) == (422, 404)


async def test_deleting_stops_what_runs_and_removes_what_has_ended(
    client: httpx2.AsyncClient, drill: Drill, site: Any
) -> None:
    address = f"{JOBS}/{(await drill())['job_id']}"

    stopped = await client.delete(address)
    deleted = await client.delete(address)
    gone = await client.delete(address)

    assert (stopped.status_code, stopped.json()["status"]) == (202, "cancelled")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (gone.status_code, gone.json()["code"]) == (404, "job_not_found")
    assert (await client.get(f"{address}/events")).json()["events"][-1]["type"] == "deleted"


async def test_a_job_that_has_ended_is_made_again_with_a_change(
    client: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    job = await drill(args={"steps": 1}, subject="Drills")
    address = f"{JOBS}/{job['job_id']}"
    too_early = await client.post(f"{address}/redo")
    await work()

    redone = await client.post(f"{address}/redo", json={"changes": {"steps": 2}})
    wrong = await client.post(f"{address}/redo", json={"changes": {"stepz/1": 2}})

    assert (too_early.status_code, too_early.json()["code"]) == (409, "not_now")
    assert redone.status_code == 202
    assert redone.headers["location"] == f"{JOBS}/{redone.json()['job_id']}" != address
    assert (redone.json()["redo_of"], redone.json()["subject"]) == (job["job_id"], "Drills")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "stepz/1")


async def test_a_job_may_begin_later(client: httpx2.AsyncClient, drill: Drill) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    job = await drill(run_after=tomorrow.isoformat())

    assert job["why"] == "Scheduled to begin in 24 h."
    assert datetime.fromisoformat(job["run_after"]) == tomorrow.replace(microsecond=0)


async def test_who_made_a_job_and_reads_its_end_has_seen_it(
    client: httpx2.AsyncClient, callers: Any, backburner: Backburner, site: Any, book: Any, drill: Drill, work: Work
) -> None:
    job = await drill()
    await work()
    owner = site.backburner.who._replace(principal=book.default.principal, name="owner")
    other = await callers.allowed(*AGENT_SCOPES, who=owner)

    await other.get(f"{JOBS}/{job['job_id']}")
    await client.get(JOBS)
    assert [each.id for each in await backburner.unseen()] == [job["job_id"]]

    await client.get(f"{JOBS}/{job['job_id']}")
    assert await backburner.unseen() == []


async def test_a_running_job_shows_how_far_it_is(client: httpx2.AsyncClient, drill: Drill, hands: Hands) -> None:
    job = await drill(args={"seconds": 30, "steps": 2})
    await hands.take(job["job_id"])

    running = await client.get(f"{JOBS}/{job['job_id']}?wait=10", headers={"If-None-Match": 'W/"2"'})

    assert running.json()["status"] == "running"
    assert running.json()["progress"]["message"] == "Step 1 of 2"
    assert (await client.delete(f"{JOBS}/{job['job_id']}")).status_code == 202
