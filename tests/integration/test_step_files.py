"""Steps that give files: kept with the job, found by later attempts and versions, run again where they are gone."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from given import Stores

from agent_tools import Artifact, JobContext, Result, TryAgain, job_kind
from agent_tools.app import Backburner
from agent_tools.jobs.job import COMPLETED, Job
from agent_tools.jobs.kinds import Kinds
from agent_tools.settings import Settings
from worker.hands import Hands, open_hands

RAN: list[str] = []
"""Every step that was really run, and not taken over."""


@job_kind("gallery")
async def gallery(job: JobContext, pictures: tuple[str, ...], attempts: int = 1, reuse: str | None = None) -> Result:
    """Draw pictures, and hang them."""
    drawn = [await job.step("draw", _draw, picture, reuse=reuse) for picture in pictures]
    frames = await job.step("frame", _frame, drawn)
    if job.attempt < attempts:
        raise TryAgain(after=0)
    return Result(artifacts=[*drawn, *frames])


@job_kind("copy")
async def copy(job: JobContext, of: str, name: str) -> Result:
    """Copy an artifact of another job."""
    try:
        path = await job.artifact(of, name)
    except LookupError as error:
        return Result(line=str(error))
    return Result(artifacts=[await job.step("trace", _trace, Artifact.file(path))])


async def _draw(picture: str) -> Artifact:
    RAN.append(f"draw {picture}")
    return Artifact.text(f"{picture}.txt", picture.upper(), title=f"The {picture}")


async def _frame(pictures: list[Artifact]) -> list[Artifact]:
    RAN.append(f"frame {len(pictures)}")
    return [Artifact.text(f"framed-{each.name}", f"[{text_of(each)}]") for each in pictures]


async def _trace(original: Artifact) -> Artifact:
    RAN.append("trace")
    return original


KINDS = Kinds([gallery, copy])


def text_of(artifact: Artifact) -> str:
    assert artifact.path is not None
    return artifact.path.read_text()


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


@pytest.fixture
async def app(shared_settings: Settings) -> AsyncIterator[Backburner]:
    async with Backburner.open(shared_settings, kinds=KINDS) as opened:
        yield opened


@pytest.fixture
async def crew(shared_settings: Settings) -> AsyncIterator[Hands]:
    async with open_hands(shared_settings, KINDS) as opened:
        yield opened


async def performed(app: Backburner, crew: Hands, job: str) -> Job:
    attempt = await crew.take(job)
    assert attempt
    await attempt
    return await app.get(job)


async def hung(app: Backburner, crew: Hands, *pictures: str) -> Job:
    """A gallery that is completed."""
    return await performed(app, crew, (await app.create("gallery", {"pictures": pictures}, again=True)).id)


def shown(app: Backburner, job: Job) -> dict[str, str]:
    """What is in each artifact, by its title."""
    assert job.status == COMPLETED, job.error
    return {artifact.title: app.artifact_path(job, artifact).read_text() for artifact in job.artifacts}


def files_of_steps(app: Backburner, job: Job) -> list[Path]:
    return sorted(app._artifacts.place.root.glob(f"{job.tenant}/{job.id}/steps/*/*"))


HUNG = {"The sun": "SUN", "The moon": "MOON", "framed-sun.txt": "[SUN]", "framed-moon.txt": "[MOON]"}


async def test_what_steps_made_can_be_hung_without_being_copied(app: Backburner, crew: Hands) -> None:
    job = await hung(app, crew, "sun", "moon")

    assert shown(app, job) == HUNG
    assert {path.stat().st_nlink for path in files_of_steps(app, job)} == {2}


async def test_a_redo_takes_files_over_and_makes_only_what_is_new(app: Backburner, crew: Hands) -> None:
    old = await hung(app, crew, "sun", "moon")

    same = await performed(app, crew, (await app.redo(old.id)).id)
    other = await performed(app, crew, (await app.redo(same.id, {"pictures/1": "sea"})).id)

    assert shown(app, same) == HUNG
    assert shown(app, other)["framed-sea.txt"] == "[SEA]"
    assert RAN == ["draw sun", "draw moon", "frame 2", "draw sea", "frame 2"]


async def test_a_later_attempt_gets_files_back(app: Backburner, crew: Hands) -> None:
    receipt = await app.create("gallery", {"pictures": ["sun", "moon"], "attempts": 3})

    for _ in range(3):
        job = await performed(app, crew, receipt.id)

    assert (job.attempt, shown(app, job)) == (3, HUNG)
    assert RAN == ["draw sun", "draw moon", "frame 2"]


async def test_a_step_whose_file_is_gone_is_run_again_and_recorded_anew(app: Backburner, crew: Hands) -> None:
    old = await hung(app, crew, "sun", "moon")
    next(path for path in files_of_steps(app, old) if path.name == "sun.txt").unlink()

    first = await performed(app, crew, (await app.redo(old.id)).id)
    second = await performed(app, crew, (await app.redo(first.id)).id)

    assert shown(app, first) == shown(app, second) == HUNG
    assert RAN == ["draw sun", "draw moon", "frame 2", "draw sun"]


async def test_a_deleted_older_version_takes_nothing_from_a_newer_one(app: Backburner, crew: Hands) -> None:
    old = await hung(app, crew, "sun", "moon")
    newer = await performed(app, crew, (await app.redo(old.id)).id)
    await app.delete([old.id])

    newest = await performed(app, crew, (await app.redo(newer.id)).id)

    assert shown(app, newer) == shown(app, newest) == HUNG
    assert RAN == ["draw sun", "draw moon", "frame 2"]


async def test_a_version_that_was_deleted_before_its_redo_ran_is_made_again(app: Backburner, crew: Hands) -> None:
    old = await hung(app, crew, "sun", "moon")
    receipt = await app.redo(old.id)
    await app.delete([old.id])

    newer = await performed(app, crew, receipt.id)

    assert shown(app, newer) == HUNG
    assert RAN == ["draw sun", "draw moon", "frame 2"] * 2


async def test_a_file_is_found_by_its_content_address_in_another_job(app: Backburner, crew: Hands) -> None:
    asked = {"pictures": ["sun"], "reuse": "sha256:sun"}
    first = await performed(app, crew, (await app.create("gallery", asked, again=True)).id)
    second = await performed(app, crew, (await app.create("gallery", asked, again=True)).id)
    await app.delete([first.id])

    assert shown(app, second)["The sun"] == "SUN"
    assert RAN.count("draw sun") == 1


async def test_files_of_steps_stay_as_long_as_their_job_and_no_longer(
    app: Backburner, crew: Hands, stores: Stores
) -> None:
    kept, gone = await hung(app, crew, "sun"), await hung(app, crew, "moon")
    live = await performed(app, crew, (await app.create("gallery", {"pictures": ["sea"], "attempts": 2})).id)
    stores.book.run("DELETE FROM jobs WHERE id = %s", gone.id)  # and the process died before its files were deleted
    for folder in app._artifacts.place.root.glob("*/*/*"):
        os.utime(folder, (0, 0))

    await crew.tidy_once()

    assert [len(files_of_steps(app, job)) for job in (kept, live, gone)] == [2, 2, 0]
    assert shown(app, kept)["framed-sun.txt"] == "[SUN]"
    assert not (app._artifacts.place.root / str(live.tenant) / live.id / str(live.fence)).exists()


# --------------------------------------------------------------------------------------------- artifacts of another job


async def test_a_job_reads_an_artifact_of_another_and_may_keep_it(app: Backburner, crew: Hands) -> None:
    old = await hung(app, crew, "sun")

    for name in ("sun.txt", "The sun", "sun"):
        receipt = await app.create("copy", {"of": old.id.upper(), "name": name})
        assert shown(app, await performed(app, crew, receipt.id)) == {"sun.txt": "SUN"}


async def test_an_artifact_that_is_not_there_is_a_sentence(app: Backburner, crew: Hands, stores: Stores) -> None:
    old = await hung(app, crew, "sun")
    theirs = await hung(app, crew, "sun")
    stranger = stores.book.tenant("theirs")
    stores.book.run("DELETE FROM job_steps; DELETE FROM artifacts WHERE job_id <> '" + old.id + "'")
    stores.book.run(
        "UPDATE jobs SET tenant_id = %s, principal_id = %s WHERE id = %s", stranger.id, stranger.principal, theirs.id
    )
    open_still = (await app.create("copy", {"of": old.id, "name": "x"})).id
    wanted = {
        (old.id, "moon"): f"{old.id} has no artifact 'moon'. It has: sun.txt, framed-sun.txt.",
        (theirs.id, "sun"): f"There is no completed job '{theirs.id}'.",
        (open_still, "sun"): f"There is no completed job '{open_still}'.",
        ("../..", "sun"): "There is no completed job '../..'.",
    }

    for (of, name), sentence in wanted.items():
        receipt = await app.create("copy", {"of": of, "name": name}, again=True)
        assert (await performed(app, crew, receipt.id)).result_line == sentence
    await asyncio.to_thread(app.artifact_path(old, old.artifacts[0]).unlink)
    receipt = await app.create("copy", {"of": old.id, "name": "sun"})
    assert (
        await performed(app, crew, receipt.id)
    ).result_line == f"The file 'sun.txt' of {old.id} is no longer where it was kept."
