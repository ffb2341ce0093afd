"""Feeds and pages of a site as sites are, read and kept; and kept pages as jobs, each once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from stubs.site import Site, serving_site

from agent_tools.app import Backburner
from agent_tools.jobs.errors import BadRequest
from agent_tools.opus import Input, Workflow
from agent_tools.requests import NewJob, job_filter
from agent_tools.scrape.handing_on import Handed, for_approval, for_opus, hand_on
from agent_tools.scrape.scraping import Scraped, Scraper
from agent_tools.settings import Settings
from sql.pages import Feed, NewPage, PageStore
from worker.hands import Hands


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")
    async with serving_site() as opened:
        yield opened


@pytest.fixture
async def store(settings: Settings, backburner: Backburner) -> AsyncIterator[PageStore]:
    async with PageStore.open(settings.database_url, backburner.who.tenant) as opened:
        yield opened


async def round_of(store: PageStore, site: Site, most: int = 50) -> Scraped:
    """One round through the feed, as it is kept."""
    known = {feed.address: feed for feed in await store.feeds()}
    scraper = Scraper(store, most)
    await scraper.feed(known.get(f"{site.url}/feed.xml") or Feed(f"{site.url}/feed.xml", "", ""))
    return scraper.found


async def page_of(store: PageStore, url: str) -> Scraped:
    scraper = Scraper(store, 50)
    await scraper.pages([url])
    return scraper.found


# -------------------------------------------------------------------------------------------------------------- scraping


async def test_of_ten_odd_entries_two_articles_are_kept_and_for_each_other_it_is_said_why(
    store: PageStore, site: Site
) -> None:
    found = await round_of(store, site)

    assert sorted(found.new) == ["Harbour", "Tides"]
    assert site.asked.count("/tides") == 1, "two entries that are one page"
    said = "\n".join(found.unread)
    assert "/gone: 127.0.0.1 answers 404 Not Found." in said
    assert "/huge: 127.0.0.1 sends more than 5 MB, and no more is taken." in said
    assert "/chart.pdf is application/pdf and no page." in said
    assert "/empty has no article that could be found." in said
    assert "10.0.0.1/secret: 10.0.0.1 is no public address, and others are not asked." in said
    pages = {page.title: page for page in await store.new(10)}
    assert pages["Tides"].address == f"{site.url}/tides", "its canonical link"
    assert (pages["Tides"].author, pages["Tides"].published) == ("Marta Sand", "2026-11-20")
    assert pages["Tides"].content.startswith("# Tides\n\nThe sea comes and goes twice a day")
    assert "- One faces the moon" in pages["Tides"].content
    assert "Cookies" not in pages["Tides"].content


async def test_what_was_kept_is_not_asked_for_again(store: PageStore, site: Site) -> None:
    site.news(3)
    await round_of(store, site)
    site.forget()

    again = await round_of(store, site)

    assert (again.new, again.unread) == ([], [])
    assert site.forget() == ["/feed.xml"]


async def test_a_newer_feed_brings_only_what_is_new_in_it(store: PageStore, site: Site) -> None:
    site.news(2)
    await round_of(store, site)
    site.news(3)
    site.edition = '"2"'
    site.forget()

    again = await round_of(store, site)

    assert (again.new, again.known) == (["News 3"], 2)
    assert site.forget() == ["/feed.xml", "/news/3"]


async def test_a_feed_of_which_something_could_not_be_read_is_read_again(store: PageStore, site: Site) -> None:
    site.news(2)
    site.gone = {"/news/2"}
    await round_of(store, site)
    site.gone = set()

    again = await round_of(store, site)

    assert again.new == ["News 2"]


async def test_what_is_beyond_the_most_is_left_for_the_next_round(store: PageStore, site: Site) -> None:
    site.news(5)

    rounds = [await round_of(store, site, most=2) for _ in range(3)]

    assert [(len(each.new), each.left) for each in rounds] == [(2, 3), (2, 1), (1, 0)]


async def test_a_page_may_not_pass_for_one_of_another_host(store: PageStore, site: Site) -> None:
    await page_of(store, f"{site.url}/thief")

    (page,) = await store.new(10)
    assert page.address == f"{site.url}/thief"


async def test_a_page_by_itself_is_asked_only_for_what_is_newer(store: PageStore, site: Site) -> None:
    await page_of(store, f"{site.url}/tides")
    same = await page_of(store, f"{site.url}/tides?utm_source=x")
    site.edition, site.words = '"2"', "Something else about the sea, and quite a lot of it, so that it is found."
    newer = await page_of(store, f"{site.url}/tides")

    (page,) = await store.new(10)
    assert (same.new, same.known, newer.new) == ([], 1, [])
    assert "Something else" in page.content


async def test_what_is_no_feed_is_said_to_be_none(store: PageStore, site: Site) -> None:
    scraper = Scraper(store, 50)

    await scraper.feed(Feed(f"{site.url}/tides", "", ""))

    assert scraper.found.unread == [f"{site.url}/tides is no feed that is known. If it is a page, give it as --page."]
    assert await store.feeds() == []


async def test_another_tenants_pages_are_its_own(store: PageStore, site: Site, settings: Settings) -> None:
    await page_of(store, f"{site.url}/tides")

    async with PageStore.open(settings.database_url, 999) as theirs:
        assert await theirs.new(10) == []
        assert await theirs.known([b"\0" * 32]) == {}


# ------------------------------------------------------------------------------------------------------------ handing on


async def handed(
    backburner: Backburner, store: PageStore, most: int = 15, question: str = "Publish “{title}”?"
) -> list[Handed]:
    return await hand_on(backburner, store, most, for_approval(question, None, "News"))


async def approvals(backburner: Backburner) -> int:
    return len((await backburner.jobs(job_filter(kind=["approval"]), limit=100)).jobs)


async def test_a_page_is_handed_on_once_and_as_a_question_about_all_of_it(
    backburner: Backburner, hands: Hands, store: PageStore, site: Site
) -> None:
    await page_of(store, f"{site.url}/tides")

    first, again = await handed(backburner, store), await handed(backburner, store)

    assert (len(first), again) == (1, [])
    assert await store.new(10) == []
    job = await backburner.get(first[0].job)
    assert (job.title, job.subject, job.labels) == ("Tides", "News", {"page": f"{site.url}/tides"})
    assert job.args["question"] == "Publish “Tides”?"
    assert job.args["content"].startswith("# Tides\n\nThe sea comes")
    assert job.args["content"].endswith(f"Marta Sand · 2026-11-20 · <{site.url}/tides>")


async def test_a_page_that_was_handed_on_is_not_new_when_it_is_scraped_again(
    backburner: Backburner, hands: Hands, store: PageStore, site: Site
) -> None:
    await page_of(store, f"{site.url}/tides")
    (one,) = await handed(backburner, store)
    await backburner.cancel([one.job])
    await backburner.delete([one.job])
    site.edition = '"2"'

    found = await page_of(store, f"{site.url}/tides?fbclid=7")

    assert (found.new, found.known) == ([], 1)
    assert await handed(backburner, store) == []


async def test_a_round_that_was_stopped_after_it_took_pages_is_ended_by_the_next(
    backburner: Backburner, hands: Hands, store: PageStore, site: Site
) -> None:
    site.news(3)
    await round_of(store, site)
    requests = {page.id: _request(page) for page in await store.new(2)}
    await store.take("stopped-here", requests)

    done = await handed(backburner, store)

    assert len(done) == 3
    assert await approvals(backburner) == 3


async def test_a_round_that_was_stopped_after_it_created_jobs_creates_no_other(
    backburner: Backburner, hands: Hands, store: PageStore, site: Site
) -> None:
    site.news(2)
    await round_of(store, site)
    requests = {page.id: _request(page) for page in await store.new(2)}
    await store.take("stopped-here", requests)
    made = await backburner.create_many(
        [NewJob(**each) for each in requests.values()], idempotency_key="pages:stopped-here"
    )

    done = await handed(backburner, store, question="Another question altogether?")

    assert [each.job for each in done] == [each.id for each in made]
    assert await approvals(backburner) == 2
    assert await store.taken() == []


async def test_two_rounds_at_once_hand_each_page_on_once(
    backburner: Backburner, hands: Hands, store: PageStore, site: Site
) -> None:
    site.news(12)
    await round_of(store, site)

    both = await asyncio.gather(*(handed(backburner, store, 12) for _ in range(3)))

    assert len({each.job for handed_on in both for each in handed_on}) == 12
    assert await approvals(backburner) == 12


async def test_pages_whose_jobs_are_refused_are_new_again(backburner: Backburner, store: PageStore, site: Site) -> None:
    await page_of(store, f"{site.url}/tides")

    with pytest.raises(BadRequest):
        await hand_on(backburner, store, 15, for_opus(WORKFLOW, {}, None))  # no worker here has a key

    assert len(await store.new(10)) == 1
    assert await store.taken() == []


def _request(page: NewPage) -> dict[str, Any]:
    job = for_approval("Publish “{title}”?", None, "News")(page)
    return {"kind": job.kind, "args": job.args, "subject": job.subject, "title": job.title, "labels": dict(job.labels)}


# ---------------------------------------------------------------------------------------------------- what goes into what

PAGE = NewPage(1, "https://sea.example/tides", "Tides", "", "2026-11-20", "# Tides\n\nTwice a day. {title}")


def text(name: str, *, required: bool = True, type_: str = "str") -> Input:
    return Input(f"workflow_input_{name.lower()}", name, type_, required)


WORKFLOW = Workflow("w", "Post", None, (text("Article"), text("Link"), text("Author", required=False)))


def inputs(workflow: Workflow, **given: str) -> dict[str, Any]:
    args = for_opus(workflow, given, None)(PAGE).args
    return dict(args["inputs"])


def test_what_is_called_so_goes_where_it_belongs_and_what_is_empty_nowhere() -> None:
    assert inputs(WORKFLOW) == {"Article": PAGE.content, "Link": PAGE.address}


def test_the_only_input_that_is_needed_takes_the_text() -> None:
    workflow = Workflow("w", "Post", None, (text("What to write about"), text("Tone", required=False)))

    assert inputs(workflow) == {"What to write about": PAGE.content}


def test_an_object_takes_the_whole_page_and_a_date_its_day() -> None:
    workflow = Workflow("w", "Post", None, (text("scraped_data", type_="object"), text("Published", type_="date")))

    whole = {"title": "Tides", "link": PAGE.address, "text": PAGE.content, "date": "2026-11-20"}
    assert inputs(workflow) == {"scraped_data": whole, "Published": "2026-11-20"}


def test_what_was_said_goes_before_what_is_guessed_and_what_a_page_says_is_never_read_as_a_field() -> None:
    given = {"article": "{title}: {text}", "LINK": "from {link}"}

    assert inputs(WORKFLOW, **given) == {
        "Article": f"Tides: {PAGE.content}",
        "Link": "from https://sea.example/tides",
    }


@pytest.mark.parametrize(
    ("workflow", "given", "said"),
    [
        (Workflow("w", "Post", None, (text("Article"), text("Tone"))), {}, "Say what goes into Tone: --input 'Tone=…'"),
        (Workflow("w", "Post", None, ()), {}, "Nothing of a page would go into it."),
        (WORKFLOW, {"Tone": "x"}, "'Tone' is no input of it. “Post” takes: Article (text; required)"),
        (
            WORKFLOW,
            {"Article": "{words}"},
            "there is no {words}. There are: {title}, {link}, {text}, {author}, {date}.",
        ),
    ],
)
def test_what_nobody_said_is_asked_for_before_anything_is_handed_on(
    workflow: Workflow, given: dict[str, str], said: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        for_opus(workflow, given, None)

    assert said in str(refused.value)
