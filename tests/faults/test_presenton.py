"""A deck by Presenton while workers die and answers get lost: it is made once, and it comes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rig.book import Book
from rig.patience import eventually
from rig.processes import Program, StartWorker
from stubs.presenton import StubPresenton, cutting, serving_presenton

from agent_tools.app import Backburner
from agent_tools.jobs.kinds import Kinds
from agent_tools.settings import Settings
from worker.kinds.presentation import presentation

GENERATE = "POST /api/v1/ppt/presentation/generate"
CALLS = (
    "generate",
    *(pytest.param(call, marks=pytest.mark.long) for call in ("status", "edit", "file", "tasks", "upload", "subscribe", "unsubscribe", "all")),
)  # fmt: skip
"""What a worker asks of Presenton for a deck."""
SOURCE = "High water follows the moon."


class Desk:
    """A door, workers whose Presenton is the stub, and no patience with pauses."""

    def __init__(self, stub: StubPresenton, door: Backburner, book: Book, worker: StartWorker) -> None:
        self.stub, self.door, self.book, self._worker = stub, door, book, worker

    async def worker(self, **more: Any) -> Program:
        settings = {"PRESENTON_URL": self.stub.url, "BACKBURNER_PUBLIC_URL": "http://127.0.0.1:9"}
        return await self._worker(BACKBURNER_KINDS="presentation", **settings, **more)

    async def create(self, topic: str = "The tides", **args: Any) -> str:
        return (await self.door.create("presentation", {"topic": topic, "n_slides": 2, **args}, again=True)).id

    async def hurrying(self, probe: Callable[[], object], within: float = 30, what: str = "") -> None:
        """As `eventually`, and whatever pauses in between is woken at once."""

        def hurry() -> object:
            self.book.rows("UPDATE jobs SET look_at = now() WHERE status = 'waiting' RETURNING id")
            self.book.rows(
                "UPDATE jobs SET run_after = now() WHERE status = 'queued' AND run_after > now() RETURNING id"
            )
            return probe()

        await eventually(hurry, within, what)

    def message(self, job: str) -> str:
        """What the job said last."""
        return str((self.book.one(job)["progress"] or {}).get("message"))

    async def ended(self, *jobs: str, within: float = 60) -> list[dict[str, Any]]:
        """The rows once all are final."""
        await self.hurrying(lambda: all(self.book.one(job)["finished_at"] for job in jobs), within, "the end of all")
        self.book.assert_sound()
        return [self.book.one(job) for job in jobs]


@pytest.fixture
def desk(settings: Settings, book: Book, worker: StartWorker, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    @asynccontextmanager
    async def open_desk(**switches: Any) -> AsyncIterator[Desk]:
        async with serving_presenton(**{"seconds_per_stage": 0.2, **switches}) as stub:
            kinds = Kinds([presentation.under({"PRESENTON_URL": stub.url})])
            monkeypatch.setenv("PRESENTON_URL", stub.url)
            async with Backburner.open(settings, kinds=kinds, name="owner") as door:
                yield Desk(stub, door, book, worker)

    return open_desk


def is_deck(row: dict[str, Any]) -> bool:
    return (row["status"], row["result_line"]) == ("completed", "2 slides by Presenton: Why the Tides Rise")


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
async def test_a_worker_that_dies_over_any_call_repeats_that_call_and_no_other_and_never_the_deck(
    desk: Any, call: str
) -> None:
    async with desk(profile="B") as here:
        first = await here.worker()
        here.stub.after[call] = first.kill
        job = await here.create(sources=[SOURCE])

        await here.hurrying(lambda: not first.is_alive, 40, f"a death over {call}")
        await here.worker()
        (row,) = await here.ended(job)

    calls = here.stub.calls
    assert is_deck(row)
    assert row["crashes"] == 1
    assert calls["generate"] == len(here.stub.tasks) == 1
    assert calls["upload"] == (2 if call == "upload" else 1)
    assert len(here.stub.subscriptions) <= (2 if call == "subscribe" else 0)
    assert calls["edit"] <= (3 if call in ("edit", "file") else 2)


@pytest.mark.parametrize("profile", ["B", *(pytest.param(each, marks=pytest.mark.long) for each in "AC")])
async def test_a_deck_whose_taking_was_never_heard_of_is_found_there_and_not_begun_twice(
    desk: Any, profile: str
) -> None:
    async with desk(profile=profile, drop_submit_response=1) as here:
        await here.worker()
        (row,) = await here.ended(await here.create())

    assert is_deck(row)
    assert row["errors"] == 1
    assert here.stub.calls["generate"] == len(here.stub.tasks) == 1


@pytest.mark.long
@pytest.mark.parametrize("profile", ["B", pytest.param("C", marks=pytest.mark.long)])
async def test_a_deck_that_never_arrived_is_handed_over_again(desk: Any, profile: str) -> None:
    async with desk(profile=profile) as here:
        here.stub.bad[GENERATE] = cutting
        await here.worker()
        job = await here.create()
        await eventually(lambda: here.book.one(job)["errors"], what="a lost call")
        assert "Presenton broke off" in await here.door.why(job)
        del here.stub.bad[GENERATE]

        (row,) = await here.ended(job)

    assert is_deck(row)
    assert len(here.stub.tasks) == 1


@pytest.mark.long
@pytest.mark.parametrize("profile", ["B", *(pytest.param(each, marks=pytest.mark.long) for each in "AC")])
async def test_a_deck_that_was_lost_together_with_its_answer_is_begun_again_when_patience_ends(
    desk: Any, profile: str
) -> None:
    stopped = "Starting presentation generation"
    async with desk(profile=profile, drop_submit_response=1, orphan_after=stopped) as here:
        await here.worker(PRESENTON_SILENCE_S=2)
        job = await here.create()
        await eventually(lambda: [task for task in here.stub.tasks.values() if task.message == stopped], 30, "a loss")
        here.stub.orphan_after = ""

        (row,) = await here.ended(job)

    assert is_deck(row)
    assert len(here.stub.tasks) == 2


@pytest.mark.long
@pytest.mark.parametrize("profile", ["B", pytest.param("C", marks=pytest.mark.long)])
async def test_a_deck_of_others_that_began_meanwhile_is_not_taken_for_ours(desk: Any, profile: str) -> None:
    async with desk(profile=profile, drop_submit_response=1) as here:
        await here.worker()
        here.stub.after["generate"] = lambda: [here.stub.begin_for_others("The tides") for _ in range(2)]
        (row,) = await here.ended(await here.create())

    ours = [task.deck for task in here.stub.tasks.values() if "<!--" in task.asked.content]
    assert is_deck(row)
    assert [row["result"]["presentation_id"]] == ours
    assert len(here.stub.tasks) == 3


async def test_decks_that_are_alike_each_get_their_own(desk: Any) -> None:
    async with desk(profile="B") as here:
        await here.worker()
        rows = await here.ended(*[await here.create() for _ in range(3)])

    assert all(map(is_deck, rows))
    assert len({row["result"]["presentation_id"] for row in rows}) == len(here.stub.tasks) == 3


@pytest.mark.long
async def test_a_presenton_that_was_restarted_fails_the_deck_with_a_sentence_and_a_redo_makes_it_anew(
    desk: Any,
) -> None:
    async with desk(profile="B", orphan_after="Generating presentation outlines") as here:
        await here.worker(PRESENTON_SILENCE_S=2)
        job = await here.create()
        (lost,) = await here.ended(job)
        here.stub.orphan_after = ""
        (row,) = await here.ended((await here.door.redo(job)).id)

    assert lost["status"] == "failed"
    assert "Presenton has not gone on with the deck for 2 s" in lost["error"]["message"]
    assert is_deck(row)
    assert len(here.stub.tasks) == 2


@pytest.mark.long
async def test_a_waiting_deck_holds_no_worker_and_says_what_it_waits_for(desk: Any) -> None:
    async with desk(profile="B", seconds_per_stage=3600) as here:
        working = await here.worker(BACKBURNER_MAX_JOBS=1)
        decks = [await here.create() for _ in range(3)]

        await eventually(lambda: all(here.book.one(job)["status"] == "waiting" for job in decks), 30, "three decks")
        why = await here.door.why(decks[0])
        await here.door.cancel(decks)

    assert working.is_alive
    assert "for 'Presenton: Queued for generation' outside; it looks again in" in why
    assert here.stub.calls["generate"] == 3


@pytest.mark.long
async def test_a_job_that_is_renamed_while_it_waits_wants_no_second_deck(desk: Any) -> None:
    async with desk(profile="B") as here:
        await here.worker()
        job = await here.create(sources=[SOURCE])
        await eventually(lambda: here.book.one(job)["status"] == "waiting", 30, "a wait")

        await here.door.organise([job], title="All about tides")
        (row,) = await here.ended(job)

    assert (row["status"], row["result_line"]) == ("completed", "2 slides by Presenton: All about tides")
    assert (here.stub.calls["upload"], len(here.stub.tasks)) == (1, 1)


@pytest.mark.long
async def test_a_presenton_that_is_away_is_waited_for_and_what_was_done_before_is_not_done_again(
    desk: Any,
) -> None:
    async with desk(profile="C") as here:
        await here.worker()
        job = await here.create()
        await eventually(lambda: here.stub.tasks, 30, "a deck begun")
        here.stub.bad[""] = cutting
        await here.hurrying(lambda: "It is asked again." in here.message(job), what="a look in vain")
        del here.stub.bad[""]

        (row,) = await here.ended(job)

    assert is_deck(row)
    assert row["errors"] == 0
    assert len(here.stub.tasks) == 1
