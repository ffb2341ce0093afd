"""What happens to a job, read or heard; and the files that it leaves."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from callers import Callers

from agent_tools.app import Backburner
from agent_tools.people import AGENT_SCOPES
from worker.hands import Hands

Drill = Callable[..., Awaitable[dict[str, Any]]]
Work = Callable[[], Awaitable[None]]
JOBS = "/api/v1/jobs"
LIVE = {"Accept": "text/event-stream"}


def heard(answered: httpx2.Response) -> list[tuple[str | None, str, dict[str, Any]]]:
    """(id, name, data) of each event of a stream that has ended."""
    events = []
    for block in answered.text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            events.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
    return events


async def test_events_are_read_oldest_first(client: httpx2.AsyncClient, drill: Drill, work: Work) -> None:
    job = await drill()
    await work()

    events = (await client.get(f"{JOBS}/{job['job_id']}/events")).json()["events"]

    assert [(event["number"], event["type"]) for event in events] == [(1, "created"), (2, "started"), (3, "completed")]
    assert "principal" in events[0]
    assert "principal" not in events[1]


async def test_a_live_stream_tells_everything_once_and_ends_with_the_job(
    client: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    job = await drill(args={"steps": 1})
    address = f"{JOBS}/{job['job_id']}"

    listening = asyncio.create_task(client.get(f"{address}/events", headers=LIVE))
    await client.patch(address, json={"title": "New"})
    await work()

    events = [(number, name) for number, name, _ in heard(await listening) if name != "progress"]
    assert events == [("1", "created"), ("2", "organised"), ("3", "started"), ("4", "completed")]
    assert (await listening).headers["content-type"].startswith("text/event-stream")


async def test_a_stream_goes_on_where_it_was_broken_off(client: httpx2.AsyncClient, drill: Drill, work: Work) -> None:
    address = f"{JOBS}/{(await drill())['job_id']}/events"
    await work()
    everything = heard(await client.get(address, headers=LIVE))

    for last in range(len(everything)):
        rest = heard(await client.get(address, headers={**LIVE, "Last-Event-ID": str(last)}))
        assert rest == everything[last:]
    nothing_more = await client.get(address, headers={**LIVE, "Last-Event-ID": str(len(everything))})
    assert nothing_more.status_code == 204


@pytest.mark.parametrize("last", ["-1", "x", "9" * 30, "1.5", "²"])
async def test_a_place_that_was_never_given_is_the_beginning_or_the_end(
    client: httpx2.AsyncClient, drill: Drill, work: Work, last: str
) -> None:
    address = f"{JOBS}/{(await drill())['job_id']}/events"
    await work()

    answered = await client.get(address, headers=[(b"accept", b"text/event-stream"), (b"last-event-id", last.encode())])

    assert [number for number, _, _ in heard(answered)] == ["1", "2", "3"]


async def test_progress_is_heard_between_events_and_moves_no_place(
    client: httpx2.AsyncClient, drill: Drill, hands: Hands
) -> None:
    job = await drill(args={"seconds": 0.6, "steps": 2})
    listening = asyncio.create_task(client.get(f"{JOBS}/{job['job_id']}/events", headers=LIVE))
    await hands.take(job["job_id"])

    said = [(number, data) for number, name, data in heard(await listening) if name == "progress"]

    assert said
    assert {number for number, _ in said} == {None}
    assert said[0][1]["message"] == "Step 1 of 2"


async def test_many_hear_the_same(client: httpx2.AsyncClient, drill: Drill, work: Work) -> None:
    address = f"{JOBS}/{(await drill())['job_id']}/events"
    listening = [asyncio.create_task(client.get(address, headers=LIVE)) for _ in range(20)]
    await asyncio.sleep(0.05)
    await work()

    told = [[each for each in heard(await one) if each[0]] for one in listening]

    assert [len(each) for each in told] == [3] * 20
    assert all(each == told[0] for each in told)


async def test_a_stream_ends_when_the_job_is_deleted(client: httpx2.AsyncClient, drill: Drill) -> None:
    address = f"{JOBS}/{(await drill())['job_id']}"
    await client.delete(address)
    await client.delete(address)

    events = heard(await client.get(f"{address}/events", headers=LIVE))

    assert [name for _, name, _ in events] == ["created", "cancelled", "deleted"]


async def test_a_stream_ends_when_its_token_is_revoked(
    callers: Callers, backburner: Backburner, client: httpx2.AsyncClient, drill: Drill
) -> None:
    address = f"{JOBS}/{(await drill())['job_id']}"
    other = await callers.allowed(*AGENT_SCOPES)
    listening = asyncio.create_task(other.get(f"{address}/events", headers=LIVE))
    await asyncio.sleep(0.1)

    await backburner.people.revoke_token(max(token["id"] for token in await backburner.people.tokens()))
    await client.patch(address, json={"title": "Secret"})

    assert [name for _, name, _ in heard(await listening)] == ["created"]


async def test_a_file_is_served_with_its_hash_and_nothing_in_it_runs(
    client: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    job = await drill(args={"result_bytes": 70_000})
    await work()
    (artifact,) = (await client.get(f"{JOBS}/{job['job_id']}")).json()["artifacts"]

    file = await client.get(artifact["url"])

    assert (file.status_code, len(file.content)) == (200, artifact["bytes"])
    assert file.headers["etag"] == f'"{hashlib.sha256(file.content).hexdigest()}"'
    assert file.headers["content-type"].startswith(artifact["media_type"])
    assert file.headers["x-content-type-options"] == "nosniff"
    assert file.headers["content-security-policy"].startswith("sandbox")
    assert file.headers["content-disposition"] == f'attachment; filename="{artifact["name"]}"'


async def test_a_part_of_a_file_can_be_had_and_a_known_one_is_not_sent(
    client: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    job = await drill(args={"result_bytes": 70_000})
    await work()
    (artifact,) = (await client.get(f"{JOBS}/{job['job_id']}")).json()["artifacts"]
    whole = await client.get(artifact["url"])

    part = await client.get(artifact["url"], headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
    beyond = await client.get(artifact["url"], headers={"Range": "bytes=900000-"})
    known = await client.get(artifact["url"], headers={"If-None-Match": whole.headers["etag"]})

    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert beyond.status_code == 416
    assert (known.status_code, known.content) == (304, b"")


async def test_a_file_that_is_not_there_is_said_to_be_missing(
    client: httpx2.AsyncClient, backburner: Backburner, drill: Drill, work: Work
) -> None:
    job_id = (await drill(args={"result_bytes": 70_000}))["job_id"]
    await work()
    job = await backburner.get(job_id)
    name = job.artifacts[0].name

    unknown = await client.get(f"{JOBS}/{job_id}/artifacts/other.txt")
    Path(backburner.artifact_path(job, job.artifacts[0])).unlink()
    lost = await client.get(f"{JOBS}/{job_id}/artifacts/{name}")

    assert (unknown.status_code, unknown.json()["code"]) == (404, "artifact_not_found")
    assert name in unknown.json()["detail"]
    assert (lost.status_code, lost.json()["code"]) == (404, "artifact_not_found")
