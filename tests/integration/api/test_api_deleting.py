"""Deleting many jobs at once, over HTTP and from the terminal."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner, Result

from agent_tools.cli import app
from agent_tools.jobs.errors import BadRequest
from agent_tools.settings import Settings

Drill = Callable[..., Awaitable[dict[str, Any]]]
DELETE = "/api/v1/jobs/delete"


async def cancelled(client: httpx2.AsyncClient, drill: Drill, number: int, **more: Any) -> list[str]:
    jobs = [(await drill(**more))["job_id"] for _ in range(number)]
    await client.post("/api/v1/jobs/cancel", json={"job_ids": jobs})
    return jobs


async def kept(client: httpx2.AsyncClient) -> set[str]:
    return {job["job_id"] for job in (await client.get("/api/v1/jobs")).json()["jobs"]}


async def test_many_are_deleted_by_id_and_the_rest_says_why_not(client: httpx2.AsyncClient, drill: Drill) -> None:
    jobs = await cancelled(client, drill, 2)
    queued = (await drill())["job_id"]

    answered = await client.post(DELETE, json={"job_ids": [*jobs, queued]})

    assert answered.status_code == 200
    assert set(answered.json()["deleted"]) == set(jobs)
    assert answered.json()["not_deleted"] == [{"job_id": queued, "detail": f"{queued} is queued: cancel it first."}]
    assert await kept(client) == {queued}
    assert (await client.post(DELETE, json={"job_ids": jobs})).status_code == 404


async def test_all_that_fit_are_deleted_once_it_was_said_how_many(client: httpx2.AsyncClient, drill: Drill) -> None:
    sea = await cancelled(client, drill, 2, subject="Sea")
    land = await cancelled(client, drill, 1, subject="Land")
    where = {"subject": "sea", "status": ["cancelled"]}

    refused = [
        (await client.post(DELETE, json=body)).json()["detail"]
        for body in ({"where": where}, {"where": where, "expect": 3}, {"where": {}}, {}, {"job_ids": sea, "where": {}})
    ]
    unharmed = await kept(client)
    answered = await client.post(DELETE, json={"where": where, "expect": 2})

    assert refused[0].startswith("Nothing was deleted: this means 2 jobs. Narrow it")
    assert "this means 2 jobs, not 3" in refused[1]
    assert "this means 3 jobs" in refused[2]
    assert refused[3] == refused[4] == "Say which jobs: either job_ids or where."
    assert unharmed == {*sea, *land}
    assert set(answered.json()["deleted"]) == set(sea)
    assert await kept(client) == set(land)


async def test_a_stranger_deletes_nothing_of_others(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, drill: Drill
) -> None:
    jobs = await cancelled(client, drill, 1)

    assert (await stranger.post(DELETE, json={"job_ids": jobs})).status_code == 404
    assert (await stranger.post(DELETE, json={"where": {}, "expect": 0})).json() == {"deleted": [], "not_deleted": []}
    assert await kept(client) == set(jobs)


# -------------------------------------------------------------------------------------------------------- the terminal


@pytest.fixture
def typed(api_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[Result]]:
    """`backburner jobs delete …` in this installation."""
    monkeypatch.setenv("DATABASE_URL", api_settings.database_url)
    monkeypatch.setenv("REDIS_URL", api_settings.redis_url)
    monkeypatch.setenv("BACKBURNER_HOME", str(api_settings.home))

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["jobs", "delete", *words])

    return run


async def test_the_terminal_deletes_by_filter_after_a_yes(
    client: httpx2.AsyncClient, drill: Drill, typed: Callable[..., Awaitable[Result]], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = await cancelled(client, drill, 2, subject="Sea")
    queued = (await drill(subject="Sea"))["job_id"]
    asked: list[str] = []

    def agrees(question: str) -> bool:
        asked.append(question)
        return len(asked) > 1

    unasked = await typed("--subject", "sea")
    monkeypatch.setattr("agent_tools.cli._agrees", agrees)
    no = await typed("--subject", "sea")
    unharmed = await kept(client)
    yes = await typed("--subject", "sea")

    assert isinstance(unasked.exception, BadRequest)
    assert "There is nobody to ask here: send --yes." in str(unasked.exception)
    assert (no.exit_code, "Nothing was deleted." in no.output, unharmed) == (1, True, {*jobs, queued})
    assert asked[0] == "Delete 2 jobs for good?"
    assert (yes.exit_code, "Deleted 2 jobs." in yes.output) == (0, True)
    assert await kept(client) == {queued}


async def test_the_terminal_deletes_by_id_and_asks_nothing_where_it_is_told_so(
    client: httpx2.AsyncClient, drill: Drill, typed: Callable[..., Awaitable[Result]]
) -> None:
    one, *others = await cancelled(client, drill, 3)

    by_id = await typed(one)
    older = await typed("--before", "1h", "--yes")
    by_kind = await typed("--kind", "drill", "--status", "cancelled", "--yes")
    neither, both, never = await typed(), await typed(one, "--kind", "drill"), await typed("--before", "some day")

    assert f"Deleted {one}." in by_id.output
    assert "Deleted 0 jobs." in older.output
    assert f"Deleted {len(others)} jobs." in by_kind.output
    assert await kept(client) == set()
    assert all("either their ids, or options" in str(each.exception) for each in (neither, both))
    assert "7d, 12h, 30m" in str(never.exception)
