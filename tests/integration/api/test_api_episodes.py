"""The registry of episodes over HTTP: rows put there by hand, as the kind leaves them."""

import json
from typing import Any

import httpx2
from given import Book

from worker.hands import Hands

STAGES = ("discover", "transcribe", "enrich", "render")


def put(
    book: Book, number: int, source: str, target: str, status: str, result: Any = None, tenant: int | None = None
) -> str:
    job = f"0e8z453fk1{number:03}"
    owner = book.default if tenant is None else next(each for each in [book.tenant("another")] if each.id == tenant)
    more = {"completed": (", finished_at", ", now()"), "queued": ("", "")}.get(
        status, (", finished_at, error", """, now(), '{"code": "gave_up", "message": "No."}'""")
    )
    book.run(
        f"""INSERT INTO jobs (id, tenant_id, principal_id, kind, title, args, args_hash, status, result, created_at{more[0]})
            VALUES (%s, %s, %s, 'episode', '', %s, '', %s, %s, now() + %s * interval '1 s'{more[1]})""",
        job, owner.id, owner.principal, json.dumps({"source": source, "target_stage": target}), status,
        json.dumps(result) if result is not None else None, number,
    )  # fmt: skip
    return job


async def listed(client: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answered = await client.get("/api/v1/episodes", params=query)
    assert answered.status_code == 200, answered.text
    found: list[dict[str, Any]] = answered.json()["episodes"]
    return found


async def test_each_recording_is_listed_once_with_the_furthest_stage_and_its_newest_job(
    client: httpx2.AsyncClient, book: Book
) -> None:
    folder = {
        "stage": "discover",
        "sources": [{"source": f"file:shows/{n}.mp3", "title": f"Show {n}", "duration_s": 60.5} for n in (1, 2, 3)],
    }
    put(book, 1, "file:shows/", "discover", "completed", folder)
    put(book, 2, "file:shows/1.mp3", "render", "completed", {"title": "One", "duration_s": 61.0})
    newest = put(book, 3, "file:shows/1.mp3", "transcribe", "failed")
    open_one = put(book, 4, "file:shows/2.mp3", "render", "queued")
    put(book, 5, "https://a.example/x.mp3", "transcribe", "completed", {"title": "X"})

    found = {each["source"]: each for each in await listed(client)}

    assert list(found) == ["https://a.example/x.mp3", "file:shows/2.mp3", "file:shows/1.mp3", "file:shows/3.mp3"]
    assert {source: each["stage"] for source, each in found.items()} == {
        "https://a.example/x.mp3": "transcribe", "file:shows/2.mp3": "discover", "file:shows/1.mp3": "render", "file:shows/3.mp3": "discover",
    }  # fmt: skip
    assert (found["file:shows/1.mp3"]["job_id"], found["file:shows/1.mp3"]["status"]) == (newest, "failed")
    assert (found["file:shows/2.mp3"]["job_id"], found["file:shows/2.mp3"]["title"]) == (open_one, "Show 2")
    assert "job_id" not in found["file:shows/3.mp3"]
    assert found["file:shows/3.mp3"]["found_in"] == "file:shows/"


async def test_a_list_is_narrowed_and_paged(client: httpx2.AsyncClient, book: Book) -> None:
    put(book, 1, "file:", "discover", "completed", {"sources": [{"source": "file:new.mp3", "title": "New"}]})
    for number in range(2, 9):
        put(book, number, f"file:{number}.mp3", STAGES[1 + number % 3], "completed", {"title": f"{number}"})

    assert [each["source"] for each in await listed(client, unasked=True)] == ["file:new.mp3"]
    assert {each["stage"] for each in await listed(client, stage=["enrich", "render"])} == {"enrich", "render"}
    assert [each["source"] for each in await listed(client, source="file:4.mp3")] == ["file:4.mp3"]
    assert [each["source"] for each in await listed(client, found_in="file:")] == ["file:new.mp3"]
    assert await listed(client, status="failed") == []
    first = (await client.get("/api/v1/episodes", params={"limit": 5})).json()
    rest = (await client.get("/api/v1/episodes", params={"limit": 5, "cursor": first["next_cursor"]})).json()
    assert [each["title"] for each in first["episodes"] + rest["episodes"]] == [
        "8",
        "7",
        "6",
        "5",
        "4",
        "3",
        "2",
        "New",
    ]
    assert rest["next_cursor"] is None
    refused = await client.get("/api/v1/episodes", params={"cursor": "nonsense"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")


async def test_other_tenants_have_a_registry_of_their_own(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, book: Book
) -> None:
    put(book, 1, "file:a.mp3", "render", "completed", {"title": "A"})

    assert len(await listed(client)) == 1
    assert await listed(stranger) == []


async def test_where_nothing_can_listen_discovering_is_refused_with_what_is_missing(
    client: httpx2.AsyncClient, hands: Hands
) -> None:
    answered = await client.post("/api/v1/episodes/discover", json={"source": "file:shows/"})

    assert answered.status_code == 422
    assert answered.json()["code"] == "kind_unavailable"
    assert "pip install 'backburner[media]'" in answered.json()["detail"]
