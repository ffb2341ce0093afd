"""What the pages promise, through the application itself over real Postgres and Valkey."""

import base64
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest
from given import Book
from shelf_given import open_site
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from web_given import HOST, HOSTILE, OURS, acting, browser, send

from agent_tools.app import Backburner
from agent_tools.jobs.job import Job, JobStatus
from agent_tools.settings import Settings
from sql.hands import Principal
from web.app import app
from web.site import Site
from worker.hands import Hands


@pytest.fixture
async def site(settings: Settings, backburner: Backburner) -> AsyncIterator[Site]:
    async with open_site(settings, backburner) as opened:
        yield opened


@pytest.fixture
def application(site: Site) -> Starlette:
    return app(site, allowed_hosts=[HOST])


@pytest.fixture
async def stranger(application: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that is not signed in."""
    async with browser(application) as client:
        yield client


@pytest.fixture
async def person(application: Starlette, backburner: Backburner) -> AsyncIterator[httpx2.AsyncClient]:
    """The browser of the owner, signed in."""
    async with browser(application) as client:
        answer = await client.post(
            "/sign-in", data={"key": await backburner.people.sign_in_link("owner")}, headers=OURS
        )
        assert answer.status_code == 303
        yield client


async def done(backburner: Backburner, hands: Hands, kind: str = "drill", args: Any = None, **asked: Any) -> Job:
    """A job that has ended."""
    receipt = await backburner.create(kind, args or {}, again=True, **asked)
    return await ended(backburner, hands, receipt.id)


async def ended(backburner: Backburner, hands: Hands, job_id: str) -> Job:
    await hands.take_all(await hands.bell.take("default", 10))
    (job,) = await backburner.wait([job_id], 20)
    assert job.status.is_final
    return job


def headings(html: str) -> list[str]:
    """The groups of the shelf, in order."""
    return re.findall(r'<section class="group[^>]*aria-label="([^"]*)"', html)


def titles(html: str) -> list[str]:
    return re.findall(r'<h3><a href="/jobs/\w+">([^<]*)</a></h3>', html)


# -------------------------------------------------------------------------------------------------------- the shelf


async def test_an_empty_shelf_says_how_to_begin(person: httpx2.AsyncClient) -> None:
    page = await person.get("/")

    assert page.status_code == 200
    assert "Nothing has been put on the back burner yet" in page.text
    assert "mcpServers" in page.text


async def test_the_tray_comes_first_then_subjects_with_the_newest_first(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    for subject in ("Older", None, "Newer"):
        await done(backburner, hands, title=f"In {subject}", subject=subject)

    page = (await person.get("/")).text

    assert headings(page) == ["Unorganised", "Newer", "Older"]
    assert titles(page) == ["In None", "In Newer", "In Older"]


async def test_running_and_failed_jobs_stand_apart(
    person: httpx2.AsyncClient, backburner: Backburner, database_url: str
) -> None:
    book = Book(database_url)
    book.put(JobStatus.FAILED, title="'Broken deck'")
    book.close()
    await backburner.create("drill", {"seconds": 60}, title="Waits")

    page = (await person.get("/")).text

    assert headings(page) == []
    assert re.search(r'id="running".*Waits.*Queued.*id="failed".*Broken deck', page, re.S)


async def test_versions_are_stacked_behind_the_newest(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    first = await done(backburner, hands, title="Report")
    second = await ended(backburner, hands, (await backburner.redo(first.id)).id)
    third = await ended(backburner, hands, (await backburner.redo(second.id)).id)

    page = (await person.get("/")).text

    assert re.findall(r'href="/jobs/(\w+)"', page) == [third.id]
    assert "3 versions" in page
    assert 'Unorganised</a> <span class="number">1</span>' in page
    assert "Version 1" in (await person.get(f"/jobs/{third.id}")).text


async def test_opening_a_job_clears_its_new_dot(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    job = await done(backburner, hands)
    assert 'class="new"' in (await person.get("/")).text

    assert (await person.get(f"/jobs/{job.id}")).status_code == 200

    assert 'class="new"' not in (await person.get("/")).text


async def test_a_page_that_is_only_prefetched_is_not_seen(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    job = await done(backburner, hands)

    await person.get(f"/jobs/{job.id}", headers={"sec-purpose": "prefetch;prerender"})

    assert (await backburner.get(job.id)).seen_at is None


async def test_the_address_of_a_list_holds_its_filters(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    await done(backburner, hands, title="Tides of Fundy")
    await done(backburner, hands, title="Volcanoes")
    await backburner.create("drill", {"seconds": 60}, title="Tides to come")

    assert titles((await person.get("/jobs?q=tides&status=completed")).text) == ["Tides of Fundy"]
    assert titles((await person.get("/jobs?status=open")).text) == ["Tides to come"]
    assert "Nothing fits" in (await person.get("/jobs?q=nosuchword")).text
    assert (await person.get("/jobs?status=nonsense&since=nonsense&q=%00&kind=%00")).status_code == 200
    assert (await person.get("/jobs?cursor=nonsense")).status_code == 400


async def test_lists_are_read_page_by_page(person: httpx2.AsyncClient, backburner: Backburner) -> None:
    for number in range(30):
        await backburner.create("drill", {"seconds": 60}, title=f"Job {number}", again=True)

    first = (await person.get("/jobs?kind=drill")).text
    older = re.search(r'rel="next" href="([^"]*)"', first)
    assert older
    second = (await person.get(older[1].replace("&amp;", "&"))).text

    assert titles(first) + titles(second) == [f"Job {number}" for number in reversed(range(30))]
    assert "Older" not in second


@pytest.mark.parametrize("name", ["R&D / 2027", "Über “uns”", "100 %", "a?b#c", "..", "<b>", "ملفات"])
async def test_any_subject_has_a_page(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands, name: str
) -> None:
    await done(backburner, hands, title="Filed", subject=name)
    shelf = (await person.get("/")).text

    link = re.search(r'<a href="([^"]*)" data-drop="(?!Unorganised)', shelf)
    assert link

    assert titles((await person.get(link[1].replace("&amp;", "&"))).text) == ["Filed"]


# ------------------------------------------------------------------------------------------------------ by hand


async def test_what_can_be_asked_for_is_listed_and_what_cannot_says_why(
    person: httpx2.AsyncClient, hands: Hands
) -> None:
    page = (await person.get("/new")).text

    assert 'href="/new/page"' in page
    assert "drill" not in page, "it is for programs only"


async def test_a_kind_that_no_worker_runs_cannot_be_chosen(person: httpx2.AsyncClient) -> None:
    page = (await person.get("/new")).text

    assert "/new/page" not in page
    assert "No worker is alive" in page


async def test_a_job_is_created_from_its_kinds_form(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    form = (await person.get("/new/page")).text
    assert 'name="values/content"' in form
    assert "Default" not in form

    page = await send(
        person, "/new/page", **{"values/content": "# Tides\r\n\r\nTwice a day.", "values/theme": "0", "subject": "Sea"}
    )

    (job,) = (await backburner.jobs()).jobs
    assert str(page.url).endswith(f"/jobs/{job.id}")
    assert "It is on the back burner. It will lie under Sea." in page.text
    assert (job.kind, job.subject, job.args) == (
        "page", "Sea", {"content": "# Tides\n\nTwice a day.", "theme": "auto"},
    )  # fmt: skip
    assert (await ended(backburner, hands, job.id)).status == "completed"


async def test_what_is_wrong_stands_beside_its_field_and_nothing_is_created(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    fields = {"values/question": "Buy it?", "values/form": "{price}", "title": "A price", "values/who": "x" * 200}
    answer = await person.post("/new/approval", data=fields, headers=OURS)

    assert answer.status_code == 422
    assert "This is to be JSON" in answer.text
    assert "Buy it?" in answer.text
    assert 'value="A price"' in answer.text
    assert (await backburner.jobs()).jobs == []

    fields["values/form"] = ""
    answer = await person.post("/new/approval", data=fields, headers=OURS)

    assert answer.status_code == 422
    assert re.search(r'class="field as-line bad">\s*<label for="[^"]*">Who', answer.text)
    assert (await backburner.jobs()).jobs == []


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_was_typed_is_shown_again_as_text(person: httpx2.AsyncClient, hands: Hands, text: str) -> None:
    answer = await person.post(
        "/new/page", data={"values/content": "", "title": text, "subject": text, "values/theme": text}, headers=OURS
    )

    assert answer.status_code == 422
    assert acting(answer.text) == []


# ------------------------------------------------------------------------------------------------------------ moving


async def test_a_move_and_its_undo_need_no_scripts(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    jobs = [await done(backburner, hands, title=title) for title in ("One", "Two", "Three")]

    moved = await send(
        person, "/move", job=[jobs[0].id, jobs[1].id], subject="Reports", return_to="/subjects/unorganised"
    )
    assert titles(moved.text) == ["Three"]
    assert "Moved 2 jobs to Reports." in moved.text
    number = re.search(r'name="move" value="(\d+)"', moved.text)
    assert number
    assert "Moved 2 jobs" not in (await person.get("/")).text, "it is said once"

    undone = await send(person, "/undo", move=number[1], return_to="/subjects/unorganised")
    assert sorted(titles(undone.text)) == ["One", "Three", "Two"]
    assert "Moved 2 jobs back." in undone.text

    again = await person.post("/undo", data={"move": number[1]}, headers=OURS)
    assert again.status_code == 409


async def test_a_move_needs_jobs_and_a_subject(person: httpx2.AsyncClient, backburner: Backburner) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id

    for fields in ({"subject": "X"}, {"job": job, "subject": " "}, {"job": job, "subject": "x" * 121}):
        assert (await person.post("/move", data=fields, headers=OURS)).status_code == 400
    assert (await person.post("/move", data={"job": "0" * 13, "subject": "X"}, headers=OURS)).status_code == 404
    assert (await person.post("/undo", data={"move": "9" * 30}, headers=OURS)).status_code == 400


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.test/", "//evil.test/", "/\\evil.test", "javascript:alert(1)", "/\r\nX: y"]
)
async def test_a_form_leads_back_to_no_other_site(
    person: httpx2.AsyncClient, backburner: Backburner, elsewhere: str
) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id

    answer = await person.post("/move", data={"job": job, "subject": "X", "return_to": elsewhere}, headers=OURS)

    assert answer.headers["location"] == "/"


async def test_a_job_can_be_renamed_redone_cancelled_and_deleted(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    job = await done(backburner, hands, title="Before")

    assert "<h1>After</h1>" in (await send(person, f"/jobs/{job.id}/rename", title="After")).text
    version = await send(person, f"/jobs/{job.id}/redo")
    assert "this is the new version" in version.text
    second = version.url.path.removeprefix("/jobs/")
    assert second != job.id
    assert "Cancelled" in (await send(person, f"/jobs/{second}/cancel")).text
    assert "Delete “After”?" in (await person.get(f"/jobs/{job.id}/delete")).text
    assert "Deleted “After”." in (await send(person, f"/jobs/{job.id}/delete")).text
    assert (await person.get(f"/jobs/{job.id}")).status_code == 404


async def test_what_is_running_cannot_be_deleted(person: httpx2.AsyncClient, backburner: Backburner) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id

    assert (await person.post(f"/jobs/{job}/delete", headers=OURS)).status_code == 409
    assert (await backburner.get(job)).status == "queued"


# --------------------------------------------------------------------------------------------------------- the walls


async def test_whoever_is_not_signed_in_learns_how(stranger: httpx2.AsyncClient, backburner: Backburner) -> None:
    job = (await backburner.create("drill", {"seconds": 60}, title="Secret plan")).id

    for path in ("/", "/jobs", f"/jobs/{job}", "/subjects/x", f"/artifacts/{job}/x", f"/jobs/{job}/delete"):
        page = await stranger.get(path)
        assert (page.status_code, "backburner link" in page.text) == (401, True)
        assert "Secret plan" not in page.text
    for path in ("/events", f"/fragments/card/{job}", f"/fragments/progress/{job}"):
        assert (await stranger.get(path)).status_code == 401
    for path in ("/move", "/undo", f"/jobs/{job}/cancel", f"/jobs/{job}/redo", f"/jobs/{job}/delete"):
        assert (await stranger.post(path, headers=OURS)).status_code == 401
    assert (await backburner.get(job)).status == "queued"


async def test_a_foreign_job_is_a_job_that_is_not_there(
    site: Site, backburner: Backburner, hands: Hands, database_url: str
) -> None:
    theirs = await done(backburner, hands, "page", {"content": "# Theirs"}, title="Theirs")
    book = Book(database_url)
    other = book.tenant("other")
    book.close()
    scopes = ("jobs:read", "jobs:organise", "jobs:cancel", "jobs:create")
    foreigner = Site(
        site.backburner, site.keys, site.tail, site.addresses, Principal(other.id, other.principal, "owner", scopes)
    )
    async with browser(app(foreigner, allowed_hosts=[HOST])) as client:
        for path in (
            f"/jobs/{theirs.id}",
            f"/jobs/{theirs.id}/delete",
            f"/artifacts/{theirs.id}/{theirs.artifacts[0].name}",
            f"/fragments/card/{theirs.id}",
            f"/fragments/progress/{theirs.id}",
        ):
            page, missing = await client.get(path), await client.get(path.replace(theirs.id, "0" * 13))
            assert (page.status_code, missing.status_code) == (404, 404)
            assert page.text.replace(theirs.id, "") == missing.text.replace("0" * 13, "")
        for path in ("cancel", "redo", "delete", "rename"):
            answer = await client.post(f"/jobs/{theirs.id}/{path}", data={"title": "Mine"}, headers=OURS)
            assert answer.status_code == 404
        answer = await client.post("/move", data={"job": theirs.id, "subject": "Mine"}, headers=OURS)
        assert answer.status_code == 404
        assert "Theirs" not in (await client.get("/")).text + (await client.get("/jobs?q=theirs")).text


@pytest.mark.parametrize(
    ("headers", "is_done"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": f"http://{HOST}"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site", "origin": f"http://{HOST}"}, False),
        ({"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"}, False),
        ({"origin": "http://evil.test"}, False),
        ({"origin": f"http://{HOST}:8080"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
async def test_only_our_own_forms_change_anything(
    person: httpx2.AsyncClient, backburner: Backburner, headers: dict[str, str], is_done: bool
) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id

    answer = await person.post(f"/jobs/{job}/cancel", headers=headers)

    assert answer.status_code == (303 if is_done else 403)
    assert (await backburner.get(job)).status == ("cancelled" if is_done else "queued")
    assert is_done or "another site" in answer.text


async def test_reading_changes_nothing(person: httpx2.AsyncClient, backburner: Backburner) -> None:
    job = (await backburner.create("drill", {"seconds": 60})).id

    for path in ("cancel", "redo", "rename"):
        assert (await person.get(f"/jobs/{job}/{path}")).status_code == 405
    assert (await person.get("/move")).status_code == 405


@pytest.mark.parametrize("host", ["evil.test", "evil.test:80", f"{HOST}.evil.test", "", "[::1]", "127.0.0.1"])
async def test_other_names_than_ours_are_not_answered(person: httpx2.AsyncClient, host: str) -> None:
    assert (await person.get("/", headers={"host": host})).status_code == 421


async def test_every_answer_is_fenced_in(person: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    static = re.search(r'href="(/static/[^"]*css)"', (await person.get("/")).text)
    assert static

    for client, path in [
        (person, "/"),
        (person, "/jobs/x"),
        (person, "/nowhere"),
        (stranger, "/"),
        (person, static[1]),
    ]:
        headers = (await client.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"


async def test_what_breaks_is_a_page_with_the_same_fences(site: Site) -> None:
    async def breaks(request: Request) -> Response:
        raise ZeroDivisionError("a secret")

    async with browser(app(site, Route("/breaks", breaks), allowed_hosts=[HOST])) as client:
        page = await client.get("/breaks")

    assert page.status_code == 500
    assert "Something broke" in page.text
    assert "a secret" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_forms_have_a_size(person: httpx2.AsyncClient) -> None:
    answer = await person.post("/move", content=b"subject=" + b"x" * 1_100_000, headers=OURS)
    assert answer.status_code == 413

    async def without_length() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    form = {**OURS, "content-type": "application/x-www-form-urlencoded"}
    assert (await person.post("/move", content=without_length(), headers=form)).status_code == 413


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_only_text(
    person: httpx2.AsyncClient, backburner: Backburner, hands: Hands, text: str
) -> None:
    made = await done(
        backburner,
        hands,
        "page",
        {"content": f"# {text}\n\n{text}"},
        title=text,
        subject=f"In {text}",
        labels={text: text},
    )
    waits = (await backburner.create("drill", {"effect_url": text, "seconds": 1}, title=text, subject=text)).id
    await backburner.cancel([waits], reason=text)
    moved = await person.post("/move", data={"job": made.id, "subject": f"Now {text}"}, headers=OURS)
    paths: Sequence[str] = ("/", "/jobs", f"/jobs?q={httpx2.QueryParams({'q': text})['q']}", f"/jobs/{made.id}",
                            f"/jobs/{made.id}/delete", f"/jobs/{waits}", f"/fragments/card/{made.id}")  # fmt: skip

    assert moved.status_code == 303
    pages = [await person.get(path) for path in paths]
    pages += [await person.get("/subjects/x", params={"q": text}), await person.get("/sign-in", params={"key": text})]

    for page in pages:
        assert page.status_code == 200
        assert acting(page.text) == []
        assert "7006652" not in page.text


# ------------------------------------------------------------------------------------------------------- signing in


async def test_a_link_is_good_once_and_looking_at_it_does_not_use_it(
    stranger: httpx2.AsyncClient, backburner: Backburner
) -> None:
    key = await backburner.people.sign_in_link("owner")

    for _ in range(3):
        assert 'method="post" action="/sign-in"' in (await stranger.get("/sign-in", params={"key": key})).text
    assert (await stranger.get("/")).status_code == 401
    assert (await stranger.post("/sign-in", data={"key": key}, headers=OURS)).status_code == 303
    assert (await stranger.get("/")).status_code == 200

    stranger.cookies.clear()
    again = await stranger.post("/sign-in", data={"key": key}, headers=OURS)
    assert again.status_code == 403
    assert "used already" in again.text
    assert "set-cookie" not in again.headers


async def test_who_followed_a_link_before_signing_in_is_brought_there(
    stranger: httpx2.AsyncClient, backburner: Backburner
) -> None:
    html = {"accept": "text/html"}
    assert (await stranger.get("/waiting?limit=3&kind=a%20b", headers=html)).status_code == 401

    key = await backburner.people.sign_in_link()
    first = await stranger.post("/sign-in", data={"key": key}, headers=OURS)
    key = await backburner.people.sign_in_link()
    second = await stranger.post("/sign-in", data={"key": key}, headers=OURS)

    assert first.headers["location"] == "/waiting?limit=3&kind=a%20b"
    assert second.headers["location"] == "/"


@pytest.mark.parametrize(
    "meant", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/\nx: y", "\u00ff"]
)
async def test_signing_in_leads_to_no_other_site(
    stranger: httpx2.AsyncClient, backburner: Backburner, meant: str
) -> None:
    stranger.cookies.set("backburner-meant", base64.urlsafe_b64encode(meant.encode("latin-1")).decode(), domain=HOST)

    key = await backburner.people.sign_in_link()
    answer = await stranger.post("/sign-in", data={"key": key}, headers=OURS)

    assert answer.headers["location"] == "/"


async def test_the_session_cookie_is_for_this_site_and_not_for_scripts(
    application: Starlette, backburner: Backburner
) -> None:
    async with browser(application) as plain, browser(application, f"https://{HOST}") as secure:
        cookies = [
            (await client.post("/sign-in", data={"key": await backburner.people.sign_in_link()}, headers=OURS))
            .headers["set-cookie"]
            .lower()
            for client in (plain, secure)
        ]

    for cookie in cookies:
        assert all(flag in cookie for flag in ("httponly", "samesite=lax", "path=/", "max-age="))
    assert cookies[0].startswith("backburner=")
    assert cookies[1].startswith("__host-backburner=")
    assert "secure" in cookies[1]


async def test_signing_out_ends_the_session_and_not_only_the_cookie(person: httpx2.AsyncClient) -> None:
    secret = person.cookies["backburner"]

    answer = await person.post("/sign-out", headers=OURS)
    person.cookies.set("backburner", secret, domain=HOST)

    assert answer.headers["location"] == "/sign-in"
    assert (await person.get("/")).status_code == 401


async def test_another_site_cannot_sign_a_browser_in(stranger: httpx2.AsyncClient, backburner: Backburner) -> None:
    key = await backburner.people.sign_in_link()

    answer = await stranger.post("/sign-in", data={"key": key}, headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_link_is_only_for_somebody_who_is_here(backburner: Backburner) -> None:
    for name in ("nobody", "agent"):
        with pytest.raises(Exception, match="no person"):
            await backburner.people.sign_in_link(name)
