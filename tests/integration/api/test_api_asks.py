"""Questions over HTTP: listed, answered once, answered in bulk; and calls back from outside."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from callers import BASE, Callers, assert_is_problem
from given import Book

from agent_tools.app import Backburner
from agent_tools.bell import Bell
from agent_tools.jobs import callbacks
from agent_tools.jobs.job import QUEUED, RUNNING, WAITING
from web.api.asks import MOST_OF_A_CALLBACK

Work = Callable[[], Awaitable[None]]
Asks = Callable[..., Awaitable[dict[str, Any]]]
ASKS = "/api/v1/asks"
FORM = {"properties": {"price": {"type": "number"}}, "required": ["price"]}


@pytest.fixture
async def person(callers: Callers, backburner: Backburner) -> httpx2.AsyncClient:
    """The owner, in a browser."""
    session = await callers.site.keys.sign_in(await backburner.people.sign_in_link())
    assert session
    return await callers.anybody(Cookie=f"backburner={session.secret}")


@pytest.fixture
def asking(client: httpx2.AsyncClient, work: Work) -> Asks:
    """Create an approval; gives its question."""

    async def ask(**args: Any) -> dict[str, Any]:
        new = {"kind": "approval", "args": {"question": "Publish this?", **args}, "again": True}
        job = (await client.post("/api/v1/jobs", json=new)).json()["job_id"]
        await work()
        (asked,) = (await client.get(ASKS, params={"job_id": job})).json()["asks"]
        found: dict[str, Any] = asked
        return found

    return ask


def place(ask: dict[str, Any]) -> str:
    return f"/api/v1/jobs/{ask['job_id']}/asks/{ask['ask']}"


async def test_an_open_question_is_listed_and_its_job_shows_it(client: httpx2.AsyncClient, asking: Asks) -> None:
    ask = await asking(content="# Tides", form=FORM, who="owner")

    job = (await client.get(f"/api/v1/jobs/{ask['job_id']}")).json()

    assert ask["question"] == "Publish this?"
    assert (ask["choices"], ask["for_person"]) == (["approve", "reject"], "owner")
    assert ask["shown"] == {"text": "# Tides", "may_edit": True}
    assert (ask["kind"], ask["answer_url"]) == ("approval", f"{BASE}/jobs/{ask['job_id']}")
    assert ask["form"]["required"] == ["price"]
    assert (job["status"], job["waiting_for"], job["asks"]) == ("waiting", "person", [ask])


async def test_questions_come_in_pages_the_oldest_first(client: httpx2.AsyncClient, asking: Asks) -> None:
    asked = [(await asking(question=f"Number {number}?"))["ask"] for number in range(3)]

    first = (await client.get(ASKS, params={"limit": 2})).json()
    second = (await client.get(ASKS, params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [each["ask"] for page in (first, second) for each in page["asks"]] == asked
    assert second["next_cursor"] is None


async def test_questions_of_one_batch_are_listed_by_it(client: httpx2.AsyncClient, asking: Asks, work: Work) -> None:
    await asking()
    jobs = [{"kind": "approval", "args": {"question": f"Number {number}?"}} for number in range(2)]
    batch = (await client.post("/api/v1/jobs/batch", json={"jobs": jobs})).json()["batch_id"]
    await work()

    found = (await client.get(ASKS, params={"batch_id": batch})).json()["asks"]

    assert {each["question"] for each in found} == {"Number 0?", "Number 1?"}


async def test_a_person_answers_and_gets_the_job_that_goes_on(
    person: httpx2.AsyncClient, asking: Asks, work: Work
) -> None:
    ask = await asking(form=FORM)
    said = {"decision": "approve", "values": {"price": 7.5}, "notes": "Go.", "shown_hash": ask["shown_hash"]}

    answered = await person.post(place(ask), json=said)
    await work()

    assert (answered.status_code, answered.json()["status"]) == (200, "queued")
    job = (await person.get(f"/api/v1/jobs/{ask['job_id']}")).json()
    assert (job["status"], job["decision"], job["result"]["by"]) == ("completed", "approve", "owner")
    assert job["result"]["values"] == {"price": 7.5}
    assert "asks" not in job


async def test_whoever_comes_second_is_told_who_was_first_when_and_with_what(
    person: httpx2.AsyncClient, asking: Asks
) -> None:
    ask = await asking()
    await person.post(place(ask), json={"decision": "reject"})

    late = await person.post(place(ask), json={"decision": "approve"})

    assert_is_problem(late)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert late.json()["detail"] == "owner answered this 0 s ago: reject."


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, {"decision", "values/price"}),
        ({"decision": "perhaps", "values": {"price": 1}}, {"decision"}),
        ({"decision": "approve", "values": {"price": "cheap"}}, {"values/price"}),
        ({"decision": "approve", "values": {"price": 1, "colour": "red"}}, {"values"}),
        ({"decision": "approve", "values": {"price": 1}, "notes": "x" * 10_001}, {"notes"}),
        ({"decision": "approve", "values": {"price": 1}, "shown_hash": "0"}, {"shown_hash"}),
        ({"decison": "approve"}, {"decison"}),
    ],
)
async def test_what_does_not_fit_is_refused_by_field_and_the_question_stays_open(
    person: httpx2.AsyncClient, asking: Asks, said: dict[str, Any], fields: set[str]
) -> None:
    ask = await asking(form=FORM)

    refused = await person.post(place(ask), json=said)

    assert_is_problem(refused)
    assert refused.status_code == 422
    assert fields <= {each["field"] for each in refused.json()["errors"]}
    assert len((await person.get(ASKS)).json()["asks"]) == 1


async def test_an_answer_to_something_else_than_is_shown_is_refused(person: httpx2.AsyncClient, asking: Asks) -> None:
    ask = await asking()

    refused = await person.post(place(ask), json={"decision": "approve", "shown_hash": "0" * 64})

    assert refused.status_code == 409
    assert "has changed since you saw it" in refused.json()["detail"]


async def test_a_program_answers_what_others_asked_and_not_what_it_asked_itself(
    callers: Callers, person: httpx2.AsyncClient, asking: Asks, work: Work
) -> None:
    own = await asking()
    job = (await person.post("/api/v1/jobs", json={"kind": "approval", "args": {"question": "Pay?"}})).json()["job_id"]
    await work()
    (foreign,) = (await person.get(ASKS, params={"job_id": job})).json()["asks"]
    program = await callers.allowed("jobs:answer", "jobs:read")

    refused = await program.post(place(own), json={"decision": "approve"})
    answered = await program.post(place(foreign), json={"decision": "approve"})

    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    assert answered.status_code == 200


@pytest.mark.parametrize(
    "where", ["{job}/asks/1", "{job}/asks/x", "{job}/asks/99999999999999999999", "{other}/asks/{ask}"]
)
async def test_a_question_of_another_job_is_not_there(person: httpx2.AsyncClient, asking: Asks, where: str) -> None:
    ask, other = await asking(), await asking()

    path = where.format(job=ask["job_id"], other=other["job_id"], ask=ask["ask"])
    refused = await person.post(f"/api/v1/jobs/{path}", json={"decision": "approve"})

    assert_is_problem(refused)
    assert (refused.status_code, refused.json()["code"]) == (404, "ask_not_found")


async def test_of_answers_in_bulk_each_counts_for_itself(person: httpx2.AsyncClient, asking: Asks) -> None:
    first, second, third = [await asking() for _ in range(3)]
    await person.post(place(third), json={"decision": "reject"})
    said = [
        {"ask": first["ask"], "decision": "approve", "notes": "Go."},
        {"ask": second["ask"], "decision": "perhaps"},
        {"ask": third["ask"], "decision": "approve"},
        {"ask": 2**62, "decision": "approve"},
    ]

    answered = await person.post(f"{ASKS}/answers", json={"answers": said})

    each = answered.json()["answers"]
    assert answered.status_code == 200
    assert [(one["answered"], one.get("code")) for one in each] == [
        (True, None), (False, "bad_request"), (False, "conflict"), (False, "ask_not_found"),
    ]  # fmt: skip
    assert each[2]["detail"].startswith("owner answered this")
    assert [one["ask"] for one in (await person.get(ASKS)).json()["asks"]] == [second["ask"]]


async def test_what_all_of_a_batch_ask_is_answered_alike_or_in_one_place_refused(
    person: httpx2.AsyncClient, client: httpx2.AsyncClient, asking: Asks, work: Work
) -> None:
    other = await asking()
    jobs = [{"kind": "approval", "args": {"question": f"Number {number}?"}} for number in range(3)]
    batch = (await client.post("/api/v1/jobs/batch", json={"jobs": jobs})).json()["batch_id"]
    await work()

    neither = await person.post(f"{ASKS}/answers", json={})
    unknown = await person.post(f"{ASKS}/answers", json={"alike": {"batch_id": "0c3k9x2mq7f4w"}})
    wrong = await person.post(f"{ASKS}/answers", json={"alike": {"batch_id": batch, "decision": "perhaps"}})
    done = await person.post(f"{ASKS}/answers", json={"alike": {"batch_id": batch, "decision": "approve"}})
    again = await person.post(f"{ASKS}/answers", json={"alike": {"batch_id": batch, "decision": "approve"}})

    assert (neither.status_code, unknown.status_code, again.status_code) == (422, 404, 409)
    assert {each["code"] for each in wrong.json()["answers"]} == {"bad_request"}
    assert [each["answered"] for each in done.json()["answers"]] == [True] * 3
    assert [each["ask"] for each in (await person.get(ASKS)).json()["asks"]] == [other["ask"]]


async def test_what_is_put_to_a_person_only_they_or_an_operator_answer(
    callers: Callers, person: httpx2.AsyncClient, work: Work
) -> None:
    new = {"kind": "approval", "args": {"question": "Pay?", "who": "owner"}}
    job = (await person.post("/api/v1/jobs", json=new)).json()["job_id"]
    await work()
    (ask,) = (await person.get(ASKS, params={"job_id": job})).json()["asks"]
    decider, operator = await callers.allowed("jobs:answer"), await callers.allowed("admin")

    refused = await decider.post(place(ask), json={"decision": "approve"})
    unknown = await person.post("/api/v1/jobs", json={"kind": "approval", "args": {"question": "Pay?", "who": "Legal"}})

    assert_is_problem(refused)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    assert refused.json()["detail"].startswith("This is put to owner, and nobody else answers it.")
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "who")
    assert (await operator.post(place(ask), json={"decision": "approve"})).status_code == 200


async def test_a_text_is_answered_as_it_was_edited(person: httpx2.AsyncClient, asking: Asks, work: Work) -> None:
    ask = await asking(content="# Tides\n\nThree a day.")

    await person.post(place(ask), json={"decision": "approve", "edited": "# Tides\n\nTwo a day."})
    await work()

    job = (await person.get(f"/api/v1/jobs/{ask['job_id']}")).json()
    assert job["artifacts"][0]["name"] == "edited.md"
    assert "+Two a day." in job["result"]["edits"]


async def test_another_tenants_questions_are_not_there(
    stranger: httpx2.AsyncClient, client: httpx2.AsyncClient, asking: Asks
) -> None:
    ask = await asking()

    listed = (await stranger.get(ASKS)).json()["asks"]
    bulk = await stranger.post(f"{ASKS}/answers", json={"answers": [{"ask": ask["ask"], "decision": "approve"}]})

    assert listed == []
    assert bulk.json()["answers"][0]["code"] == "ask_not_found"
    assert (await stranger.post(place(ask), json={"decision": "approve"})).status_code == 404
    assert len((await client.get(ASKS)).json()["asks"]) == 1


# ------------------------------------------------------------------------------------------------------- calls back


@pytest.fixture
async def outside(callers: Callers) -> httpx2.AsyncClient:
    """A service that was given an address and nothing else."""
    return await callers.anybody()


def address(book: Book, job: str) -> str:
    return callbacks.address("", bytes(book.one("SELECT secret FROM installation")), job)


def parked(book: Book) -> str:
    """A job that waits for what is outside, and does not look for a long time."""
    return book.put(WAITING, waiting_for="'outside'", waiting_on="'render'", look_at="now() + interval '1 day'")


async def test_a_call_back_makes_a_job_look_at_once(outside: httpx2.AsyncClient, book: Book) -> None:
    job = parked(book)

    answered = await outside.post(address(book, job), params={"status": "done"}, content=b"anything \xff")

    assert (answered.status_code, answered.content) == (202, b"")
    assert book.status(job) == QUEUED


async def test_what_is_called_back_is_rung_at_once_and_not_only_by_the_next_sweep(
    outside: httpx2.AsyncClient, book: Book, the_bell: Bell
) -> None:
    job = parked(book)
    book.worker(kinds=["publish"])
    book.run("UPDATE jobs SET kind = 'publish'")

    await outside.post(address(book, job))

    assert await the_bell.take("default", 10) == [job]


@pytest.mark.parametrize("status", [QUEUED, RUNNING])
async def test_a_call_back_to_a_job_that_does_not_wait_is_taken_and_moves_nothing(
    outside: httpx2.AsyncClient, book: Book, status: Any
) -> None:
    job = book.put(status)

    assert (await outside.post(address(book, job))).status_code == 202
    assert book.status(job) == status


async def test_an_address_that_was_not_given_out_is_not_there(outside: httpx2.AsyncClient, book: Book) -> None:
    job, other = parked(book), parked(book)
    foreign = address(book, other).rpartition("/")[2]

    for path in (
        f"/callbacks/{job}/{foreign}",
        f"/callbacks/{job}/x",
        f"/callbacks/{job}/ÿ",
        f"/callbacks/x/{foreign}",
    ):
        refused = await outside.post(path)
        assert_is_problem(refused)
        assert refused.status_code == 404
    assert book.one("SELECT bool_and(look_at > now()) FROM jobs")


async def test_a_call_back_with_too_much_is_refused_and_not_read_to_the_end(
    outside: httpx2.AsyncClient, book: Book
) -> None:
    job, sent = parked(book), 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 100_000
            yield b" " * 100_000

    streamed = await outside.post(address(book, job), content=endless())
    announced = await outside.post(address(book, job), content=b" " * (MOST_OF_A_CALLBACK + 1))

    assert (streamed.status_code, announced.status_code) == (413, 413)
    assert sent <= MOST_OF_A_CALLBACK + 200_000
    assert book.one("SELECT look_at > now() FROM jobs WHERE id = %s", job)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_only_a_post_calls_back(outside: httpx2.AsyncClient, book: Book, method: str) -> None:
    job = parked(book)

    refused = await outside.request(method, address(book, job))

    assert refused.status_code == 405
    assert book.one("SELECT look_at > now() FROM jobs WHERE id = %s", job)
