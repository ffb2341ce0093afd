"""The operators' page: who sees it, what it says is wrong, and that its numbers are the book's."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx2
import lxml.html
import pytest
from given import ERROR, Stores
from shelf_given import open_site
from web_given import HOST, HOSTILE, OURS, acting, browser

from agent_tools.app import Backburner
from agent_tools.jobs.job import COMPLETED, QUEUED, RUNNING, WAITING
from agent_tools.settings import Settings
from web.app import app as pages
from web.site import Site


@pytest.fixture
async def site(app: Backburner, shared_settings: Settings) -> AsyncIterator[Site]:
    shared_settings.artifacts.root.mkdir(parents=True)
    async with open_site(shared_settings, app) as opened:
        yield opened


@pytest.fixture
async def operator(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    """The browser of the owner, signed in to operate."""
    async with AsyncExitStack() as stack:
        yield await signed_in(stack, site, admin=True)


async def signed_in(stack: AsyncExitStack, site: Site, *, admin: bool) -> httpx2.AsyncClient:
    client = await stack.enter_async_context(browser(pages(site, allowed_hosts=[HOST])))
    answer = await client.post(
        "/sign-in", data={"key": await site.backburner.people.sign_in_link(admin=admin)}, headers=OURS
    )
    assert answer.status_code == 303
    return client


async def looked(client: httpx2.AsyncClient) -> lxml.html.HtmlElement:
    answer = await client.get("/ops")
    assert answer.status_code == 200, answer.text
    assert [each for each in acting(answer.text) if "http-equiv" not in each] == []
    return lxml.html.document_fromstring(answer.text)


def text(found: lxml.html.HtmlElement, path: str = "//main") -> str:
    return " ".join(" ".join(each.text_content() for each in found.xpath(path)).split())


def tile(found: lxml.html.HtmlElement, name: str) -> str:
    return text(found, f"//li[contains(@class, 'tile')][.//span[text()='{name}']]//strong")


def row(found: lxml.html.HtmlElement, section: str, first: str) -> list[str]:
    """The cells of the row of a table that begins so."""
    (found_row,) = found.xpath(
        f"//section[@aria-labelledby='{section}']//tr[th[contains(normalize-space(), '{first}')]]"
    )
    return [" ".join(cell.text_content().split()) for cell in found_row.xpath("td")]


async def done(stores: Stores, outcome: str = "completed") -> None:
    (made,) = await stores.create({"again": True})
    (claim,) = await stores.claim(made.id)
    await stores.settle(claim, outcome, **({"error": ERROR} if outcome == "failed" else {}))


# --------------------------------------------------------------------------------------------------------- who sees it


async def test_only_whoever_signed_in_to_operate_sees_it_and_others_hear_how(
    site: Site, operator: httpx2.AsyncClient
) -> None:
    async with AsyncExitStack() as stack:
        person = await signed_in(stack, site, admin=False)
        refused = await person.get("/ops")

        assert refused.status_code == 403
        assert "backburner link --admin" in lxml.html.document_fromstring(refused.text).text_content()
        assert 'href="/ops"' not in (await person.get("/")).text
    assert 'href="/ops"' in (await operator.get("/")).text
    assert (await operator.get("/ops")).status_code == 200


async def test_nobody_who_is_not_signed_in_sees_it(site: Site) -> None:
    async with browser(pages(site, allowed_hosts=[HOST])) as stranger:
        assert (await stranger.get("/ops")).status_code == 401


# ------------------------------------------------------------------------------------------------------ what it says


async def test_where_nothing_is_wrong_it_says_that_all_is_well(stores: Stores, operator: httpx2.AsyncClient) -> None:
    stores.book.worker()

    page = await looked(operator)

    assert "All is well" in text(page)
    assert text(page, "//title").startswith("All is well")
    assert "Nothing: everything that was asked for has ended." in text(page)


async def test_an_installation_in_which_nothing_ever_was_says_only_that_nobody_works(
    operator: httpx2.AsyncClient,
) -> None:
    page = await looked(operator)

    assert text(page, "//section[@class='troubles']") == (
        "One thing to look at Urgent: No worker is alive. Whatever is asked for will wait. "
        "Start one with 'backburner up' or 'backburner worker'."
    )


async def test_each_trouble_stands_there_with_what_to_do(stores: Stores, operator: httpx2.AsyncClient) -> None:
    book = stores.book
    book.worker(kinds=["page"])
    book.run("UPDATE workers SET running = max_jobs")
    long_ago = "now() - interval '30 min'"
    oldest = book.put(QUEUED, kind="'page'", run_after=long_ago, created_at=long_ago)
    book.put(QUEUED, run_after=long_ago, created_at=long_ago)
    book.ask(book.put(WAITING), "publish", asked_at="now() - interval '12 days'")
    crashing = book.put(max_attempts="3")
    await stores.claim(crashing)
    book.run("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE status = 'running'")
    stores.watch.reap()

    page = await looked(operator)

    found = [text(each, ".") for each in page.xpath("//li[contains(@class, 'trouble')]")]
    assert len(found) == 4
    assert found[0].startswith("Urgent: 2 jobs of the kind 'sleep' wait, and no worker alive runs it.")
    assert "all 10 slots of 1 worker are taken" in found[1]
    assert page.xpath(f"//li[contains(@class, 'trouble')]//a[@href='/jobs/{oldest}']")
    assert found[2].startswith("Workers died over 1 job in the last day.")
    assert found[3].startswith("One question waits longer than a week: for 12 days.")
    assert text(page, "//title").startswith("4 to look at")


async def test_its_numbers_are_those_of_the_book(stores: Stores, operator: httpx2.AsyncClient) -> None:
    book = stores.book
    worker = book.worker()
    for outcome in ("completed", "completed", "completed", "failed"):
        await done(stores, outcome)
    for _ in range(2):
        book.put(RUNNING, worker_id=str(worker))
    book.put(QUEUED)
    book.put(QUEUED, run_after="now() + interval '1 h'")
    book.put(WAITING)
    book.put(WAITING, waiting_for="'outside'")

    page = await looked(operator)

    names = ("Queued", "Running", "Wait for people", "Wait for others", "Done", "Failed")
    assert {name: tile(page, name) for name in names} == dict(zip(names, ["1", "2", "1", "1", "3", "1"], strict=True))
    assert row(page, "under-way", "Sleep") == ["default", "1", "0 s", "1", "2", "1", "1", ""]
    assert row(page, "kinds", "Sleep") == ["3", "1", "75 %", "under 1 s", "under 1 s"] * 2
    assert row(page, "workers", "here, 1")[:2] == ["2 of 10", "sleep"]
    this_hour = text(page, "//section[@aria-labelledby='hours']//tbody/tr[1]/th")
    assert f"3 jobs completed and 1 failed in the last 24 hours, most of them from {this_hour} UTC on." in text(
        page, "//title"
    )
    assert row(page, "hours", this_hour) == ["3", "1"]


async def test_what_is_made_is_summed_up_by_kind(stores: Stores, operator: httpx2.AsyncClient) -> None:
    for _ in range(2):
        job = stores.book.put(COMPLETED)
        stores.book.run(
            "INSERT INTO artifacts (tenant_id, job_id, fence, name, position, title, media_type, bytes, sha256)"
            r" SELECT tenant_id, id, 1, 'a.pdf', 0, 'A', 'application/pdf', 2000000, '\x00' FROM jobs WHERE id = %s",
            job,
        )

    assert row(await looked(operator), "kept", "Sleep") == ["about 2", "4.0 MB"]


async def test_another_tenants_jobs_are_not_counted_and_the_page_says_what_it_covers(
    stores: Stores, operator: httpx2.AsyncClient
) -> None:
    stores.book.worker()
    theirs = stores.book.tenant("theirs")
    stores.book.put(QUEUED, of=theirs)
    stores.book.ask(stores.book.put(WAITING, of=theirs), "publish", asked_at="now() - interval '30 days'")

    page = await looked(operator)

    assert [tile(page, name) for name in ("Queued", "Wait for people")] == ["0", "0"]
    assert "All is well" in text(page)
    assert "Workers and the database are everybody’s; jobs, questions and webhooks are those of yours." in text(page)


async def test_hostile_names_are_only_text(stores: Stores, operator: httpx2.AsyncClient) -> None:
    hostile = HOSTILE[1].replace("'", "''")
    stores.book.worker(HOSTILE[0], kinds=[HOSTILE[1]])
    stores.book.put(
        QUEUED,
        kind=f"'{hostile}'",
        queue=f"'{hostile}'",
        created_at="now() - interval '1 h'",
        run_after="now() - interval '1 h'",
    )

    page = await looked(operator)

    assert HOSTILE[1] in text(page)


async def test_without_scripts_it_looks_again_by_itself(operator: httpx2.AsyncClient) -> None:
    page = await looked(operator)

    assert page.xpath("//head//noscript//meta[@http-equiv='refresh']/@content") == ["15"]
    assert page.xpath("//main/@data-every") == ["15"]
