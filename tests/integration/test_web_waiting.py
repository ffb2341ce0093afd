"""What the inbox promises, through the application itself over real Postgres and Valkey."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from typing import Any

import httpx2
import lxml.html
import pytest
from given import Book
from kinds_that_ask import kinds_that_ask
from shelf_given import open_site
from web_given import HOST, HOSTILE, OURS, acting, browser, send

from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.job import Job
from agent_tools.jobs.kinds import Kinds
from agent_tools.requests import NewJob
from agent_tools.settings import Settings
from sql.hands import Principal
from web.app import app
from web.site import Site
from worker.hands import Hands


@pytest.fixture
def offered() -> Kinds:
    return kinds_that_ask()


@pytest.fixture
async def site(settings: Settings, backburner: Backburner) -> AsyncIterator[Site]:
    async with open_site(settings, backburner) as opened:
        yield opened


@pytest.fixture
async def owner(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with browser(app(site, allowed_hosts=[HOST])) as client:
        yield await signed_in(client, site, "owner")


@pytest.fixture
async def marta(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with browser(app(site, allowed_hosts=[HOST])) as client:
        yield await signed_in(client, site, "Marta")


async def signed_in(client: httpx2.AsyncClient, site: Site, name: str) -> httpx2.AsyncClient:
    key = await site.backburner.people.sign_in_link(name, new=True)
    assert (await client.post("/sign-in", data={"key": key}, headers=OURS)).status_code == 303
    return client


async def asks(backburner: Backburner, hands: Hands, *, title: str = "Post", **args: Any) -> Ask:
    """A new question, open."""
    receipt = await backburner.create("publish", args, title=title, again=True)
    await hands.take_all(await hands.bell.take("default", 10))
    await backburner.wait([receipt.id], 10)
    (ask,) = (await backburner.asks.page(job=receipt.id)).asks
    return ask


async def ask_many(backburner: Backburner, hands: Hands, number: int, **args: Any) -> list[Ask]:
    """Questions of one batch."""
    jobs = [NewJob("publish", {**args, "question": f"Publish {n}?"}, title=f"Post {n}") for n in range(1, number + 1)]
    await backburner.create_many(jobs)
    await hands.take_all(await hands.bell.take("default", number))
    while len((await backburner.asks.page()).asks) < number:
        await asyncio.sleep(0.02)
    (batch_id,) = {job.batch_id for job in (await backburner.jobs(limit=number)).jobs}
    return list((await backburner.asks.page(batch_id=batch_id)).asks)


async def ended(backburner: Backburner, hands: Hands, job_id: str) -> Job:
    await hands.take_all(await hands.bell.take("default", 10))
    (job,) = await backburner.wait([job_id], 20)
    return job


def answered(ask: Ask, decision: str = "approve", **more: str) -> dict[str, str]:
    """What the form of this question sends."""
    return {"shown_hash": ask.shown_hash, "decision": decision, "notes": "", **more}


async def post(client: httpx2.AsyncClient, ask: Ask, **fields: str) -> httpx2.Response:
    return await client.post(f"/waiting/{ask.id}", data=fields, headers=OURS)


def text(html: str) -> str:
    """What is to be read in the middle of the page."""
    (main,) = lxml.html.document_fromstring(html).xpath("//main")
    return " ".join(main.text_content().split())


def toast(html: str) -> str:
    return " ".join(lxml.html.document_fromstring(html).xpath("//div[@id='toasts']")[0].text_content().split())


# ------------------------------------------------------------------------------------------------------ one question


async def test_an_empty_inbox_says_what_comes_here(owner: httpx2.AsyncClient) -> None:
    page = await owner.get("/waiting")

    assert page.status_code == 200
    assert "Nothing waits for you" in page.text


async def test_a_question_is_answered_and_the_next_one_comes(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    first = await asks(backburner, hands, title="First", question="Publish this?\nIt goes out at once.")
    await asks(backburner, hands, title="Second")

    page = await owner.get("/waiting")
    assert re.findall(r'number due">(\d)', page.text) == ["2"]
    assert "The sea comes and goes." in text(page.text)
    assert "Publish this? It goes out at once. Asked" in text(page.text)
    assert "by your agent You are the one to answer." in text(page.text)

    after = await send(owner, f"/waiting/{first.id}", **answered(first, notes="Fine."))
    assert toast(after.text) == "Approve: “First”. One more waits."
    assert '<a href="/jobs/' in after.text
    assert "Second" in text(after.text).split("Asked")[0]

    job = await ended(backburner, hands, first.job)
    assert job.result == {"decision": "approve", "values": None, "notes": "Fine.", "by": "owner"}


@pytest.mark.parametrize("decision", ["reject", "send back"])
async def test_turning_something_down_needs_a_reason_and_nothing_typed_is_lost(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands, decision: str
) -> None:
    ask = await asks(backburner, hands, form="required")

    refused = await post(owner, ask, **answered(ask, decision, **{"values/title": "The sea", "values/words": "90"}))

    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert 'value="The sea"' in refused.text
    assert 'value="90"' in refused.text
    assert (await backburner.asks.page()).asks == [ask]

    why = {"values/title": "The sea", "values/words": "90", "notes": "Too long."}
    assert (await post(owner, ask, **answered(ask, decision, **why))).status_code == 303
    assert (await ended(backburner, hands, ask.job)).result["notes"] == "Too long."


async def test_who_turns_something_down_fills_in_no_form(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands, form="required")
    untouched = {"values/title": "", "values/words": "120", "values/tone": "0", "values/may_wait": "1"}

    edit = await post(owner, ask, **answered(ask, "edit", **untouched))
    rejected = await post(owner, ask, **answered(ask, "reject", notes="Not now.", **untouched))

    assert (edit.status_code, "Fill this in." in edit.text) == (422, True)
    assert rejected.status_code == 303
    job = await ended(backburner, hands, ask.job)
    assert (job.result["decision"], job.result["values"], job.result["notes"]) == ("reject", None, "Not now.")


async def test_a_text_is_edited_and_approved_and_the_page_shows_what_was_changed(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands, text="# Tides\n\nThree a day.\n", may_edit=True, form="optional")
    page = await owner.get(f"/waiting/{ask.id}")
    (form,) = lxml.html.document_fromstring(page.text).xpath("//form[@class='answer']")
    sent = {**dict(form.fields), "edited": "# Tides\r\n\r\nTwo a day.\r\n"}

    empty = await post(owner, ask, **{**sent, "edited": " ", "decision": "approve"})
    missing = await post(owner, ask, **{**sent, "decision": "reject"})
    done = await post(owner, ask, **{**sent, "decision": "approve"})

    assert "Edit the text before you answer" in text(page.text)
    assert (empty.status_code, "is empty" in text(empty.text)) == (422, True)
    assert (missing.status_code, "Two a day." in missing.text) == (422, True)
    assert done.status_code == 303
    job = await ended(backburner, hands, ask.job)
    assert job.result["edited"] == "# Tides\n\nTwo a day.\n"
    assert "-Three a day. +Two a day." in text((await owner.get(f"/jobs/{ask.job}")).text)


async def test_a_text_that_nobody_touched_was_not_edited(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands, text="# Tides\n\nTwo a day.\n", may_edit=True)
    page = lxml.html.document_fromstring((await owner.get(f"/waiting/{ask.id}")).text)
    (form,) = page.xpath("//form[@class='answer']")
    as_browsers_send = {name: value.replace("\n", "\r\n") for name, value in form.fields.items()}

    await post(owner, ask, **{**as_browsers_send, "decision": "approve"})

    assert "edited" not in (await ended(backburner, hands, ask.job)).result


async def test_what_was_filled_in_beforehand_and_changed_is_shown_with_what_it_was(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands, form="required")
    sent = {"values/title": "Tides", "values/words": "90", "values/tone": "0", "values/may_wait": "1"}
    await post(owner, ask, **answered(ask, **sent))

    page = text((await owner.get(f"/jobs/{ask.job}")).text)

    assert "Words: 90 (before: 120)" in page
    assert "Tone: plain" in page
    assert page.count("(before:") == 1


async def test_a_batch_has_a_page_that_says_how_far_it_is_answers_it_alike_and_stops_it(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    asked = await ask_many(backburner, hands, 3)
    batch = (await backburner.get(asked[0].job)).batch_id
    await post(owner, asked[0], **answered(asked[0]))
    await ended(backburner, hands, asked[0].job)

    page = await owner.get(f"/jobs?batch={batch}")
    of_one = await owner.get(f"/jobs/{asked[1].job}")
    together = await owner.post("/waiting/together", data={"ask": tokens(asked[1:])}, headers=OURS)
    after = await send(owner, f"/batches/{batch}/cancel")

    assert '<progress max="100" value="33"' in page.text
    assert "1 of 3 done: 1 completed, 2 waiting; 2 questions open" in text(page.text)
    assert f'name="ask" value="{tokens(asked[1:])}"' in page.text
    assert f'href="/jobs?batch={batch}">One of 3 asked for together' in of_one.text
    assert "Answer 2 alike" in text(together.text)
    assert toast(after.text) == "Cancelled 2 jobs."
    assert "3 of 3 done: 2 cancelled, 1 completed" in text(after.text)
    assert (await owner.get("/jobs?batch=0c3k9x2mq7f4w")).status_code == 404


async def test_a_form_begins_with_its_defaults_and_says_beside_each_field_what_is_wrong(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands, form="required")
    page = lxml.html.document_fromstring((await owner.get("/waiting")).text)
    (form,) = page.xpath("//form[@class='answer']")

    assert dict(form.fields) == {
        "shown_hash": ask.shown_hash, "values/title": "", "values/words": "120", "values/tone": "0", "values/may_wait": "1", "notes": "\n",
    }  # fmt: skip
    assert "It stands above the post." in form.text_content()

    sent = {"values/title": "ab", "values/words": "many", "values/tone": "1"}
    wrong = await post(owner, ask, **answered(ask, **sent))
    assert wrong.status_code == 422
    assert "This is to be a whole number." in wrong.text
    short = await post(owner, ask, **answered(ask, **{**sent, "values/words": "9"}))
    assert "is too short" in unescape(short.text)

    done = await post(owner, ask, **answered(ask, **{**sent, "values/title": "Tides", "values/words": "9"}))
    assert done.status_code == 303
    values = {"title": "Tides", "words": 9, "tone": "festive", "may_wait": False}
    assert (await ended(backburner, hands, ask.job)).result["values"] == values


async def test_what_each_choice_leads_to_is_said_where_the_question_says_so(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    await asks(backburner, hands, choices=["approve", "reject"], leads_to={"approve": "Goes out to 4,200 people."})

    assert re.search(r"<dt>Approve</dt><dd [^>]*>Goes out to 4,200 people\.</dd>", (await owner.get("/waiting")).text)


@pytest.mark.parametrize(
    ("shows", "expected"),
    [
        ("text", "<h3>Tides</h3>"),
        ("markdown", "<h3>Tides</h3>"),
        ("picture", '<img src="/waiting/1/files/poster.png"'),
        ("page", '<iframe class="paper" src="/waiting/1/files/page.html" sandbox=""'),
        ("file", '<a class="button" href="/waiting/1/files/deck.pptx">'),
    ],
)
async def test_the_thing_itself_is_shown(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands, shows: str, expected: str
) -> None:
    await asks(backburner, hands, shows=shows)

    page = await owner.get("/waiting")

    assert expected in page.text
    assert acting(page.text) == []


async def test_facts_are_shown_with_what_they_lead_to(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    job = "0c3k9x2mq7f4w"
    facts = {
        "slides": [f"artifact:{job}/slide-1.png", f"job://{job}/artifacts/slide-2.png"],
        "the job": f"job://{job}",
        "source": "https://example.org/a",
        "amount": 1850,
        "is urgent": True,
        "lines": [{"item": "boat"}],
        "trick": "javascript:alert(1)",
        "climb": "artifact:../../sign-out.png",
    }
    await asks(backburner, hands, shows="facts", facts=facts)

    page = await owner.get("/waiting")

    assert f'<img src="/artifacts/{job}/slide-1.png"' in page.text
    assert f'<a href="/artifacts/{job}/slide-2.png">' in page.text
    assert f'href="/jobs/{job}"' in page.text
    assert 'href="https://example.org/a" rel="noopener nofollow"' in page.text
    assert "Amount: 1,850" in text(page.text)
    assert "Is urgent: Yes" in text(page.text)
    assert "javascript:" not in "".join(re.findall(r'(?:href|src)="[^"]*"', page.text))
    assert "sign-out.png" not in "".join(re.findall(r'(?:href|src)="[^"]*"', page.text))


async def test_pictures_in_a_text_come_from_here_or_not_at_all(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    await asks(backburner, hands, text="![Ours](artifact:0c3k9x2mq7f4w/a.png)\n\n![Theirs](https://evil.test/x.png)")

    page = (await owner.get("/waiting")).text

    assert '<img src="/artifacts/0c3k9x2mq7f4w/a.png" alt="Ours"' in page
    assert "evil.test" not in page


async def test_a_shown_file_is_served_fenced_in_and_only_to_its_tenant(
    owner: httpx2.AsyncClient, site: Site, backburner: Backburner, hands: Hands, database_url: str
) -> None:
    ask = await asks(backburner, hands, shows="page")
    path = f"/waiting/{ask.id}/files/page.html"

    page = await owner.get(path)
    assert (page.status_code, "sandbox" in page.headers["content-security-policy"]) == (200, True)
    assert (await owner.get(path.replace("page.html", "other"))).status_code == 404
    assert (await owner.get("/waiting/99999999999999999999999/files/page.html")).status_code == 404

    async with browser(app(foreign(site, database_url), allowed_hosts=[HOST])) as foreigner:
        assert (await foreigner.get(path)).status_code == 404
        assert (await foreigner.get(f"/waiting/{ask.id}")).status_code == 404
        assert (await post(foreigner, ask, **answered(ask))).status_code == 404
        assert "Nothing waits for you" in (await foreigner.get("/waiting")).text
        bulk = {"ask": f"{ask.id}:{ask.shown_hash}", "decision": "approve"}
        assert "no longer here" in (await foreigner.post("/waiting/together", data=bulk, headers=OURS)).text
    assert (await backburner.asks.page()).asks == [ask]


def foreign(site: Site, database_url: str) -> Site:
    book = Book(database_url)
    other = book.tenant("other")
    book.close()
    who = Principal(other.id, other.principal, "owner", ("jobs:read", "jobs:answer"))
    return Site(site.backburner, site.keys, site.tail, site.addresses, who)


# ------------------------------------------------------------------------------------------- others, and what changed


async def test_whoever_comes_second_is_told_who_when_and_what_and_goes_on_with_the_next(
    owner: httpx2.AsyncClient, marta: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands, title="First")
    other = await asks(backburner, hands, title="Second")
    assert (await post(marta, ask, **answered(ask, "reject", notes="Not yet."))).status_code == 303

    late = await post(owner, ask, **answered(ask, notes="All good."))

    assert late.status_code == 409
    assert "Marta answered this just now: reject. Because: Not yet." in text(late.text)
    assert "What you had written: “All good.”" in text(late.text)
    assert f'href="/waiting/{other.id}"' in late.text
    assert "Marta answered this" in text((await owner.get(f"/waiting/{ask.id}")).text)
    assert "You answered this" in text((await marta.get(f"/waiting/{ask.id}")).text)


async def test_an_answer_counts_only_for_what_was_shown(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands, database_url: str
) -> None:
    seen = await asks(backburner, hands, text="As it was")
    book = Book(database_url)
    book.run("UPDATE asks SET withdrawn_at = now() WHERE id = %s", seen.id)
    now = book.ask(seen.job, seen.name, "ff")
    book.run("""UPDATE asks SET shown = '{"text": "As it is now"}' WHERE id = %s""", now)
    book.close()

    late = await post(owner, seen, **answered(seen, notes="Fine."))

    assert late.status_code == 409
    assert "has changed since you saw it" in text(late.text)
    assert "As it is now" in text(late.text)
    assert "Fine." in late.text
    assert 'name="shown_hash" value="ff"' in late.text
    assert "has changed since" in text((await owner.get(f"/waiting/{seen.id}")).text)
    (still_open,) = (await backburner.asks.page()).asks
    assert still_open.shown_hash == "ff"


async def test_a_question_that_nobody_asks_any_longer_says_so(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands)
    await backburner.cancel([ask.job])

    assert "Nobody asks this any longer" in text((await owner.get(f"/waiting/{ask.id}")).text)
    assert (await post(owner, ask, **answered(ask))).status_code == 409
    assert (await owner.get("/waiting/4711")).status_code == 404


async def test_what_is_put_to_one_person_counts_for_them_and_stands_last_for_others(
    owner: httpx2.AsyncClient, marta: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    hers = await asks(backburner, hands, title="For Marta", who="marta")
    await asks(backburner, hands, title="For anybody")
    await asks(backburner, hands, title="For nobody here", who="Legal")

    assert re.findall(r'number due">(\d)', (await owner.get("/")).text) == ["2"]
    assert re.findall(r'number due">(\d)', (await marta.get("/")).text) == ["3"]
    page = text((await owner.get("/waiting")).text)
    assert page.index("For anybody") < page.index("For nobody here") < page.index("Put to others")
    assert "Put to you; nobody else answers it." in text((await marta.get(f"/waiting/{hers.id}")).text)


async def test_what_is_put_to_a_person_nobody_else_answers(
    owner: httpx2.AsyncClient, marta: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    hers, anybodys = await asks(backburner, hands, title="For Marta", who="marta"), await asks(backburner, hands)

    page = await owner.get(f"/waiting/{hers.id}")
    refused = await post(owner, hers, **answered(hers))
    bulk = {"ask": tokens([hers, anybodys]), "decision": "approve"}
    together = await owner.post("/waiting/together", data=bulk, headers=OURS)

    assert "Put to Marta, and nobody else answers it." in text(page.text)
    assert 'class="answer"' not in page.text
    assert (refused.status_code, "This is put to marta, and nobody else answers it" in refused.text) == (403, True)
    assert "For Marta: It is put to Marta." in text(together.text)
    assert "1 answered: Approve" in text(together.text)
    assert (await post(marta, hers, **answered(hers))).status_code == 303


async def test_nobody_answers_what_they_asked_for_themselves_unless_that_is_set_or_nobody_else_is_here(
    owner: httpx2.AsyncClient, site: Site, backburner: Backburner, hands: Hands
) -> None:
    (me,) = (each for each in await backburner.people.all() if each.name == "owner")
    mine = backburner.acting_as(backburner.who._replace(principal=me.id, name="owner"))
    first, second, third = [await asks(mine, hands) for _ in range(3)]
    assert (await post(owner, first, **answered(first))).status_code == 303

    await backburner.people.sign_in_link("Marta", new=True)
    assert "somebody else answers: Marta" in text((await owner.get("/waiting")).text)
    refused = await post(owner, second, **answered(second))
    assert (refused.status_code, "somebody else has to" in refused.text) == (403, True)
    bulk = {"ask": f"{second.id}:{second.shown_hash}", "decision": "approve"}
    assert "somebody else has to" in (await owner.post("/waiting/together", data=bulk, headers=OURS)).text

    lenient = replace(site, backburner=site.backburner.acting_as(site.backburner.who))
    lenient.backburner.self_answer = True
    async with browser(app(lenient, allowed_hosts=[HOST])) as client:
        again = await signed_in(client, site, "owner")
        assert (await post(again, third, **answered(third))).status_code == 303


# ---------------------------------------------------------------------------------------------------- several alike


def tokens(asked: list[Ask]) -> str:
    return " ".join(f"{ask.id}:{ask.shown_hash}" for ask in asked)


async def test_a_batch_is_answered_alike_with_a_summary(
    owner: httpx2.AsyncClient, marta: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    asked = await ask_many(backburner, hands, 5)
    page = await owner.get("/waiting")
    assert "All 5 of this batch" in page.text
    assert f'value="{tokens(asked)}" form="bulk" data-all=' in page.text

    ready = await owner.post("/waiting/together", data={"ask": tokens(asked)}, headers=OURS)
    assert "Answer 5 alike" in text(ready.text)
    assert len((await backburner.asks.page()).asks) == 5
    await post(marta, asked[2], **answered(asked[2], "reject", notes="No."))

    done = await owner.post("/waiting/together", data={"ask": tokens(asked), "decision": "approve"}, headers=OURS)

    assert "4 answered: Approve" in text(done.text)
    assert re.search(rf"One was not: {asked[2].title}: Marta answered this .* ago: reject\.", text(done.text))
    assert (await backburner.asks.page()).asks == []
    again = await owner.post("/waiting/together", data={"ask": tokens(asked), "decision": "approve"}, headers=OURS)
    assert "4 answered: Approve" in text(again.text)


async def test_only_what_has_equal_choices_and_nothing_to_fill_in_is_answered_alike(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    alike = [await asks(backburner, hands), await asks(backburner, hands, form="optional")]
    form = await asks(backburner, hands, title="With a form", form="required")
    other = await asks(backburner, hands, title="Other", choices=["pay", "wait"])
    everything = tokens([*alike, form, other])

    done = await owner.post("/waiting/together", data={"ask": everything, "decision": "approve"}, headers=OURS)

    assert "2 answered: Approve" in text(done.text)
    assert "With a form: It has a form to fill in." in text(done.text)
    assert "Other: It has other choices: Pay, Wait." in text(done.text)
    assert (await backburner.asks.page()).asks == [form, other]
    assert (await ended(backburner, hands, alike[1].job)).result["values"] == {"tag": None}


async def test_several_are_turned_down_with_one_reason(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    asked = await ask_many(backburner, hands, 3)
    form = {"ask": tokens(asked), "decision": "reject"}

    missing = await owner.post("/waiting/together", data=form, headers=OURS)
    assert (missing.status_code, "Say why" in missing.text) == (422, True)
    assert len((await backburner.asks.page()).asks) == 3

    done = await owner.post("/waiting/together", data={**form, "notes": "Too dear."}, headers=OURS)
    assert "3 answered: Reject" in text(done.text)
    assert {
        each.answer["notes"] for each in await backburner.asks.numbered([ask.id for ask in asked]) if each.answer
    } == {"Too dear."}


@pytest.mark.parametrize("sent", ["", "x", "1", "1:", "-1:ff", "99999999999999999999999:ff", "1:zz"])
async def test_a_selection_that_is_none_is_refused(owner: httpx2.AsyncClient, sent: str) -> None:
    answer = await owner.post("/waiting/together", data={"ask": sent, "decision": "approve"}, headers=OURS)

    assert answer.status_code == (200 if sent == "1:zz" else 400)


# --------------------------------------------------------------------------------------------------------- the walls


async def test_no_link_decides_and_no_other_site(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands)
    query = f"?decision=approve&shown_hash={ask.shown_hash}&ask={ask.id}:{ask.shown_hash}"

    for path in (f"/waiting/{ask.id}{query}", f"/waiting{query}", f"/waiting/together{query}"):
        assert (await owner.get(path)).status_code in (200, 303)
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}, {}):
        forged = await owner.post(f"/waiting/{ask.id}", data=answered(ask), headers=headers)
        assert forged.status_code == 403
    unbound = await owner.post(f"/waiting/{ask.id}", data={"decision": "approve"}, headers=OURS)
    assert unbound.status_code == 400

    assert (await backburner.asks.page()).asks == [ask]


async def test_answering_takes_its_scope_and_somebody_who_is_signed_in(
    site: Site, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands)
    reader = Site(site.backburner, site.keys, site.tail, site.addresses, backburner.who._replace(scopes=("jobs:read",)))

    async with browser(app(reader, allowed_hosts=[HOST])) as client:
        page = await client.get("/waiting")
        assert "Publish this?" in text(page.text)
        assert 'class="answer"' not in page.text
        assert 'id="bulk"' not in page.text
        assert (await post(client, ask, **answered(ask))).status_code == 403
    async with browser(app(site, allowed_hosts=[HOST])) as stranger:
        for path in ("/waiting", f"/waiting/{ask.id}", f"/waiting/{ask.id}/files/x"):
            page = await stranger.get(path)
            assert (page.status_code, "Publish this?" in page.text) == (401, False)
        assert (await post(stranger, ask, **answered(ask))).status_code == 401
        assert (await stranger.post("/waiting/together", headers=OURS)).status_code == 401
    assert (await backburner.asks.page()).asks == [ask]


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_hostile_questions_are_only_text(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands, hostile: str
) -> None:
    ask = await asks(
        backburner,
        hands,
        title=hostile,
        text=f"# {hostile}\n\n[x]({hostile})",
        question=f"{hostile}\n{hostile}",
        choices=[hostile, "reject"],
        leads_to={hostile: hostile},
        who=hostile,
    )
    fact = await asks(backburner, hands, title=hostile, shows="facts", facts={hostile: hostile, "b": [hostile]})
    pages = [await owner.get(f"/waiting/{ask.id}"), await owner.get(f"/jobs/{ask.job}")]
    pages.append(await owner.get(f"/waiting/{fact.id}"))
    pages.append(await owner.post("/waiting/together", data={"ask": tokens([ask, fact])}, headers=OURS))
    pages.append(await post(owner, ask, **answered(ask, "reject")))
    pages.append(await send(owner, f"/waiting/{ask.id}", **answered(ask, hostile, notes=hostile)))
    pages += [await owner.get(f"/jobs/{ask.job}"), await post(owner, ask, **answered(ask, hostile, notes=hostile))]

    assert [page.status_code for page in pages] == [200, 200, 200, 200, 422, 200, 200, 409]
    for page in pages:
        assert acting(page.text) == []


# --------------------------------------------------------------------------------------------------- the job's page


async def test_the_page_of_a_job_asks_and_afterwards_tells_what_was_answered(
    owner: httpx2.AsyncClient, backburner: Backburner, hands: Hands
) -> None:
    ask = await asks(backburner, hands, form="required")
    page = await owner.get(f"/jobs/{ask.job}")
    assert "It waits for an answer" in text(page.text)
    assert f'name="return_to" value="/jobs/{ask.job}"' in page.text

    sent = answered(ask, "reject", notes="Too long.", **{"values/title": "Tides"}, return_to=f"/jobs/{ask.job}")
    after = await send(owner, f"/waiting/{ask.id}", **sent)

    assert after.url.path == f"/jobs/{ask.job}"
    assert "You answered this just now: reject. Because: Too long." in text(after.text)
    assert "Title: Tides" in text(after.text)
    assert "Answered by you: reject" in text(after.text)
    assert 'class="answer"' not in after.text


# -------------------------------------------------------------------------------------------------------- who is who


async def test_everybody_is_signed_in_by_their_own_name(marta: httpx2.AsyncClient, owner: httpx2.AsyncClient) -> None:
    assert '<span class="vh">Signed in as </span>Marta' in (await marta.get("/")).text
    assert '<span class="vh">Signed in as </span>owner' in (await owner.get("/")).text


async def test_somebody_new_is_let_in_only_on_purpose_and_never_twice(backburner: Backburner) -> None:
    with pytest.raises(Exception, match="no person 'Marta'"):
        await backburner.people.sign_in_link("Marta")

    for _ in range(2):
        await backburner.people.sign_in_link("Marta", new=True)
    await backburner.people.sign_in_link("Marta")

    assert [each.name for each in await backburner.people.all() if each.is_person] == ["owner", "Marta"]
    for name in ("agent", "", "x" * 81, "a\nb\0"):
        with pytest.raises(Exception, match=r"name|person|NUL"):
            await backburner.people.sign_in_link(name, new=True)
