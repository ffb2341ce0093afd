"""An installation whose files lie in a bucket: all that it does with a folder, and what it does when the bucket is away."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Annotated

import httpx2
import pytest
from given import Stores
from shelf_given import open_site
from stubs.s3 import S3, serving_s3

from agent_tools import Artifact, InputFile, JobContext, Result, TryAgain, job_kind
from agent_tools.app import Backburner
from agent_tools.doctor import findings
from agent_tools.files import Sent
from agent_tools.jobs.bucket import PART
from agent_tools.jobs.errors import StoreUnavailable
from agent_tools.jobs.job import COMPLETED, Job
from agent_tools.jobs.kinds import Kinds
from agent_tools.reading import read
from agent_tools.settings import Settings
from sql.hands import Principal
from web import api
from web.app import app as pages
from worker.hands import Hands, open_hands

CONTENT = b"It comes and goes. " * 500_000
"""More than goes up in one piece."""
RAN: list[str] = []
"""Every step that was really run."""


@job_kind("album", retries=3)
async def album(job: JobContext, pictures: tuple[str, ...], attempts: int = 1) -> Result:
    """Draw pictures, and bind them."""
    drawn = [await job.step("draw", _draw, picture) for picture in pictures]
    if job.attempt < attempts:
        raise TryAgain(after=0)
    bound = "".join([(await asyncio.to_thread(each.path.read_text)) for each in drawn if each.path])
    return Result(line=bound, artifacts=[Artifact.text("all.txt", bound), *drawn])


@job_kind("weigh")
async def weigh(job: JobContext, source: Annotated[str, InputFile()]) -> Result:
    """Say what is in a file."""
    path = await job.file(source)
    return Result(line=f"{path.name} {await asyncio.to_thread(lambda: sha256(path.read_bytes()))}")


async def _draw(picture: str) -> Artifact:
    RAN.append(picture)
    return Artifact.text(f"{picture}.txt", picture.upper(), title=f"The {picture}")


KINDS = Kinds([album, weigh])


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    RAN.clear()
    with serving_s3() as serving:
        for name, value in serving.environment.items():
            monkeypatch.setenv(name, value)
        yield serving


@pytest.fixture
def far(shared_settings: Settings, s3: S3) -> Settings:
    return shared_settings.model_copy(update={"artifacts_url": "s3://shelf/ours"})


@pytest.fixture
async def app(far: Settings) -> AsyncIterator[Backburner]:
    async with Backburner.open(far, kinds=KINDS) as opened:
        yield opened


@pytest.fixture
async def crew(far: Settings) -> AsyncIterator[Hands]:
    async with open_hands(far, KINDS) as opened:
        yield opened


@pytest.fixture
async def crew_elsewhere(far: Settings, tmp_path: Path) -> AsyncIterator[Hands]:
    """A worker that shares no disk with the other."""
    async with open_hands(far.model_copy(update={"home": tmp_path / "elsewhere"}), KINDS) as opened:
        yield opened


@pytest.fixture
async def client(app: Backburner, far: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that is signed in, and a program, too."""
    async with open_site(far, app, Principal(*app.who[:3], ("jobs:read", "jobs:create"))) as site:
        transport = httpx2.ASGITransport(app=pages(site, *api.routes(), allowed_hosts=["shelf.test"]))
        async with httpx2.AsyncClient(transport=transport, base_url="http://shelf.test") as opened:
            yield opened


async def begun(app: Backburner, crew: Hands, kind: str, **args: object) -> tuple[str, "asyncio.Task[None]"]:
    job = (await app.create(kind, args, again=True)).id
    attempt = await crew.take(job)
    assert attempt
    return job, attempt


async def performed(app: Backburner, crew: Hands, kind: str, **args: object) -> Job:
    job, attempt = await begun(app, crew, kind, **args)
    await attempt
    return await app.get(job)


async def met(event: Callable[[float], bool]) -> None:
    """Wait for something of the store's thread."""
    assert await asyncio.to_thread(event, 10)


async def uploaded(app: Backburner, content: bytes) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    return (await app.keep_file(Sent("tides.bin", chunks()))).value


# --------------------------------------------------------------------------------------------------- as with a folder


async def test_files_of_steps_are_found_on_another_machine_and_by_the_next_version(
    app: Backburner, crew: Hands, crew_elsewhere: Hands
) -> None:
    job, attempt = await begun(app, crew, "album", pictures=["sea", "moon"], attempts=2)
    await attempt
    again = await crew_elsewhere.take(job)
    assert again
    await again
    first = await app.get(job)
    newer = (await app.redo(job, {"pictures/1": "sun", "attempts": 1})).id
    redone = await crew.take(newer)
    assert redone
    await redone

    assert (first.status, first.attempt, first.result_line) == (COMPLETED, 2, "SEAMOON")
    assert RAN == ["sea", "moon", "sun"]
    second = await app.get(newer)
    assert second.status == COMPLETED, second.error
    read = {each.name: app.artifact_file(second, each).read() for each in second.artifacts}
    assert read == {"all.txt": b"SEASUN", "sea.txt": b"SEA", "sun.txt": b"SUN"}
    await app.delete([job])
    assert app.artifact_file(second, second.artifacts[1]).read() == b"SEA"
    assert not any(path.is_file() for each in (crew, crew_elsewhere) for path in each.scratch.rglob("*"))


async def test_an_upload_goes_up_in_parts_and_reaches_a_job_elsewhere(
    app: Backburner, crew_elsewhere: Hands, s3: S3, far: Settings
) -> None:
    upload = await uploaded(app, CONTENT)

    job = await performed(app, crew_elsewhere, "weigh", source=upload)

    assert job.result_line == f"tides.bin {sha256(CONTENT)}"
    assert len(CONTENT) > PART
    assert [asked.what for asked in s3.asked].count("PUT part") == 2
    assert not any(path.is_file() for path in (far.home / "spool").rglob("*"))
    await app.delete_file(upload)
    assert s3.listed() == []


async def test_people_agents_and_programs_get_files_and_parts_of_them(
    app: Backburner, crew: Hands, client: httpx2.AsyncClient, s3: S3
) -> None:
    job = await performed(app, crew, "album", pictures=["the sea at noon"])

    shelf = await client.get("/", headers={"accept": "text/html"})
    assert "THE SEA AT NOON" in shelf.text
    for address in (f"/artifacts/{job.id}/all.txt", f"/api/v1/jobs/{job.id}/artifacts/all.txt"):
        whole = await client.get(address)
        assert (whole.text, whole.headers["content-length"]) == ("THE SEA AT NOON", "15")
        assert whole.headers["etag"] == f'"{sha256(whole.content)}"'
        part = await client.get(address, headers={"range": "bytes=4-6", "if-range": whole.headers["etag"]})
        assert (part.status_code, part.text, part.headers["content-range"]) == (206, "SEA", "bytes 4-6/15")
        several = await client.get(address, headers={"range": "bytes=0-2,11-"})
        assert (several.status_code, "THE" in several.text, "NOON" in several.text) == (206, True, True)
        assert (await client.get(address, headers={"if-none-match": whole.headers["etag"]})).status_code == 304
        assert (await client.get(address, headers={"range": "bytes=99-"})).status_code == 416
    assert (await read(app, job.id, "all")).text == "THE SEA AT NOON"

    for key in s3.listed():
        del s3.objects[key]
    for address in (f"/artifacts/{job.id}/all.txt", f"/api/v1/jobs/{job.id}/artifacts/all.txt"):
        assert (await client.get(address)).status_code == 404


async def test_what_nobody_names_is_found_and_deleted(app: Backburner, crew: Hands, s3: S3) -> None:
    job = await performed(app, crew, "album", pictures=["sea"])
    kept = s3.listed()
    s3.objects["ours/1/0c3k9x2mq7f4w/7/a.txt"] = s3.objects[kept[0]]
    s3.objects["ours/uploads/1/0c3k9x2mq7f4w/a.txt"] = s3.objects[kept[0]]
    s3.objects["ours/notes.txt"] = s3.objects["ours/a/b/c/d"] = s3.objects[kept[0]]
    for key, each in s3.objects.items():
        s3.objects[key] = replace(each, modified=each.modified - timedelta(hours=2))

    s3.bad("GET list", status=403, code="AccessDenied")
    await crew.tidy_once()
    assert len(s3.listed()) == len(kept) + 4, "what cannot be looked through stays"
    await crew.tidy_once()

    assert s3.listed() == sorted([*kept, "ours/a/b/c/d", "ours/notes.txt"])
    assert app.artifact_file(job, job.artifacts[0]).read() == b"SEA"


async def test_files_of_a_job_whose_time_is_over_are_deleted(
    app: Backburner, crew: Hands, far: Settings, s3: S3, stores: Stores
) -> None:
    job = await performed(app, crew, "album", pictures=["sea"])
    stores.book.run("UPDATE jobs SET keep_until = now() - interval '1 s' WHERE id = %s", job.id)

    async with open_hands(far, KINDS):  # looks at once, and then every minute
        async with asyncio.timeout(10):
            while s3.listed():
                await asyncio.sleep(0.02)

    assert stores.book.run("SELECT FROM jobs") == []


async def test_doctor_says_whether_the_bucket_can_be_used(far: Settings, s3: S3) -> None:
    well = [each for each in await findings(far) if each.what == "artifacts"]
    s3.bad("PUT", status=403, code="AccessDenied")
    ill = [each for each in await findings(far) if each.what == "artifacts"]

    assert [(each.is_well, each.said) for each in well] == [
        (True, "s3://shelf/ours can be written, read and deleted from")
    ]
    assert [each.is_well for each in ill] == [False]
    assert "denies access (AccessDenied). Check the credentials" in ill[0].said
    assert s3.listed() == []


# ------------------------------------------------------------------------------------------------------------- faults


async def test_a_job_that_is_done_waits_for_a_bucket_that_is_away(app: Backburner, crew: Hands, s3: S3) -> None:
    away = s3.bad("PUT", key="all.txt", times=None, drops=True)
    job, attempt = await begun(app, crew, "album", pictures=["sea"])
    await met(away.met.wait)
    while (
        await app.get(job)
    ).progress.message != "Done; its files wait for the object store":  # written within a second
        await asyncio.sleep(0.05)
    waiting = await app.get(job)
    s3.good()
    await attempt

    job_now = await app.get(job)
    assert (waiting.status, waiting.artifacts) == ("running", ())
    assert (job_now.status, job_now.attempt) == (COMPLETED, 1)
    assert app.artifact_file(job_now, job_now.artifacts[0]).read() == b"SEA"


async def test_a_step_waits_for_a_bucket_that_is_away_and_is_not_run_twice(
    app: Backburner, crew: Hands, s3: S3
) -> None:
    away = s3.bad("PUT", key="steps", times=None, status=503, code="SlowDown")
    job, attempt = await begun(app, crew, "album", pictures=["sea"])
    await met(away.met.wait)
    s3.good()
    await attempt

    assert (await app.get(job)).status == COMPLETED
    assert RAN == ["sea"]


async def test_a_bucket_that_refuses_costs_an_attempt_and_the_job_says_why(
    app: Backburner, crew: Hands, s3: S3
) -> None:
    s3.bad("PUT", key="all.txt", status=403, code="AccessDenied")

    job = await performed(app, crew, "album", pictures=["sea"])

    assert (job.status, job.attempt) == ("queued", 1)
    assert job.error
    assert job.error.code == "store_refused"
    assert "denies access (AccessDenied). Check the credentials" in job.error.message
    assert job.artifacts == ()


@pytest.mark.parametrize(
    "how", [pytest.param("away", id="away"), pytest.param("silent", id="silent", marks=pytest.mark.long)]
)
async def test_a_worker_that_leaves_gives_back_what_waits_for_the_bucket(
    app: Backburner, crew: Hands, s3: S3, how: str
) -> None:
    is_silent = how == "silent"
    away = s3.bad("PUT", key="all.txt", times=None, drops=not is_silent, hold=Event() if is_silent else None)
    job, attempt = await begun(app, crew, "album", pictures=["sea"])
    await met(away.met.wait)

    await crew.leave()

    assert attempt.done()
    given_back = await app.get(job)
    assert given_back.status == "queued"
    assert [each.type for each in await app.events(job)][-1] == "given_back"


async def test_a_job_that_is_cancelled_while_it_waits_for_the_bucket_names_no_file(
    app: Backburner, crew: Hands, s3: S3
) -> None:
    away = s3.bad("PUT", key="all.txt", times=None, drops=True)
    job, attempt = await begun(app, crew, "album", pictures=["sea"])
    await met(away.met.wait)

    await app.cancel([job])
    await attempt

    cancelled = await app.get(job)
    assert (cancelled.status, cancelled.artifacts) == ("cancelled", ())


async def test_an_upload_that_the_bucket_does_not_take_is_refused_and_leaves_nothing(
    app: Backburner, client: httpx2.AsyncClient, s3: S3, far: Settings
) -> None:
    s3.bad("PUT part", times=None, status=503, code="SlowDown")

    with pytest.raises(StoreUnavailable, match="cannot be reached or is busy"):
        await uploaded(app, CONTENT)
    s3.bad("PUT", times=None, status=503, code="SlowDown")
    refused = await client.post("/api/v1/files?name=a.txt", content=b"abc")

    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
    assert refused.headers["retry-after"]
    assert (s3.listed(), s3.parts) == ([], {})
    assert not any(path.is_file() for path in (far.home / "spool").rglob("*"))


async def test_pages_stand_while_the_bucket_is_away_and_files_are_told_to_come_later(
    app: Backburner, crew: Hands, client: httpx2.AsyncClient, s3: S3
) -> None:
    job = await performed(app, crew, "album", pictures=["sea"])
    s3.bad(times=None, drops=True)

    page = await client.get(f"/jobs/{job.id}", headers={"accept": "text/html"})
    file = await client.get(f"/artifacts/{job.id}/all.txt", headers={"accept": "text/html"})
    for_programs = await client.get(f"/api/v1/jobs/{job.id}/artifacts/all.txt")
    gone = await app.delete([job.id])

    assert page.status_code == 200
    assert file.status_code == for_programs.status_code == 503
    assert "cannot be reached or is busy" in file.text
    assert for_programs.json()["code"] == "store_unavailable"
    assert gone.done == (job.id,)
