"""Questions and answers at every door's own verbs."""

import asyncio
import json
from typing import Any

import pytest
from given import Stores
from kinds_for_tests import KINDS_FOR_TESTS

from agent_tools.answers import Said
from agent_tools.app import Backburner
from agent_tools.bell import Bell
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import AskNotFound, BadRequest, Conflict, JobNotFound, NotNow, NotYours
from agent_tools.jobs.job import CANCELLED, COMPLETED, QUEUED, WAITING
from agent_tools.requests import NewJob
from agent_tools.settings import Settings

FORM = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "minimum": 1},
        "lines": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["amount"],
    "additionalProperties": False,
}


def asking(stores: Stores, **columns: str) -> tuple[str, int]:
    """A job that is parked for an answer, and its question."""
    job = stores.book.put(WAITING, waiting_on="'publish'")
    return job, stores.book.ask(job, "publish", **columns)


# ------------------------------------------------------------------------------------------------------------ answering


async def test_a_question_is_answered_by_its_number_or_by_its_job(app: Backburner, stores: Stores) -> None:
    (job, ask), (other, _), (third, number) = asking(stores), asking(stores), asking(stores)

    by_number = await app.asks.answer(ask, "approve", notes="Fine")
    by_job = await app.asks.answer(other.upper(), "reject")
    by_text = await app.asks.answer(str(number), "approve")

    assert (by_number.id, by_number.job, by_number.answered_by) == (ask, job, app.who.name)
    assert by_number.answer == {"decision": "approve", "values": None, "notes": "Fine"}
    assert (by_job.job, by_text.job) == (other, third)
    assert [stores.book.status(each) for each in (job, other, third)] == [QUEUED] * 3


async def test_what_is_answered_is_rung_at_once(
    app: Backburner, stores: Stores, shared_settings: Settings, the_bell: Bell
) -> None:
    job, ask = asking(stores)

    await app.asks.answer(ask, "approve")

    assert await the_bell.take("default", 10) == [job]


async def test_whoever_waits_for_the_job_hears_of_the_answer(app: Backburner, stores: Stores) -> None:
    job, ask = asking(stores)
    version = (await app.get(job)).version
    waiting = asyncio.create_task(app.wait([job], 20, until="change", since={job: version}))
    await asyncio.sleep(0)

    await app.asks.answer(ask, "approve")

    async with asyncio.timeout(5):
        (seen,) = await waiting
    assert seen.status == QUEUED


async def test_a_redis_that_is_away_holds_up_no_answer(
    app: Backburner, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, ask = asking(stores)

    async def never(*_: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(Bell, "ring", never)
    await app.asks.answer(ask, "approve")

    assert stores.book.status(job) == QUEUED


async def test_who_comes_second_is_told_who_was_first_when_and_with_what(app: Backburner, stores: Stores) -> None:
    _, ask = asking(stores)
    await app.asks.answer(ask, "approve")
    stores.book.run("UPDATE asks SET answered_at = now() - interval '3 min'")

    with pytest.raises(Conflict, match=f"^{app.who.name} answered this 3 min ago: approve\\.$"):
        await app.asks.answer(ask, "reject")
    with pytest.raises(Conflict, match="answered this 3 min ago: approve"):
        await app.asks.answer(ask, "whatever it was")


async def test_an_answer_to_a_job_that_was_answered_just_now_is_told_so(app: Backburner, stores: Stores) -> None:
    job, _ = asking(stores)
    await app.asks.answer(job, "approve")

    with pytest.raises(Conflict, match="answered this 0 s ago: approve"):
        await app.asks.answer(job, "reject")


async def test_an_answer_after_the_end_is_refused(app: Backburner, stores: Stores) -> None:
    job, ask = asking(stores)
    await app.cancel([job])

    with pytest.raises(NotNow, match=f"Nobody asks this any longer: {job}"):
        await app.asks.answer(ask, "approve")
    with pytest.raises(NotNow, match="Nobody asks this any longer"):
        await app.asks.answer(job, "approve")
    assert stores.book.status(job) == CANCELLED


async def test_an_answer_to_what_has_changed_since_is_refused(app: Backburner, stores: Stores) -> None:
    job, ask = asking(stores)
    stores.book.run("UPDATE asks SET withdrawn_at = now()")
    newer = stores.book.ask(job, "publish", shown="01")

    with pytest.raises(Conflict, match="has changed since you saw it"):
        await app.asks.answer(ask, "approve")
    with pytest.raises(Conflict, match="has changed since you saw it"):
        await app.asks.answer(newer, "approve", shown_hash="00")
    assert (await app.asks.answer(newer, "approve", shown_hash="01")).id == newer


async def test_an_answer_after_the_time_for_it_is_refused(app: Backburner, stores: Stores) -> None:
    _, ask = asking(stores, deadline_at="now() - interval '1 s'")

    with pytest.raises(NotNow, match="was open until"):
        await app.asks.answer(ask, "approve")


async def test_an_asker_who_may_not_answer_itself_is_told_so(app: Backburner, stores: Stores) -> None:
    made = await app.create("sleep")
    stores.book.run(
        "UPDATE jobs SET status = 'waiting', waiting_for = 'person', waiting_on = 'publish' WHERE id = %s", made.id
    )
    ask = stores.book.ask(made.id, "publish")

    with pytest.raises(NotYours):
        await app.asks.answer(ask, "approve", own=False)
    assert (await app.asks.answer(ask, "approve")).id == ask


async def test_what_asks_nothing_cannot_be_answered(app: Backburner, stores: Stores) -> None:
    with pytest.raises(NotNow, match="completed and asks nothing"):
        await app.asks.answer(stores.book.put(COMPLETED), "approve")
    with pytest.raises(JobNotFound):
        await app.asks.answer("0c3k9x2mq7f4w", "approve")
    for number in (4711, "4711", 10**12, -1, 10**30):
        with pytest.raises(AskNotFound):
            await app.asks.answer(number, "approve")


async def test_a_job_that_asks_much_is_answered_by_number(app: Backburner, stores: Stores) -> None:
    job, ask = asking(stores)
    other = stores.book.ask(job, "pay")

    with pytest.raises(BadRequest, match=rf"{ask} \(publish\), {other} \(pay\)"):
        await app.asks.answer(job, "approve")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({}, "decision: is required: one of approve, reject."),
        ({"decision": "perhaps"}, "decision: is one of approve, reject, not 'perhaps'."),
        ({"decision": "approve"}, "values/amount: is required."),
        ({"decision": "approve", "values": {"amount": 0}}, "values/amount: 0 is less than the minimum of 1."),
        ({"decision": "approve", "values": {"amount": "1"}}, "values/amount: '1' is not of type 'integer'."),
        (
            {"decision": "approve", "values": {"amount": 1, "lines": ["a", 2]}},
            "values/lines/1: 2 is not of type 'string'.",
        ),
        ({"decision": "approve", "values": {"amount": 1, "more": 1}}, "Additional properties are not allowed"),
        (
            {"decision": "approve", "values": {"amount": 1}, "notes": "x" * 10_001},
            "notes: 10001 characters are too many",
        ),
        ({"decision": "approve", "values": {"amount": 1}, "notes": "a\0b"}, "NUL"),
    ],
)
async def test_an_answer_that_does_not_fit_is_refused_and_named(
    app: Backburner, stores: Stores, answer: dict[str, Any], sentence: str
) -> None:
    job, ask = asking(stores)
    stores.book.run("UPDATE asks SET form = %s::jsonb", json.dumps(FORM))

    with pytest.raises(BadRequest) as refused:
        await app.asks.answer(ask, **answer)

    assert sentence in str(refused.value)
    assert stores.book.status(job) == WAITING
    assert (await app.asks.answer(ask, "approve", values={"amount": 2})).answer is not None


async def test_a_form_is_needed_for_the_first_choice_and_for_none_that_turns_down(
    app: Backburner, stores: Stores
) -> None:
    first, second, third = [asking(stores, choices="""'["reject", "edit", "send back"]'""")[1] for _ in range(3)]
    stores.book.run("UPDATE asks SET form = %s::jsonb", json.dumps(FORM))

    for decision in ("reject", "edit"):
        with pytest.raises(BadRequest, match="values/amount: is required"):
            await app.asks.answer(first, decision)
    with pytest.raises(BadRequest, match="values/amount: 0 is less than"):
        await app.asks.answer(second, "send back", values={"amount": 0})

    assert (await app.asks.answer(second, "send back")).answer == {
        "decision": "send back",
        "values": None,
        "notes": None,
    }
    assert (await app.asks.answer(third, "send back", values={"lines": ["a"]})).answer is not None


@pytest.mark.parametrize(
    "answer", [{"values": {"amount": 1, "lines": ["x" * 70_000]}}, {"values": {"amount": 1}, "edited": "x" * 300_000}]
)
async def test_an_answer_that_is_too_large_is_refused_in_a_short_sentence(
    app: Backburner, stores: Stores, answer: dict[str, Any]
) -> None:
    job, ask = asking(stores)
    stores.book.run(
        """UPDATE asks SET form = %s::jsonb, shown = '{"text": "# A", "may_edit": true}'""", json.dumps(FORM)
    )

    with pytest.raises(BadRequest, match=r"bytes.* are too many; at most") as refused:
        await app.asks.answer(ask, "approve", **answer)

    assert len(str(refused.value)) < 200
    assert (stores.book.status(job), stores.book.asks(job)[0]["answer"]) == (WAITING, None)


async def test_what_is_put_to_a_person_they_answer_or_an_operator_and_nobody_else(
    app: Backburner, stores: Stores
) -> None:
    marta = stores.book.run(
        "INSERT INTO principals (tenant_id, name, role) VALUES (%s, 'Marta', 'person') RETURNING id",
        stores.book.default.id,
    )
    (job, first), (_, second), (_, third) = [
        asking(stores, for_person=f"'{who}'") for who in ("marta", "Marta", "Legal")
    ]

    with pytest.raises(NotYours, match=f"put to marta, and nobody else answers it.*'backburner jobs answer {job}'"):
        await app.asks.answer(first, "approve")
    assert stores.book.status(job) == WAITING

    hers = app.acting_as(app.who._replace(principal=marta[0]["id"], name="Marta"))
    assert (await hers.asks.answer(first, "approve")).answered_by == "Marta"
    operator = app.acting_as(app.who._replace(scopes=("admin",)))
    assert (await operator.asks.answer(second, "approve")).answered_by == app.who.name
    assert (await app.asks.answer(third, "approve")).answered_by == app.who.name


# ---------------------------------------------------------------------------------------------------- many at once


async def test_many_are_answered_by_one_statement_each_for_itself(
    app: Backburner, stores: Stores, the_bell: Bell
) -> None:
    asked = [asking(stores) for _ in range(6)]
    (_, first), (_, bad), (_, taken), (ended, over), (_, changed), (_, last) = asked
    await app.asks.answer(taken, "reject")
    await app.cancel([ended])
    stores.book.run("DELETE FROM job_events")
    said = [(first, Said("approve")), (bad, Said("perhaps")), (taken, Said("approve")), (over, Said("approve")),
            (changed, Said("approve", shown_hash="no hash at all")), (2**62, Said("approve")), (last, Said("reject"))]  # fmt: skip

    became = await app.asks.answer_all(said)

    assert [each.id if isinstance(each, Ask) else each.code for each in became] == [
        first, "bad_request", "conflict", "not_now", "conflict", "ask_not_found", last,
    ]  # fmt: skip
    assert f"{app.who.name} answered this" in str(became[2])
    assert stores.book.one("SELECT count(DISTINCT tx) FROM job_events WHERE type = 'answered'") == 1
    assert set(await the_bell.take("default", 10)) == {asked[0][0], asked[2][0], asked[5][0]}


async def test_what_all_of_a_batch_ask_is_answered_alike(app: Backburner, stores: Stores) -> None:
    batch, jobs = await waiting_batch(app, stores, 3)
    await app.asks.answer(jobs[0], "reject")

    became = await app.asks.answer_batch(batch.upper(), Said("approve", notes="All."))

    assert [each.job for each in became.values() if isinstance(each, Ask)] == jobs[1:]
    with pytest.raises(NotNow, match="asks anything: 0 of 3 done: 3 queued"):
        await app.asks.answer_batch(batch, Said("approve"))
    with pytest.raises(JobNotFound, match="There is no batch '0c3k9x2mq7f4w'"):
        await app.asks.answer_batch("0c3k9x2mq7f4w", Said("approve"))


async def waiting_batch(app: Backburner, stores: Stores, number: int) -> tuple[str, list[str]]:
    """A batch, all of which asks the same."""
    made = await app.create_many([NewJob("sleep", {"hours": hours}) for hours in range(1, number + 1)])
    jobs = [receipt.id for receipt in made]
    for job in jobs:
        (claim,) = await stores.claim(job)
        await stores.park(claim)
    return str((await app.get(jobs[0])).batch_id), jobs


async def test_a_batch_says_how_far_it_is(app: Backburner, stores: Stores) -> None:
    batch, jobs = await waiting_batch(app, stores, 4)
    await app.cancel(jobs[:1])
    await app.asks.answer(jobs[1], "approve")
    (claim,) = await stores.claim(jobs[1])
    await stores.settle(claim)

    progress = await app.batch(batch)

    assert (progress.done, progress.of, progress.percent, progress.asks) == (2, 4, 50, 2)
    assert progress.said == "2 of 4 done: 1 cancelled, 1 completed, 2 waiting; 2 questions open"


async def test_those_of_a_batch_that_have_not_ended_are_stopped(app: Backburner, stores: Stores) -> None:
    batch, jobs = await waiting_batch(app, stores, 3)
    await app.cancel(jobs[:1])
    other, _ = asking(stores)

    ended = await app.cancel_batch(batch, "Too late.")
    again = await app.cancel_batch(batch)

    assert (set(ended.done), ended.not_done) == (set(jobs[1:]), {})
    assert (again.done, again.not_done) == ((), {})
    assert stores.book.status(other) == WAITING
    with pytest.raises(JobNotFound):
        await app.cancel_batch("0c3k9x2mq7f4w")


async def test_another_tenants_batch_is_not_there(app: Backburner, stores: Stores, shared_settings: Settings) -> None:
    batch, jobs = await waiting_batch(app, stores, 2)
    stores.book.tenant("theirs")

    async with Backburner.open(shared_settings, tenant="theirs", name="owner", kinds=KINDS_FOR_TESTS) as theirs:
        for refused in (
            theirs.batch(batch),
            theirs.cancel_batch(batch),
            theirs.asks.answer_batch(batch, Said("approve")),
        ):
            with pytest.raises(JobNotFound):
                await refused

    assert {stores.book.status(job) for job in jobs} == {WAITING}


async def test_a_question_without_a_form_takes_no_values(app: Backburner, stores: Stores) -> None:
    _, ask = asking(stores)

    with pytest.raises(BadRequest, match="there is no form to fill in"):
        await app.asks.answer(ask, "approve", values={"amount": 2})


# -------------------------------------------------------------------------------------------------------------- listing


async def test_open_questions_are_listed_the_oldest_first_in_pages(app: Backburner, stores: Stores) -> None:
    asks = [asking(stores)[1] for _ in range(5)]
    stores.book.run("UPDATE asks SET asked_at = now() - interval '1 day' WHERE id = %s", asks[3])
    await app.asks.answer(asks[0], "approve")

    first = await app.asks.page(limit=3)
    second = await app.asks.page(limit=3, cursor=first.next_cursor)

    assert [ask.id for ask in first.asks] == [asks[3], asks[1], asks[2]]
    assert ([ask.id for ask in second.asks], second.next_cursor) == ([asks[4]], None)
    assert {ask.id for ask in (await app.asks.page(open_only=False)).asks} == set(asks)
    with pytest.raises(BadRequest, match="cursor"):
        await app.asks.page(cursor="made up")


async def test_questions_of_a_job_and_of_a_batch(app: Backburner, stores: Stores) -> None:
    made = await app.create_many([NewJob("sleep", {"hours": hours}) for hours in (1, 2)])
    for receipt in made:
        stores.book.ask(receipt.id, "publish")
    other, _ = asking(stores)

    assert [ask.job for ask in (await app.asks.page(job=other)).asks] == [other]
    batch_id = (await app.get(made[0].id)).batch_id
    assert [ask.job for ask in (await app.asks.page(batch_id=batch_id)).asks] == [receipt.id for receipt in made]


async def test_why_quotes_the_question(app: Backburner, stores: Stores) -> None:
    job, _ = asking(stores, asked_at="now() - interval '3 days'")

    assert await app.why(job) == "Waiting for a person's answer: 'Publish?' (asked 3 days ago)."


# --------------------------------------------------------------------------------------------------------- coming after


async def test_a_job_comes_after_others_and_why_names_them(app: Backburner, stores: Stores) -> None:
    parents = [(await app.create("sleep", {"hours": hours}, title=f"Night {hours}")).id for hours in (1, 2, 3)]
    (claim,) = await stores.claim(parents[0])
    child = await app.create("sleep", {"hours": 4}, after=[parents[0].upper(), *parents[1:]])
    await stores.settle(claim)
    await stores.hands.wake()

    job = await app.get(child.id)

    assert (job.status, job.waiting_for) == (WAITING, "jobs")
    assert await app.why(child.id) == (
        "Waiting for 2 of 3 jobs to end first: "
        f"{parents[1]} (sleep Night 2, queued), {parents[2]} (sleep Night 3, queued)."
    )


async def test_a_batch_sent_twice_without_a_key_is_the_same_chain(app: Backburner, stores: Stores) -> None:
    batch = [
        NewJob("sleep", {"hours": 1}),
        NewJob("sleep", {"hours": 2}, after=[0]),
        NewJob("sleep", {"hours": 2}, after=[1]),
    ]

    first, again = [[receipt.id for receipt in await app.create_many(batch)] for _ in range(2)]

    assert first == again
    assert len(set(first)) == 3
    assert stores.book.run("SELECT job_id, after_id FROM job_links ORDER BY job_id = %s", first[2]) == [
        {"job_id": first[1], "after_id": first[0]},
        {"job_id": first[2], "after_id": first[1]},
    ]


async def test_a_parent_that_is_not_there_is_named_and_nothing_is_created(app: Backburner, stores: Stores) -> None:
    batch = [NewJob("sleep", {"hours": 1}), NewJob("sleep", {"hours": 2}, after=[0, "0c3k9x2mq7f4w"])]

    with pytest.raises(BadRequest, match="after: there is no job 0c3k9x2mq7f4w"):
        await app.create_many(batch)

    assert stores.book.one("SELECT count(*) FROM jobs") == 0


async def test_another_tenants_question_is_not_there(
    app: Backburner, stores: Stores, shared_settings: Settings
) -> None:
    job, ask = asking(stores)
    stores.book.tenant("theirs")

    async with Backburner.open(shared_settings, tenant="theirs", name="owner", kinds=KINDS_FOR_TESTS) as theirs:
        with pytest.raises(AskNotFound):
            await theirs.asks.answer(ask, "approve")
        with pytest.raises(JobNotFound):
            await theirs.asks.answer(job, "approve")
        with pytest.raises(BadRequest, match=job):
            await theirs.create("sleep", after=[job])
        assert (await theirs.asks.page(open_only=False)).asks == []
        assert (await theirs.asks.page(open_only=False, job=job)).asks == []

    assert stores.book.status(job) == WAITING
