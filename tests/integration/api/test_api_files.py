"""Uploads: taken in as they arrive, given to jobs, gone when nobody needs them; and what is sent to break that."""

import asyncio
import hashlib
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from callers import Callers, assert_is_problem, open_site
from given import Book
from rig.patience import eventually
from shelf_given import serving

from agent_tools.people import AGENT_SCOPES
from agent_tools.settings import Settings
from web import api
from web.app import app
from worker.hands import Hands

Work = Callable[[], Awaitable[None]]
Drill = Callable[..., Awaitable[dict[str, Any]]]
FILES = "/api/v1/files"
CONTENT = b"It comes and goes." * 1000


@pytest.fixture
def folder(api_settings: Settings) -> Path:
    return api_settings.artifacts.root / "uploads"


def left_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.glob("*/*/*"))


async def uploaded(client: httpx2.AsyncClient, content: bytes = CONTENT, **params: str) -> dict[str, Any]:
    answered = await client.post(FILES, params={"name": "tides.mp3", **params}, content=content)
    assert answered.status_code == 201, answered.text
    file: dict[str, Any] = answered.json()
    return file


async def in_parts(*parts: bytes, fail: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if fail:
        raise fail


# ---------------------------------------------------------------------------------------------------------- as it should


async def test_a_file_is_uploaded_and_a_job_reads_it_under_its_name(
    client: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    answered = await client.post(FILES, params={"name": "tides.mp3"}, content=in_parts(CONTENT[:100], CONTENT[100:]))
    file = answered.json()

    job = await drill(args={"source": file["file"]})
    await work()

    done = (await client.get(f"/api/v1/jobs/{job['job_id']}")).json()
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (answered.status_code, answered.headers["location"]) == (201, f"{FILES}/{file['id']}")
    assert file["file"] == f"upload:{file['id']}"
    assert (file["name"], file["media_type"], file["bytes"], file["sha256"]) == (
        "tides.mp3",
        "audio/mpeg",
        len(CONTENT),
        digest,
    )
    assert done["result"]["source"] == {"name": "tides.mp3", "sha256": digest}


async def test_a_form_with_one_file_does_as_well(client: httpx2.AsyncClient) -> None:
    answered = await client.post(
        FILES, data={"note": "a note"}, files={"file": ("Ebb & flow.txt", CONTENT, "text/x-tides")}
    )

    file = answered.json()
    assert (answered.status_code, file["name"], file["media_type"]) == (201, "Ebb - flow.txt", "text/x-tides")
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()


async def test_uploads_are_listed_newest_first_in_pages_and_read_one_by_one(client: httpx2.AsyncClient) -> None:
    files = [await uploaded(client, name=f"{number}.txt") for number in range(3)]

    first = (await client.get(FILES, params={"limit": 2})).json()
    second = (await client.get(FILES, params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [*first["files"], *second["files"]] == files[::-1]
    assert second["next_cursor"] is None
    assert (await client.get(f"{FILES}/{files[0]['id']}")).json() == files[0]


async def test_a_deleted_upload_is_gone_with_its_file_and_named_by_no_new_job(
    client: httpx2.AsyncClient, folder: Path
) -> None:
    file = await uploaded(client, name="gone.txt")

    assert (await client.delete(f"{FILES}/{file['id']}")).status_code == 204

    assert "gone.txt" not in left_in(folder)
    assert (await client.delete(f"{FILES}/{file['id']}")).status_code == 404
    refused = await client.post("/api/v1/jobs", json={"kind": "drill", "args": {"source": file["file"]}})
    assert_is_problem(refused)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "source")
    assert f"there is no upload {file['id']}" in refused.json()["detail"]
    assert "/api/v1/files" in refused.json()["detail"]


async def test_an_upload_that_a_job_needs_is_not_deleted(client: httpx2.AsyncClient, drill: Drill, work: Work) -> None:
    file = await uploaded(client)
    job = await drill(args={"source": file["file"]})

    refused = await client.delete(f"{FILES}/{file['id']}")
    await work()

    assert (refused.status_code, job["job_id"] in refused.json()["detail"]) == (409, True)
    assert (await client.delete(f"{FILES}/{file['id']}")).status_code == 204


async def test_the_file_of_a_job_is_taken_too_and_a_missing_one_refused_with_those_there_are(
    client: httpx2.AsyncClient, drill: Drill, work: Work
) -> None:
    maker = await drill(args={"result_bytes": 70_000})
    of_maker = f"job://{maker['job_id']}/artifacts"
    early = await client.post("/api/v1/jobs", json={"kind": "drill", "args": {"source": f"{of_maker}/result.json"}})
    after = await drill(args={"source": f"{of_maker}/result.json"}, after=[maker["job_id"]])
    await work()
    missing = await client.post("/api/v1/jobs", json={"kind": "drill", "args": {"source": f"{of_maker}/other.json"}})
    unknown = f"job://{'0' * 13}/artifacts/a"
    nobody = await client.post("/api/v1/jobs/batch", json={"jobs": [{"kind": "drill", "args": {"source": unknown}}]})

    assert (early.status_code, after["status"]) == (422, "waiting")
    assert f"after=['{maker['job_id']}']" in early.json()["detail"]
    assert (missing.status_code, "It has: result.json." in missing.json()["detail"]) == (422, True)
    assert nobody.json()["errors"] == [
        {"field": "jobs/0/source", "message": f"there is no job {'0' * 13}. List the jobs to see yours."}
    ]


@pytest.mark.parametrize(
    ("name", "said", "content", "media_type"),
    [
        ("a.pdf", "", b"anything", "application/pdf"),
        ("a.pdf", "text/plain; charset=utf-8", b"anything", "text/plain"),
        ("a", "application/x-www-form-urlencoded", b"%PDF-1.7", "application/pdf"),
        ("a", "application/octet-stream", b"\0\0\0\x20ftypisom", "video/mp4"),
        ("a", "", b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        ("a", "nonsense", b"nothing known", "application/octet-stream"),
        ("a.txt", "text/\xe9", b"a", "text/plain"),
    ],
)
async def test_what_a_file_is_is_said_else_told_by_its_name_or_its_beginning(
    client: httpx2.AsyncClient, name: str, said: str, content: bytes, media_type: str
) -> None:
    headers = [(b"Content-Type", said.encode("latin-1"))] if said else None
    answered = await client.post(FILES, params={"name": name}, content=content, headers=headers)

    assert answered.json()["media_type"] == media_type


# -------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\me\\talk.mp3", "talk.mp3"),
        ("/", "file"),
        ("..", "file"),
        (".part", "part"),
        ("a\0b.txt", "a-b.txt"),
        ("a\r\nSet-Cookie: x=1.txt", "a-Set-Cookie- x-1.txt"),
        ("gnp\u202eexe.png", "gnp-exe.png"),
        ("Füße 潮汐.mp3", "Füße 潮汐.mp3"),
        ("\ufffd\ufffd.txt", "txt"),
        ("é" * 900 + ".mp3", "é" * 58 + ".mp3"),
        ("a" * 300, "a" * 120),
        ("-rf", "rf"),
        ("$(reboot);`x`.sh", "reboot-x-.sh"),
    ],
)
async def test_no_name_leads_anywhere_else(client: httpx2.AsyncClient, folder: Path, name: str, kept: str) -> None:
    raw = await uploaded(client, name=name)
    form = (await client.post(FILES, files={"file": (name, CONTENT)})).json() if name.isprintable() else raw

    assert (raw["name"], form["name"]) == (kept, kept)
    paths = [each for file in (raw, form) for each in folder.glob(f"*/{file['id']}/*")]
    assert {path.name for path in paths} == {kept}
    assert all(path.resolve().is_relative_to(folder.resolve()) for path in paths)


async def test_a_name_beyond_all_measure_is_refused(client: httpx2.AsyncClient) -> None:
    refused = await client.post(FILES, params={"name": "a" * 1001}, content=CONTENT)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "name")


# ------------------------------------------------------------------------------------------------------------- faults


async def test_fifty_gigabytes_are_refused_before_one_of_them_is_read(client: httpx2.AsyncClient, folder: Path) -> None:
    before, read = left_in(folder), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1_000_000

    refused = await client.post(FILES, content=endless(), headers={"Content-Length": str(50_000_000_000)})

    assert_is_problem(refused)
    assert (refused.status_code, refused.headers["connection"], read) == (413, "close", 0)
    assert "2,000 MB" in refused.json()["detail"]
    assert left_in(folder) == before


@pytest.fixture
async def small(api_settings: Settings, client: httpx2.AsyncClient) -> AsyncIterator[httpx2.AsyncClient]:
    """The same installation where uploads may have one megabyte."""
    settings = api_settings.model_copy(update={"upload_mb": 1.0})
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(open_site(settings))
        yield await Callers(site, stack).allowed(*AGENT_SCOPES)


@pytest.mark.parametrize("as_form", [False, True])
async def test_one_that_does_not_say_how_large_it_is_is_read_no_further_than_the_limit(
    small: httpx2.AsyncClient, folder: Path, as_form: bool
) -> None:
    before, sent = left_in(folder), 0
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        if as_form:
            yield head
        while True:
            sent += 100_000
            yield b"x" * 100_000

    headers = {"Content-Type": "multipart/form-data; boundary=b"} if as_form else {}
    refused = await small.post(FILES, content=endless(), headers=headers)

    assert (refused.status_code, sent <= 1_300_000) == (413, True)
    assert left_in(folder) == before


async def test_a_file_as_large_as_the_limit_is_taken_and_a_byte_more_is_not(small: httpx2.AsyncClient) -> None:
    exactly = await small.post(FILES, content=b"x" * 1_000_000)
    more = await small.post(FILES, content=b"x" * 1_000_001)

    assert (exactly.status_code, more.status_code) == (201, 413)


@contextmanager
def a_disk_of(most_bytes: int) -> Any:
    """No file of this process grows beyond this: as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_is_full_is_said_and_nothing_is_left(client: httpx2.AsyncClient, folder: Path) -> None:
    before = left_in(folder)

    with a_disk_of(2_000_000):
        refused = await client.post(FILES, content=in_parts(*[b"x" * 500_000] * 10))

    assert_is_problem(refused)
    assert (refused.status_code, refused.json()["code"]) == (507, "no_room")
    assert left_in(folder) == before
    assert await uploaded(client)


async def test_a_connection_cut_in_the_middle_leaves_nothing(
    site: Any, callers: Callers, client: httpx2.AsyncClient, book: Book, folder: Path
) -> None:
    before, token = left_in(folder), client.headers["authorization"]
    async with serving(app(site, *api.routes(), allowed_hosts=["127.0.0.1"])) as url:
        host, port = url.removeprefix("http://").split(":")
        _, cut = await asyncio.open_connection(host, int(port))
        head = f"POST {FILES}?name=cut.bin HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nContent-Length: 9000000\r\n\r\n"
        cut.write(head.encode() + b"x" * 4_000_000)
        await cut.drain()
        await eventually(lambda: left_in(folder) != before, what="the first of the file on the disk")
        cut.close()
        await eventually(lambda: left_in(folder) == before, what="the end of what was cut off")

    assert book.run("SELECT FROM files") == []


async def test_a_form_that_breaks_off_is_refused_and_nothing_is_left(client: httpx2.AsyncClient, folder: Path) -> None:
    before = left_in(folder)
    whole = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + CONTENT + b"\r\n--b--\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=b"}

    assert (await client.post(FILES, content=whole, headers=form)).status_code == 201
    kept = left_in(folder)
    for content in (whole[:-10], whole[:200], whole[:20], b"", b"garbage"):
        refused = await client.post(FILES, content=content, headers=form)
        assert_is_problem(refused)
        assert (refused.status_code, content) in {(400, content), (422, content)}
    unbound = await client.post(FILES, content=whole, headers={"Content-Type": "multipart/form-data"})
    two = await client.post(FILES, files=[("file", ("a", b"1")), ("file", ("b", b"2"))])

    assert (unbound.status_code, two.status_code) == (400, 422)
    assert left_in(folder) == kept != before


async def test_an_empty_file_is_refused(client: httpx2.AsyncClient, folder: Path) -> None:
    before = left_in(folder)

    refused = await client.post(FILES, params={"name": "a.txt"})

    assert (refused.status_code, "empty" in refused.json()["detail"]) == (422, True)
    assert left_in(folder) == before


async def test_two_at_once_of_one_name_are_two(client: httpx2.AsyncClient, drill: Drill, work: Work) -> None:
    contents = [bytes([number]) * 3_000_000 for number in range(4)]

    files = await asyncio.gather(*(uploaded(client, content) for content in contents))
    jobs = [await drill(args={"source": file["file"]}) for file in files]
    await work()

    read = [(await client.get(f"/api/v1/jobs/{job['job_id']}")).json()["result"]["source"]["sha256"] for job in jobs]
    assert read == [hashlib.sha256(content).hexdigest() for content in contents]


# -------------------------------------------------------------------------------------------------- whose, how long


async def test_another_tenants_upload_is_not_there(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    file = await uploaded(client)
    job = {"kind": "drill", "args": {"source": file["file"]}}

    assert (await stranger.get(FILES)).json()["files"] == []
    assert (await stranger.get(f"{FILES}/{file['id']}")).status_code == 404
    assert (await stranger.delete(f"{FILES}/{file['id']}")).status_code == 404
    assert (await stranger.post("/api/v1/jobs", json=job)).status_code == 422
    assert (await client.post("/api/v1/jobs", json=job)).status_code == 202


async def test_uploading_needs_the_scope_to_create(callers: Callers, folder: Path) -> None:
    before = left_in(folder)
    reader = await callers.allowed("jobs:read", "jobs:organise", "jobs:cancel", "jobs:answer")

    refused = await reader.post(FILES, content=CONTENT)

    assert (refused.status_code, "jobs:create" in refused.json()["detail"]) == (403, True)
    assert left_in(folder) == before


async def test_an_upload_goes_when_its_time_is_over_and_no_job_needs_it(
    client: httpx2.AsyncClient, drill: Drill, hands: Hands, work: Work, book: Book, folder: Path
) -> None:
    unused, needed = await uploaded(client, name="unused.txt"), await uploaded(client, name="needed.txt")
    job = await drill(args={"source": needed["file"]})
    book.run("UPDATE files SET keep_until = now() - interval '1 s'")

    await hands.tidy_once()
    assert (await client.get(f"{FILES}/{unused['id']}")).status_code == 404
    assert (await client.get(f"{FILES}/{needed['id']}")).status_code == 200
    assert ("unused.txt" in left_in(folder), "needed.txt" in left_in(folder)) == (False, True)
    await work()
    assert (await client.get(f"/api/v1/jobs/{job['job_id']}")).json()["status"] == "completed"

    book.run("UPDATE files SET keep_until = now() - interval '1 s'")
    await hands.tidy_once()
    assert (await client.get(f"{FILES}/{needed['id']}")).status_code == 404
    assert "needed.txt" not in left_in(folder)


async def test_a_job_that_is_created_with_an_upload_has_it_kept_for_a_week_again(
    client: httpx2.AsyncClient, drill: Drill, book: Book
) -> None:
    file = await uploaded(client)
    book.run("UPDATE files SET keep_until = now() + interval '1 min'")

    await drill(args={"source": file["file"]})

    assert book.one("SELECT keep_until > now() + interval '6 days' FROM files")


async def test_what_never_came_to_its_end_is_swept_and_what_just_arrives_is_not(
    client: httpx2.AsyncClient, hands: Hands, folder: Path
) -> None:
    import os

    kept = await uploaded(client, name="kept.txt")
    old, new = folder / "1" / "0000000000000", folder / "1" / "0000000000001"
    for each in (old, new):
        each.mkdir(parents=True)
        (each / ".part").write_bytes(b"x")
    for each in (old / ".part", old, *folder.glob(f"*/{kept['id']}/*"), *folder.glob(f"*/{kept['id']}")):
        os.utime(each, (1, 1))

    await hands.tidy_once()

    assert (old.exists(), new.exists(), "kept.txt" in left_in(folder)) == (False, True, True)
