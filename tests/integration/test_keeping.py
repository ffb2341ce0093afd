"""For how long completed jobs are kept: for ever, or (BACKBURNER_KEEP_DAYS) until nobody has filed them for so long."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from given import Stores, Tenant
from shelf_given import open_site
from web_given import HOST, OURS, browser

from agent_tools.app import Backburner
from agent_tools.doctor import findings
from agent_tools.jobs.job import COMPLETED, FAILED, Job
from agent_tools.settings import Settings
from agent_tools.view import Addresses, full
from sql.door import Filter
from web.app import app as pages
from worker.sweep import Sweep

LONG_AGO = {"created_at": "now() - interval '50 days'", "finished_at": "now() - interval '50 days'"}
JUST_NOW = timedelta(minutes=1)


@pytest.fixture
async def person(app: Backburner, shared_settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The browser of the owner, signed in."""
    async with open_site(shared_settings, app) as site, browser(pages(site, allowed_hosts=[HOST])) as client:
        answer = await client.post("/sign-in", data={"key": await app.people.sign_in_link("owner")}, headers=OURS)
        assert answer.status_code == 303
        yield client


def rule(stores: Stores, days: int | None, since: str = "now() - interval '30 days'") -> None:
    """A worker was begun with BACKBURNER_KEEP_DAYS so long ago."""
    stores.watch.expire(days)
    stores.book.run(f"UPDATE keeping SET since = {since}")


def put(stores: Stores, days_ago: float, **columns: str) -> str:
    at = f"now() - interval '{days_ago} days'"
    return stores.book.put(COMPLETED, **{"created_at": at, "finished_at": at, **columns})


def filed(stores: Stores, name: str = "Cells") -> str:
    """SQL for a subject."""
    text = "INSERT INTO subjects (tenant_id, name, folded) VALUES (%s, %s, lower(%s)) ON CONFLICT (tenant_id, folded) DO UPDATE SET name = EXCLUDED.name RETURNING id"
    return str(stores.book.one(text, stores.book.default.id, name, name))


async def read(stores: Stores, job: str, of: Tenant | None = None) -> Job:
    (found,) = await stores.door.jobs((of or stores.book.default).id, Filter(ids=[job]))
    return found


def left(stores: Stores) -> set[str]:
    return {row["id"] for row in stores.book.run("SELECT id FROM jobs")}


# ---------------------------------------------------------------------------------------------------------- the rule


async def test_without_the_setting_completed_jobs_are_kept_for_ever(stores: Stores) -> None:
    rule(stores, None)
    job = stores.book.put(
        COMPLETED, finished_at="now() - interval '10 years'", created_at="now() - interval '10 years'"
    )

    assert stores.watch.expire(None) == []
    assert (await read(stores, job)).keep_until is None


async def test_what_nobody_filed_goes_when_its_days_are_over_and_all_else_stays(stores: Stores) -> None:
    rule(stores, 30)
    old, theirs = put(stores, 31), put(stores, 40, **_of(stores.book.tenant("theirs")))
    stay = {
        put(stores, 29),
        put(stores, 400, subject_id=filed(stores)),
        stores.book.put(created_at="now() - interval '400 days'"),
        put(stores, 31, keep_until="now() + interval '60 days'"),
        stores.book.put(FAILED, **LONG_AGO),
    }

    gone = {job for _, job in stores.watch.expire(30)}

    assert gone == {old, theirs}
    assert left(stores) == stay


async def test_what_was_long_unfinished_is_counted_from_its_end(stores: Stores) -> None:
    rule(stores, 30)
    put(stores, 3, created_at="now() - interval '400 days'")

    assert stores.watch.expire(30) == []


async def test_the_day_is_shown_from_day_one_and_is_the_day_on_which_it_goes(stores: Stores, app: Backburner) -> None:
    rule(stores, 30)
    job = put(stores, 0)
    before = await read(stores, job)
    assert before.finished_at is not None
    assert before.keep_until == before.finished_at + timedelta(days=30)
    assert full(before, "", Addresses(None))["goes_unless_filed"] is True

    for days_ago, is_gone in ((29.99, False), (30.01, True)):
        stores.book.run(
            f"UPDATE jobs SET created_at = now() - interval '{days_ago} days', finished_at = now() - interval '{days_ago} days'"
        )
        assert (stores.watch.expire(30) != []) == is_gone


async def test_a_subject_keeps_a_job_and_taking_it_off_begins_the_days_anew(stores: Stores, app: Backburner) -> None:
    rule(stores, 30)
    job = put(stores, 29)

    move = (await app.organise([job], subject="Cells")).move
    assert (await read(stores, job)).keep_until is None
    stores.book.run("UPDATE jobs SET created_at = now() - interval '90 days', finished_at = now() - interval '90 days'")
    assert move is not None
    await app.undo(move)

    again = (await read(stores, job)).keep_until
    assert again is not None
    assert abs(again - await app.now() - timedelta(days=30)) < JUST_NOW
    assert stores.watch.expire(30) == []

    await app.organise([job], subject="Cells")
    await app.organise([job], subject=None)
    assert stores.watch.expire(30) == []


async def test_a_rule_that_is_new_or_shorter_takes_nothing_for_a_week(stores: Stores, app: Backburner) -> None:
    old = put(stores, 400)
    assert stores.watch.expire(30) == []
    shown = (await read(stores, old)).keep_until
    assert shown is not None
    assert abs(shown - await app.now() - timedelta(days=7)) < JUST_NOW

    rule(stores, 30, since="now() - interval '6 days 23 h'")
    assert stores.watch.expire(30) == []
    assert stores.watch.expire(10) == []
    rule(stores, 10, since="now() - interval '7 days 1 min'")
    assert stores.watch.expire(10) != []


async def test_a_longer_rule_keeps_longer_and_none_keeps_for_ever(stores: Stores) -> None:
    rule(stores, 30)
    job = put(stores, 40)

    rule(stores, 90)
    kept = await read(stores, job)
    assert kept.finished_at is not None
    assert kept.keep_until == kept.finished_at + timedelta(days=90)
    assert stores.watch.expire(90) == []
    rule(stores, None)
    assert (await read(stores, job)).keep_until is None
    assert stores.watch.expire(None) == []


async def test_workers_that_disagree_delete_nothing(stores: Stores) -> None:
    rule(stores, 30)
    job = put(stores, 400)

    for days in (None, 30, 20, 30, None, 30):
        assert stores.watch.expire(days) == []

    assert left(stores) == {job}


async def test_a_day_is_announced_for_a_day(stores: Stores) -> None:
    rule(stores, 1, since="now() - interval '25 h'")
    put(stores, 1.1)

    assert len(stores.watch.expire(1)) == 1


# -------------------------------------------------------------------------------------------------------- the expiry


async def test_it_goes_in_lots_with_its_files_and_leaves_an_event(
    stores: Stores, shared_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(stores, 30)
    monkeypatch.setattr("worker.sweep._MOST_EXPIRED", 2)
    jobs = [put(stores, 40, title="'Old'") for _ in range(3)]
    files = [_file_of(shared_settings, stores, job) for job in jobs]
    sweep = Sweep(shared_settings.model_copy(update={"keep_days": 30}))
    try:
        sweep.tick(stores.watch)
        assert (len(left(stores)), sum(file.exists() for file in files)) == (1, 1)
        sweep.tick(stores.watch)
    finally:
        sweep.close()

    assert left(stores) == set()
    assert not any(file.exists() for file in files)
    assert stores.book.run("SELECT DISTINCT type, data FROM job_events") == [
        {"type": "expired", "data": {"kind": "sleep", "title": "Old", "status": "completed", "unfiled_for_days": 30}}
    ]


async def test_whoever_waited_for_a_job_that_went_goes_on(stores: Stores) -> None:
    rule(stores, 30)
    parent, child = put(stores, 40), stores.book.put()
    stores.book.link(child, parent)

    stores.watch.expire(30)

    assert stores.book.run("SELECT 1 FROM job_links") == []


# --------------------------------------------------------------------------------------------------------- what is said


async def test_the_tray_warns_a_week_ahead_and_names_what_saves_a_job(
    stores: Stores, person: httpx2.AsyncClient
) -> None:
    rule(stores, 30)
    for days_ago in (24, 24, 27, 3):
        put(stores, days_ago)
    put(stores, 29, subject_id=filed(stores))
    put(stores, 29, **_of(stores.book.tenant("theirs")))

    for path in ("/", "/subjects/unorganised"):
        page = (await person.get(path)).text
        assert re.search(
            r"3 jobs go within a week, unless they are filed under a subject; the first 1 on \d+ \w+ \d{4}\.", page
        )
        assert page.count("Goes on ") == 3

    which = (await person.get("/subjects/unorganised?goes=1")).text
    assert (which.count("Goes on "), len(re.findall(r'<article class="card', which))) == (3, 3)
    assert "unless they are filed" not in (await person.get("/subjects/Cells")).text


async def test_without_a_rule_no_page_says_anything_of_it(stores: Stores, person: httpx2.AsyncClient) -> None:
    rule(stores, None)
    job = put(stores, 400)

    for path in ("/", "/subjects/unorganised", f"/jobs/{job}"):
        page = (await person.get(path)).text
        assert "Goes on" not in page
        assert "Kept until" not in page


async def test_a_jobs_page_says_until_when_it_is_kept_and_what_keeps_it(
    stores: Stores, person: httpx2.AsyncClient
) -> None:
    rule(stores, 30)
    unfiled, of_kind = put(stores, 1), put(stores, 1, keep_until="now() + interval '3 days'", subject_id=filed(stores))

    assert re.search(
        r"Kept until \d+ \w+ \d{4}\. File it under a subject, and it is kept",
        (await person.get(f"/jobs/{unfiled}")).text,
    )
    assert re.search(r"Kept until \d+ \w+ \d{4}, as all jobs of its kind", (await person.get(f"/jobs/{of_kind}")).text)


async def test_doctor_says_the_rule_and_where_processes_disagree(stores: Stores, shared_settings: Settings) -> None:
    async def said(keep_days: int | None) -> str:
        found = await findings(shared_settings.model_copy(update={"keep_days": keep_days}))
        return next(finding.said for finding in found if finding.what == "keeping")

    rule(stores, 30)

    assert await said(30) == "what completed and nobody filed goes after 30 days"
    assert (await said(60)).startswith("BACKBURNER_KEEP_DAYS is 60 here, and workers go by 30 days")


def _of(tenant: Tenant) -> dict[str, str]:
    return {"tenant_id": str(tenant.id), "principal_id": str(tenant.principal)}


def _file_of(settings: Settings, stores: Stores, job: str) -> Path:
    folder = settings.artifacts.root / str(stores.book.default.id) / job / "1"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("A")
    return folder / "a.txt"
