"""A job that a client follows as a task: the Tasks extension of MCP, and what clients without it get."""

import asyncio
from typing import Any

import httpx2
import pytest
from agents import Agent
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequestParams, ElicitResult
from mcp_given import Follows, connected, follow, task

from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask
from agent_tools.serve import Binding, serving
from agent_tools.settings import Settings
from sql.hands import Principal
from worker.hands import Hands

NO_TASK, NOT_DECLARED, NO_METHOD, WRONG_HEADER = -32602, -32021, -32601, -32020
DOORS = pytest.mark.parametrize("over", ["memory", "http"])


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


async def forms_are_shown(_: Any, __: ElicitRequestParams) -> ElicitResult:
    raise AssertionError("a form of a task is put by whoever follows it")


async def asking(backburner: Backburner) -> Ask:
    made = await backburner.create("approval", {"question": "Publish this?"}, again=True)
    await backburner.wait([made.id], 10)
    (ask,) = (await backburner.asks.page(job=made.id)).asks
    return ask


async def refused(client: Client, verb: str, task_id: str, **params: Any) -> tuple[int, str]:
    with pytest.raises(MCPError) as error:
        await task(client, verb, task_id, **params)
    return error.value.error.code, error.value.error.message


@DOORS
async def test_a_job_is_followed_as_a_task_whose_id_is_the_jobs(
    backburner: Backburner, settings: Settings, hands: Hands, over: str
) -> None:
    job = (await backburner.create("drill")).id
    async with connected(backburner, settings, over, extensions=[Follows()]) as client:
        begun = await follow(client, job)
        seen = await task(client, "get", job)
        await asyncio.gather(*await hands.take_all([job]))
        ended = await task(client, "get", job)

    assert (begun.task_id, begun.status, begun.ttl_ms) == (job, "working", None)
    assert 1000 <= begun.poll_interval_ms <= 30_000
    assert (seen["status"], seen["ttlMs"]) == ("working", None)
    assert "result" not in seen
    assert ended["status"] == "completed"
    assert ended["result"]["structuredContent"]["jobs"][0]["status"] == "completed"
    assert job in ended["result"]["content"][0]["text"]
    assert ended["lastUpdatedAt"] >= ended["createdAt"]
    assert not await backburner.unseen()


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_client_that_takes_no_tasks_waits_a_while_instead(
    backburner: Backburner, settings: Settings, working: Hands, era: str
) -> None:
    job = (await backburner.create("page", {"content": "# Tides"})).id
    async with connected(backburner, settings, era=era) as client:
        waited = await Agent(client).get("job_status", job_ids=[job], follow=True)
        several = await Agent(client).refused("job_status", job_ids=[job, job], follow=True)
        without = await refused(client, "get", job)

    assert waited["jobs"][0]["status"] == "completed"
    assert "follow: is for one job at a time" in several
    assert without[0] == (NOT_DECLARED if era == "auto" else NO_METHOD)


async def test_what_has_ended_already_is_no_task(backburner: Backburner, settings: Settings, working: Hands) -> None:
    job = (await backburner.create("page", {"content": "# Tides"})).id
    await backburner.wait([job], 20)

    async with connected(backburner, settings, extensions=[Follows()]) as client:
        told = await Agent(client).get("job_status", job_ids=[job], follow=True)

    assert told["jobs"][0]["status"] == "completed"


async def test_a_job_that_failed_is_a_completed_task_whose_result_is_an_error(
    app: Backburner, crew: Hands, shared_settings: Settings
) -> None:
    job = (await app.create("misbehave", {"how": "NUL in error"})).id
    await asyncio.gather(*await crew.take_all([job]))

    async with connected(app, shared_settings, extensions=[Follows()]) as client:
        ended = await task(client, "get", job)

    assert (ended["status"], ended["result"]["isError"]) == ("completed", True)
    assert "failed" in ended["result"]["content"][0]["text"]


@DOORS
async def test_a_task_is_cancelled_as_often_as_somebody_likes(
    backburner: Backburner, settings: Settings, over: str
) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id
    async with connected(backburner, settings, over, extensions=[Follows()]) as client:
        await follow(client, job)
        await task(client, "cancel", job)
        await task(client, "cancel", job)

        assert (await task(client, "get", job))["status"] == "cancelled"


async def test_a_tasks_question_is_answered_by_the_clients_person(
    backburner: Backburner, settings: Settings, working: Hands
) -> None:
    ask = await asking(backburner)
    async with connected(backburner, settings, extensions=[Follows()], elicitation_callback=forms_are_shown) as client:
        waiting = await follow(client, ask.job)
        ((key, form),) = (await task(client, "get", ask.job))["inputRequests"].items()
        said = {"action": "accept", "content": {"decision": "approve"}}
        never_asked = {f"ask-{ask.id + 1}-{'0' * 64}": said, "nonsense": 7}
        await task(client, "update", ask.job, inputResponses=never_asked)
        still = await task(client, "get", ask.job)
        await task(client, "update", ask.job, inputResponses={key: said})
        await task(client, "update", ask.job, inputResponses={key: {**said, "content": {"decision": "reject"}}})
        await backburner.wait([ask.job], 20)
        ended = await task(client, "get", ask.job)

    assert (waiting.status, form["method"]) == ("input_required", "elicitation/create")
    assert form["params"]["requestedSchema"]["properties"]["decision"]["enum"] == ["approve", "reject"]
    assert still["status"] == "input_required"
    assert (await backburner.asks.get(ask.id)).answer == {"decision": "approve", "values": None, "notes": None}
    assert (await backburner.asks.get(ask.id)).answered_by == "owner"
    assert ended["status"] == "completed"


async def test_a_client_that_shows_no_forms_is_told_where_the_question_is_answered(
    backburner: Backburner, settings: Settings, working: Hands
) -> None:
    ask = await asking(backburner)

    async with connected(backburner, settings, extensions=[Follows()]) as client:
        waiting = await task(client, "get", ask.job)

    assert (waiting["status"], waiting["inputRequests"]) == ("input_required", {})
    assert f"/jobs/{ask.job}" in waiting["statusMessage"]


async def test_a_task_that_is_none_or_anothers_is_not_found(backburner: Backburner, settings: Settings) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id
    stranger = backburner.acting_as(Principal(backburner.who.tenant + 1, 1, "stranger", ()))

    async with (
        connected(stranger, settings, scopes=("admin",), extensions=[Follows()]) as foreign,
        connected(backburner, settings, scopes=("jobs:read",), extensions=[Follows()]) as reading,
    ):
        answers = [await refused(foreign, verb, job) for verb in ("get", "update", "cancel")]
        nonsense = await refused(reading, "get", "nonsense")
        unscoped = await refused(reading, "cancel", job)
        no_longer = [await refused(reading, verb, job) for verb in ("list", "result")]

    assert all(code == NO_TASK and said.startswith(f"No job {job}.") for code, said in answers)
    assert nonsense[0] == NO_TASK
    assert "lacks the scope 'jobs:cancel'" in unscoped[1]
    assert [code for code, _ in no_longer] == [NO_METHOD, NO_METHOD]
    assert (await backburner.get(job)).status == "queued"


async def test_over_http_the_header_names_the_task(backburner: Backburner, settings: Settings) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id
    capabilities: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": job, "_meta": meta}}
    async with serving(settings, Binding(0, any_port=True)) as base, httpx2.AsyncClient(timeout=30) as http:
        token = await backburner.people.add_token("chat", ("jobs:read",))
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tasks/get",
        }
        answers = {
            name: (
                await http.post(f"{base}/mcp", json=asked, headers={**headers, **({"Mcp-Name": name} if name else {})})
            ).json()
            for name in (job, "another", "")
        }

    assert answers[job]["result"]["taskId"] == job
    assert [answers[name]["error"]["code"] for name in ("another", "")] == [WRONG_HEADER, WRONG_HEADER]
