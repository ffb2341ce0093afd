"""The kind `approval`: asked by an agent, answered by a person, and kept."""

from typing import Any

import pytest

from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.job import Job
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
    (ask,) = (await backburner.asks(job=job.id)).asks
    return ask


async def answered(backburner: Backburner, hands: Hands, ask: Ask, *said: Any, **more: Any) -> Job:
    """The approval after the owner's answer."""
    owner = backburner.acting_as(await _owner(hands))
    await owner.answer(ask.id, *said, **more)
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
    assert ask.shown == {"text": "# Tides\n\nTwice **a day**."}


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
    ask = await asked(backburner, hands, form=PRICE, choices=["buy", "leave"], who="Marta")

    with pytest.raises(BadRequest, match="values/price"):
        await backburner.answer(ask.id, "buy", values={"price": "cheap"})
    job = await answered(backburner, hands, ask, "buy", values={"price": 7.5, "shop": "north"})

    assert ask.for_person == "Marta"
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
    assert (await backburner.asks()).asks == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"question": " "}, "question: is blank"),
        ({"content": "job://x"}, "names no job"),
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
