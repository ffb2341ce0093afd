"""What a model meets: the tools over MCP, with real jobs behind them."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import bpe_openai
import pytest
from agents import Agent, text_of
from mcp import Client
from mcp.types import ImageContent
from PIL import Image

from agent_tools.app import Backburner
from agent_tools.server.mcp import server
from agent_tools.server.tools import Desk
from agent_tools.view import Addresses
from sql.hands import Principal
from worker.hands import Hands

SLIDES = ["# Tides\nWhy the sea comes and goes", "## Two bulges\n- The moon pulls\n- The Earth turns beneath"]
ENCODING = bpe_openai.get_encoding("o200k_base")


def acting(backburner: Backburner, *scopes: str) -> Backburner:
    return backburner.acting_as(backburner.who._replace(scopes=scopes or ("admin",)))


@pytest.fixture(params=["auto", "legacy"])
async def agent(request: pytest.FixtureRequest, backburner: Backburner) -> AsyncIterator[Agent]:
    """The SDK's own client, in both eras of the protocol."""
    desk = Desk(acting(backburner), Addresses("http://127.0.0.1:8808"))

    async def at_desk() -> Desk:
        return desk

    # In a task of its own: a client must be closed by the task that opened it, and a fixture's two halves are two.
    opened: asyncio.Future[Agent] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def hold() -> None:
        async with Client(server(backburner, at_desk), mode=request.param) as client:
            opened.set_result(Agent(client))
            await done.wait()

    holding = asyncio.create_task(hold())
    yield await opened
    done.set()
    await holding


async def test_an_agent_asks_for_a_deck_and_sees_it(agent: Agent, working: Hands) -> None:
    receipt = await agent.get("create_presentation", slides=SLIDES, subject="Sea", title="Tides")

    (job,) = (await agent.get("job_status", job_ids=[receipt["job_id"]], wait_seconds=30))["jobs"]
    read = await agent.ask("read_result", job_id=receipt["job_id"])

    assert (job["status"], job["subject"], job["line"]) == ("completed", "Sea", "2 slides: Tides")
    assert any(isinstance(block, ImageContent) for block in read.content)
    assert read.structured_content is not None
    assert read.structured_content["result"]["titles"] == ["Tides", "Two bulges"]


async def test_an_agent_looks_at_its_deck_changes_the_third_slide_and_only_that_one_differs(
    agent: Agent, working: Hands
) -> None:
    async def ended(receipt: Mapping[str, Any]) -> str:
        (job,) = (await agent.get("job_status", job_ids=[receipt["job_id"]], wait_seconds=30))["jobs"]
        assert job["status"] == "completed"
        return str(receipt["job_id"])

    async def seen(job: str, artifact: str | None = None) -> bytes:
        read = await agent.ask("read_result", job_id=job, artifact=artifact)
        (picture,) = [block for block in read.content if isinstance(block, ImageContent)]
        data = base64.b64decode(picture.data)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
        return data

    slides = [*SLIDES, "## When\n- twice a day", "## Where\n- everywhere"]
    first = await ended(await agent.get("create_presentation", slides=slides))
    outline = text_of(await agent.ask("read_result", job_id=first))
    second = await ended(
        await agent.get("redo_job", job_id=first, changes={"slides/2": "## When\n- every 12 h 25 min"})
    )

    assert "3. When (slide-03.png, slides/2)" in outline
    assert await seen(first) != await seen(second)
    names = [f"slide-{n:02}.png" for n in range(1, 5)]
    differ = [await seen(first, name) != await seen(second, name) for name in names]
    assert differ == [False, False, True, False]


async def test_slides_are_put_in_taken_out_and_moved_by_a_redo(agent: Agent, working: Hands) -> None:
    first = await agent.get("create_presentation", slides=["# A", "## B", "## C", "## D"])
    await agent.get("job_status", job_ids=[first["job_id"]], wait_seconds=30)

    redo = await agent.get(
        "redo_job",
        job_id=first["job_id"],
        changes={"slides/1": None, "slides/+2": "## New", "slides/3": {"before": 2}, "slides/-": "## Last"},
    )
    await agent.get("job_status", job_ids=[redo["job_id"]], wait_seconds=30)
    read = await agent.get("read_result", job_id=redo["job_id"])

    assert read["result"]["titles"] == ["A", "D", "New", "C", "Last"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"slides/99": "# Z"}, "there is no 'slides/99'; 'slides' has 2 items, from 0"),
        ({"slides": ["# Z"], "slides/1": "# Y"}, "'slides' and 'slides/1' cannot go together"),
        ({"slides/1": None, "slides/1/x": "y"}, "cannot go together"),
        ({"theme": "blue"}, "theme: input should be 'clean'"),
        ({"slides/0": None, "slides/1": None}, "slides: has nothing on it"),
    ],
)
async def test_changes_that_cannot_be_made_are_refused_in_a_sentence(
    agent: Agent, working: Hands, changes: dict[str, Any], sentence: str
) -> None:
    first = await agent.get("create_presentation", slides=SLIDES)
    await agent.get("job_status", job_ids=[first["job_id"]], wait_seconds=30)

    assert sentence in await agent.refused("redo_job", job_id=first["job_id"], changes=changes)


async def test_a_receipt_says_what_was_started_where_it_will_lie_and_what_to_do(agent: Agent) -> None:
    answer = await agent.ask("create_page", content="# Hello")

    job = (answer.structured_content or {})["job_id"]
    for said in (
        job,
        "It usually takes a second",
        "unorganised",
        f"http://127.0.0.1:8808/jobs/{job}",
        "job_status",
        "read_result",
    ):
        assert said in text_of(answer)
    assert "No worker runs right now" in text_of(answer)


async def test_the_same_call_twice_is_the_same_job(agent: Agent) -> None:
    first = await agent.get("create_page", content="# Hello")

    second = await agent.get("create_page", content="# Hello")
    third = await agent.get("create_page", content="# Hello", again=True)

    assert (second["job_id"], second["created"]) == (first["job_id"], False)
    assert third["job_id"] != first["job_id"]


async def test_a_topic_is_refused_with_a_call_that_works(agent: Agent) -> None:
    said = await agent.refused("create_presentation", topic="photosynthesis")

    assert "topic: is not available here: LLM_BASE_URL is not set" in said
    assert "create_presentation(slides=['# Tides" in said


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("create_page", {"contnt": "# A"}, "Did you mean 'content'?"),
        ("create_page", {"content": "# A", "theme": "blue"}, "'auto', 'light' or 'dark', not 'blue'"),
        ("create_page", {"content": "a\0b"}, "NUL"),
        ("create_page", {"content": "# A", "labels": "x"}, "labels"),
        ("job_status", {"job_ids": ["x"]}, "is no job id"),
        ("job_status", {"job_ids": ["0e8z453fk1krg"]}, "No job 0e8z453fk1krg"),
        ("job_status", {"job_ids": []}, "at least 1 item"),
        ("job_status", {"job_ids": ["0e8z453fk1krg"], "wait_seconds": 600}, "less than or equal to 50"),
        ("list_jobs", {"limt": 3}, "Did you mean 'limit'?"),
        ("list_jobs", {"created_after": "some day"}, "7d, 12h, 30m"),
        ("list_jobs", {"cursor": "nonsense"}, "next_cursor"),
        ("organise_jobs", {"subject": "A"}, "either job_ids or where"),
        ("organise_jobs", {"undo": 99}, "no move 99"),
        ("create_jobs", {"jobs": [{"kind": "pag", "args": {}}]}, "Did you mean 'page'?"),
        ("jobs_status", {}, "Did you mean job_status?"),
        ("organize_jobs", {}, "Did you mean organise_jobs?"),
    ],
)
async def test_a_wrong_call_is_refused_in_a_sentence(
    agent: Agent, tool: str, arguments: dict[str, Any], expected: str
) -> None:
    said = await agent.refused(tool, **arguments)

    assert expected in said
    assert "pydantic" not in said
    assert len(said) < 700


async def test_what_a_model_sends_is_understood_where_it_is_clear(agent: Agent, working: Hands) -> None:
    job = (await agent.get("create_presentation", slides="# A\n---\n# B", subject="null", labels='{"project": "sea"}'))[
        "job_id"
    ]

    assert (await agent.get("job_status", job_id=job, wait_seconds="30"))["jobs"][0]["line"].startswith("2 slides")
    assert [
        entry["id"]
        for entry in (await agent.get("list_jobs", status="complete", subject="default", labels={"project": "sea"}))[
            "jobs"
        ]
    ] == [job]
    assert (await agent.get("job_status", job_ids=f'["{job}"]'))["jobs"]


async def test_what_has_ended_is_told_with_the_next_reply_until_it_was_looked_at(
    agent: Agent, backburner: Backburner, working: Hands
) -> None:
    job = (await agent.get("create_page", content="# A"))["job_id"]
    await backburner.wait([job], 10)

    told = await agent.get("create_page", content="# B")
    await agent.get("read_result", job_id=job)
    after = await agent.get("create_page", content="# B")

    assert [entry["id"] for entry in told["unseen"]] == [job]
    assert job not in json.dumps(after.get("unseen", []))


async def test_a_near_miss_of_a_subject_is_refused_and_a_move_is_undone_once(agent: Agent) -> None:
    await agent.get("create_page", content="# A", subject="Biology")
    job = (await agent.get("create_page", content="# B"))["job_id"]

    assert "there is 'Biology'" in await agent.refused("organise_jobs", subject="Bilogy", job_ids=[job])
    moved = await agent.get("organise_jobs", subject="biology", job_ids=[job])
    back = await agent.get("organise_jobs", undo=moved["undo"])

    assert (moved["moved"], moved["was"], back["job_ids"]) == (1, "unorganised", [job])
    assert "undone before" in await agent.refused("organise_jobs", undo=moved["undo"])


async def test_a_move_of_another_number_than_expected_moves_nothing(agent: Agent) -> None:
    await agent.get("create_page", content="# A")

    said = await agent.refused("organise_jobs", subject="Sea", where={"kind": "page"}, expect=10_000)

    assert "this means 1 jobs, not 10000" in said
    assert (await agent.get("list_jobs"))["subjects"] == {"unorganised": 1}


async def test_a_batch_is_all_or_nothing(agent: Agent) -> None:
    said = await agent.refused(
        "create_jobs", jobs=[{"kind": "page", "args": {"content": "# A"}}, {"kind": "page", "args": {"x": 1}}]
    )
    nothing = await agent.get("list_jobs")
    made = await agent.get("create_jobs", jobs=[{"kind": "page", "args": {"content": name}} for name in "AB"])

    assert "jobs/1" in said
    assert "jobs" not in nothing
    assert len((await agent.get("list_jobs", batch_id=made["batch_id"]))["jobs"]) == 2


async def test_jobs_of_a_batch_come_after_each_other_and_the_last_says_what_it_waits_for(agent: Agent) -> None:
    page = {"kind": "page", "args": {"content": "# A"}}
    batch = [page, {**page, "after": 0}, {**page, "after": "[0, 1]", "if_parent_fails": "run"}]

    made = await agent.get("create_jobs", jobs=batch)
    circle = await agent.refused("create_jobs", jobs=[{**page, "after": [1]}, {**page, "after": [0]}])

    (last,) = (await agent.get("job_status", job_ids=made["job_ids"][2:]))["jobs"]
    assert last["status"] == "waiting"
    assert last["line"].startswith("Waiting for 2 of 2 jobs to end first: ")
    assert made["job_ids"][0] in last["line"]
    assert "which never ends" in circle


async def test_a_slide_is_redone_and_the_first_deck_stays(agent: Agent, working: Hands) -> None:
    job = (await agent.get("create_presentation", slides=SLIDES))["job_id"]
    await agent.get("job_status", job_ids=[job], wait_seconds=30)

    newer = (await agent.get("redo_job", job_id=job, changes={"slides/1": "## Changed"}))["job_id"]
    await agent.get("job_status", job_ids=[newer], wait_seconds=30)

    assert (await agent.get("read_result", job_id=newer))["result"]["titles"] == ["Tides", "Changed"]
    assert (await agent.get("read_result", job_id=job))["result"]["titles"] == ["Tides", "Two bulges"]
    assert "has 2 items, from 0" in await agent.refused("redo_job", job_id=job, changes={"slides/9": "x"})


async def test_slides_are_put_in_moved_and_taken_out_in_one_redo(agent: Agent, working: Hands) -> None:
    job = (await agent.get("create_presentation", slides=[*SLIDES, "## Spring", "## Neap"]))["job_id"]
    await agent.get("job_status", job_ids=[job], wait_seconds=30)

    changes = {"slides/1": None, "slides/3": {"before": 2}, "slides/+1": "## The moon", "slides/-": "## The end"}
    newer = (await agent.get("redo_job", job_id=job, changes=json.dumps(changes)))["job_id"]
    await agent.get("job_status", job_ids=[newer], wait_seconds=30)

    titles = (await agent.get("read_result", job_id=newer))["result"]["titles"]
    assert titles == ["Tides", "The moon", "Neap", "Spring", "The end"]


async def test_a_running_job_is_cancelled_and_an_ended_one_says_so(
    agent: Agent, backburner: Backburner, working: Hands
) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id
    await agent.get("job_status", job_ids=[job], wait_seconds=5, until="change", since=1)

    first = await agent.get("cancel_jobs", job_ids=[job], reason="not needed")
    second = await agent.get("cancel_jobs", job_ids=[job])

    assert first["cancelled"] == [job]
    assert second["not_cancelled"] == {job: f"{job} is cancelled already."}


async def test_a_batch_is_stopped_as_a_whole(agent: Agent, backburner: Backburner) -> None:
    jobs = [{"kind": "drill", "args": {"seconds": number}} for number in range(3)]
    made = await agent.get("create_jobs", jobs=jobs)

    neither = await agent.refused("cancel_jobs", reason="not needed")
    first = await agent.get("cancel_jobs", batch_id=made["batch_id"])
    unknown = await agent.refused("cancel_jobs", batch_id="0c3k9x2mq7f4w")

    assert "either job_ids or batch_id" in neither
    assert set(first["cancelled"]) == set(made["job_ids"])
    assert "There is no batch '0c3k9x2mq7f4w'" in unknown
    assert (await backburner.batch(made["batch_id"])).said == "3 of 3 done: 3 cancelled"


async def test_text_is_read_in_pages_and_what_hides_in_it_is_taken_out(agent: Agent, working: Hands) -> None:
    text = "# Long\n\n" + "word " * 2000 + "\u202eneedle\u200b \U000e0041end"
    job = (await agent.get("create_page", content=text))["job_id"]
    await agent.get("job_status", job_ids=[job], wait_seconds=20)

    first = await agent.get("read_result", job_id=job, limit=1000)
    found = await agent.get("read_result", job_id=job, find="needle")

    assert first["next_offset"] == 1000
    assert first["untrusted"] is True
    assert "needle" in found["text"]
    assert not set(found["text"]) & set("\u202e\u200b\U000e0041")


async def test_a_token_without_the_scope_may_not(backburner: Backburner) -> None:
    desk = Desk(acting(backburner, "jobs:read"), Addresses(None))

    async def at_desk() -> Desk:
        return desk

    async with Client(server(backburner, at_desk)) as client:
        assert "lacks the scope 'jobs:create'" in await Agent(client).refused("create_page", content="# A")


async def test_a_foreign_job_is_as_unknown_as_one_that_never_was(agent: Agent, backburner: Backburner) -> None:
    stranger = backburner.acting_as(Principal(backburner.who.tenant + 1, 1, "stranger", ("admin",)))
    job = (await agent.get("create_page", content="# A"))["job_id"]

    async def at_desk() -> Desk:
        return Desk(stranger, Addresses(None))

    async with Client(server(backburner, at_desk)) as client:
        other = Agent(client)
        for tool, arguments in (
            ("job_status", {"job_ids": [job]}), ("read_result", {"job_id": job}), ("redo_job", {"job_id": job}),
            ("cancel_jobs", {"job_ids": [job]}), ("organise_jobs", {"job_ids": [job], "subject": "Mine"}),
        ):  # fmt: skip
            assert f"No job {job}" in await other.refused(tool, **arguments)
        assert await other.get("list_jobs") == {}


async def test_the_list_of_tools_costs_under_3000_tokens(agent: Agent) -> None:
    listed = (await agent._client.list_tools()).tools

    costs = {
        tool.name: tokens({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema})
        for tool in listed
    }
    print(f"tools/list, input side: {sum(costs.values())} tokens: {costs}")

    assert [tool.name for tool in listed] == [
        "create_approval", "create_page", "create_presentation", "create_provision", "create_jobs", "job_status", "list_jobs", "read_result", "organise_jobs", "redo_job", "cancel_jobs",
    ]  # fmt: skip
    assert sum(costs.values()) < 3000
    assert all(tool.annotations is not None and tool.output_schema is None for tool in listed)


async def test_a_page_of_ten_jobs_costs_under_600_tokens_either_way(
    agent: Agent, backburner: Backburner, working: Hands
) -> None:
    jobs = [
        (await backburner.create("page", {"content": f"# Chapter {n} of the tides\n\nwords"}, subject="Sea")).id
        for n in range(10)
    ]
    await backburner.wait(jobs, 30)

    answer = await agent.ask("list_jobs")

    as_text, as_json = len(ENCODING.encode(text_of(answer))), tokens(answer.structured_content)
    print(f"a page of ten jobs: {as_text} tokens as text, {as_json} as JSON")
    assert as_text < 600
    assert as_json < 600


def tokens(value: Any) -> int:
    return len(ENCODING.encode(json.dumps(value, ensure_ascii=False, separators=(",", ":"))))
