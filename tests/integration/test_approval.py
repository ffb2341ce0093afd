"""The kind `approval`: asked by an agent, answered by a person, and kept."""

from typing import Any

import pytest

from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import BadRequest, NotYours
from agent_tools.jobs.job import Job
from agent_tools.requests import NewJob
from worker.hands import Hands

PRICE = {"properties": {"price": {"type": "number"}, "shop": {"enum": ["north", "south"]}}, "required": ["price"]}


async def work(hands: Hands) -> None:
    """Do what is rung for, and wait until it is done."""
    for task in await hands.take_all(await hands.bell.take("default", 100)):
        await task


async def asked(backburner: Backburner, hands: Hands, **args: Any) -> Ask:
    """The question that an approval puts."""
    job = await backburner.create("approval", {"question": "Publish this?", **args}, again=True)
    await work(hands)
    (ask,) = (await backburner.asks.page(job=job.id)).asks
    return ask


async def answered(backburner: Backburner, hands: Hands, ask: Ask, *said: Any, **more: Any) -> Job:
    """The approval after the owner's answer."""
    owner = backburner.acting_as(await _owner(hands))
    await owner.asks.answer(ask.id, *said, **more)
    await work(hands)
    return await backburner.get(ask.job)


async def _owner(hands: Hands) -> Any:
    return await hands.store.principal_by_name("default", "owner")


async def test_a_persons_yes_completes_the_job_and_what_was_shown_lies_on_the_shelf(
    backburner: Backburner, hands: Hands
) -> None:
    ask = await asked(backburner, hands, content="# Tides\n\nTwice **a day**.")

    job = await answered(backburner, hands, ask, "approve", notes="Nice.")

    assert (job.status, job.decision, job.result_line) == ("completed", "approve", "Approved by owner: Nice.")
    assert {"decision": "approve", "notes": "Nice.", "by": "owner"}.items() <= job.result.items()
    assert job.result["at"].endswith("+00:00")
    (page,) = job.artifacts
    assert (page.name, page.media_type) == ("publish-this.html", "text/html")
    assert "<strong>a day</strong>" in backburner.artifact_path(job, page).read_text()
    assert ask.shown == {"text": "# Tides\n\nTwice **a day**.", "may_edit": True}


async def test_a_persons_no_completes_the_job_too_and_says_why(backburner: Backburner, hands: Hands) -> None:
    ask = await asked(backburner, hands)

    job = await answered(backburner, hands, ask, "reject", notes="Too\nlong.")

    assert (job.status, job.decision, job.result_line) == ("completed", "rejected", "Rejected by owner: Too long.")
    assert job.errors == 0


async def test_a_job_is_shown_by_its_file_and_can_be_sent_back_with_notes(backburner: Backburner, hands: Hands) -> None:
    page = await backburner.create("page", {"content": "# Tides"})
    await work(hands)
    ask = await asked(backburner, hands, content=f"job://{page.id}")

    job = await answered(backburner, hands, ask, "send back", notes="Slide 3: fewer words.")

    assert ask.choices == ["approve", "reject", "send back"]
    assert ask.shown is not None
    assert ask.shown["file"]["name"] == "tides.html"
    assert (job.decision, job.result["notes"]) == ("send back", "Slide 3: fewer words.")
    assert [each.name for each in job.artifacts] == ["tides.html"]


async def test_the_answer_is_kept_where_the_job_that_was_shown_is_deleted_meanwhile(
    backburner: Backburner, hands: Hands
) -> None:
    page = await backburner.create("page", {"content": "# Tides"})
    await work(hands)
    ask = await asked(backburner, hands, content=f"job://{page.id}/artifacts/tides.html")
    await backburner.delete([page.id])

    job = await answered(backburner, hands, ask, "approve")

    (shown,) = job.artifacts
    assert "Tides" in backburner.artifact_path(job, shown).read_text()


async def test_an_address_is_shown_as_a_link(backburner: Backburner, hands: Hands) -> None:
    ask = await asked(backburner, hands, content="https://example.org/draft?v=2")

    job = await answered(backburner, hands, ask, "approve")

    assert ask.shown == {"text": "<https://example.org/draft?v=2>"}
    assert 'href="https://example.org/draft?v=2"' in backburner.artifact_path(job, job.artifacts[0]).read_text()


async def test_a_form_is_filled_in_and_its_values_come_with_the_decision(backburner: Backburner, hands: Hands) -> None:
    ask = await asked(backburner, hands, form=PRICE, choices=["buy", "leave"], who="Owner")

    with pytest.raises(BadRequest, match="values/price"):
        await backburner.asks.answer(ask.id, "buy", values={"price": "cheap"})
    with pytest.raises(NotYours, match="This is put to Owner, and nobody else answers it"):
        await backburner.asks.answer(ask.id, "buy", values={"price": 7.5})
    job = await answered(backburner, hands, ask, "buy", values={"price": 7.5, "shop": "north"})

    assert ask.for_person == "Owner"
    assert (job.decision, job.result["values"]) == ("buy", {"price": 7.5, "shop": "north"})
    assert job.result_line == "“buy” by owner"


async def test_a_text_that_is_too_long_for_a_question_is_shown_as_a_file(backburner: Backburner, hands: Hands) -> None:
    ask = await asked(backburner, hands, content="# Long\n\n" + "wörd " * 50_000)

    job = await answered(backburner, hands, ask, "approve")

    assert ask.shown is not None
    assert ask.shown["file"]["media_type"] == "text/markdown"
    assert job.artifacts[0].name == "publish-this.html"


@pytest.mark.parametrize("content", ["job://0e8z453fk1krg", "job://{drill}", "job://{page}/artifacts/nothing"])
async def test_what_cannot_be_shown_fails_the_job_in_a_sentence_and_bothers_nobody(
    backburner: Backburner, hands: Hands, content: str
) -> None:
    page, drill = await backburner.create("page", {"content": "# A"}), await backburner.create("drill")
    await work(hands)
    named = content.format(page=page.id, drill=drill.id)

    job = await backburner.create("approval", {"question": "Publish?", "content": named})
    await work(hands)

    failed = await backburner.get(job.id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == ("failed", "gave_up")
    assert failed.error.message.startswith("Nothing can be shown.")
    assert (await backburner.asks.page()).asks == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"question": " "}, "question: is blank"),
        ({"content": "job://x"}, "names no job"),
        ({"who": "Marta"}, "who: 'Marta' is nobody here. There are: owner."),
        ({"choices": []}, "1 to 10 choices"),
        ({"choices": ["yes", "Yes"]}, "choices that differ"),
        ({"choices": ["x" * 61]}, "up to 60 characters"),
        ({"form": {"type": "object"}}, "needs `properties`"),
        ({"form": {"properties": {"a": {"type": "array"}}}}, "one of string, number, integer, boolean"),
        ({"form": {"properties": {"a": {"pattern": "(a+)+$"}}}}, "says pattern"),
        ({"form": {"properties": {"a": {"$ref": "https://example.org"}}}}, "says $ref"),
        ({"form": {"properties": {"a": {"enum": []}}}}, "1 to 50 texts"),
        ({"form": {"properties": {"a": "string"}}}, "must be a schema"),
        ({"form": {"properties": {"a": {"minimum": "1"}}}}, "a number as its minimum"),
        ({"form": {"properties": {"notes": {}}}}, "cannot be called 'notes'"),
        ({"form": {"properties": {"a": {}}, "required": ["b"]}}, "must name fields"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_before_anybody_is_bothered(
    backburner: Backburner, args: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        await backburner.create("approval", {"question": "Publish?", **args})

    assert said in str(refused.value)


async def test_a_text_comes_back_as_it_was_edited_with_what_was_changed(backburner: Backburner, hands: Hands) -> None:
    text = "# Tides\n\n" + "\n".join(f"Line {number}." for number in range(30))
    ask = await asked(backburner, hands, content=text)

    job = await answered(backburner, hands, ask, "approve", edited=text.replace("Line 7.", "Line seven."))

    edited, shown = job.artifacts
    assert (edited.name, shown.name) == ("edited.md", "publish-this.html")
    assert "Line seven." in backburner.artifact_path(job, edited).read_text()
    assert job.result["edits"] == "@@ -9,3 +9,3 @@\n Line 6.\n-Line 7.\n+Line seven.\n Line 8."
    assert job.result_line == "Approved by owner, with edits"


async def test_what_was_filled_in_beforehand_and_changed_is_told_with_what_it_was(
    backburner: Backburner, hands: Hands
) -> None:
    form = {"price": {"type": "number", "default": 10}, "shop": {"enum": ["north", "south"], "default": "north"}}
    ask = await asked(backburner, hands, form=form)

    job = await answered(backburner, hands, ask, "approve", values={"price": 8, "shop": "north"})

    assert job.result["changed"] == {"price": {"was": 10, "is": 8}}


@pytest.mark.parametrize("content", [None, "https://example.org/a"])
async def test_what_is_no_text_cannot_be_edited(backburner: Backburner, hands: Hands, content: str | None) -> None:
    ask = await asked(backburner, hands, content=content)

    with pytest.raises(BadRequest, match="edited: what this question shows cannot be edited"):
        await backburner.asks.answer(ask.id, "approve", edited="# Mine")


async def test_every_stranger_in_a_batch_is_named_and_nothing_is_created(backburner: Backburner) -> None:
    jobs = [NewJob("approval", {"question": "Publish?", "who": who}) for who in ("owner", "Marta", None, "Legal")]

    with pytest.raises(BadRequest) as refused:
        await backburner.create_many(jobs)

    assert [problem.field for problem in refused.value.problems] == ["jobs/1/who", "jobs/3/who"]
    assert (await backburner.jobs()).jobs == []
