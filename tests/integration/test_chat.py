"""A job's question to a person, met in the chat of their agent: in a list, in a form, and as a tool for agents who may."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from agents import Agent, text_of
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult

from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask
from agent_tools.people import AGENT_SCOPES
from agent_tools.requests import NewJob
from agent_tools.serve import Binding, serving
from agent_tools.server.mcp import server
from agent_tools.server.tools import Allowed, Desk
from agent_tools.settings import Settings
from agent_tools.view import Addresses
from worker.hands import Hands

PAGES = "http://127.0.0.1:8808"
Say = Callable[[ElicitRequestParams], Awaitable[ElicitResult]]
ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])


@asynccontextmanager
async def chatting(
    backburner: Backburner,
    say: Say | None = None,
    era: Any = "auto",
    scopes: tuple[str, ...] = AGENT_SCOPES,
    **more: Any,
) -> AsyncIterator[Agent]:
    """An agent whose client shows forms where there is somebody to `say` something."""

    async def at_desk() -> Desk:
        return Desk(backburner.acting_as(backburner.who._replace(scopes=scopes)), Addresses(PAGES))

    async def callback(_: Any, asked: ElicitRequestParams) -> ElicitResult:
        assert say is not None
        return await say(asked)

    callbacks = {"elicitation_callback": callback} if say else {}
    async with Client(server(backburner, at_desk, Allowed(**more)), mode=era, **callbacks) as client:
        yield Agent(client)


async def asking(backburner: Backburner, **args: Any) -> Ask:
    """An approval that waits for its answer."""
    made = await backburner.create("approval", {"question": "Publish this?", **args}, again=True)
    await backburner.wait([made.id], 10)
    (ask,) = (await backburner.asks.page(job=made.id)).asks
    return ask


def saying(action: Any, **content: Any) -> tuple[Say, list[ElicitRequestParams]]:
    """Somebody who always says this, and what they were asked."""
    seen: list[ElicitRequestParams] = []

    async def say(asked: ElicitRequestParams) -> ElicitResult:
        seen.append(asked)
        return ElicitResult(action=action, content=content or None)

    return say, seen


async def test_a_waiting_job_shows_its_question_its_choices_and_where_to_answer(
    backburner: Backburner, working: Hands
) -> None:
    ask = await asking(backburner, form={"price": {"type": "number"}})
    expected = {
        "ask": ask.id, "question": "Publish this?", "choices": ["approve", "reject"], "form": ["price"],
        "answer_url": f"{PAGES}/jobs/{ask.job}",
    }  # fmt: skip

    async with chatting(backburner) as agent:
        one, listed = await agent.ask("job_status", job_ids=[ask.job], wait_seconds=5), await agent.ask("list_jobs")
        in_full = await agent.get("job_status", job_ids=[ask.job], detail=True)

    for answer in (one, listed):
        assert (answer.structured_content or {})["jobs"][0]["asks"] == [expected]
        for said in ("'Publish this?'", "approve | reject", "with price", f"{PAGES}/jobs/{ask.job}"):
            assert said in text_of(answer)
    assert in_full["jobs"][0]["asks"][0]["shown_hash"] == ask.shown_hash


# --------------------------------------------------------------------------------------------------------- in the chat


@ERAS
async def test_a_question_is_put_to_the_person_in_the_chat_and_the_job_goes_on(
    backburner: Backburner, working: Hands, era: str
) -> None:
    ask = await asking(
        backburner,
        content="# Tides",
        form={"properties": {"price": {"type": "number"}, "shop": {"enum": ["north", "south"]}}, "required": ["price"]},
    )
    say, seen = saying("accept", decision="approve", notes="Go.", price=7.5)

    async with chatting(backburner, say, era) as agent:
        answer = await agent.ask("job_status", job_ids=[ask.job], wait_seconds=20)

    (job,) = (answer.structured_content or {})["jobs"]
    assert (job["status"], job["line"]) == ("completed", "Approved by owner: Go.")
    assert "The user answered in the chat: approve." in text_of(answer)
    (asked,) = seen
    assert asked.message == f"Publish this?\n\n# Tides\n\nAlso at {PAGES}/jobs/{ask.job}"
    assert asked.requested_schema["properties"]["decision"]["enum"] == ["approve", "reject"]
    assert set(asked.requested_schema["properties"]) == {"decision", "price", "shop", "notes"}
    assert asked.requested_schema["required"] == ["decision"]
    assert (await backburner.get(ask.job)).result["values"] == {"price": 7.5}


@ERAS
async def test_an_answer_in_the_chat_is_the_persons_whose_agent_it_is(
    backburner: Backburner, working: Hands, era: str
) -> None:
    ask = await asking(backburner)
    say, _ = saying("accept", decision="reject")

    async with chatting(backburner, say, era) as agent:
        await agent.get("job_status", job_ids=[ask.job], wait_seconds=20)

    assert backburner.who.name == "agent"
    assert (await backburner.asks.get(ask.id)).answered_by == "owner"


@ERAS
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_who_does_not_answer_in_the_chat_leaves_the_question_open(
    backburner: Backburner, working: Hands, era: str, action: str
) -> None:
    ask = await asking(backburner)
    say, seen = saying(action)

    async with chatting(backburner, say, era) as agent:
        for _ in range(2):
            answer = await agent.ask("job_status", job_ids=[ask.job], wait_seconds=20)
            assert (answer.structured_content or {})["jobs"][0]["status"] == "waiting"

    assert (await backburner.asks.get(ask.id)).is_open
    assert len(seen) == (1 if action == "decline" else 2)  # whoever declined is left in peace


async def test_whoever_says_nothing_in_time_loses_nothing(backburner: Backburner, working: Hands) -> None:
    ask = await asking(backburner)

    async def think(_: ElicitRequestParams) -> ElicitResult:
        await asyncio.sleep(30)
        return ElicitResult(action="cancel")

    async with chatting(backburner, think, "legacy") as agent:
        (job,) = (await agent.get("job_status", job_ids=[ask.job], wait_seconds=1))["jobs"]

    assert job["status"] == "waiting"
    assert (await backburner.asks.get(ask.id)).is_open


@ERAS
async def test_somebody_who_was_faster_on_the_page_is_named_in_the_chat(
    backburner: Backburner, working: Hands, era: str
) -> None:
    ask = await asking(backburner)

    async def be_late(_: ElicitRequestParams) -> ElicitResult:
        await (await backburner.as_person()).asks.answer(ask.id, "reject")
        return ElicitResult(action="accept", content={"decision": "approve"})

    async with chatting(backburner, be_late, era) as agent:
        answer = await agent.ask("job_status", job_ids=[ask.job], wait_seconds=20)

    assert "was not taken. owner answered this" in text_of(answer)
    assert (await backburner.asks.get(ask.id)).answer == {"decision": "reject", "values": None, "notes": None}


@ERAS
async def test_an_answer_that_does_not_fit_is_not_taken_and_the_question_stays_open(
    backburner: Backburner, working: Hands, era: str
) -> None:
    ask = await asking(backburner)
    say, _ = saying("accept", decision="perhaps")

    async with chatting(backburner, say, era) as agent:
        answer = await agent.ask("job_status", job_ids=[ask.job], wait_seconds=20)

    assert "decision: is one of approve, reject, not 'perhaps'" in text_of(answer)
    assert (await backburner.asks.get(ask.id)).is_open


async def test_who_turns_something_down_in_the_chat_fills_in_no_form(backburner: Backburner, working: Hands) -> None:
    form = {"properties": {"price": {"type": "number"}, "shop": {"type": "string"}}, "required": ["price", "shop"]}
    ask = await asking(backburner, form=form)
    say, seen = saying("accept", decision="reject", shop="", notes="Too dear.")

    async with chatting(backburner, say) as agent:
        await agent.get("job_status", job_ids=[ask.job], wait_seconds=20)

    assert seen[0].requested_schema["required"] == ["decision"]
    answer = (await backburner.asks.get(ask.id)).answer
    assert answer == {"decision": "reject", "values": {}, "notes": "Too dear."}


@pytest.mark.parametrize("args", [{"who": "Marta"}, {"question": "Publish?"}])
async def test_nobody_is_asked_in_the_chat_for_somebody_else_or_without_a_wait(
    backburner: Backburner, working: Hands, args: dict[str, str]
) -> None:
    await backburner.people.sign_in_link("Marta", new=True)
    ask = await asking(backburner, **args)
    say, seen = saying("accept", decision="approve")

    async with chatting(backburner, say) as agent:
        await agent.get("job_status", job_ids=[ask.job], wait_seconds=1 if "who" in args else 0)

    assert seen == []
    assert (await backburner.asks.get(ask.id)).is_open


async def test_an_operator_can_keep_questions_out_of_chats(backburner: Backburner, working: Hands) -> None:
    ask = await asking(backburner)
    say, seen = saying("accept", decision="approve")

    async with chatting(backburner, say, ask_in_chat=False) as agent:
        await agent.get("job_status", job_ids=[ask.job], wait_seconds=1)

    assert seen == []


async def test_a_long_text_goes_into_the_chat_in_part_and_the_page_has_all_of_it(
    backburner: Backburner, working: Hands
) -> None:
    ask = await asking(backburner, content="word " * 2000)
    say, seen = saying("cancel")

    async with chatting(backburner, say) as agent:
        await agent.get("job_status", job_ids=[ask.job], wait_seconds=1)

    assert len(seen[0].message) < 2200
    assert seen[0].message.endswith(f"…\n\nAll of it is at {PAGES}/jobs/{ask.job}")


async def test_an_answer_is_bound_to_what_was_shown_in_the_chat(backburner: Backburner, working: Hands) -> None:
    ask = await asking(backburner)
    say, seen = saying("cancel")
    other = {f"ask-{ask.id}-{'0' * 64}": "approve", f"ask-{2**62}-{ask.shown_hash}": "approve", "nonsense": "approve"}

    async with chatting(backburner, say) as agent:
        await _with_answers(agent, ask, other)
        assert (await backburner.asks.get(ask.id)).is_open
        assert len(seen) == 1  # so the one that is in force is put
        await _with_answers(agent, ask, {f"ask-{ask.id}-{ask.shown_hash}": "approve"})

    assert not (await backburner.asks.get(ask.id)).is_open


async def _with_answers(agent: Agent, ask: Ask, answers: dict[str, str]) -> CallToolResult:
    """A call that brings answers along, as a client of 2026 makes it."""
    responses = {key: ElicitResult(action="accept", content={"decision": said}) for key, said in answers.items()}
    return await agent._client.call_tool(
        "job_status", {"job_ids": [ask.job], "wait_seconds": 20}, input_responses=responses
    )


@ERAS
async def test_over_http_only_clients_that_answer_by_calling_again_are_asked(
    backburner: Backburner, settings: Settings, working: Hands, era: str
) -> None:
    ask = await asking(backburner)
    say, seen = saying("accept", decision="approve")

    async def callback(_: Any, asked: ElicitRequestParams) -> ElicitResult:
        return await say(asked)

    async with serving(settings, Binding(0, any_port=True)) as base:
        headers = {"Authorization": f"Bearer {await backburner.people.add_token('chat', AGENT_SCOPES)}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(
                streamable_http_client(f"{base}/mcp", http_client=http), mode=era, elicitation_callback=callback
            ) as client,
        ):
            (job,) = (await Agent(client).get("job_status", job_ids=[ask.job], wait_seconds=20))["jobs"]

    assert (len(seen), job["status"]) == ((1, "completed") if era == "auto" else (0, "waiting"))
    assert (await backburner.asks.get(ask.id)).answered_by == ("owner" if era == "auto" else None)


# ------------------------------------------------------------------------------------------------------ agents who decide


async def test_the_tool_that_answers_is_offered_only_where_agents_decide(backburner: Backburner) -> None:
    async with chatting(backburner) as agent, chatting(backburner, agents_decide=True) as deciding:
        without, with_it = [(await each._client.list_tools()).tools for each in (agent, deciding)]
        refused = await agent.refused("answer_job", job_id="0e8z453fk1krg", decision="approve")

    assert {tool.name for tool in with_it} - {tool.name for tool in without} == {"answer_job"}
    assert "no tool 'answer_job'" in refused


async def test_an_agent_answers_what_another_asked_and_never_what_it_asked_itself(
    backburner: Backburner, working: Hands
) -> None:
    own, foreign = await asking(backburner), await asking(await backburner.as_person())
    scopes = (*AGENT_SCOPES, "jobs:answer")

    async with chatting(backburner, scopes=scopes, agents_decide=True) as agent:
        refused = await agent.refused("answer_job", job_id=own.job, decision="approve")
        answered = await agent.get("answer_job", job_id=foreign.job, decision="approve", notes="Fine.")
        late = await agent.refused("answer_job", job_id=foreign.job, decision="reject")
        backburner.self_answer = True
        own_too = await agent.get("answer_job", job_id=own.job, ask=own.id, decision="reject")

    assert "somebody else has to" in refused
    assert (answered["decision"], own_too["decision"]) == ("approve", "reject")
    assert "agent answered this" in late
    assert (await backburner.asks.get(foreign.id)).answered_by == "agent"


async def test_an_agent_that_may_decide_answers_a_batch_alike(backburner: Backburner, working: Hands) -> None:
    person = await backburner.as_person()
    made = await person.create_many([NewJob("approval", {"question": f"Number {number}?"}) for number in range(3)])
    await person.wait([each.id for each in made], 10, until="change")
    batch = (await backburner.get(made[0].id)).batch_id
    await wait_until_all_ask(backburner, str(batch), 3)

    async with chatting(backburner, scopes=("jobs:answer", "jobs:read"), agents_decide=True) as agent:
        neither = await agent.refused("answer_job", decision="approve")
        listed = await agent.ask("list_jobs", batch_id=batch)
        answered = await agent.get("answer_job", batch_id=batch, decision="approve")

    assert "either job_id or batch_id" in neither
    assert text_of(listed).startswith(f"Batch {batch}: 0 of 3 done: 3 waiting; 3 questions open.")
    assert (listed.structured_content or {})["batch"] == {
        "batch_id": batch, "done": 0, "of": 3, "percent": 0, "by_status": {"waiting": 3}, "asks_open": 3,
    }  # fmt: skip
    assert set(answered["answered"]) == {each.id for each in made}


async def wait_until_all_ask(backburner: Backburner, batch: str, number: int) -> None:
    async with asyncio.timeout(20):
        while (await backburner.batch(batch)).asks < number:
            await asyncio.sleep(0.02)


async def test_an_agent_without_the_scope_answers_nothing(backburner: Backburner, working: Hands) -> None:
    ask = await asking(await backburner.as_person())

    async with chatting(backburner, agents_decide=True) as agent:
        refused = await agent.refused("answer_job", job_id=ask.job, decision="approve")

    assert "lacks the scope 'jobs:answer'" in refused
