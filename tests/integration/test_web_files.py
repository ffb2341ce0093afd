"""What the shelf promises about the files that jobs made."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
from shelf_given import open_site

from agent_tools import Artifact, JobContext, Result, job_kind
from agent_tools.app import Backburner
from agent_tools.jobs.job import Job
from agent_tools.jobs.kinds import Kinds
from agent_tools.settings import Settings
from sql.hands import Principal
from web.app import app
from worker.hands import open_hands

SCRIPT = "<h1>Hi</h1><script>top.location = 'https://evil.test'</script>"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@job_kind("files", timeout="1m")
async def files(job: JobContext) -> Result:
    """Make one file of each sort."""
    return Result(
        artifacts=[
            Artifact.text("page.html", SCRIPT, title="</iframe><script>alert(1)</script>"),
            Artifact.text("drawing.svg", SVG),
            Artifact.text("notes.txt", "0123456789" * 10),
            Artifact.text("table.csv", "a,b\n1,2\n"),
            Artifact.text("data.json", '{"a": "ü"}'),
            Artifact.text("übermut (1).md", "# Über"),
            Artifact.text("../../etc/passwd", "root:x"),
            Artifact("deck.bin", "Bytes", "application/x-unknown", data=b"\0\1"),
            Artifact("odd.html", "Odd", "TEXT/HTML; charset=utf-8", data=SCRIPT.encode()),
            Artifact("xml.xhtml", "Odd", "application/xhtml+xml", data=SCRIPT.encode()),
            Artifact("bad.txt", "Bad", "no type\r\nX-Evil: 1", data=b"x"),
        ]
    )


@dataclass
class Shelf:
    client: httpx2.AsyncClient
    job: Job

    async def get(self, name: str, **more: object) -> httpx2.Response:
        return await self.client.get(f"/artifacts/{self.job.id}/{name}", **more)  # type: ignore[arg-type]


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Shelf]:
    kinds = Kinds([files])
    async with (
        Backburner.open(settings, kinds=kinds) as backburner,
        open_hands(settings, kinds) as hands,
        open_site(settings, backburner, Principal(*backburner.who[:3], ("jobs:read",))) as site,
    ):
        receipt = await backburner.create("files")
        await hands.take_all(await hands.bell.take("default", 10))
        (job,) = await backburner.wait([receipt.id], 20)
        transport = httpx2.ASGITransport(app=app(site, allowed_hosts=["shelf.test"]))
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://shelf.test", headers={"accept": "text/html"}
        ) as client:
            yield Shelf(client, job)


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "odd.html", "xml.xhtml"])
async def test_what_could_run_is_in_a_sandbox(shelf: Shelf, name: str) -> None:
    answer = await shelf.get(name)

    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-" not in policy
    assert "script-src" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text in (SCRIPT, SVG)


@pytest.mark.parametrize(
    ("name", "media_type", "disposition"),
    [
        ("notes.txt", "text/plain; charset=utf-8", "inline"),
        ("table.csv", "text/csv; charset=utf-8", "inline"),
        ("data.json", "application/json; charset=utf-8", "inline"),
        ("page.html", "text/html; charset=utf-8", "inline"),
        ("drawing.svg", "image/svg+xml", "inline"),
        ("deck.bin", "application/x-unknown", "attachment"),
        ("xml.xhtml", "application/xhtml+xml", "attachment"),
        ("bad.txt", "application/octet-stream", "attachment"),
    ],
)
async def test_a_file_has_its_type_and_is_opened_only_where_that_is_safe(
    shelf: Shelf, name: str, media_type: str, disposition: str
) -> None:
    answer = await shelf.get(name)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-disposition"].startswith(disposition)
    assert "x-evil" not in answer.headers
    saved = await shelf.get(name, params={"download": ""})
    assert saved.headers["content-disposition"].startswith("attachment")


async def test_a_file_is_known_by_its_content(shelf: Shelf) -> None:
    answer = await shelf.get("notes.txt")
    etag = answer.headers["etag"]

    assert etag == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await shelf.get("notes.txt", headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert (await shelf.get("notes.txt", headers={"if-none-match": '"other"'})).status_code == 200


async def test_a_part_of_a_file_can_be_asked_for(shelf: Shelf) -> None:
    part = await shelf.get("notes.txt", headers={"range": "bytes=10-14"})
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "01234", "bytes 10-14/100")

    assert (await shelf.get("notes.txt", headers={"range": "bytes=500-"})).status_code == 416
    stale = await shelf.get("notes.txt", headers={"range": "bytes=0-4", "if-range": '"old"'})
    assert (stale.status_code, len(stale.content)) == (200, 100)


@pytest.mark.parametrize(
    "name",
    [
        "nothing.txt", "..", "../notes.txt", "..%2fnotes.txt", "%2e%2e/%2e%2e/etc/passwd", "..%5c..%5cnotes.txt",
        "%2Fetc%2Fpasswd", "notes.txt%00", "notes.txt%00.html", "NOTES.TXT", "CON", "x" * 500,
    ],
)  # fmt: skip
async def test_only_what_the_job_made_is_served(shelf: Shelf, name: str) -> None:
    answer = await shelf.get(name)

    assert answer.status_code == 404
    assert "Nothing here" in answer.text


async def test_files_with_odd_names_are_served(shelf: Shelf) -> None:
    assert (await shelf.get("%C3%BCbermut%20-1-.md")).text == "# Über"
    assert [each.name for each in shelf.job.artifacts if "passwd" in each.name] == ["etc-passwd"]


async def test_a_file_that_is_gone_from_the_disk_is_a_page_that_says_so(shelf: Shelf, settings: Settings) -> None:
    for path in settings.artifacts.root.rglob("notes.txt"):
        path.unlink()

    answer = await shelf.get("notes.txt")

    assert answer.status_code == 404
    assert "no longer where it was kept" in answer.text


async def test_the_page_of_a_job_shows_its_files_without_letting_them_act(shelf: Shelf) -> None:
    page = (await shelf.client.get(f"/jobs/{shelf.job.id}")).text

    assert f'src="/artifacts/{shelf.job.id}/page.html" sandbox=""' in page
    assert "<script>alert" not in page
    assert "0123456789" in page
    assert "allow-scripts" not in page
