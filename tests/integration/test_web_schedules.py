"""The page of what is created by the clock, and the form that repeats: in a browser without scripts."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import lxml.html
import pytest
from given import Book
from shelf_given import open_site
from web_given import HOST, HOSTILE, OURS, acting, browser, send

from agent_tools.app import Backburner
from agent_tools.requests import NewJob
from agent_tools.settings import Settings
from web.app import app
from web.site import Site

PAGE = {"values/content": "# Tides", "values/theme": "0", "title": "Tides, {date}", "subject": "Sea"}
REPEAT = {"repeat/name": "Nightly tides", "repeat/cron": "0 2 * * *", "repeat/timezone": "Europe/Berlin"}


@pytest.fixture
def book(settings: Settings) -> Iterator[Book]:
    opened = Book(settings.database_url)
    yield opened
    opened.close()


@pytest.fixture
async def site(settings: Settings, backburner: Backburner) -> AsyncIterator[Site]:
    async with open_site(settings, backburner) as opened:
        yield opened


@pytest.fixture
async def owner(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with browser(app(site, allowed_hosts=[HOST])) as client:
        key = await site.backburner.people.sign_in_link("owner")
        assert (await client.post("/sign-in", data={"key": key}, headers=OURS)).status_code == 303
        yield client


def main_of(html: str) -> str:
    (found,) = lxml.html.document_fromstring(html).xpath("//main")
    return " ".join(" ".join(found.itertext()).split())


async def test_a_job_is_made_to_repeat_by_its_form_and_runs_pauses_goes_on_and_is_deleted(
    owner: httpx2.AsyncClient, backburner: Backburner
) -> None:
    assert "backburner schedules add" in (await owner.get("/schedules")).text

    listed = await send(owner, "/new/page", **PAGE, **REPEAT)
    made = await backburner.schedules.get("nightly tides")
    assert "“Nightly tides” begins: At 02:00 every day (Europe/Berlin)." in listed.text
    assert "At 02:00 every day (Europe/Berlin) Page Tides, {date} Sea" in main_of(listed.text)
    assert (made.job["args"], made.job["title"], made.job["subject"]) == (
        {"content": "# Tides", "theme": "auto"},
        "Tides, {date}",
        "Sea",
    )
    assert "Nothing yet" in main_of(listed.text)

    job = main_of((await send(owner, f"/schedules/{made.id}/run")).text)
    assert "By the schedule “Nightly tides”" in job
    assert "Run now by you" in job
    assert "schedule: Nightly tides" not in job
    assert "Queued" in main_of((await owner.get("/schedules")).text)

    assert "Paused" in main_of((await send(owner, f"/schedules/{made.id}/pause")).text)
    assert "Paused" not in main_of((await send(owner, f"/schedules/{made.id}/resume")).text)
    gone = await send(owner, f"/schedules/{made.id}/delete")
    assert "“Nightly tides” is deleted. Its jobs stay." in gone.text
    assert "Nothing is created by the clock" in gone.text
    assert (await owner.post(f"/schedules/{made.id}/run", headers=OURS)).status_code == 404


async def test_what_is_wrong_with_a_repeat_is_said_beside_its_field_and_nothing_is_made(
    owner: httpx2.AsyncClient, backburner: Backburner
) -> None:
    for different, name, said in (
        ({"repeat/cron": "0 25 * * *"}, "repeat/cron", "Hour '25' is not right"),
        ({"repeat/timezone": "Europe/Belrin"}, "repeat/timezone", "Did you mean 'Europe/Berlin'?"),
        ({"repeat/name": ""}, "repeat/name", "Has 1 to 60 characters"),
        ({"values/content": ""}, "values/content", "Fill this in."),
    ):
        refused = await owner.post("/new/page", data={**PAGE, **REPEAT, **different}, headers=OURS)
        form = lxml.html.document_fromstring(refused.text)
        (field,) = form.xpath(f"//*[@name='{name}']")
        assert refused.status_code == 422
        assert said in form.get_element_by_id(field.get("aria-describedby").split()[-1]).text_content()
        assert form.xpath("//details[@open]")
    await send(owner, "/new/page", **PAGE, **REPEAT)
    again = await owner.post("/new/page", data={**PAGE, **REPEAT}, headers=OURS)
    assert again.status_code == 409
    assert "There is a schedule 'Nightly tides' already." in main_of(again.text)
    assert len(await backburner.schedules.all()) == 1
    assert (await backburner.jobs()).jobs == []


async def test_one_that_is_failing_says_why_and_what_was_skipped_and_missed(
    owner: httpx2.AsyncClient, backburner: Backburner, book: Book
) -> None:
    await backburner.schedules.add("nightly", "0 2 * * *", NewJob("page", {"content": "# A"}))
    book.run(
        "UPDATE schedules SET next_at = now() - interval '3 h', last_error = 'There is no kind.', error_since = now() - interval '2 h',"
        " skipped = 1, skipped_at = now() - interval '1 day', missed = 1200, missed_at = now() - interval '5 min'"
    )

    shown = main_of((await owner.get("/schedules")).text)

    assert "There is no kind. First noticed 2 h ago ; tried again every minute." in shown
    assert "Due 3 h ago" in shown
    assert "Once skipped, because the job before had not ended, last 24 h ago" in shown
    assert "1,200 times missed, because no worker was there, last 5 min ago" in shown


async def test_nothing_that_somebody_called_a_schedule_acts(owner: httpx2.AsyncClient, backburner: Backburner) -> None:
    for number, text in enumerate(HOSTILE):
        name = "".join(each for each in text if each.isprintable() and each != "/")[:50]
        job = NewJob("page", {"content": "# A"}, text.replace("\u202e", ""), text)
        await backburner.schedules.add(f"{name} {number}", "0 2 * * *", job)

    assert acting((await owner.get("/schedules")).text) == []
