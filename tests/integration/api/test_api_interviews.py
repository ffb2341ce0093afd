"""Interviews and backlogs over HTTP, as the front end of the seed wants them: post, poll, read, delete."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from callers import open_site
from given import Book
from stubs.llm import MODEL, StubLlm, fitting, hanging, serving_llm, status
from test_api_documents import commands, parsed

from agent_tools.settings import Settings
from web.site import Site
from worker.hands import Hands

Work = Callable[[], Awaitable[None]]
JOBS = "/api/v1/jobs"
PAGE = Path(__file__).parents[3] / "docs" / "interviews.md"


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StubLlm]:
    async with serving_llm() as stub:
        monkeypatch.setenv("LLM_BASE_URL", stub.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)
        yield stub


@pytest.fixture
async def site(model: StubLlm, api_settings: Settings, book: Book, redis_url: str) -> AsyncIterator[Site]:
    """One that has seen no worker without a model."""
    async with open_site(api_settings) as opened:
        yield opened


async def post(client: httpx2.AsyncClient, kind: str, **args: Any) -> str:
    answered = await client.post(JOBS, json={"kind": kind, "args": args})
    assert (answered.status_code, answered.json()["status"]) == (202, "queued"), answered.text
    return str(answered.headers["location"])


async def listed(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    return [job["kind"] for job in (await client.get(JOBS, params=query)).json()["jobs"]]


async def test_the_seeds_flow_from_interview_to_backlog(
    model: StubLlm, hands: Hands, client: httpx2.AsyncClient, work: Work
) -> None:
    seen = list[tuple[str, Any]]()

    async def polled(job: str) -> dict[str, Any]:
        task = None
        for task in await hands.take_all(await hands.bell.take("default", 10)):
            while not task.done():
                shown = (await client.get(job, params={"wait": 1})).json()
                seen.append((shown["status"], (shown.get("progress") or {}).get("percent")))
        ended: dict[str, Any] = (await client.get(job)).json()
        return ended

    message = await polled(await post(client, "interview_message", interview="i-1", message="A shop.", project="pots"))
    backlog_at = await post(client, "backlog", interview="i-1", stories=2, project="pots")
    backlog = await polled(backlog_at)

    assert (message["status"], message["result"]["reply"]) == ("completed", "Reply amber")
    assert (message["labels"], backlog["labels"]) == ({"interview": "i-1", "project": "pots"},) * 2
    assert (backlog["status"], backlog["result"]["stories"], backlog["result"]["tasks"]) == ("completed", 2, 6)
    assert backlog["result"]["epic"]["title"] == "Title amber"
    assert {"queued", "running", "completed"} >= {status for status, _ in seen}
    percents = [percent for _, percent in seen if percent is not None]
    assert percents == sorted(percents)
    page = next(each for each in backlog["artifacts"] if each["name"] == "backlog.html")
    assert "Title amber" in (await client.get(f"{backlog_at}/artifacts/{page['name']}")).text

    assert await listed(client, label="project:pots") == ["backlog", "interview_message"]
    assert await listed(client, label="interview:i-1", kind="interview_message") == ["interview_message"]
    kinds = {kind["kind"]: kind for kind in (await client.get("/api/v1/stats")).json()["kinds"]}
    assert kinds["backlog"]["success_rate"] == 1
    assert kinds["backlog"]["tokens_out"] == backlog["result"]["usage"]["tokens_out"]

    assert (await client.delete(backlog_at)).status_code == 204
    assert (await client.get(backlog_at)).status_code == 404


async def test_one_that_failed_says_why_and_goes_on_where_it_failed_when_it_is_redone(
    model: StubLlm, hands: Hands, client: httpx2.AsyncClient, work: Work
) -> None:
    model.answer = lambda asked: "no story" if asked.shape == "Story" else fitting(asked)
    failed = await post(client, "backlog", text="A shop.", stories=1)
    await work()
    error = (await client.get(failed)).json()["error"]
    assert (error["code"], "neither did its second one" in error["message"]) == ("gave_up", True)

    model.answer = fitting
    asked_before = len(model.asked)
    redo = await client.post(f"{failed}/redo")
    await work()

    ended = (await client.get(redo.headers["location"])).json()
    assert (ended["status"], ended["redo_of"]) == ("completed", failed.rpartition("/")[2])
    assert [asked.shape for asked in model.asked[asked_before:]] == ["Story", "Tasks"]


async def test_one_that_runs_is_cancelled_and_asks_the_model_for_nothing_more(
    model: StubLlm, hands: Hands, client: httpx2.AsyncClient
) -> None:
    model.always = hanging
    job = await post(client, "backlog", text="A shop.")
    (task,) = await hands.take_all(await hands.bell.take("default", 1))
    while not model.at_once:
        assert not task.done()
        await client.get(job, params={"wait": 0.1})

    cancelled = await client.delete(job)
    await task

    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    while model.at_once:
        await client.get(job, params={"wait": 0.1})
    assert len(model.asked) == 1


async def test_a_busy_model_costs_an_attempt_and_the_job_says_when_it_asks_again(
    model: StubLlm, hands: Hands, client: httpx2.AsyncClient, work: Work, book: Book
) -> None:
    model.then(status(429, Retry_After="90"))
    job = await post(client, "backlog", text="A shop.", stories=1)
    await work()

    waiting = (await client.get(job)).json()
    assert (waiting["status"], waiting["attempt"]) == ("queued", 1)
    assert "HTTP 429" in waiting["error"]["message"]
    in_s = book.one("SELECT extract(epoch FROM run_after - now())::float8 FROM jobs WHERE id = %s", waiting["job_id"])
    assert 80 < in_s <= 90

    book.run("UPDATE jobs SET run_after = now()")
    (task,) = await hands.take_all([waiting["job_id"]])
    await task
    assert (await client.get(job)).json()["status"] == "completed"


async def test_many_messages_are_posted_at_once_for_many_interviews(
    model: StubLlm, hands: Hands, client: httpx2.AsyncClient, work: Work
) -> None:
    jobs = [
        {"kind": "interview_message", "args": {"interview": f"i-{number}", "message": "Hi."}} for number in range(5)
    ]
    batch = (await client.post(f"{JOBS}/batch", json={"jobs": jobs})).json()
    await work()

    for job in batch["jobs"]:
        ended = (await client.get(f"{JOBS}/{job['job_id']}")).json()
        assert (ended["status"], ended["result"]["turn"]) == ("completed", 1)


async def test_every_command_of_the_page_about_interviews_works(
    model: StubLlm, hands: Hands, client: httpx2.AsyncClient, work: Work
) -> None:
    answered = list[int]()
    for command in commands(PAGE.read_text(encoding="utf-8")):
        method, path, headers, body = parsed(command, {"BACKBURNER": ""})
        answer = await client.request(method, path, headers=headers, content=body)
        answered.append(answer.status_code)
        await work()

    assert answered == [202, 202, 202, 200]
    assert [job["status"] for job in (await client.get(JOBS)).json()["jobs"]] == ["completed"] * 3
