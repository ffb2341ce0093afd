"""What people are told, when, and how often: over real Postgres, to a server that counts what comes."""

import asyncio
from collections.abc import Iterator

import pytest
from given import Stores
from notices_given import address, pass_time, person, row
from stubs.ntfy import HANGS, HOST, StubNtfy

from agent_tools import postman
from agent_tools.jobs.job import COMPLETED, FAILED, WAITING
from agent_tools.jobs.notices import Notice
from agent_tools.settings import Settings
from sql.hands import News
from worker.notices import LEASE_S, NoticeRound

SHELF = "https://shelf.example"
REMIND_S = (86_400.0, 259_200.0, 604_800.0)
LATELY = "now() - interval '20 s'"
A_WHILE_AGO = "now() - interval '2 min'"


@pytest.fixture
def book(own_stores: Stores) -> Stores:
    """A book of the test's own: whoever has an address in it is told."""
    return own_stores


@pytest.fixture
def ntfy() -> Iterator[StubNtfy]:
    with StubNtfy() as served:
        yield served


@pytest.fixture
def settings(own_stores: Stores) -> Settings:
    return Settings(
        DATABASE_URL=own_stores.book.connection.info.dsn, BACKBURNER_NOTICE_HOSTS=HOST, BACKBURNER_PUBLIC_URL=SHELF
    )


@pytest.fixture
def going_round(own_stores: Stores, settings: Settings) -> NoticeRound:
    return NoticeRound(own_stores.hands, settings)


def asks(stores: Stores, title: str = "Post", *, asked_at: str = LATELY, **columns: str) -> tuple[str, int]:
    """A job of the owner's agent that waits, and its open question."""
    agent = stores.book.one("SELECT id FROM principals WHERE role = 'agent' AND tenant_id = %s", stores.book.default.id)
    job = stores.book.put(WAITING, title=f"'{title}'", waiting_on="'publish'", principal_id=str(agent))
    return job, stores.book.ask(job, "publish", asked_at=asked_at, **columns)


async def due(stores: Stores, *, remind_s: tuple[float, ...] = REMIND_S, own: bool = False) -> list[News]:
    return await stores.hands.take_notices(remind_s, own=own, lease_s=LEASE_S, most=100)


# ------------------------------------------------------------------------------------------------------- what is told


async def test_a_question_is_told_once_with_the_way_to_it(
    book: Stores, ntfy: StubNtfy, going_round: NoticeRound
) -> None:
    owner = address(book.book, ntfy.address("me"))
    job, _ = asks(book, "The sea & <b>you</b>", question="'Publish this?\nIt goes out at once.'")

    assert await going_round.once() == 1
    pass_time(book.book, "10 min")
    assert await going_round.once() == 0

    assert ntfy.of("me") == [Notice("Needs you: The sea & <b>you</b>", f"Publish this?\n{SHELF}/jobs/{job}")]
    assert row(book.book, owner)["refused"] is None


async def test_what_was_asked_long_before_is_looked_through_once_an_hour_and_not_at_every_look(
    book: Stores, ntfy: StubNtfy, going_round: NoticeRound
) -> None:
    address(book.book, ntfy.address("me"))
    assert await going_round.once() == 0
    asks(book, asked_at="now() - interval '3 hours'")  # as if it had been somebody else's until now

    assert await going_round.once() == 0
    pass_time(book.book, "61 min")
    assert await going_round.once() == 1


async def test_what_comes_together_is_one_notice_and_at_most_one_comes_a_minute(
    book: Stores, ntfy: StubNtfy, going_round: NoticeRound
) -> None:
    address(book.book, ntfy.address("me"))
    for number in range(1, 8):
        asks(book, f"Post {number}")
    book.book.put(COMPLETED, title="'Tides'", finished_at=A_WHILE_AGO)
    book.book.put(COMPLETED, kind="'deck_of_cards'", finished_at=A_WHILE_AGO)
    book.book.put(FAILED, title="'Cells'", finished_at=A_WHILE_AGO)

    await going_round.once()
    asks(book, "Post 8")
    assert await going_round.once() == 0

    pass_time(book.book, "61 s")
    await going_round.once()
    lines = [f"Needs you: Post {number}" for number in range(1, 6)]
    first, second = ntfy.of("me")
    assert first.title == "7 things wait for you, 2 done, 1 failed"
    assert first.body.split("\n") == [
        *lines, "… and 2 more", "Done: Tides", "Done: Deck of cards", "Failed: Cells", f"{SHELF}/waiting",
    ]  # fmt: skip
    assert second.title == "Needs you: Post 8"


async def test_an_end_is_told_a_minute_later_unless_somebody_has_seen_it(book: Stores) -> None:
    address(book.book, "ntfy://me")
    agent = str(book.book.one("SELECT id FROM principals WHERE role = 'agent'"))
    told = book.book.put(COMPLETED, finished_at=A_WHILE_AGO, principal_id=agent)
    book.book.put(COMPLETED, finished_at=A_WHILE_AGO, seen_at="now()")
    book.book.put(FAILED, finished_at="now() - interval '2 hours'")
    late = book.book.put(COMPLETED, finished_at="now() - interval '50 s'")

    (news,) = await due(book)
    assert [end["job"] for end in news.ends] == [told]
    assert await book.hands.told_notices(news) is False

    pass_time(book.book, "61 s")
    (news,) = await due(book)
    assert [end["job"] for end in news.ends] == [late]


async def test_nobody_is_told_of_what_they_do_not_want(book: Stores) -> None:
    address(book.book, "ntfy://me", wants=("failed",))
    asks(book)
    book.book.put(COMPLETED, finished_at=A_WHILE_AGO)
    failed = book.book.put(FAILED, finished_at=A_WHILE_AGO)

    (news,) = await due(book)

    assert ([end["job"] for end in news.ends], news.asks) == ([failed], [])


async def test_what_ends_at_once_upon_an_answer_is_no_news_to_who_gave_it(book: Stores) -> None:
    owner, marta = address(book.book, "ntfy://owner"), address(book.book, "ntfy://marta", "Marta")
    job, ask = asks(book)
    await book.answer(ask)
    book.book.run(
        "UPDATE jobs SET status = 'completed', waiting_for = NULL, look_at = NULL, finished_at = now() WHERE id = %s",
        job,
    )
    book.book.run("UPDATE asks SET answered_by = %s, answered_at = now()", marta)
    pass_time(book.book, "2 min")
    book.book.run("UPDATE asks SET answered_at = now() - interval '2 min'")
    assert [news.person for news in await due(book)] == [owner]

    pass_time(book.book, "2 min")
    book.book.run("UPDATE asks SET answered_by = %s, answered_at = now() - interval '4 min'", owner)
    assert await due(book) == []


async def test_what_was_answered_in_between_is_left_out(book: Stores, ntfy: StubNtfy, going_round: NoticeRound) -> None:
    address(book.book, ntfy.address("me"))
    _, ask = asks(book, "Answered")
    asks(book, "Withdrawn", withdrawn_at="now()")
    asks(book, "Too late", deadline_at="now() - interval '1 s'")
    job, _ = asks(book, "Open")
    ntfy.then(500)
    await going_round.once()

    await book.answer(ask)
    pass_time(book.book, "2 min")
    await going_round.once()

    assert [notice.title for notice in ntfy.of("me")] == ["2 things wait for you", "Needs you: Open"]
    assert ntfy.of("me")[-1].body.endswith(f"{SHELF}/jobs/{job}")


async def test_whoever_is_named_is_told_and_else_everybody_who_may_answer(book: Stores) -> None:
    owner, marta = address(book.book, "ntfy://owner"), address(book.book, "ntfy://marta", "Marta")
    asks(book, for_person="'marta'")
    assert [news.person for news in await due(book)] == [marta]

    asks(book, for_person="'Somebody who left'")
    own = book.book.put(WAITING, waiting_on="'publish'", title="'Own'")
    book.book.ask(own, "publish", asked_at=LATELY)
    told = {news.person: [ask["title"] for ask in news.asks] for news in await due(book)}
    assert told == {owner: ["Post"]}  # Marta is being told just now

    pass_time(book.book, "2 min")
    told = {news.person: sorted(ask["title"] for ask in news.asks) for news in await due(book, own=True)}
    assert told == {owner: ["Own", "Post"], marta: ["Own", "Post", "Post"]}


async def test_tenants_are_told_of_their_own(book: Stores) -> None:
    theirs = book.book.tenant("theirs")
    ours_told = address(book.book, "ntfy://ours")
    theirs_told = address(book.book, "ntfy://theirs", of=theirs.id)
    ours, _ = asks(book)
    other = book.book.put(COMPLETED, of=theirs, finished_at=A_WHILE_AGO)

    told = {news.person: [each["job"] for each in (*news.asks, *news.ends)] for news in await due(book)}

    assert told == {ours_told: [ours], theirs_told: [other]}


# ------------------------------------------------------------------------------------------------------ told again


async def test_what_still_waits_is_told_again_after_a_day_then_three_then_every_week(book: Stores) -> None:
    address(book.book, "ntfy://me")
    asks(book)
    days: list[int] = []
    for day in range(30):
        for news in await due(book):
            assert [ask["is_new"] for ask in news.asks] == [day == 0]
            await book.hands.told_notices(news)
            days.append(day)
        pass_time(book.book, "1 day")

    assert days == [0, 1, 4, 11, 18, 25]


async def test_with_reminders_off_nothing_is_told_again(book: Stores) -> None:
    address(book.book, "ntfy://me")
    asks(book)
    for news in await due(book, remind_s=()):
        await book.hands.told_notices(news)

    pass_time(book.book, "100 days")

    assert await due(book, remind_s=()) == []


async def test_questions_that_were_told_apart_are_told_again_together(
    book: Stores, ntfy: StubNtfy, going_round: NoticeRound
) -> None:
    address(book.book, ntfy.address("me"))
    for title in ("First", "Second"):
        asks(book, title)
        await going_round.once()
        pass_time(book.book, "1 hour")

    pass_time(book.book, "23 hours")
    await going_round.once()

    assert ntfy.of("me")[2:] == [
        Notice("2 things still wait for you", f"Still needs you: First\nStill needs you: Second\n{SHELF}/waiting")
    ]


# ----------------------------------------------------------------------------------------------------- when it goes wrong


async def test_a_refused_notice_is_tried_again_after_pauses_that_grow_and_is_not_lost(
    book: Stores, ntfy: StubNtfy, going_round: NoticeRound
) -> None:
    owner = address(book.book, ntfy.address("me"))
    asks(book)
    waits = []
    for _ in range(3):
        ntfy.then(500)
        await going_round.once()
        waits.append(row(book.book, owner)["wait_s"])
        assert await going_round.once() == 0
        pass_time(book.book, "10 min")
    assert row(book.book, owner)["refused"] == "The service answered 500 Internal Server Error."

    await going_round.once()

    assert waits == [pytest.approx(wait_s, abs=9) for wait_s in (60, 120, 240)]
    assert [notice.title for notice in ntfy.of("me")] == ["Needs you: Post"] * 4
    assert (row(book.book, owner)["tries"], row(book.book, owner)["refused"]) == (0, None)


async def test_who_says_when_to_come_again_is_left_alone_until_then(
    book: Stores, ntfy: StubNtfy, going_round: NoticeRound
) -> None:
    owner = address(book.book, ntfy.address("me"))
    asks(book)
    ntfy.then(429, retry_after_s=1800)

    await going_round.once()

    assert row(book.book, owner)["wait_s"] == pytest.approx(1800, abs=9)
    assert "429" in str(row(book.book, owner)["refused"])


async def test_an_address_that_never_takes_anything_is_given_up_after_a_day_and_the_news_are_kept(book: Stores) -> None:
    owner = address(book.book, "ntfy://me")
    _, ask = asks(book)
    hours, is_stopped = 0, None
    while not is_stopped:
        for news in await due(book):
            is_stopped = await book.hands.told_notices(news, refused="The service answered 401 Unauthorized.")
        pass_time(book.book, "1 hour")
        hours += 1

    assert row(book.book, owner)["tries"] == 12
    assert 18 <= hours <= 30
    assert await due(book) == []
    await book.door.set_notices(book.book.default.id, owner, "ntfy://another", ["needs_me"])
    (news,) = await due(book)
    assert (news.address, [each["id"] for each in news.asks]) == ("ntfy://another", [ask])


async def test_who_hangs_holds_up_nobody_else_and_is_ended(
    book: Stores, ntfy: StubNtfy, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postman, "WITHIN_S", 10)
    hanging, marta = (
        address(book.book, ntfy.address("dead")),
        address(book.book, "ntfy://x", "Marta", wants=("needs_me",)),
    )
    book.book.run("UPDATE notice_addresses SET address = %s WHERE person_id = %s", ntfy.address("marta"), marta)
    asks(book)
    ntfy.on_post = lambda post: ntfy.then(HANGS if post.topic == "dead" else 200)

    await NoticeRound(book.hands, settings).once()

    assert len(ntfy.of("marta")) == 1
    assert row(book.book, marta)["refused"] is None
    assert row(book.book, hanging)["refused"] == "It was not taken within 10 s."


async def test_two_workers_tell_once(book: Stores, ntfy: StubNtfy, settings: Settings) -> None:
    address(book.book, ntfy.address("me"))
    asks(book)

    told = await asyncio.gather(*(NoticeRound(book.hands, settings).once() for _ in range(4)))

    assert sum(told) == 1
    assert len(ntfy.of("me")) == 1


async def test_what_was_taken_to_be_told_by_somebody_who_died_is_told_by_another_and_only_they_can_say_so(
    book: Stores,
) -> None:
    address(book.book, "ntfy://me")
    asks(book)
    (of_the_dead,) = await due(book)
    assert await due(book) == []

    pass_time(book.book, f"{LEASE_S} s")
    (again,) = await due(book)

    assert await book.hands.told_notices(of_the_dead) is None
    assert book.book.one("SELECT count(*) FROM told_asks") == 0
    assert await book.hands.told_notices(again) is False
    assert await book.hands.told_notices(again) is None
    assert book.book.one("SELECT times FROM told_asks") == 1


async def test_what_was_sent_to_an_address_that_was_changed_meanwhile_is_sent_to_the_new_one(book: Stores) -> None:
    owner = address(book.book, "ntfy://old")
    asks(book)
    (news,) = await due(book)
    await book.door.set_notices(book.book.default.id, owner, "ntfy://new", ["needs_me"])

    assert await book.hands.told_notices(news) is None
    pass_time(book.book, f"{LEASE_S} s")
    assert [news.address for news in await due(book)] == ["ntfy://new"]


async def test_nothing_is_looked_through_again_that_was_no_news(book: Stores) -> None:
    owner = address(book.book, "ntfy://me", wants=("needs_me",))
    book.book.put(COMPLETED, finished_at="now() - interval '30 min'")

    assert await due(book) == []

    assert book.book.one(
        "SELECT told_until > now() - interval '2 min' FROM notice_addresses WHERE person_id = %s", owner
    )


async def test_an_address_is_only_for_people(book: Stores) -> None:
    agent = book.book.one("SELECT id FROM principals WHERE role = 'agent'")

    assert not await book.door.set_notices(book.book.default.id, agent, "ntfy://me", ["done"])
    assert not await book.door.set_notices(book.book.default.id, person(book.book, "Marta"), None, ["done"])
