"""Where many kinds are installed: list_kinds takes the place of the tools that create one kind each."""

import json

import bpe_openai
import pytest
from agents import Agent
from mcp_given import connected

from agent_tools import JobContext, job_kind
from agent_tools.app import Backburner
from agent_tools.jobs.kinds import Kind, Kinds, load_kinds
from agent_tools.server.tools import MOST_KINDS, tools
from agent_tools.settings import Settings

ENCODING = bpe_openai.get_encoding("o200k_base")


def generated(number: int) -> Kind:
    async def work(
        job: JobContext, topic: str, depth: int = 3, style: str = "plain", sources: tuple[str, ...] = ()
    ) -> None:
        """Write a report. It looks through the sources and writes down what they say about the topic, with a list of them."""

    return job_kind(f"report_{number:03}", usually="about two minutes", example={"topic": "tides"})(work)


@job_kind("unoffered", agent=False)
async def unoffered(job: JobContext) -> None:
    """For programs only."""


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


@pytest.fixture
def offered(request: pytest.FixtureRequest) -> Kinds:
    return Kinds([*load_kinds(("page",)).values(), unoffered, *(generated(each) for each in range(request.param))])


def tokens(listed: object) -> int:
    return len(ENCODING.encode(json.dumps(listed, ensure_ascii=False, separators=(",", ":"))))


MANY = pytest.mark.parametrize("offered", [120], indirect=True)


@pytest.mark.parametrize("number", [0, 5, 10, 15, 20, 25, 30, 60, 200])
def test_the_list_of_tools_stays_under_5000_tokens_however_many_kinds_there_are(number: int) -> None:
    every = tools(Kinds(generated(each) for each in range(number)), lambda _: True)
    listed = [tool for tool in every if tool.is_listed]

    cost = tokens(
        [{"name": each.name, "description": each.description, "input_schema": each.schema} for each in listed]
    )

    print(f"{number} kinds: {len(listed)} tools, {cost} tokens")
    assert cost < 5000
    assert ("list_kinds" in {tool.name for tool in listed}) == (number > 15)


@MANY
async def test_kinds_are_looked_up_and_created_by_create_jobs(backburner: Backburner, settings: Settings) -> None:
    async with connected(backburner, settings) as client:
        agent = Agent(client)
        listed = {tool.name: tool.description for tool in (await client.list_tools()).tools}
        every = await agent.get("list_kinds")
        some = await agent.get("list_kinds", search="REPORT_11")
        (one,) = (await agent.get("list_kinds", kinds="report_007"))["kinds"]
        made = await agent.get("create_jobs", jobs=[one["example"]])
        by_old_name = await agent.get("create_report_008", topic="tides")

    assert "create_page" not in listed
    assert "args as list_kinds says" in (listed["create_jobs"] or "")
    assert (len(every["kinds"]), every["more"]) == (MOST_KINDS, "71 more; search narrows.")
    assert every["kinds"][1] == {"kind": "report_000", "does": "Write a report."}
    assert [entry["kind"] for entry in some["kinds"]] == [f"report_11{n}" for n in range(10)]
    assert one["args"]["properties"]["depth"] == {"default": 3, "type": "integer"}
    assert len(made["job_ids"]) == 1
    assert by_old_name["kind"] == "report_008"
    assert tokens(every) < 1500


@MANY
async def test_a_kind_that_is_not_there_is_refused_in_a_sentence(backburner: Backburner, settings: Settings) -> None:
    async with connected(backburner, settings) as client:
        agent = Agent(client)
        assert "There is no kind 'report_7'. Did you mean 'report_" in await agent.refused(
            "list_kinds", kinds=["report_7"]
        )
        assert "unoffered cannot be created by agents here" in await agent.refused("list_kinds", kinds=["unoffered"])
        assert "at most 10" in await agent.refused("list_kinds", kinds=[f"report_{n:03}" for n in range(11)])
        assert await agent.get("list_kinds", search="no such thing") == {}


@pytest.mark.parametrize("offered", [3], indirect=True)
async def test_with_few_kinds_each_has_its_tool(backburner: Backburner, settings: Settings) -> None:
    async with connected(backburner, settings) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]

    assert names[:5] == ["create_page", "create_report_000", "create_report_001", "create_report_002", "create_jobs"]
    assert "list_kinds" not in names
