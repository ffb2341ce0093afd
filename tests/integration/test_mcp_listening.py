"""What a client is told while it listens: changes of resources, of tasks, of the list; and when that ends."""

import asyncio
from typing import Any

import pytest
from mcp.client.subscriptions import ListenNotSupportedError, ResourcesListChanged, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_given import Follows, connected, follow, listened

from agent_tools.app import Backburner
from agent_tools.server import listening
from agent_tools.settings import Settings
from sql.hands import Principal
from worker.hands import Hands

DOORS = pytest.mark.parametrize("over", ["memory", "http"])


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


@DOORS
async def test_whoever_listens_hears_of_a_job_of_its_subject_and_of_the_list(
    backburner: Backburner, settings: Settings, over: str
) -> None:
    job = (await backburner.create("drill", {"seconds": 60}, subject="Sea")).id
    async with connected(backburner, settings, over) as client:
        uris = [f"job://{job}", "subject://sea", f"job://{'0' * 13}", "nonsense"]
        async with client.listen(resource_subscriptions=uris, resources_list_changed=True) as heard:
            await backburner.cancel([job])
            async with asyncio.timeout(20):
                events = {await anext(heard) for _ in range(3)}

    assert heard.honored.resource_subscriptions == uris[:2]
    assert events == {ResourceUpdated(uris[0]), ResourceUpdated(uris[1]), ResourcesListChanged()}


async def test_a_job_that_is_moved_or_deleted_is_heard_of_where_it_was(
    backburner: Backburner, settings: Settings, working: Hands
) -> None:
    job = (await backburner.create("page", {"content": "# Tides"}, subject="Sea")).id
    await backburner.wait([job], 20)
    async with (
        connected(backburner, settings) as client,
        client.listen(resource_subscriptions=["subject://Sea"]) as of_subject,
        client.listen(resource_subscriptions=[f"job://{job}"]) as of_job,
        asyncio.timeout(20),
    ):
        await backburner.organise([job], subject="Land")
        assert await anext(of_subject) == ResourceUpdated("subject://Sea")
        assert await anext(of_job) == ResourceUpdated(f"job://{job}")
        await backburner.delete([job])
        assert await anext(of_job) == ResourceUpdated(f"job://{job}")


@DOORS
async def test_a_task_is_told_in_full_until_it_has_ended(
    backburner: Backburner, settings: Settings, working: Hands, over: str
) -> None:
    made = await backburner.create("approval", {"question": "Publish this?"})
    await backburner.wait([made.id], 20)
    follows = Follows()
    async with connected(backburner, settings, over, extensions=[follows]) as client, asyncio.timeout(30):
        await follow(client, made.id)
        listening = asyncio.create_task(listened(client, taskIds=[made.id]))
        first = last = await follows.heard.get()
        await (await backburner.as_person()).asks.answer(made.id, "approve")
        while last["status"] != "completed":
            last = await follows.heard.get()
        await listening

    assert (first["taskId"], first["status"], first["ttlMs"]) == (made.id, "input_required", None)
    assert last["result"]["structuredContent"]["jobs"][0]["status"] == "completed"


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({}, "Say what to listen to"),
        ({"resourceSubscriptions": ["job://0e8z453fk1krg"]}, "No job 0e8z453fk1krg"),
        ({"resourceSubscriptions": ["file:///etc/passwd"]}, "There is no resource 'file:///etc/passwd'"),
        ({"taskIds": ["nonsense"]}, "'nonsense' is no job id"),
        ({"resourceSubscriptions": [f"subject://{n}" for n in range(101)]}, "101 are too many"),
    ],
)
async def test_listening_to_nothing_is_refused_in_a_sentence(
    backburner: Backburner, settings: Settings, wanted: dict[str, Any], sentence: str
) -> None:
    async with connected(backburner, settings, extensions=[Follows()]) as client:
        with pytest.raises(MCPError) as error:
            await listened(client, **wanted)

    assert error.value.error.code == -32602
    assert sentence in error.value.error.message


async def test_others_jobs_tasks_of_the_undeclared_and_the_old_protocol_are_not_listened_to(
    backburner: Backburner, settings: Settings
) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id
    stranger = backburner.acting_as(Principal(backburner.who.tenant + 1, 1, "stranger", ()))

    async with connected(stranger, settings) as foreign, connected(backburner, settings, era="legacy") as old:
        with pytest.raises(MCPError, match=f"No job {job}"):
            await listened(foreign, resourceSubscriptions=[f"job://{job}"])
        with pytest.raises(MCPError) as undeclared:
            await listened(foreign, taskIds=[job])
        with pytest.raises(ListenNotSupportedError):
            async with old.listen(resource_subscriptions=[f"job://{job}"]):
                pass

    assert undeclared.value.error.code == -32021


async def test_a_stream_ends_when_its_token_is_revoked_and_leaves_room(
    backburner: Backburner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_STREAMS", 1)
    job = (await backburner.create("drill", {"seconds": 60})).id
    uri = f"job://{job}"
    async with connected(backburner, settings, "http") as client, asyncio.timeout(30):
        async with client.listen(resource_subscriptions=[uri]):
            with pytest.raises(MCPError, match="1 clients listen here already"):
                await listened(client, resourceSubscriptions=[uri])
        async with client.listen(resource_subscriptions=[uri]) as heard:
            await backburner.people.revoke_token(max(each["id"] for each in await backburner.people.tokens()))
            await backburner.cancel([job])
            assert [event async for event in heard][:1] in ([], [ResourceUpdated(uri)])
