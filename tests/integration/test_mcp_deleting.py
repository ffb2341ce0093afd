"""The tool that deletes jobs: only where agents may, only what has ended, only so many as were meant."""

from contextlib import AbstractAsyncContextManager

import pytest
from agents import Agent
from mcp import Client
from mcp_given import connected

from agent_tools.app import Backburner
from agent_tools.server.tools import Allowed
from agent_tools.settings import Settings
from sql.hands import Principal

DELETES = Allowed(agents_delete=True)


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


@pytest.fixture
def door(backburner: Backburner, settings: Settings) -> AbstractAsyncContextManager[Client]:
    """Where agents may delete."""
    return connected(backburner, settings, allowed=DELETES)


async def ended(backburner: Backburner, number: int = 1) -> list[str]:
    jobs = [(await backburner.create("drill", {"seconds": 60 + each})).id for each in range(number)]
    await backburner.cancel(jobs)
    return jobs


async def test_agents_are_offered_it_only_where_they_may(
    backburner: Backburner, settings: Settings, door: AbstractAsyncContextManager[Client]
) -> None:
    async with connected(backburner, settings) as without, door as with_it:
        names = [{tool.name for tool in (await client.list_tools()).tools} for client in (without, with_it)]
        refused = await Agent(without).refused("delete_jobs", job_ids=["0e8z453fk1krg"])

    assert names[1] - names[0] == {"delete_jobs"}
    assert "no tool 'delete_jobs'" in refused


async def test_what_has_ended_is_deleted_and_the_rest_says_why_not(
    backburner: Backburner, door: AbstractAsyncContextManager[Client]
) -> None:
    first, second, gone = await ended(backburner, 3)
    queued = (await backburner.create("drill", {"seconds": 1})).id
    await backburner.delete([gone])

    async with door as client:
        told = await Agent(client).get("delete_jobs", job_ids=[first, second, queued, gone])
        again = await Agent(client).refused("delete_jobs", job_ids=[first])

    assert (told["deleted"], set(told["job_ids"])) == (2, {first, second})
    assert told["not_deleted"] == [f"{queued} is queued: cancel it first.", f"{gone} is gone."]
    assert f"No job {first}." in again
    assert [job.id for job in (await backburner.jobs()).jobs] == [queued]


async def test_a_filter_deletes_only_as_many_as_were_meant(
    backburner: Backburner, door: AbstractAsyncContextManager[Client]
) -> None:
    jobs = await ended(backburner, 3)
    where = {"status": ["cancelled"], "kind": "drill"}

    async with door as client:
        agent = Agent(client)
        unsaid = await agent.refused("delete_jobs", where=where)
        other = await agent.refused("delete_jobs", where=where, expect=2)
        everything = await agent.refused("delete_jobs", where={})
        neither = await agent.refused("delete_jobs", expect=3)
        kept = len((await backburner.jobs()).jobs)
        told = await agent.get("delete_jobs", where=where, expect=3)
        nothing = await agent.get("delete_jobs", where=where, expect=0)

    assert "Nothing was deleted: this means 3 jobs. Narrow it, or send expect=3." in unsaid
    assert "this means 3 jobs, not 2" in other
    assert "this means 3 jobs" in everything
    assert "either job_ids or where" in neither
    assert kept == 3
    assert (told["deleted"], set(told["job_ids"])) == (3, set(jobs))
    assert nothing == {"deleted": 0}


async def test_neither_a_stranger_nor_a_token_without_the_scope_deletes(
    backburner: Backburner, settings: Settings
) -> None:
    (job,) = await ended(backburner)
    stranger = backburner.acting_as(Principal(backburner.who.tenant + 1, 1, "stranger", ()))

    async with (
        connected(stranger, settings, scopes=("admin",), allowed=DELETES) as foreign,
        connected(backburner, settings, scopes=("jobs:read",), allowed=DELETES) as reading,
    ):
        unknown = await Agent(foreign).refused("delete_jobs", job_ids=[job])
        unscoped = await Agent(reading).refused("delete_jobs", job_ids=[job])

    assert f"No job {job}." in unknown
    assert "lacks the scope 'jobs:cancel'" in unscoped
    assert (await backburner.get(job)).id == job
