"""What is listed: jobs by filter and page, subjects, kinds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from callers import Callers
from given import Book

from agent_tools.people import AGENT_SCOPES
from worker.hands import Hands

Drill = Callable[..., Awaitable[dict[str, Any]]]
Work = Callable[[], Awaitable[None]]
JOBS = "/api/v1/jobs"


async def listed(client: httpx2.AsyncClient, **query: Any) -> set[str]:
    """The titles of the jobs that fit."""
    answered = await client.get(JOBS, params=query)
    assert answered.status_code == 200, answered.text
    return {job["title"] for job in answered.json()["jobs"]}


async def test_each_filter_finds_what_it_says(client: httpx2.AsyncClient, drill: Drill, work: Work) -> None:
    await drill(title="done", subject="Tides", labels={"week": "47", "by": "a:b"})
    await work()
    await drill(title="waiting", subject="Tides", labels={"week": "47"})
    await drill(title="loose")
    batch = (
        await client.post(f"{JOBS}/batch", json={"jobs": [{"kind": "drill", "title": "batched", "again": True}]})
    ).json()

    assert await listed(client) == {"done", "waiting", "loose", "batched"}
    assert await listed(client, status="completed") == {"done"}
    assert await listed(client, status=["completed", "queued"]) == {"done", "waiting", "loose", "batched"}
    assert await listed(client, kind="drill") == {"done", "waiting", "loose", "batched"}
    assert await listed(client, kind="page") == set()
    assert await listed(client, subject="  TIDES ") == {"done", "waiting"}
    assert await listed(client, subject="unorganised") == {"loose", "batched"}
    assert await listed(client, subject="Nothing of that name") == set()
    assert await listed(client, label=["week:47", "by:a:b"]) == {"done"}
    assert await listed(client, label="week:48") == set()
    assert await listed(client, batch_id=batch["batch_id"]) == {"batched"}
    assert await listed(client, search="loose") == {"loose"}
    assert await listed(client, created_after="1h", unseen="true") == {"done"}
    assert await listed(client, created_before="1h") == set()
    assert await listed(client, created_after="2020-01-01", created_before="2999-01-01T00:00:00Z", limit=1) == {
        "batched"
    }


async def test_mine_are_those_that_i_created(
    callers: Callers, client: httpx2.AsyncClient, book: Book, drill: Drill
) -> None:
    await drill(title="the agent's")
    owner = callers.site.backburner.who._replace(principal=book.default.principal, name="owner")
    person = await callers.allowed(*AGENT_SCOPES, who=owner)
    await person.post(JOBS, json={"kind": "drill", "title": "the owner's"})

    assert await listed(client) == {"the agent's", "the owner's"}
    assert await listed(client, mine="true") == {"the agent's"}
    assert await listed(person, mine="true") == {"the owner's"}


async def test_a_listed_job_leaves_out_its_result(client: httpx2.AsyncClient, drill: Drill, work: Work) -> None:
    job = await drill()
    await work()

    (shown,) = (await client.get(JOBS)).json()["jobs"]

    assert (shown["job_id"], shown["result_line"]) == (job["job_id"], "Drilled in attempt 1")
    assert not {"result", "why"} & set(shown)


async def test_pages_hide_and_repeat_nothing_while_jobs_are_created(client: httpx2.AsyncClient) -> None:
    async def fill(number: int) -> list[str]:
        jobs = [{"kind": "drill", "again": True}] * number
        answered = await client.post(f"{JOBS}/batch", json={"jobs": jobs})
        return [job["job_id"] for job in answered.json()["jobs"]]

    before = await fill(35)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get(JOBS, params={"limit": 10, **cursor})).json()
        seen += [job["job_id"] for job in page["jobs"]]
        await fill(3)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert sorted(seen) == sorted(before)


async def test_the_last_page_says_that_it_is(client: httpx2.AsyncClient, drill: Drill) -> None:
    for _ in range(2):
        await drill()

    exact = (await client.get(JOBS, params={"limit": 2})).json()
    empty = (await client.get(JOBS, params={"subject": "Nothing"})).json()

    assert (len(exact["jobs"]), exact["next_cursor"]) == (2, None)
    assert empty == {"jobs": [], "next_cursor": None}


async def test_subjects_are_counted_by_status_those_with_the_newest_first(
    client: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    await drill(subject="Tides")
    await work()
    await drill(subject="Tides")
    await drill(subject="Stars")
    await drill()

    counted = (await client.get("/api/v1/subjects")).json()

    assert [(each["subject"], each["jobs"]) for each in counted["subjects"]] == [("Stars", 1), ("Tides", 2)]
    assert counted["subjects"][1]["by_status"] == {"completed": 1, "queued": 1}
    assert counted["unorganised"] | {"jobs": 1, "by_status": {"queued": 1}} == counted["unorganised"]


async def test_kinds_say_what_they_take_and_whether_they_can_run(client: httpx2.AsyncClient, hands: Hands) -> None:
    kinds = {kind["name"]: kind for kind in (await client.get("/api/v1/kinds")).json()["kinds"]}

    assert kinds["drill"]["available"] is True
    assert kinds["drill"]["args_schema"]["properties"]["steps"]["maximum"] == 100
    assert kinds["presentation"]["usually"]


async def test_kinds_say_why_they_cannot_run(client: httpx2.AsyncClient, book: Book) -> None:
    nobody = (await client.get("/api/v1/kinds")).json()["kinds"]
    worker = book.worker(kinds=["page"])
    book.run("""UPDATE workers SET unavailable = '{"drill": "BACKBURNER_DRILLS is not set."}' WHERE id = %s""", worker)
    somebody = {kind["name"]: kind for kind in (await client.get("/api/v1/kinds")).json()["kinds"]}

    assert {kind["available"] for kind in nobody} == {False}
    assert "No worker is alive" in nobody[0]["reason"]
    assert somebody["page"]["available"]
    assert somebody["drill"]["reason"] == "BACKBURNER_DRILLS is not set."
    assert somebody["presentation"]["reason"] == "No worker that is alive offers it."


async def test_ready_tells_what_is_there(client: httpx2.AsyncClient, callers: Callers, hands: Hands) -> None:
    ready = await (await callers.anybody()).get("/readyz")

    said = ready.json()
    assert said.pop("tail_lag_seconds") < 30
    assert (ready.status_code, said) == (200, {"status": "ready", "postgres": True, "redis": True, "workers": 1})


async def test_ready_is_degraded_without_workers_or_redis(
    callers: Callers, monkeypatch: pytest.MonkeyPatch, client: httpx2.AsyncClient
) -> None:
    alone = (await client.get("/readyz")).json()

    async def silent(_: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("agent_tools.bell.Bell.ping", silent)
    deaf = await client.get("/readyz")

    assert (alone["status"], alone["workers"]) == ("degraded", 0)
    assert (deaf.status_code, deaf.json()["status"], deaf.json()["redis"]) == (200, "degraded", False)


async def test_a_list_of_one_batch_says_how_far_it_is(client: httpx2.AsyncClient, work: Work) -> None:
    jobs = [{"kind": "drill", "args": {"steps": number}} for number in (1, 2, 3)]
    jobs.append({"kind": "drill", "args": {"steps": 4}, "run_after": "2030-01-01T00:00:00Z"})
    batch = (await client.post("/api/v1/jobs/batch", json={"jobs": jobs})).json()["batch_id"]
    await work()

    listed = (await client.get("/api/v1/jobs", params={"batch_id": batch})).json()
    unknown = await client.get("/api/v1/jobs", params={"batch_id": "0c3k9x2mq7f4w"})

    assert listed["batch"] == {
        "batch_id": batch, "done": 3, "of": 4, "percent": 75, "by_status": {"completed": 3, "queued": 1}, "asks_open": 0,
    }  # fmt: skip
    assert (len(listed["jobs"]), unknown.status_code) == (4, 404)
