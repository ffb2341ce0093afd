"""Rehearsing a kind without servers: what authors of kinds test with."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, field_validator

from agent_tools import Answer, Artifact, GiveUp, InputFile, JobContext, Result, job_kind
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import BadRequest
from agent_tools.testing import perform

RAN: list[str] = []


class Price(BaseModel):
    """What it costs."""

    amount: int = Field(ge=1)

    @field_validator("amount")
    @classmethod
    def _even(cls, amount: int) -> int:
        if amount % 2:
            raise ValueError("must be even.")
        return amount


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


async def write(topic: str) -> str:
    RAN.append(f"write {topic}")
    return f"All about {topic}."


async def is_paid(name: str) -> str | None:
    RAN.append(f"look for {name}")
    return "paid" if len(RAN) > 3 else None


@job_kind("letter", retries=0)
async def letter(job: JobContext, topic: str, ask_price: bool = False, pay: bool = False) -> Result:
    """Write a letter, have it approved, and send it."""
    job.progress("Writing", 0, 2)
    text = await job.step("write", write, topic)
    answer = await job.ask("Send it?", show=text, name="send")
    if answer.decision == "reject":
        raise GiveUp(f"{answer.by} said no: {answer.notes}")
    data: dict[str, Any] = {"by": answer.by}
    if ask_price:
        price = await job.ask("What does it cost?", choices=(), form=Price, within="7d")
        data["price"] = None if price.expired else price.values.amount
    if pay:
        data["state"] = await job.until("payment", is_paid, topic, every="1h..1d")
    path = job.folder / "letter.txt"
    path.write_text(text)
    return Result(data=data, artifacts=[Artifact.file(path)], line=f"A letter about {topic}")


async def test_a_handler_is_run_to_its_end_with_what_people_say() -> None:
    done = await perform(letter, answers={"send": "approve"}, topic="tides")

    assert (done.data, done.line) == ({"by": "somebody"}, "A letter about tides")
    assert done.text("letter.txt") == "All about tides."
    assert [said.message for said in done.progress] == ["Writing", "Writing"]
    (ask,) = done.asks
    assert (ask.question, ask.shown, ask.answer and ask.answer["decision"]) == (
        "Send it?",
        {"text": "All about tides."},
        "approve",
    )
    assert (done.goes, RAN) == (2, ["write tides"])


async def test_an_answer_may_be_found_by_the_words_of_the_question_and_made_by_a_function() -> None:
    def decide(ask: Ask) -> Answer:
        assert ask.shown == {"text": "All about tides."}
        return Answer("reject", notes="too dry", by="Marta")

    with pytest.raises(GiveUp, match="Marta said no: too dry"):
        await perform(letter, answers={"Send it?": decide}, topic="tides")


@pytest.mark.parametrize("values", [{"amount": 4}, Price(amount=4)])
async def test_a_form_is_filled_in(values: Any) -> None:
    answers = {"send": "approve", "What does it cost?": Answer(values=values)}

    done = await perform(letter, answers=answers, topic="tides", ask_price=True)

    assert done.data == {"by": "somebody", "price": 4}


async def test_nobody_answers_within_the_time() -> None:
    done = await perform(letter, answers={"send": "approve", "What does it cost?": None}, topic="tides", ask_price=True)

    assert done.data == {"by": "somebody", "price": None}
    assert not done.asks[1].is_open


async def test_a_form_with_a_rule_of_its_own_is_asked_again() -> None:
    offers = iter([3, 5, 6])

    def offer(ask: Ask) -> dict[str, Any]:
        return {"values": {"amount": next(offers)}}

    done = await perform(letter, answers={"send": "approve", "What does it cost?": offer}, topic="t", ask_price=True)

    assert done.data == {"by": "somebody", "price": 6}
    assert [ask.question.count("did not fit") for ask in done.asks] == [0, 0, 1, 1]


async def test_what_until_looks_for_is_looked_for_at_once() -> None:
    done = await perform(letter, answers={"send": "approve"}, topic="tides", pay=True)

    assert done.data == {"by": "somebody", "state": "paid"}
    assert RAN == ["write tides", "look for tides", "look for tides", "look for tides"]
    assert done.goes == 4


async def test_what_the_door_refuses_is_refused() -> None:
    with pytest.raises(BadRequest, match="topic: is required"):
        await perform(letter)
    with pytest.raises(BadRequest, match="decision: is one of approve, reject, not 'perhaps'"):
        await perform(letter, answers={"send": "perhaps"}, topic="tides")
    answers = {"send": "approve", "What does it cost?": {"values": {"amount": 0}}}
    with pytest.raises(BadRequest, match="values/amount: 0 is less than the minimum of 1"):
        await perform(letter, answers=answers, topic="tides", ask_price=True)


async def test_a_question_that_the_test_does_not_know_fails_it_by_name() -> None:
    with pytest.raises(AssertionError, match=r"asks 'Send it\?' \(name 'send'\), and `answers` knows 'other'"):
        await perform(letter, answers={"other": "approve"}, topic="tides")
    with pytest.raises(AssertionError, match="wait for ever"):
        await perform(letter, answers={"send": None}, topic="tides")


async def test_what_never_comes_ends_the_test() -> None:
    async def never() -> None:
        return None

    @job_kind("patient")
    async def patient(job: JobContext) -> None:
        """Wait for ever."""
        await job.until("it", never)

    with pytest.raises(AssertionError, match="waits for 'it' still"):
        await perform(patient)


async def test_the_folder_is_there_while_the_handler_runs_and_gone_afterwards() -> None:
    folders: list[Path] = []

    @job_kind("filing")
    async def filing(job: JobContext) -> dict[str, str]:
        """Use the folder, also from a thread."""
        folders.append(job.folder)
        await asyncio.to_thread((job.folder / "a.txt").write_text, "a")
        return {"id": job.id, "title": job.title, "key": job.key("mail"), "call": job.callback_url or ""}

    done = await perform(filing, title="Files")

    assert not folders[0].exists()
    assert done.data is not None
    assert (done.data["title"], done.data["key"]) == ("Files", f"{done.data['id']}:mail")
    assert done.data["call"].startswith("https://")


async def test_a_result_that_cannot_be_kept_is_refused() -> None:
    @job_kind("odd")
    async def odd(job: JobContext) -> dict[str, Any]:
        """Return what is not JSON."""
        return {"when": object()}

    with pytest.raises(BadRequest, match="which is not JSON"):
        await perform(odd)


async def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "kinds.md").read_text(encoding="utf-8")
    calls: list[str] = []

    class Shop:
        async def offer(self, text: str, amount: int, call_when_paid: str) -> str:
            calls.append(call_when_paid)
            return f"{text} {amount}"

    async def paid(order: str) -> bool:
        return order == "All about tides. 300"

    given: dict[str, Any] = {
        "Annotated": Annotated, "BaseModel": BaseModel, "Field": Field, "JobContext": JobContext, "Result": Result, "job_kind": job_kind,
        "InputFile": InputFile, "asyncio": asyncio, "count_words": lambda path: len(path.read_text().split()),
        "write": write, "shop": Shop(), "is_paid": paid,
    }  # fmt: skip

    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(example, given)
    talk = tmp_path / "a talk.txt"
    talk.write_text("Twice a day.")
    await given["test_an_offer_is_sent"]()
    written = await perform(given["transcript"], source=talk)

    assert (len(calls), written.line) == (1, "a talk.txt: 3 words")


async def test_a_text_is_edited_as_a_person_would_and_only_where_it_may_be() -> None:
    @job_kind("printing")
    async def printing(job: JobContext, may_edit: bool = True) -> dict[str, Any]:
        """Ask, and print what it became."""
        answer = await job.ask("Print?", show="# A", may_edit=may_edit)
        return {"printed": answer.edited or "# A"}

    answers = {"Print?": {"decision": "approve", "edited": "# B"}}

    assert (await perform(printing, answers=answers)).data == {"printed": "# B"}
    with pytest.raises(BadRequest, match="edited: what this question shows cannot be edited"):
        await perform(printing, answers=answers, may_edit=False)
