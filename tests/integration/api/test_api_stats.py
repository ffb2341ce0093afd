"""How jobs went, by kind: counted, timed, and what models cost."""

from typing import Any

import httpx2
import pytest
from callers import Callers
from given import Book
from typer.testing import CliRunner

from agent_tools.cli import app
from agent_tools.jobs.job import JobStatus
from agent_tools.settings import Settings

STATS = "/api/v1/stats"


def completed(book: Book, seconds: float, **columns: str) -> str:
    """A job that took so long."""
    ended = {"started_at": "now() - interval '1 h'", "finished_at": f"now() - interval '1 h' + interval '{seconds} s'"}
    return book.put(JobStatus.COMPLETED, **{**ended, **columns})


async def stats(client: httpx2.AsyncClient, **query: Any) -> dict[str, dict[str, Any]]:
    answered = await client.get(STATS, params=query)
    assert answered.status_code == 200, answered.text
    return {kind.pop("kind"): kind for kind in answered.json()["kinds"]}


async def test_each_kind_is_counted_and_timed(client: httpx2.AsyncClient, book: Book) -> None:
    for seconds in (1, 2, 3, 4, 10):
        completed(book, seconds)
    for status in (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.CANCELLED, JobStatus.QUEUED, JobStatus.WAITING):
        book.put(status)
    book.worker()
    book.put(JobStatus.RUNNING, worker_id="(SELECT max(id) FROM workers)")
    book.put(JobStatus.QUEUED, kind="'another'")

    found = await stats(client)

    assert found["sleep"] == {
        "created": 11,
        "completed": 5,
        "failed": 1,
        "cancelled": 2,
        "unfinished": 3,
        "waiting": 2,
        "success_rate": 0.8333,
        "average_seconds": 4,
        "p50_seconds": 3,
        "p95_seconds": 8.8,
    }
    assert found["another"] == {
        "created": 1, "completed": 0, "failed": 0, "cancelled": 0, "unfinished": 1, "waiting": 1
    }  # fmt: skip


async def test_what_models_read_wrote_and_cost_is_added_up_and_what_is_no_number_passed_over(
    client: httpx2.AsyncClient, book: Book
) -> None:
    for usage in (
        '{"usage": {"tokens_in": 100, "tokens_out": 20, "cost": 0.25}}',
        '{"usage": {"tokens_in": 50, "tokens_out": 5}}',
        '{"usage": {"tokens_in": "many", "cost": null}}',
        '{"usage": "none"}',
        "{}",
    ):
        completed(book, 1, result=f"'{usage}'")
    completed(book, 1, kind="'free'")

    found = await stats(client)

    assert {name: found["sleep"][name] for name in ("tokens_in", "tokens_out", "cost")} == {
        "tokens_in": 150,
        "tokens_out": 25,
        "cost": 0.25,
    }
    assert not {"tokens_in", "tokens_out", "cost"} & set(found["free"])


async def test_the_window_is_counted_in_days_and_what_waits_waits_whenever_it_was_created(
    client: httpx2.AsyncClient, book: Book
) -> None:
    old = "now() - interval '8 days'"
    completed(book, 1, created_at=old, result="""'{"usage": {"tokens_in": 7}}'""")
    book.put(JobStatus.QUEUED, created_at=old)
    completed(book, 2)

    week = (await stats(client, days=7))["sleep"]
    month = (await stats(client))["sleep"]

    assert (week["created"], week["average_seconds"], week["waiting"], "tokens_in" in week) == (1, 2, 1, False)
    assert (month["created"], month["average_seconds"], month["waiting"], month["tokens_in"]) == (3, 1.5, 1, 7)


async def test_another_tenants_jobs_are_not_counted(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, book: Book
) -> None:
    completed(book, 1)

    assert (await stats(client))["sleep"]["completed"] == 1
    assert await stats(stranger) == {}


@pytest.mark.parametrize("days", ["0", "367", "many"])
async def test_a_window_that_is_none_is_refused(client: httpx2.AsyncClient, days: str) -> None:
    answered = await client.get(STATS, params={"days": days})

    assert answered.status_code == 422
    assert "days" in answered.json()["detail"]


async def test_a_token_that_may_not_read_may_not_count(callers: Callers) -> None:
    assert (await (await callers.allowed("jobs:create")).get(STATS)).status_code == 403


def test_the_command_line_says_the_same_in_a_line(
    book: Book, api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed(book, 2, result="""'{"usage": {"tokens_in": 1200, "tokens_out": 34, "cost": 0.5}}'""")
    book.put(JobStatus.FAILED)
    monkeypatch.setenv("DATABASE_URL", api_settings.database_url)
    monkeypatch.setenv("REDIS_URL", api_settings.redis_url)
    monkeypatch.setenv("BACKBURNER_HOME", str(api_settings.home))

    said = CliRunner().invoke(app, ["jobs", "stats", "--days", "7"])

    assert said.exit_code == 0, said.output
    (line,) = [line for line in said.output.splitlines() if line.startswith("sleep")]
    assert line.split() == ["sleep", "2", "1", "1", "50%", "2.0", "s", "2.0", "s", "0", "1,234", "0.50"]
