"""Handlers that wait: parked without a worker, run again from their beginning, and told what came."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import BaseModel, Field, field_validator
from rig.book import Book
from rig.kinds import Installed, installed
from rig.patience import eventually
from rig.processes import StartWorker, end, holder
from rig.proxy import Proxy

from agent_tools import Answer, Artifact, JobContext, job_kind
from agent_tools.app import Backburner
from agent_tools.jobs import callbacks
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.kinds import Kind, Kinds
from agent_tools.requests import NewJob
from agent_tools.settings import Settings
from worker.hands import Hands, open_hands

HOUR_S = 3600.0


class Office:
    """Hands in this process that begin a job only when told, and a door."""

    def __init__(self, hands: Hands, door: Backburner, book: Book) -> None:
        self.hands, self.door, self.book = hands, door, book

    async def create(self, kind: str, **args: Any) -> str:
        return (await self.door.create(kind, args, again=True)).id

    async def perform(self, job: str) -> dict[str, Any]:
        """One attempt, or one go of it; the row afterwards."""
        await eventually(lambda: self.book.one(job)["status"] == "queued", what=f"{job} queued")
        while (attempt := await self.hands.take(job)) is None:
            await asyncio.sleep(0)  # the sweep that rings for it holds its row for a moment
        await attempt
        return self.book.one(job)

    async def perform_again(self, job: str) -> dict[str, Any]:
        """Whatever it waits for: run its handler once more."""
        self.book.rows(
            "UPDATE jobs SET status = 'queued', waiting_for = NULL, look_at = NULL, run_after = now() WHERE id = %(job)s RETURNING id",
            job=job,
        )
        return await self.perform(job)

    async def asks(self, job: str) -> list[Ask]:
        return list((await self.door.asks.page(job=job)).asks)

    def asked(self, job: str) -> list[dict[str, Any]]:
        return self.book.rows("SELECT * FROM asks WHERE job_id = %(job)s ORDER BY id", job=job)


@pytest.fixture
async def office(settings: Settings, book: Book) -> AsyncIterator[Callable[..., Awaitable[Office]]]:
    """Open an office for these kinds; the one before is closed, as by an upgrade. No sweep wakes anybody there."""
    async with AsyncExitStack() as last:

        async def open_office(*kinds: Kind, **changed: Any) -> Office:
            await last.aclose()
            return await last.enter_async_context(_opened(settings.model_copy(update=changed), Kinds(kinds), book))

        yield open_office


@asynccontextmanager
async def _opened(settings: Settings, kinds: Kinds, book: Book) -> AsyncIterator[Office]:
    async with open_hands(settings, kinds) as hands, Backburner.open(settings, kinds=kinds, name="owner") as door:
        yield Office(hands, door, book)


# ------------------------------------------------------------------------------------------------------------ questions


@job_kind("publish", retries=0)
async def publish(job: JobContext, text: str = "Hello") -> dict[str, Any]:
    """Ask, then publish."""
    answer = await job.ask("Publish?", show=text)
    return {"decision": answer.decision, "notes": answer.notes, "by": answer.by, "attempt": job.attempt, "text": text}


async def test_a_park_spends_nothing_and_frees_its_slot(office: Any, book: Book) -> None:
    ended: list[Path] = []

    @job_kind("parking", retries=0, timeout="5s")
    async def parking(job: JobContext) -> dict[str, Any]:
        """Park, with something in the folder."""
        (job.folder / "draft.txt").write_text("draft")
        try:
            return {"decision": (await job.ask("Publish?")).decision}
        finally:
            ended.append(job.folder)

    here: Office = await office(parking, max_jobs=1)
    job = await here.create("parking")

    row = await here.perform(job)

    assert (row["status"], row["waiting_for"], row["waiting_on"]) == ("waiting", "person", "Publish?")
    assert (row["errors"], row["crashes"], row["attempt"], row["error"]) == (0, 0, 1, None)
    assert (here.hands.room(), here.hands.running) == (1, {})
    assert len(ended) == 1
    assert not ended[0].exists()
    other = await here.create("parking")
    assert (await here.perform(other))["status"] == "waiting"
    assert len((await here.door.asks.page()).asks) == 2
    book.assert_sound()


async def test_an_answer_comes_back_with_who_gave_it_and_when(office: Any, book: Book) -> None:
    here: Office = await office(publish)
    job = await here.create("publish", text="Good news")
    await here.perform(job)
    assert "Waiting for a person's answer: 'Publish?' (asked 0 s ago)." in await here.door.why(job)

    answered = await here.door.asks.answer(job, "approve", notes="Well done")
    row = await here.perform(job)

    assert (answered.answered_by, answered.shown) == ("owner", {"text": "Good news"})
    assert row["result"] == {
        "decision": "approve",
        "notes": "Well done",
        "by": "owner",
        "attempt": 1,
        "text": "Good news",
    }
    assert book.events(job) == ["created", "started", "waiting", "answered", "completed"]
    book.assert_sound()


async def test_a_handler_whose_code_changed_around_the_question_completes_with_its_original_arguments(
    office: Any, book: Book
) -> None:
    reached: list[str] = []

    async def proofread(text: str) -> str:
        reached.append("proofread")
        return text.upper()

    @job_kind("publish", timeout="1h", retries=5)
    async def newer(job: JobContext, text: str = "Another default", tone: str = "warm") -> dict[str, Any]:
        """Proofread first, ask the same, and say more."""
        read = await job.step("proofread", proofread, text)
        answer = await job.ask("Publish?", show=text)
        return {"decision": answer.decision, "read": read, "tone": tone}

    here: Office = await office(publish)
    job = await here.create("publish", text="Hello")
    await here.perform(job)

    upgraded: Office = await office(newer)
    await upgraded.door.asks.answer(job, "reject")
    row = await upgraded.perform(job)

    assert row["result"] == {"decision": "reject", "read": "HELLO", "tone": "warm"}
    assert (row["args"], reached) == ({"text": "Hello"}, ["proofread"])
    assert len(upgraded.asked(job)) == 1
    book.assert_sound()


async def test_changed_content_is_asked_anew_and_the_old_question_withdrawn(office: Any, book: Book) -> None:
    content = ["first draft"]

    @job_kind("drafting")
    async def drafting(job: JobContext) -> dict[str, Any]:
        """Show what is there now."""
        return {"decision": (await job.ask("Publish?", show=content[-1])).decision}

    here: Office = await office(drafting)
    job = await here.create("drafting")
    await here.perform(job)
    content.append("second draft")

    await here.perform_again(job)

    old, new = here.asked(job)
    assert (old["withdrawn_at"] is None, new["withdrawn_at"]) == (False, None)
    assert [ask.shown for ask in await here.asks(job)] == [{"text": "second draft"}]
    await here.door.asks.answer(job, "approve")
    assert (await here.perform(job))["result"] == {"decision": "approve"}


async def test_an_answer_to_what_was_shown_before_does_not_stand_for_what_is_shown_now(office: Any) -> None:
    content = ["first draft"]

    @job_kind("drafting")
    async def drafting(job: JobContext) -> dict[str, Any]:
        """Show what is there now."""
        return {"decision": (await job.ask("Publish?", show=content[-1])).decision}

    here: Office = await office(drafting)
    job = await here.create("drafting")
    await here.perform(job)
    await here.door.asks.answer(job, "approve")
    content.append("something else")

    row = await here.perform(job)

    assert (row["status"], row["waiting_for"]) == ("waiting", "person")
    assert [ask.shown for ask in await here.asks(job)] == [{"text": "something else"}]


class Price(BaseModel):
    """What it costs."""

    amount: int = Field(ge=1)
    currency: str = "EUR"

    @field_validator("amount")
    @classmethod
    def _even(cls, amount: int) -> int:
        if amount % 2:
            raise ValueError("must be even.")
        return amount


async def test_a_form_comes_back_as_its_model_and_is_asked_again_where_a_rule_of_its_own_is_broken(office: Any) -> None:
    @job_kind("pricing", retries=0)
    async def pricing(job: JobContext) -> dict[str, Any]:
        """Ask for a price."""
        answer = await job.ask("What does it cost?", choices=(), form=Price)
        assert isinstance(answer.values, Price)
        return {"amount": answer.values.amount, "currency": answer.values.currency}

    here: Office = await office(pricing)
    job = await here.create("pricing")
    await here.perform(job)
    await here.door.asks.answer(job, values={"amount": 3})

    row = await here.perform(job)

    assert row["status"] == "waiting"
    (again,) = await here.asks(job)
    assert again.question == "What does it cost?\n\nThe answer before did not fit. amount: must be even."
    await here.door.asks.answer(job, values={"amount": 4})
    assert (await here.perform(job))["result"] == {"amount": 4, "currency": "EUR"}


async def test_two_questions_at_once_are_put_one_after_the_other(office: Any, book: Book) -> None:
    @job_kind("asking")
    async def asking(job: JobContext) -> dict[str, Any]:
        """Ask two people at once."""
        one, other = await asyncio.gather(job.ask("Is it right?"), job.ask("Is it good?"))
        return {"right": one.decision, "good": other.decision}

    here: Office = await office(asking)
    job = await here.create("asking")
    decisions = {"Is it right?": "approve", "Is it good?": "reject"}

    for _ in range(2):
        assert (await here.perform(job))["status"] == "waiting"
        (ask,) = await here.asks(job)
        await here.door.asks.answer(ask.id, decisions[ask.name])

    assert (await here.perform(job))["result"] == {"right": "approve", "good": "reject"}
    book.assert_sound()


async def test_the_same_question_twice_is_two_questions(office: Any) -> None:
    @job_kind("asking")
    async def asking(job: JobContext) -> dict[str, Any]:
        """Ask twice."""
        return {"said": [(await job.ask("Go on?")).decision for _ in range(2)]}

    here: Office = await office(asking)
    job = await here.create("asking")
    for decision in ("approve", "reject"):
        await here.perform(job)
        await here.door.asks.answer(job, decision)

    assert (await here.perform(job))["result"] == {"said": ["approve", "reject"]}
    assert [ask["name"] for ask in here.asked(job)] == ["Go on?", "Go on?#2"]


async def test_a_question_that_nobody_answered_in_time_gives_an_answer_that_has_expired(
    office: Any, book: Book
) -> None:
    @job_kind("asking")
    async def asking(job: JobContext) -> dict[str, Any]:
        """Ask, for a while."""
        answer = await job.ask("Go on?", within="1h")
        return {"expired": answer.expired, "decision": answer.decision, "same": answer == Answer(expired=True)}

    here: Office = await office(asking)
    job = await here.create("asking")
    await here.perform(job)
    await eventually(lambda: book.one(job)["look_at"] is not None)
    book.rows("UPDATE asks SET deadline_at = now() RETURNING id")
    book.rows("UPDATE jobs SET look_at = now() WHERE status = 'waiting' RETURNING id")

    assert (await here.perform(job))["result"] == {"expired": True, "decision": None, "same": True}
    book.assert_sound()


async def test_a_file_that_is_shown_is_kept_and_the_same_file_is_the_same_question(office: Any, book: Book) -> None:
    @job_kind("showing")
    async def showing(job: JobContext) -> dict[str, Any]:
        """Show a file."""
        path = job.folder / "draft.txt"
        path.write_text("A draft")
        return {"decision": (await job.ask("Publish?", show=Artifact.file(path, title="Draft"))).decision}

    here: Office = await office(showing)
    job = await here.create("showing")
    await here.perform(job)
    await here.perform_again(job)

    (ask,) = await here.asks(job)
    assert ask.shown is not None
    file = ask.shown["file"]
    assert (file["name"], file["title"], file["bytes"]) == ("draft.txt", "Draft", 7)
    (kept,) = here.hands.artifacts.place.root.glob(f"*/{job}/steps/{file['sha256']}/draft.txt")
    assert kept.read_text() == "A draft"


@pytest.mark.parametrize("how", ["swallowed", "in a task group", "in a step"])
async def test_however_a_handler_asks(office: Any, book: Book, how: str) -> None:
    @job_kind("asking", retries=0)
    async def asking(job: JobContext) -> dict[str, Any]:
        """Ask in an odd way."""

        async def ask() -> str | None:
            return (await job.ask("Go on?")).decision

        async def slow() -> None:
            await asyncio.sleep(60)

        if how == "swallowed":
            try:
                return {"decision": await ask()}
            except:  # noqa: E722
                return {"decision": "swallowed"}
        if how == "in a task group":
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(ask())
                if not await job.step("answered", _is_answered, job.id):
                    group.create_task(slow())
            return {"decision": asked.result()}
        return {"decision": await job.step("ask", ask)}

    async def _is_answered(_: str) -> bool:
        return False

    here: Office = await office(asking)
    job = await here.create("asking")
    row = await here.perform(job)

    if how == "in a step":
        assert (row["status"], row["error"]["code"]) == ("failed", "unexpected")
        assert here.asked(job) == []
    else:
        assert (row["status"], row["waiting_on"]) == ("waiting", "Go on?")
    book.assert_sound()


@pytest.mark.parametrize("what", ["ask", "until", "step"])
async def test_inside_a_step_nothing_is_asked_for_and_the_sentence_says_so(office: Any, what: str) -> None:
    said: list[str] = []

    @job_kind("nesting", retries=0)
    async def nesting(job: JobContext) -> None:
        """Call it inside a step."""

        async def inner() -> None:
            match what:
                case "ask":
                    await job.ask("Go on?")
                case "until":
                    await job.until("there", inner)
                case "step":
                    await job.step("inner", inner)

        try:
            await job.step("outer", inner)
        except TypeError as error:
            said.append(str(error))

    here: Office = await office(nesting)
    row = await here.perform(await here.create("nesting"))

    assert row["status"] == "completed"
    assert said == [
        f"job.{what} was called inside the step 'outer': a step is recorded as a whole, so call it beside the step."
    ]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"question": " "}, "A question needs words."),
        ({"choices": "yes"}, "The choices of a question are texts"),
        ({"choices": ()}, "A question has choices that differ, or a form."),
        ({"choices": ("a", "a")}, "A question has choices that differ, or a form."),
        ({"show": 7}, "shows a int"),
        ({"show": {"when": object()}}, "cannot be recorded"),
        ({"show": "a\0b"}, "NUL"),
        ({"show": {"a": 1}, "may_edit": True}, "Only a text that is shown may be edited"),
        ({"show": "x" * 300_000}, "show it as an Artifact"),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_a_sentence(office: Any, asked: dict[str, Any], sentence: str) -> None:
    said: list[str] = []

    @job_kind("asking", retries=0)
    async def asking(job: JobContext) -> None:
        """Ask what cannot be asked."""
        try:
            await job.ask(**{"question": "Go on?", **asked})
        except TypeError as error:
            said.append(str(error))

    here: Office = await office(asking)
    assert (await here.perform(await here.create("asking")))["status"] == "completed"
    assert sentence in said[0]


@pytest.mark.parametrize("value", [object(), "a\0b", float("nan"), {"a": [object()]}, "\ud800"])
async def test_a_step_that_gives_what_cannot_be_kept_fails_in_a_sentence_and_leaves_nothing(
    office: Any, book: Book, value: Any
) -> None:
    said: list[str] = []

    @job_kind("giving", retries=0)
    async def giving(job: JobContext) -> None:
        """Give what no book can hold."""

        async def give() -> Any:
            return value

        try:
            await job.step("give", give)
        except TypeError as error:
            said.append(str(error))
            raise

    here: Office = await office(giving)
    row = await here.perform(await here.create("giving"))

    assert (row["status"], row["error"]["code"]) == ("failed", "unexpected")
    assert "give" in said[0]
    assert book.number("SELECT count(*) FROM job_steps") == 0


async def test_who_turns_down_needs_no_form_and_is_not_asked_again(office: Any) -> None:
    class Price(BaseModel):
        amount: int

    @job_kind("selling")
    async def selling(job: JobContext) -> dict[str, Any]:
        """Ask for a price."""
        answer = await job.ask("Sell?", form=Price)
        return {"decision": answer.decision, "amount": answer.values.amount if answer.values else None}

    here: Office = await office(selling)
    job, other = await here.create("selling"), await here.create("selling")
    for each in (job, other):
        await here.perform(each)
    await here.door.asks.answer(job, "reject", notes="Never.")
    await here.door.asks.answer(other, "reject", values={"amount": 7})

    assert (await here.perform(job))["result"] == {"decision": "reject", "amount": None}
    assert (await here.perform(other))["result"] == {"decision": "reject", "amount": 7}
    assert len(here.asked(job)) == 1


async def test_a_text_that_may_be_edited_since_an_upgrade_is_the_same_question_as_before(office: Any) -> None:
    @job_kind("publish", retries=0)
    async def publish_edited(job: JobContext, text: str = "Hello") -> dict[str, Any]:
        """Ask, and publish what it became."""
        answer = await job.ask("Publish?", show=text, may_edit=True)
        return {"text": answer.edited or text}

    before: Office = await office(publish)
    job = await before.create("publish")
    await before.perform(job)
    after: Office = await office(publish_edited)
    newer = await after.create("publish", text="# A")
    await after.perform(newer)
    await after.perform_again(job)
    assert len(after.asked(job)) == 1

    await after.door.asks.answer(job, "approve")
    await after.door.asks.answer(newer, "approve", edited="# B")

    assert (await after.perform(job))["result"] == {"text": "Hello"}
    assert (await after.perform(newer))["result"] == {"text": "# B"}


# -------------------------------------------------------------------------------------------------------------- outside


async def test_until_asks_again_with_growing_pauses_and_leaves_no_row_per_poll(office: Any, book: Book) -> None:
    looks, versions = list[int](), list[int]()

    async def arrived(number: int) -> str | None:
        looks.append(number)
        return "parcel" if len(looks) > 6 else None

    @job_kind("delivery", retries=0)
    async def delivery(job: JobContext) -> dict[str, Any]:
        """Wait for a parcel."""
        return {"got": await job.until("parcel", arrived, 7, every="1m..1h")}

    here: Office = await office(delivery)
    job = await here.create("delivery")
    row, pauses = await here.perform(job), list[float]()
    for waited_s in (60, 600, 3600, 6 * HOUR_S, 9 * HOUR_S):
        pauses.append(round((row["look_at"] - book.rows("SELECT now() AS now")[0]["now"]).total_seconds(), -1))
        back = "waiting_since = now() - %(waited)s * interval '1 s'"
        book.rows(f"UPDATE jobs SET {back} WHERE id = %(job)s RETURNING id", waited=waited_s, job=job)
        row = await here.perform_again(job)
        versions.append(row["version"])
    pauses.append(round((row["look_at"] - book.rows("SELECT now() AS now")[0]["now"]).total_seconds(), -1))
    row = await here.perform_again(job)

    assert pauses == [60, 60, 150, 900, 3600, 3600]
    assert row["result"] == {"got": "parcel"}
    assert looks == [7] * 7
    assert book.events(job) == ["created", "started", "waiting", "completed"]
    assert [step["name"] for step in book.rows("SELECT name FROM job_steps")] == ["parcel"]
    book.assert_sound()


async def test_what_until_gave_is_recorded_and_not_looked_for_again(office: Any) -> None:
    looks: list[str] = []

    async def look() -> int | bool:
        looks.append("looked")
        return 0 if len(looks) > 1 else False

    @job_kind("looking", retries=0)
    async def looking(job: JobContext) -> dict[str, Any]:
        """Look, then ask."""
        found = await job.until("it", look, every="1s")
        return {"found": found, "said": (await job.ask("Go on?")).decision}

    here: Office = await office(looking)
    job = await here.create("looking")
    await here.perform(job)
    assert "for 'it' outside; it looks again in" in await here.door.why(job)
    await here.perform(job)
    await here.door.asks.answer(job, "approve")

    assert (await here.perform(job))["result"] == {"found": 0, "said": "approve"}
    assert looks == ["looked"] * 2


async def test_a_nudge_while_the_check_runs_is_not_lost(office: Any, book: Book) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    looks: list[str] = []

    async def look() -> str | None:
        looks.append("looked")
        if len(looks) > 1:
            return "there"
        begun.set()
        await may_end.wait()
        return None

    @job_kind("looking")
    async def looking(job: JobContext) -> dict[str, Any]:
        """Look for long."""
        return {"found": await job.until("it", look, every="1h")}

    here: Office = await office(looking)
    job = await here.create("looking")
    attempt = await here.hands.take(job)
    assert attempt
    await begun.wait()
    assert await here.hands.store.nudge(job)
    may_end.set()
    await attempt

    assert (await here.perform(job))["result"] == {"found": "there"}


async def test_the_address_to_call_back_is_the_same_over_all_attempts_and_nobody_elses(
    office: Any, settings: Settings
) -> None:
    said: list[str | None] = []

    @job_kind("calling")
    async def calling(job: JobContext) -> None:
        """Say where to call."""
        said.append(job.callback_url)
        await job.ask("Go on?")

    here: Office = await office(calling, public_url="https://jobs.example.org/")
    job, other = [await here.create("calling") for _ in range(2)]
    await here.perform(job)
    await here.perform_again(job)
    await here.perform(other)

    secret = await here.hands.store.secret()
    assert said[0] is not None
    assert said[0] == said[1] != said[2]
    assert said[0].startswith(f"https://jobs.example.org/callbacks/{job}/")
    proof = said[0].rpartition("/")[2]
    assert callbacks.is_ours(secret, job, proof)
    assert not callbacks.is_ours(secret, other, proof)
    nowhere: Office = await office(calling)
    assert nowhere.hands.callback_url(job) is None


# ------------------------------------------------------------------------------------------------ workers that come and go


@pytest.fixture
def asking(tmp_path: Path) -> Installed:
    """A kind for worker processes that takes a step, may crash there, asks, and looks for a file."""
    return installed(tmp_path, "asking", """
        import os
        from pathlib import Path
        from agent_tools import job_kind

        async def write() -> str:
            return "A text of process " + str(os.getpid())

        async def there(path: str) -> str | None:
            return Path(path).read_text() if Path(path).exists() else None

        @job_kind("asking", retries=0)
        async def asking(job, crash: str = "", path: str = ""):
            \"\"\"Ask, or look for a file.\"\"\"
            text = await job.step("write", write)
            if crash and not Path(crash).exists():
                Path(crash).touch()
                os._exit(1)
            if path:
                return {"found": await job.until("file", there, path, every="1h")}
            answer = await job.ask("Publish?", show=text)
            return {"decision": answer.decision, "text": text}
    """)  # fmt: skip


def for_asking(asking: Installed, **more: Any) -> dict[str, Any]:
    return {"BACKBURNER_KINDS": "asking", "PYTHONPATH": asking.folder, **more}


def is_parked(book: Book, *jobs: str) -> bool:
    """Whether all are, and looked at by the sweep."""
    rows = [book.one(job) for job in jobs]
    return all(
        row["status"] == "waiting" and (row["waiting_for"] == "outside" or row["look_at"] is None) for row in rows
    )


async def test_a_crash_right_before_and_right_after_the_park_asks_once_and_goes_on(
    settings: Settings, book: Book, worker: StartWorker, asking: Installed, tmp_path: Path
) -> None:
    first = await worker(**for_asking(asking))
    async with Backburner.open(settings, kinds=asking.kinds, name="owner") as door:
        job = (await door.create("asking", {"crash": str(tmp_path / "crashed")})).id
        assert await first.exit_code() == 1
        second = await worker(**for_asking(asking))
        await eventually(lambda: book.one(job)["status"] == "waiting")
        end(second.pid)
        third = await worker(**for_asking(asking))
        await eventually(lambda: is_parked(book, job))

        await door.asks.answer(job, "approve")
        await eventually(lambda: book.ended(1))

    assert third.is_alive
    row = book.one(job)
    assert (row["status"], row["crashes"], row["errors"], row["attempt"]) == ("completed", 1, 0, 2)
    assert row["result"]["decision"] == "approve"
    assert str(third.pid) not in row["result"]["text"], "what was shown is what was recorded"
    assert book.events(job) == ["created", "started", "crashed", "started", "waiting", "answered", "completed"]
    assert book.number("SELECT count(*) FROM asks") == 1
    book.assert_sound()


async def test_a_park_whose_reply_was_lost_is_seen_to_be_our_own(
    settings: Settings, book: Book, worker: StartWorker, asking: Installed, proxy: Proxy
) -> None:
    working = await worker(**for_asking(asking, DATABASE_URL=proxy.url))
    proxy.drop_reply_to("settle_jobs")
    async with Backburner.open(settings, kinds=asking.kinds, name="owner") as door:
        job = (await door.create("asking")).id
        await eventually(lambda: f"job {job} was settled before as waiting" in working.log)

        await door.asks.answer(job, "approve")
        await eventually(lambda: book.ended(1))

    assert book.events(job) == ["created", "started", "waiting", "answered", "completed"]
    book.assert_sound()


async def test_a_redis_that_is_emptied_while_jobs_wait_loses_nothing(
    settings: Settings, book: Book, worker: StartWorker, asking: Installed, valkey: redis.Redis, tmp_path: Path
) -> None:
    await worker(**for_asking(asking))
    path = tmp_path / "outside.txt"
    async with Backburner.open(settings, kinds=asking.kinds, name="owner") as door:
        asked = (await door.create("asking")).id
        looking = (await door.create("asking", {"path": str(path)})).id
        after = (await door.create("asking", {"path": str(path), "crash": ""}, again=True, after=[asked, looking])).id
        await eventually(lambda: is_parked(book, asked, looking))

        valkey.flushall()
        answered = await door.asks.answer(asked, "approve")
        valkey.flushall()
        path.write_text("there")
        book.rows("SELECT id FROM nudge_job(jsonb_build_object('id', %(job)s::text))", job=looking)
        await eventually(lambda: book.ended(3), 30)

    assert answered.answered_by == "owner"
    assert [book.one(job)["status"] for job in (asked, looking, after)] == ["completed"] * 3
    book.assert_sound()


async def test_what_comes_after_begins_at_once_where_its_parent_ends_here_and_a_batch_runs_in_order(
    settings: Settings, book: Book, worker: StartWorker, backburner: Backburner
) -> None:
    await worker(BACKBURNER_SWEEP_S=30, BACKBURNER_LEASE_S=60)
    batch = [NewJob("drill", {}, again=True), *(NewJob("drill", {}, after=[place]) for place in range(9))]

    made = await backburner.create_many(batch)
    await eventually(lambda: book.ended(10), 10)

    began = book.rows("SELECT job_id FROM job_events WHERE type = 'started' ORDER BY id")
    assert [row["job_id"] for row in began] == [receipt.id for receipt in made]
    book.assert_sound()


async def test_a_failed_drill_cancels_what_comes_after_it_and_why_names_it(
    book: Book, worker: StartWorker, backburner: Backburner
) -> None:
    await worker()
    batch = [
        NewJob("drill", {"fail": "crash", "seconds": 0.1}, again=True),
        NewJob("drill", {}, after=[0]),
        NewJob("drill", {}, after=[0, 1], if_parent_fails="run"),
    ]
    first, second, third = (receipt.id for receipt in await backburner.create_many(batch))
    assert (await backburner.why(third)).startswith("Waiting for 2 of 2 jobs to end first: ")
    await holder(book, first)
    await backburner.cancel([first])
    await eventually(lambda: book.ended(3))

    assert [book.one(job)["status"] for job in (first, second, third)] == ["cancelled", "cancelled", "completed"]
    assert f"It was to come after {first} (cancelled)." in await backburner.why(second)
