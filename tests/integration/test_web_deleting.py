"""Deleting many jobs from a page: ticked, asked once more, gone; without scripts."""

from collections.abc import AsyncIterator

import httpx2
import lxml.html
import pytest
from given import Stores
from shelf_given import open_site
from web_given import HOST, HOSTILE, OURS, acting, browser, send

from agent_tools.app import Backburner
from agent_tools.jobs.job import JobStatus
from agent_tools.settings import Settings
from web.app import app


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


@pytest.fixture
async def person(settings: Settings, backburner: Backburner) -> AsyncIterator[httpx2.AsyncClient]:
    """The browser of the owner, signed in."""
    async with open_site(settings, backburner) as site, browser(app(site, allowed_hosts=[HOST])) as client:
        await client.post("/sign-in", data={"key": await backburner.people.sign_in_link("owner")}, headers=OURS)
        yield client


async def failed(backburner: Backburner, *titles: str) -> list[str]:
    jobs = [(await backburner.create("drill", {}, title=title, again=True)).id for title in titles]
    await backburner.cancel(jobs)
    return jobs


async def test_what_is_ticked_is_asked_about_once_more_and_then_deleted(
    person: httpx2.AsyncClient, backburner: Backburner
) -> None:
    jobs = await failed(backburner, "One", "Two", "Kept")
    queued = (await backburner.create("drill", {}, title="Queued", again=True)).id
    bar = lxml.html.document_fromstring((await person.get("/jobs")).text).get_element_by_id("bulk")
    (button,) = bar.xpath(".//button[@formaction]")
    ticked = [("job", job) for job in (*jobs[:2], queued)]

    asked = await person.get(button.get("formaction"), params=[*ticked, ("subject", ""), ("return_to", "/jobs?q=x")])
    form = lxml.html.document_fromstring(asked.text).xpath("//form[@action='/jobs/delete']")[0]
    after = await send(person, "/jobs/delete", **dict(form.form_values()))

    assert (button.get("formmethod"), "formnovalidate" in button.attrib) == ("get", True)
    assert "Delete 2 jobs?" in asked.text
    assert "One that you ticked has not ended and stays:" in asked.text
    assert (after.url.path, after.url.query) == ("/jobs", b"q=x")
    assert "Deleted 2 jobs." in after.text
    assert {job.id for job in (await backburner.jobs()).jobs} == {jobs[2], queued}


async def test_what_cannot_be_deleted_is_said_before_and_after(
    person: httpx2.AsyncClient, backburner: Backburner
) -> None:
    one, two = await failed(backburner, "One", "Two")
    queued = (await backburner.create("drill", {}, title="Queued", again=True)).id
    await backburner.delete([two])

    only_open = await person.get("/jobs/delete", params={"job": queued})
    gone = await person.get("/jobs/delete", params={"job": two})
    nothing = await person.get("/jobs/delete")
    nonsense = await person.get("/jobs/delete", params={"job": "a\0b"})
    too_many = await person.post(
        "/jobs/delete", data={"jobs": " ".join([one, *(f"{n:013}" for n in range(500))])}, headers=OURS
    )
    partly = await send(person, "/jobs/delete", jobs=f"{one} {two} {queued}", return_to="//evil.example")

    assert "These cannot be deleted yet" in only_open.text
    assert '<button class="danger">' not in only_open.text
    assert (gone.status_code, "gone already" in gone.text) == (404, True)
    assert (nothing.status_code, "Tick the jobs to delete first" in nothing.text) == (400, True)
    assert nonsense.status_code == 404
    assert "501 jobs are too many" in too_many.text
    assert "Deleted one job. 2 jobs stayed or went before." in partly.text
    assert partly.url.path == "/"


async def test_others_jobs_are_not_asked_about_and_titles_do_nothing(
    person: httpx2.AsyncClient, backburner: Backburner, stores: Stores
) -> None:
    ours = await failed(backburner, *HOSTILE)
    theirs = stores.book.put(JobStatus.CANCELLED, of=stores.book.tenant("another"), title="'Their secret'")

    page = (await person.get("/jobs/delete", params={"job": [*ours, theirs]})).text
    refused = await person.post("/jobs/delete", data={"jobs": theirs}, headers=OURS)

    assert f"Delete {len(HOSTILE)} jobs?" in page
    assert "Their secret" not in page
    assert acting(page) == []
    assert refused.status_code == 404
    assert stores.book.status(theirs) == "cancelled"
