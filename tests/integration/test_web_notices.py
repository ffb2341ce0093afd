"""The page on which people say where they are told, and what the links in notices lead to."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import lxml.html
import pytest
from given import Book
from notices_given import pass_time, row
from shelf_given import open_site
from stubs.ntfy import HOST as NTFY
from stubs.ntfy import StubNtfy
from web_given import HOST, HOSTILE, OURS, acting, browser, send

from agent_tools.app import Backburner
from agent_tools.jobs.job import COMPLETED, FAILED, WAITING
from agent_tools.jobs.notices import TEST
from agent_tools.settings import Settings
from web.app import app
from web.site import Site


@pytest.fixture
def ntfy() -> Iterator[StubNtfy]:
    with StubNtfy() as served:
        yield served


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"notice_hosts": (NTFY,)})


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
    return " ".join(found.text_content().split())


def ticked(html: str) -> set[str]:
    return set(lxml.html.document_fromstring(html).xpath("//input[@name='wants'][@checked]/@value"))


async def test_an_address_is_kept_tested_and_forgotten_and_never_shown_again(
    owner: httpx2.AsyncClient, ntfy: StubNtfy
) -> None:
    before = await owner.get("/notices")
    assert ticked(before.text) == {"needs_me", "done", "failed"}
    assert "Send me a test" not in before.text

    kept = await send(owner, "/notices", address=ntfy.address("my-secret-topic"), wants=["needs_me", "failed"])
    assert ticked(kept.text) == {"needs_me", "failed"}
    assert f"You are told at ntfy://{NTFY}" in main_of(kept.text)
    assert "my-secret-topic" not in kept.text

    tested = await send(owner, "/notices/test")
    assert "The test was taken" in tested.text
    assert ntfy.of("my-secret-topic") == [TEST]

    again = await send(owner, "/notices", address="", wants=["done"])
    assert ticked(again.text) == {"done"}
    assert "You are told at" in again.text

    gone = await send(owner, "/notices/off")
    assert "You are told at" not in main_of(gone.text)


async def test_what_is_no_address_is_refused_beside_the_field_and_ticks_stay(owner: httpx2.AsyncClient) -> None:
    for address, said in (
        ("json://example.org", "not switched on here"),
        ("", "no address yet"),
        ("nonsense", "looks like"),
    ):
        refused = await owner.post("/notices", data={"address": address, "wants": ["failed"]}, headers=OURS)

        assert refused.status_code == 422
        (error,) = lxml.html.document_fromstring(refused.text).xpath("//*[@id='address-error']")
        assert said in error.text_content()
        assert ticked(refused.text) == {"failed"}


@pytest.mark.parametrize("wants", ["everything", *HOSTILE[:2]])
async def test_a_form_that_is_none_of_ours_changes_nothing(owner: httpx2.AsyncClient, book: Book, wants: str) -> None:
    refused = await owner.post("/notices", data={"address": "ntfy://me", "wants": [wants]}, headers=OURS)

    assert refused.status_code == 422
    assert [each for each in acting(refused.text) if "apprise/wiki" not in each] == []
    assert book.run("SELECT 1 FROM notice_addresses") == []


async def test_a_test_that_is_not_taken_says_why_and_comes_no_more_than_every_ten_seconds(
    owner: httpx2.AsyncClient, ntfy: StubNtfy, book: Book
) -> None:
    await send(owner, "/notices", address=ntfy.address("me"), wants=["done"])
    ntfy.then(401)

    refused = await owner.post("/notices/test", headers=OURS)
    assert refused.status_code == 409
    assert "The service answered 401 Unauthorized." in main_of(refused.text)
    at_once = await owner.post("/notices/test", headers=OURS)
    assert "wait ten seconds" in main_of(at_once.text)
    assert len(ntfy.posts) == 1
    assert "401 Unauthorized" in main_of((await owner.get("/notices")).text)


async def test_a_stopped_address_says_so_and_a_test_that_is_taken_begins_again(
    owner: httpx2.AsyncClient, ntfy: StubNtfy, book: Book, backburner: Backburner
) -> None:
    await send(owner, "/notices", address=ntfy.address("me"), wants=["done"])
    book.run("UPDATE notice_addresses SET stopped_at = now(), tries = 12, refused = 'The service answered 500.'")

    page = await owner.get("/notices")
    assert "The service answered 500. It was refused so often that nothing is sent any more." in main_of(page.text)

    await send(owner, "/notices/test")
    fares = row(book, backburner.who.principal if backburner.who.name == "owner" else book.default.principal)
    assert (fares["stopped_at"], fares["tries"], fares["refused"]) == (None, 0, None)


async def test_nobody_else_sees_or_changes_an_address(site: Site, owner: httpx2.AsyncClient, ntfy: StubNtfy) -> None:
    await send(owner, "/notices", address=ntfy.address("owners"), wants=["done"])
    async with browser(app(site, allowed_hosts=[HOST])) as marta:
        assert (await marta.get("/notices")).status_code == 401
        assert (await marta.post("/notices/off", headers=OURS)).status_code == 401
        key = await site.backburner.people.sign_in_link("Marta", new=True)
        await marta.post("/sign-in", data={"key": key}, headers=OURS)
        assert "You are told at" not in (await marta.get("/notices")).text
        await send(marta, "/notices/off")
        assert (await marta.post("/notices/test", headers=OURS)).status_code == 409

    assert "You are told at" in (await owner.get("/notices")).text
    assert ntfy.posts == []


async def test_another_site_cannot_point_notices_elsewhere(owner: httpx2.AsyncClient, book: Book) -> None:
    foreign = {"sec-fetch-site": "cross-site"}

    assert (await owner.post("/notices", data={"address": "ntfy://me"}, headers=foreign)).status_code == 403
    assert book.run("SELECT 1 FROM notice_addresses") == []


async def test_following_the_links_of_notices_decides_nothing(owner: httpx2.AsyncClient, book: Book) -> None:
    job = book.put(WAITING, waiting_on="'publish'", title="'Post'")
    book.ask(job, "publish")
    ended = [book.put(COMPLETED), book.put(FAILED)]
    before = (book.row(job), book.asks(job), book.events(job))

    for path in ("/", "/waiting", *(f"/jobs/{each}" for each in (job, *ended))):
        for query in ("", "?decision=approve", "?answer=approve&shown_hash=00"):
            assert (await owner.get(path + query)).status_code == 200
            assert (await owner.head(path + query)).status_code in (200, 405)

    assert (book.row(job), book.asks(job), book.events(job)) == before
    assert all(book.events(each) == [] for each in ended)


async def test_what_was_looked_at_is_not_told(owner: httpx2.AsyncClient, book: Book, backburner: Backburner) -> None:
    await send(owner, "/notices", address="ntfy://me", wants=["done"])
    book.run("UPDATE notice_addresses SET told_until = now() - interval '1 hour'")
    job = book.put(COMPLETED)

    await owner.get(f"/jobs/{job}")
    pass_time(book, "2 min")

    assert (
        book.one("SELECT count(*) FROM take_notices(%s)", '{"remind_s": [], "own": true, "lease_s": 60, "most": 9}')
        == 0
    )
