"""Interviews, backlogs and projects, as an agent meets them: over MCP, with real jobs and a model behind them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import bpe_openai
import pytest
from agents import Agent, text_of
from mcp import Client
from stubs.llm import MODEL, Asked, StubLlm, fitting, serving_llm, status

from agent_tools.app import Backburner
from agent_tools.bell import RedisError
from agent_tools.jobs.errors import KindUnavailable
from agent_tools.server.mcp import server
from agent_tools.server.tools import Desk
from agent_tools.settings import Settings
from agent_tools.tasks import end
from agent_tools.view import Addresses
from worker.hands import Hands, open_hands

ENCODING = bpe_openai.get_encoding("o200k_base")


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StubLlm]:
    async with serving_llm() as stub:
        monkeypatch.setenv("LLM_BASE_URL", stub.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)
        yield stub


@pytest.fixture
async def working(model: StubLlm, settings: Settings) -> AsyncIterator[Hands]:
    """A worker that takes what is rung, where there is a model."""
    async with open_hands(settings) as hands:

        async def take() -> None:
            while True:
                hands.wake.clear()
                with contextlib.suppress(RedisError):
                    await hands.take_all(await hands.bell.take("default", hands.room()))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(hands.wake.wait(), 0.2)

        task = asyncio.create_task(take())
        yield hands
        await end(task)


@pytest.fixture
async def agent(working: Hands, backburner: Backburner) -> AsyncIterator[Agent]:
    desk = Desk(backburner.acting_as(backburner.who._replace(scopes=("admin",))), Addresses("http://127.0.0.1:8808"))

    async def at_desk() -> Desk:
        return desk

    # In a task of its own: a client must be closed by the task that opened it, and a fixture's two halves are two.
    opened: asyncio.Future[Agent] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def hold() -> None:
        async with Client(server(backburner, at_desk)) as client:
            opened.set_result(Agent(client))
            await done.wait()

    holding = asyncio.create_task(hold())
    yield await opened
    done.set()
    await holding


async def result_of(agent: Agent, receipt: Any) -> Any:
    """What a job that was asked for gave."""
    job = receipt["job_id"]
    (ended,) = (await agent.get("job_status", job_ids=[job], wait_seconds=40))["jobs"]
    assert ended["status"] == "completed", ended
    return (await agent.get("read_result", job_id=job))["result"]


async def say(agent: Agent, message: str, **more: Any) -> Any:
    return await agent.get("create_interview_message", interview="i-1", message=message, **more)


def echoing(asked: Asked) -> Any:
    """A model whose answer names what it answers, and how much it was told before."""
    said = [message["content"] for message in asked.body["messages"] if message["role"] == "user"]
    return {"reply": f"{said[-1]} after {len(said) - 1}", "complete": len(said) > 2}


async def test_an_interview_is_led_and_becomes_a_backlog(agent: Agent, model: StubLlm, backburner: Backburner) -> None:
    model.answer = lambda asked: echoing(asked) if asked.shape == "Reply" else fitting(asked)

    for number, message in enumerate(("A shop.", "For potters.", "With pictures.")):
        said = await result_of(agent, await say(agent, message, project="pots"))
        assert said["reply"] == f"{message} after {number}"
    made = await agent.get("create_backlog", interview="i-1", stories=2, project="pots", subject="Pots")
    counted = await result_of(agent, made)

    assert said["complete"] is True
    assert (counted["stories"], counted["tasks"], counted["interview"]) == (2, 6, "i-1")
    assert counted["usage"]["tokens_in"] > 0
    assert "With pictures. after 2" in model.asked[-1].prompt
    text = text_of(await agent.ask("read_result", job_id=made["job_id"], artifact="backlog.md"))
    assert "S2\\." in text or "S2." in text
    of_the_project = (await agent.get("list_jobs", labels={"project": "pots"}))["jobs"]
    of_the_interview = (await agent.get("list_jobs", labels={"interview": "i-1"}, kind="interview_message"))["jobs"]
    assert (len(of_the_project), len(of_the_interview)) == (4, 3)
    stats = {kind.kind: kind for kind in await backburner.stats()}
    assert (stats["backlog"].completed, stats["backlog"].tokens_in) == (1, counted["usage"]["tokens_in"])
    assert stats["interview_message"].completed == 3


async def test_two_messages_at_once_are_answered_one_after_the_other_and_the_second_knows_the_first(
    agent: Agent, model: StubLlm
) -> None:
    model.answer = echoing
    first_is_asked, may_answer = asyncio.Event(), asyncio.Event()

    def slowly(stub: StubLlm, asked: Asked) -> Any:
        first_is_asked.set()
        streamed: Any = stub.stream(asked, stub.text(asked))
        words = streamed.body_iterator

        async def held() -> AsyncIterator[bytes]:
            await may_answer.wait()
            async for word in words:
                yield word

        streamed.body_iterator = held()
        return streamed

    model.then(slowly)
    first = await say(agent, "One.")
    second = await say(agent, "Two.")
    await first_is_asked.wait()
    (waiting,) = (await agent.get("job_status", job_ids=[second["job_id"]], wait_seconds=0, detail=True))["jobs"]
    while waiting["status"] != "waiting":
        (waiting,) = (
            await agent.get("job_status", job_ids=[second["job_id"]], wait_seconds=1, until="change", detail=True)
        )["jobs"]
    assert "the message before it" in waiting["why"]
    assert len(model.asked) == 1
    may_answer.set()

    assert (await result_of(agent, first))["reply"] == "One. after 0"
    assert (await result_of(agent, second))["reply"] == "Two. after 1"
    assert model.most_at_once == 1


async def test_the_same_words_are_another_turn_once_they_were_answered(agent: Agent, model: StubLlm) -> None:
    model.answer = echoing
    first = await say(agent, "Yes.")
    assert (await result_of(agent, first))["reply"] == "Yes. after 0"

    second = await say(agent, "Yes.")

    assert second["job_id"] != first["job_id"]
    assert (await result_of(agent, second))["reply"] == "Yes. after 1"


async def test_the_same_words_before_they_were_answered_are_the_same_job(
    model: StubLlm, settings: Settings, backburner: Backburner
) -> None:
    args = {"interview": "i-1", "message": "Yes."}

    first, second = [await backburner.create("interview_message", args) for _ in range(2)]

    assert (first.id, second.created) == (second.id, False)


async def test_a_message_that_failed_is_no_part_of_the_conversation_until_it_is_redone(
    agent: Agent, model: StubLlm
) -> None:
    model.answer = echoing
    model.then(status(400))
    failed = await say(agent, "One.")
    (ended,) = (await agent.get("job_status", job_ids=[failed["job_id"]], wait_seconds=40))["jobs"]
    assert ended["status"] == "failed"

    assert (await result_of(agent, await say(agent, "Two.")))["reply"] == "Two. after 0"
    redo = await agent.get("redo_job", job_id=failed["job_id"])
    assert (await result_of(agent, redo))["reply"] == "One. after 1"


async def test_a_message_said_otherwise_takes_the_place_of_what_was_said(agent: Agent, model: StubLlm) -> None:
    model.answer = echoing
    first = await say(agent, "One.")
    await result_of(agent, first)
    await result_of(agent, await say(agent, "Two."))

    redo = await agent.get("redo_job", job_id=first["job_id"], changes={"message": "Three."})
    assert (await result_of(agent, redo))["reply"] == "Three. after 1"
    assert (await result_of(agent, await say(agent, "Four.")))["reply"] == "Four. after 2"
    assert "One." not in model.asked[-1].prompt


async def test_the_interview_of_another_tenant_is_another_interview(
    agent: Agent, model: StubLlm, backburner: Backburner, settings: Settings
) -> None:
    model.answer = echoing
    await result_of(agent, await say(agent, "A secret."))
    import psycopg

    with psycopg.connect(settings.database_url, autocommit=True, options="-c search_path=backburner") as book:
        row = book.execute("INSERT INTO tenants (name) VALUES ('another') RETURNING id").fetchone()
        assert row is not None
        who = book.execute(
            "INSERT INTO principals (tenant_id, name, role) VALUES (%s, 'agent', 'person') RETURNING id", row
        ).fetchone()
        assert who is not None
    other = backburner.acting_as(backburner.who._replace(tenant=row[0], principal=who[0]))

    receipt = await other.create("interview_message", {"interview": "i-1", "message": "Hi."})
    (job,) = await other.wait([receipt.id], 30)

    assert job.result is not None
    assert job.result["reply"] == "Hi. after 0"
    assert "secret" not in model.asked[-1].prompt


async def test_a_project_is_provisioned(agent: Agent) -> None:
    receipt = await agent.get("create_provision", stack="python-package", name="pottery-shop", project="pots")

    made = await result_of(agent, receipt)

    assert "src/pottery_shop/__init__.py" in made["files"]
    assert "pottery_shop/" in text_of(await agent.ask("read_result", job_id=receipt["job_id"]))
    assert (await agent.get("list_jobs", labels={"project": "pots"}))["jobs"][0]["id"] == receipt["job_id"]


async def test_each_of_these_kinds_costs_at_most_200_tokens(agent: Agent) -> None:
    listed = (await agent._client.list_tools()).tools

    costs = {
        tool.name: tokens({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema})
        for tool in listed
        if tool.name in ("create_interview_message", "create_backlog", "create_provision")
    }
    print(costs)
    assert len(costs) == 3
    assert max(costs.values()) <= 200


def tokens(value: Any) -> int:
    return len(ENCODING.encode(json.dumps(value, ensure_ascii=False, separators=(",", ":"))))


async def test_without_a_model_nothing_is_queued_and_the_refusal_says_what_is_missing(
    backburner: Backburner, hands: Hands
) -> None:
    for kind, args in (("interview_message", {"interview": "i", "message": "Hi"}), ("backlog", {"text": "A shop"})):
        with pytest.raises(KindUnavailable, match=rf"Nothing here can run '{kind}': LLM_BASE_URL is not set"):
            await backburner.create(kind, args)

    assert (await backburner.jobs()).jobs == []
