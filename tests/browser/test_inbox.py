"""What people do in the inbox, in Chromium."""

import asyncio
import re
from typing import Any

import pytest
from browsing import Shelf, looked_at
from kinds_that_ask import kinds_that_ask
from playwright.async_api import Page, expect

from agent_tools.jobs.asks import Ask
from agent_tools.jobs.kinds import Kinds
from agent_tools.requests import NewJob

pytestmark = pytest.mark.browser

PHONE = 390
LEADS = {"approve": "Goes out to 4,200 people", "edit": "Goes out as changed", "reject": "Nothing is sent"}


@pytest.fixture
def offered() -> Kinds:
    return kinds_that_ask()


async def asks(shelf: Shelf, title: str, **args: Any) -> Ask:
    """A new question, open."""
    job = (await shelf.backburner.create("publish", args, title=title, again=True)).id
    await shelf.backburner.wait([job], 10)
    (ask,) = (await shelf.backburner.asks.page(job=job)).asks
    return ask


async def ask_many(shelf: Shelf, number: int) -> None:
    """Questions of one batch."""
    jobs = [NewJob("publish", {"question": f"Publish {n}?"}, title=f"Post {n}") for n in range(1, number + 1)]
    await shelf.backburner.create_many(jobs)
    while len((await shelf.backburner.asks.page()).asks) < number:
        await asyncio.sleep(0.05)


def question(page: Page, heading: str) -> Any:
    return page.get_by_role("article", name=heading)


def count(page: Page) -> Any:
    return page.get_by_role("navigation").get_by_role("link", name="Waiting for you").locator(".number")


async def settled(page: Page) -> None:
    """As long as a person needs to see that this is another question."""
    await page.wait_for_timeout(800)


async def test_fifteen_of_one_batch_are_answered_with_a_thumb(shelf: Shelf) -> None:
    await ask_many(shelf, 15)
    page = await shelf.open(width=PHONE, has_touch=True, is_mobile=True)
    await page.get_by_role("navigation").get_by_role("link", name="Waiting for you").tap()
    await expect(count(page)).to_have_text("15")

    await page.get_by_role("checkbox", name="All 15 of this batch").tap()
    await expect(page.get_by_text("15 selected")).to_be_visible()
    await page.get_by_role("checkbox", name="Select “Post 7”").tap()
    await expect(page.get_by_text("14 selected")).to_be_visible()
    await page.get_by_role("button", name="Answer alike").tap()
    await page.get_by_role("button", name="Approve all 14").tap()

    await expect(page.get_by_role("heading", level=1)).to_have_text("14 answered: Approve")
    await expect(count(page)).to_have_text("1")
    await page.get_by_role("link", name="One more waits").tap()
    await expect(question(page, "Publish 7?")).to_be_visible()


async def test_the_next_question_comes_without_a_reload_and_takes_no_press_meant_for_the_one_before(
    shelf: Shelf,
) -> None:
    first = await asks(shelf, "First", question="The first?")
    second = await asks(shelf, "Second", question="The second?")
    page = await shelf.open(width=PHONE)
    await page.goto("/waiting")
    await page.evaluate("window.isTheSame = true")

    await page.evaluate("""() => {
        const press = () => document.querySelector(".asking .choices .primary")?.click();
        document.addEventListener("swapped", () => setTimeout(press, 50));
        press();
    }""")

    await expect(question(page, "The second?")).to_be_visible()
    await expect(page.get_by_role("status")).to_contain_text("Approve: “First”. One more waits.")
    await expect(page.get_by_role("heading", name="The second?")).to_be_focused()
    await settled(page)
    assert await page.evaluate("window.isTheSame")
    assert (await shelf.backburner.asks.page()).asks == [second]
    assert page.url.endswith(f"/waiting/{second.id}")

    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    assert [each.answered_by for each in await shelf.backburner.asks.numbered([first.id, second.id])] == [
        "owner",
        "owner",
    ]


async def test_of_two_people_who_answer_at_once_one_is_told_who_was_first(shelf: Shelf) -> None:
    ask = await asks(shelf, "Contested", question="Publish this?")
    await asks(shelf, "Another", question="And this?")
    pages = [await shelf.open(width=PHONE), await shelf.open(width=PHONE, person="Marta")]
    statuses: list[int] = []
    for page in pages:
        page.on("response", lambda answer: statuses.append(answer.status) if answer.request.method == "POST" else None)
        await page.goto(f"/waiting/{ask.id}")

    await asyncio.gather(*(page.get_by_role("button", name="Approve").click() for page in pages))

    for page in pages:
        await expect(page.locator(".toast, .became")).not_to_have_count(0)
    assert sorted(statuses) == [303, 409]
    (now,) = await shelf.backburner.asks.numbered([ask.id])
    late = pages[0] if now.answered_by == "Marta" else pages[1]
    await expect(late.get_by_role("alert")).to_contain_text(
        re.compile(rf"{now.answered_by} answered this .*: approve\.")
    )
    await late.get_by_role("link", name="Next question").click()
    await expect(question(late, "And this?")).to_be_visible()


async def test_an_answer_of_somebody_else_arrives_in_front_of_whoever_was_still_reading(shelf: Shelf) -> None:
    ask = await asks(shelf, "Read", question="Publish this?")
    await asks(shelf, "Another", question="And this?")
    page = await shelf.open()
    await expect(count(page)).to_have_text("2")
    await page.goto("/waiting")
    await page.get_by_role("textbox", name="Reason").fill("half a thou")

    await asks(shelf, "Later", question="And later?")
    await expect(count(page)).to_have_text("3")
    assert await page.get_by_role("textbox", name="Reason").input_value() == "half a thou"

    await shelf.backburner.asks.answer(ask.id, "reject", notes="No.")
    await expect(page.get_by_role("alert")).to_contain_text("agent answered this just now: reject.")
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    await expect(count(page)).to_have_text("2")


async def test_a_reason_is_given_without_scripts(shelf: Shelf) -> None:
    ask = await asks(shelf, "Post", form="required")
    page = await shelf.open(width=PHONE, java_script_enabled=False)
    await page.get_by_role("link", name="Waiting for you").click()

    await page.get_by_role("textbox", name="Title").fill("The sea")
    await page.get_by_role("button", name="Reject").click()
    await expect(page.get_by_role("textbox", name="Reason")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("textbox", name="Title")).to_have_value("The sea")
    await page.get_by_role("textbox", name="Reason").fill("Too long.")
    await page.get_by_role("button", name="Reject").click()

    await expect(page.get_by_role("status")).to_contain_text("Reject: “Post”. Nothing else waits for you.")
    job = (await shelf.backburner.wait([ask.job], 10))[0]
    assert (job.result["decision"], job.result["notes"]) == ("reject", "Too long.")


async def test_keys_answer_and_can_be_switched_off(shelf: Shelf) -> None:
    first = await asks(shelf, "First", question="The first?", form="optional")
    second = await asks(shelf, "Second", question="The second?")
    page = await shelf.open()
    await page.goto("/waiting")

    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="Second").last).to_be_focused()
    await page.keyboard.press("x")
    await expect(page.get_by_role("checkbox", name="Select “Second”")).to_be_checked()
    await page.keyboard.press("x")
    await page.keyboard.press("e")
    await expect(page.get_by_role("textbox", name="Tag")).to_be_focused()
    await page.keyboard.type("sea")
    await page.keyboard.press("Enter")
    await page.locator("h1").click()
    await page.keyboard.press("r")
    await expect(page.get_by_role("textbox", name="Reason")).to_be_focused()
    assert len((await shelf.backburner.asks.page()).asks) == 2
    await page.keyboard.type("No.")
    await page.locator("h1").click()
    await page.keyboard.press("r")
    await expect(question(page, "The second?")).to_be_visible()
    await settled(page)
    await page.keyboard.press("a")
    await expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    answers = [each.answer for each in await shelf.backburner.asks.numbered([first.id, second.id])]
    assert answers == [
        {"decision": "send back", "values": {"tag": "sea"}, "notes": "No."},
        {"decision": "approve", "values": None, "notes": None},
    ]

    await asks(shelf, "Third", question="The third?")
    await expect(question(page, "The third?")).to_be_visible()
    await page.keyboard.press("?")
    await page.get_by_role("checkbox", name="Single keys do these things").uncheck()
    await page.get_by_role("button", name="Close").click()
    await settled(page)
    await page.keyboard.press("a")
    await settled(page)
    assert len((await shelf.backburner.asks.page()).asks) == 1


async def test_a_text_is_edited_with_a_key_and_approved(shelf: Shelf) -> None:
    ask = await asks(shelf, "Post", text="# Tides\n\nThree a day.", may_edit=True)
    page = await shelf.open(width=PHONE)
    await page.goto("/waiting")
    await settled(page)

    await page.keyboard.press("e")
    await expect(page.get_by_role("textbox", name="The text, as Markdown")).to_be_focused()
    await page.get_by_role("textbox", name="The text, as Markdown").fill("# Tides\n\nTwo a day.")
    await page.get_by_role("button", name="Approve").click()

    await expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    (job,) = await shelf.backburner.wait([ask.job], 10)
    assert job.result["edited"] == "# Tides\n\nTwo a day."
    await page.goto(f"/jobs/{ask.job}")
    await expect(page.get_by_role("region", name="What was changed in the text")).to_contain_text("+Two a day.")


async def test_a_question_is_answered_on_the_page_of_its_job(shelf: Shelf) -> None:
    ask = await asks(shelf, "Post")
    page = await shelf.open(width=PHONE)
    await page.goto(f"/jobs/{ask.job}")

    await page.get_by_role("button", name="Approve").click()

    await expect(page.get_by_role("heading", name="Answers")).to_be_visible()
    await expect(page.get_by_text("You answered this")).to_be_visible()
    await expect(page.get_by_text("Completed").first).to_be_visible()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
async def test_every_state_is_accessible_and_fits(shelf: Shelf, scheme: str, width: int) -> None:
    page = await shelf.open(width=width, color_scheme=scheme)
    found: dict[str, object] = {}

    async def look(name: str, address: str | None = None) -> None:
        if address:
            await page.goto(address)
        found.update(await looked_at(page, name, (1280, 390, 320, width)))

    await look("empty", "/waiting")
    wide = "| " + " | ".join("column" * 3 for _ in range(9)) + " |\n|" + "---|" * 9
    text = f"# Programme\n\n{wide}\n\n- [x] done\n\n> quoted\n\n`{'x' * 90}`"
    first = await asks(
        shelf, "A" * 150, text=text, choices=list(LEADS), leads_to=LEADS, question=f"Publish?\n{'b' * 90}"
    )
    form = await asks(shelf, "With a form", form="required")
    picture = await asks(shelf, "A picture", shows="picture")
    file = await asks(shelf, "A file", shows="file")
    made = await asks(shelf, "A page", shows="page")
    facts = {"pictures": ["artifact:0c3k9x2mq7f4w/a.png"] * 3, "amount": 12, "lines": [{"a": "b" * 90}], "about": text}
    told = await asks(shelf, "Facts", shows="facts", facts=facts)
    edited = await asks(shelf, "To edit", text=f"# Tides\n\n{'x' * 200}", may_edit=True)
    await look("first", "/waiting")
    await page.goto(f"/waiting/{edited.id}")
    await page.get_by_text("Edit the text before you answer").click()
    await look("editing")
    await shelf.backburner.asks.answer(edited.id, "approve", edited=f"# Tides\n\n{'y' * 200}")
    await look("job with edits", f"/jobs/{edited.job}")
    for name, ask in (("form", form), ("picture", picture), ("file", file), ("page", made), ("facts", told)):
        await look(name, f"/waiting/{ask.id}")
    await look("job", f"/jobs/{first.job}")
    await page.goto(f"/waiting/{form.id}")
    await page.get_by_role("textbox", name="Title").fill("x" * 20)
    await page.get_by_role("textbox", name="Reason").fill("Because.")
    await page.evaluate("document.querySelector('[name=\"values/words\"]').type = 'text'")
    await page.get_by_role("spinbutton").or_(page.get_by_role("textbox", name="Words")).fill("many")
    await page.get_by_role("button", name="Reject").click()
    await expect(page.locator("[aria-invalid]")).to_be_focused()
    await look("to be mended")
    await shelf.backburner.asks.answer(picture.id, "reject", notes="No.")
    await look("answered", f"/waiting/{picture.id}")
    await shelf.backburner.cancel([file.job])
    await look("over", f"/waiting/{file.id}")
    await page.goto(f"/waiting/{first.id}")
    for box in await page.locator(".asked .pick input").all():
        await box.check()
    await look("selected")
    await page.get_by_role("button", name="Answer alike").click()
    await look("together")
    await page.get_by_role("textbox", name="Reason").fill("Because.")
    await page.get_by_role("button", name="Reject").click()
    await look("done together")
    await look("job with answers", f"/jobs/{picture.job}")
    await ask_many(shelf, 2)
    (job,) = (await shelf.backburner.jobs(limit=1)).jobs
    await look("batch", f"/jobs?batch={job.batch_id}")

    assert found == {}
