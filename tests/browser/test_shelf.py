"""What people do on the shelf, in Chromium."""

import re

import pytest
from browsing import Shelf, looked_at
from playwright.async_api import Page, expect

pytestmark = pytest.mark.browser

DECK = ["# Tides\n\nTwice a day", "## The moon pulls\n\n- The sea follows"]


def card(page: Page, title: str, *, under: str | None = None) -> object:
    where = page.get_by_role("region", name=under, exact=True) if under else page.locator("main")
    return where.get_by_role("article").filter(has=page.get_by_role("heading", name=title, exact=True))


async def move(page: Page, title: str, subject: str) -> None:
    box = page.get_by_role("checkbox", name=f"Select “{title}”")
    await box.check()
    await page.locator("#bulk").get_by_role("combobox").fill(subject)
    await page.locator("#bulk").get_by_role("button", name="Move").click()


async def test_a_job_arrives_moves_on_and_is_filed_without_a_reload(shelf: Shelf) -> None:
    page = await shelf.open()
    await page.evaluate("window.isTheSame = true")
    await expect(page.get_by_role("heading", name="Nothing has been put on the back burner yet")).to_be_visible()

    await shelf.backburner.create("drill", {"seconds": 5, "steps": 5}, title="Rehearsal")
    running = page.get_by_role("region", name="Running")
    await expect(running.get_by_role("link", name="Rehearsal")).to_be_visible()
    progress = running.get_by_role("progressbar")
    await expect(progress).to_have_attribute("value", re.compile("[2-8]0"))

    await expect(card(page, "Rehearsal", under="Unorganised")).to_be_visible(timeout=15_000)
    await expect(page.get_by_role("status")).to_contain_text("“Rehearsal” is ready")
    await expect(running).to_have_count(0)

    await move(page, "Rehearsal", "Plays")
    await expect(card(page, "Rehearsal", under="Plays")).to_be_visible()
    await expect(page.get_by_role("status")).to_contain_text("Moved one job to Plays.")

    await page.get_by_role("button", name="Undo").click()
    await expect(card(page, "Rehearsal", under="Unorganised")).to_be_visible()
    assert await page.evaluate("window.isTheSame")

    await page.get_by_role("link", name="Rehearsal").click()
    await page.get_by_role("button", name="Make it again").click()
    await expect(page.get_by_role("status")).to_contain_text("this is the new version")
    await expect(page.get_by_role("link", name="Version 1")).to_be_visible()
    await expect(page.get_by_role("button", name="Make it again")).to_be_visible(timeout=15_000)


async def test_the_same_goes_without_scripts(shelf: Shelf) -> None:
    page = await shelf.open(java_script_enabled=False)
    job = (await shelf.backburner.create("drill", {"seconds": 2, "steps": 2}, title="Rehearsal")).id
    await page.reload()
    await expect(page.get_by_role("region", name="Running").get_by_role("link", name="Rehearsal")).to_be_visible()
    await shelf.backburner.wait([job], 15)
    await page.reload()

    await move(page, "Rehearsal", "Plays")
    await expect(card(page, "Rehearsal", under="Plays")).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await expect(card(page, "Rehearsal", under="Unorganised")).to_be_visible()

    await page.get_by_role("searchbox").fill("rehearsal")
    await page.get_by_role("searchbox").press("Enter")
    await page.get_by_role("link", name="Rehearsal").click()
    await page.get_by_role("button", name="Make it again").click()
    await expect(page.get_by_role("status")).to_contain_text("this is the new version")
    await page.get_by_text("Rename, delete, and facts").click()
    await page.get_by_role("textbox", name="Title").fill("Second night")
    await page.get_by_role("button", name="Rename").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Second night")


async def test_what_arrives_takes_neither_focus_nor_place_nor_selection(shelf: Shelf) -> None:
    for number in range(8):
        await shelf.done(title=f"Old {number}", subject=f"Subject {number}")
    page = await shelf.open()
    await page.get_by_role("checkbox", name="Select “Old 3”").check()
    await page.locator("#bulk").get_by_role("combobox").press_sequentially("half typ")
    before = await page.evaluate("scrollY")
    assert before > 0

    await shelf.done(title="New", subject="Subject 0")

    await expect(card(page, "New")).to_have_count(1)
    assert await page.evaluate("document.activeElement.value") == "half typ"
    assert await page.get_by_role("checkbox", name="Select “Old 3”").is_checked()
    assert await page.get_by_role("article").filter(has_text="Old 3").is_visible()


async def test_keys_do_what_the_mouse_does_and_can_be_switched_off(shelf: Shelf) -> None:
    for title in ("First", "Second"):
        await shelf.done(title=title)
    page = await shelf.open()

    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="First")).to_be_focused()
    await page.keyboard.press("x")
    await expect(page.get_by_role("checkbox", name="Select “First”")).to_be_checked()
    await page.keyboard.press("m")
    await page.keyboard.type("By keys")
    await page.keyboard.press("Enter")
    await expect(card(page, "First", under="By keys")).to_be_visible()
    await page.locator("h1").click()
    await page.keyboard.press("z")
    await expect(card(page, "First", under="Unorganised")).to_be_visible()
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()

    await page.locator("h1").click()
    await page.keyboard.press("?")
    await page.get_by_role("checkbox", name="Single keys do these things").uncheck()
    await page.get_by_role("button", name="Close").click()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_card_can_be_dragged_onto_a_subject(shelf: Shelf) -> None:
    await shelf.done(title="Filed", subject="Harbours")
    await shelf.done(title="Loose")
    page = await shelf.open()

    await card(page, "Loose").drag_to(page.get_by_role("navigation").get_by_role("link", name="Harbours"))

    await expect(card(page, "Loose", under="Harbours")).to_be_visible()
    await expect(page.get_by_role("button", name="Undo")).to_be_visible()


async def test_a_browser_that_was_signed_out_elsewhere_is_told(shelf: Shelf) -> None:
    page = await shelf.open()
    # As another tab of the same browser does it.
    ended = await page.context.request.post("/sign-out", headers={"Origin": shelf.url}, max_redirects=0)
    assert ended.status == 303

    await page.reload()

    await expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
async def test_every_page_is_accessible_and_fits(shelf: Shelf, scheme: str, width: int) -> None:
    page = await shelf.open(is_signed_in=False, width=width, color_scheme=scheme)
    found: dict[str, object] = {}

    async def look(name: str, address: str | None = None) -> None:
        if address:
            await page.goto(address)
        found.update(await looked_at(page, name, (1280, 320, width)))

    await look("not signed in", "/")
    await look("sign-in", f"/sign-in?key={await shelf.backburner.people.sign_in_link()}")
    await page.get_by_role("button", name="Sign in").click()
    await look("empty")
    await look("new", "/new")
    await look("a form", "/new/presentation")
    await page.get_by_label("Slides").fill("# Tides")
    await page.get_by_role("combobox", name="Subject").fill("x" * 120)
    await page.get_by_label("Title").evaluate(
        "field => { field.removeAttribute('maxlength'); field.value = 'x'.repeat(300) }"
    )
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("alert")).to_contain_text("300 characters are too many")
    await look("a form sent back")
    await page.goto("/")
    deck = await shelf.done("presentation", {"slides": DECK}, subject="Tides & harbours")
    await shelf.done("page", {"content": "# Notes\n\nText"}, title="A" * 150)
    failed = (await shelf.backburner.create("page", {"content": "# Notes"}, title="To be cancelled")).id
    await shelf.backburner.cancel([failed])
    again = (await shelf.backburner.redo(deck)).id
    await shelf.backburner.wait([again], 20)
    running = (await shelf.backburner.create("drill", {"seconds": 60, "steps": 60}, title="Long drill")).id
    await look("shelf", "/")
    await page.get_by_role("checkbox").first.check()
    await look("selected")
    await page.locator("#bulk").get_by_role("combobox").fill("Reports")
    await page.locator("#bulk").get_by_role("button", name="Move").click()
    await expect(page.get_by_role("button", name="Undo")).to_be_visible()
    await look("moved")
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await look("help")
    await look("list", "/jobs")
    await look("nothing found", "/jobs?q=nosuchword")
    await look("tray", "/subjects/unorganised")
    await look("deck", f"/jobs/{again}")
    await look("running", f"/jobs/{running}")
    await look("cancelled", f"/jobs/{failed}")
    await look("delete", f"/jobs/{deck}/delete")
    await look("delete many", f"/jobs/delete?job={deck}&job={failed}&job={running}&return_to=/jobs")
    await look("missing", "/jobs/0000000000000")
    await look("sign out", "/sign-out")

    assert found == {}


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_what_is_ticked_is_deleted_after_one_more_question(shelf: Shelf, has_scripts: bool) -> None:
    for title in ("One", "Two", "Three"):
        await shelf.done(title=title)
    page = await shelf.open(java_script_enabled=has_scripts)

    for title in ("One", "Two"):
        await page.get_by_role("checkbox", name=f"Select “{title}”").check()
    await page.get_by_role("button", name="Delete…").click()
    await expect(page.get_by_role("heading", name="Delete 2 jobs?")).to_be_visible()
    await page.get_by_role("button", name="Delete 2 jobs").click()

    await expect(page.get_by_role("status")).to_contain_text("Deleted 2 jobs.")
    await expect(card(page, "Three")).to_be_visible()
    await expect(page.get_by_role("article")).to_have_count(1)


async def test_a_script_that_slipped_in_would_not_run_and_would_be_noticed(shelf: Shelf) -> None:
    page = await shelf.open()

    await page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.ran = true\"><p style=\"color: red\">')"
    )
    await expect(page.locator("p[style]")).to_have_count(1)

    while len(shelf.complaints) < 2:
        await page.wait_for_timeout(20)
    assert await page.evaluate("window.ran") is None
    shelf.complaints.clear()
